"""Steering of the simulated 3PL: accounts, behaviour, faults, and the warehouse's hands."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import Field

from sandbox.control import Body
from sandbox.threepl import work
from sandbox.threepl.state import Account, Fault, Request, Shipment
from sandbox.world import World


class AccountBody(Body):
    """An account of a merchant. `secret` in the form `whsec_<base64>`."""

    name: str = Field(pattern="^[A-Za-z0-9_-]+$")
    token: str
    secret: str = Field(pattern="^whsec_")
    old_secret: str | None = None
    callback_url: str | None = None
    idempotency: bool = False
    behaviour: dict[str, Any] = Field(default_factory=dict)


class AccountChange(Body):
    """New values; what is left out stays."""

    token: str | None = None
    secret: str | None = None
    old_secret: str | None = None
    callback_url: str | None = None
    idempotency: bool | None = None


class BehaviourBody(Body):
    """Behaviour for requests whose reference or order number matches a shell pattern; `*` changes the usual one."""

    match: str = "*"
    behaviour: dict[str, Any]


class FaultBody(Body):
    """The next `times` calls of an endpoint go wrong."""

    endpoint: str = Field("*", pattern=r"^(submit|cancel|read|\*)$")
    kind: str = Field(pattern="^(lose_reply|act_late|timeout|error_500)$")
    times: int = Field(1, ge=1)
    match: str = "*"
    seconds: float = 30.0


class ShipBody(Body):
    """Packages as lists of {sku or line_id, quantity}; left out, all that is left as the behaviour packs it."""

    packages: list[list[dict[str, Any]]] | None = None
    tracking: dict[str, str] = Field(default_factory=dict)


class VoidBody(Body):
    """`reship`: the units go out again; otherwise they count as cancelled."""

    shipment_id: str | None = None
    reship: bool = False


class ReasonBody(Body):
    """Why."""

    reason: str = "Not possible"


def routes(world: World) -> APIRouter:
    """The endpoints that steer 3PL accounts."""
    router = APIRouter(prefix="/_control/3pl")
    _account_routes(world, router)
    _request_routes(world, router)
    return router


def account_in(world: World, name: str) -> Account:
    """The account. Raises: HTTPException 404."""
    if name not in world.accounts:
        raise HTTPException(404, f"There is no 3PL account {name}.")
    return world.accounts[name]


def request_in(world: World, which: str) -> tuple[Account, Request]:
    """The newest request with that id, reference or order number (without `#` too). Raises: HTTPException 404."""
    for account in world.accounts.values():
        for request in reversed(account.requests.values()):
            names = (request.id, request.reference, request.order_number, request.order_number.lstrip("#"))
            if which in names:
                return account, request
    raise HTTPException(404, f"There is no request {which}.")


def shipment_in(request: Request, which: str | None) -> Shipment:
    """The shipment with that id, or the newest. Raises: HTTPException 404."""
    for shipment in reversed(request.shipments):
        if which in (None, shipment.id):
            return shipment
    raise HTTPException(404, f"Request {request.id} has no shipment {which or ''}.")


def shown_account(account: Account) -> dict[str, Any]:
    """An account without its secrets."""
    return {
        "name": account.name,
        "callback_url": account.callback_url,
        "idempotency": account.idempotency,
        "behaviour": asdict(account.behaviour),
        "special": [{"match": pattern, "behaviour": asdict(how)} for pattern, how in account.special],
        "faults": [asdict(fault) for fault in account.faults if fault.times],
    }


def _account_routes(world: World, router: APIRouter) -> None:
    @router.post("/accounts", status_code=201)
    async def create(body: AccountBody) -> dict[str, Any]:
        if body.name in world.accounts:
            raise HTTPException(409, f"There is a 3PL account {body.name} already.")
        account = Account(
            body.name, body.token, body.callback_url, body.secret, body.old_secret, idempotency=body.idempotency
        )
        _behave(account, "*", body.behaviour)
        world.accounts[body.name] = account
        return shown_account(account)

    @router.get("/accounts/{name}")
    async def read(name: str) -> dict[str, Any]:
        return shown_account(account_in(world, name))

    @router.patch("/accounts/{name}")
    async def change(name: str, body: AccountChange) -> dict[str, Any]:
        account = account_in(world, name)
        for key, value in body.model_dump(exclude_unset=True).items():
            setattr(account, key, value)
        return shown_account(account)

    @router.post("/accounts/{name}/behaviour")
    async def behave(name: str, body: BehaviourBody) -> dict[str, Any]:
        account = account_in(world, name)
        _behave(account, body.match, body.behaviour)
        return shown_account(account)

    @router.post("/accounts/{name}/faults", status_code=201)
    async def fault(name: str, body: FaultBody) -> dict[str, Any]:
        account = account_in(world, name)
        account.faults.append(Fault(body.endpoint, body.kind, body.times, body.match, body.seconds))
        return shown_account(account)

    @router.delete("/accounts/{name}/faults")
    async def clear(name: str) -> dict[str, Any]:
        account = account_in(world, name)
        account.faults.clear()
        return shown_account(account)


def _behave(account: Account, match: str, given: dict[str, Any]) -> None:
    try:
        if match == "*":
            account.behaviour = account.behaviour.changed(given)
        else:
            account.special.insert(0, (match, account.behaviour.changed(given)))
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


def _request_routes(world: World, router: APIRouter) -> None:
    @router.get("/requests")
    async def requests(account: str | None = None) -> dict[str, Any]:
        chosen = [account_in(world, account)] if account else list(world.accounts.values())
        return {
            "requests": [
                work.shown(one) | {"account": each.name, "recipient": one.recipient, "note": one.note}
                for each in chosen
                for one in each.requests.values()
            ]
        }

    @router.post("/requests/{which:path}/ship")
    async def ship(which: str, body: ShipBody | None = None) -> dict[str, Any]:
        account, request = request_in(world, which)
        given = body or ShipBody()
        try:
            work.ship(world, account, request, given.packages, given.tracking)
        except work.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return work.shown(request)

    @router.post("/requests/{which:path}/void")
    async def void(which: str, body: VoidBody | None = None) -> dict[str, Any]:
        account, request = request_in(world, which)
        given = body or VoidBody()
        try:
            work.void(world, account, request, shipment_in(request, given.shipment_id), given.reship)
        except work.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return work.shown(request)

    @router.post("/requests/{which:path}/deliver")
    async def deliver(which: str, body: VoidBody | None = None) -> dict[str, Any]:
        account, request = request_in(world, which)
        work.deliver(world, account, request, shipment_in(request, body.shipment_id if body else None))
        return work.shown(request)

    @router.post("/requests/{which:path}/reject")
    async def reject(which: str, body: ReasonBody) -> dict[str, Any]:
        account, request = request_in(world, which)
        work.reject(world, account, request, body.reason)
        return work.shown(request)

    @router.post("/requests/{which:path}/cancel")
    async def cancel(which: str, body: ReasonBody) -> dict[str, Any]:
        account, request = request_in(world, which)
        try:
            work.cancel_ourselves(world, account, request, body.reason)
        except work.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return work.shown(request)
