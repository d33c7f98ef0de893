"""The 3PL's HTTP API, by bearer token. A reference sent twice makes two requests; the look-up is there for that."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sandbox.clock import utc_now
from sandbox.faults import ACTING, drop_connection, hang, late
from sandbox.threepl import work
from sandbox.threepl.state import Account, Fault, Line
from sandbox.threepl.state import Request as ShipRequest
from sandbox.world import World


class LineBody(BaseModel):
    """A line as sent."""

    model_config = ConfigDict(extra="forbid")
    line_id: str
    sku: str = Field(min_length=1)
    quantity: int = Field(gt=0)


class RequestBody(BaseModel):
    """A request as sent."""

    model_config = ConfigDict(extra="forbid")
    reference: str = Field(min_length=1, max_length=100)
    order_number: str
    recipient: dict[str, Any]
    lines: list[LineBody] = Field(min_length=1)
    note: str | None = None
    service: str | None = None
    ship_by: AwareDatetime | None = None
    deliver_by: AwareDatetime | None = None


def routes(world: World) -> APIRouter:
    """The endpoints of every account of `world`."""
    router = APIRouter(prefix="/3pl/v1")
    _submit_routes(world, router)
    _request_routes(world, router)
    return router


def account_of(world: World, request: Request) -> Account | None:
    """The account whose bearer token the request carries."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return next((one for one in world.accounts.values() if one.token == token), None)


def _submit_routes(world: World, router: APIRouter) -> None:
    @router.post("/requests")
    async def submit(body: RequestBody, request: Request) -> Response:
        account = account_of(world, request)
        if account is None:
            return _unknown_token()
        made = _new(account, body)
        fault = _take(account, "submit", made)
        if fault is not None and fault.kind not in ACTING:
            return await _failed(request, fault)
        if fault is not None and fault.kind == "act_late":
            await late(world, fault.seconds)
        key = request.headers.get("Idempotency-Key")
        if account.idempotency and key and key in account.keys:
            return JSONResponse(work.shown(account.requests[account.keys[key]]), 201)
        account.requests[made.id] = made
        if key:
            account.keys[key] = made.id
        work.begin(world, account, made)
        if fault is not None and fault.kind == "lose_reply":
            return await drop_connection(request)
        return JSONResponse(work.shown(made), 201)

    @router.get("/requests")
    async def find(request: Request, reference: str | None = None, order_number: str | None = None) -> Response:
        account = account_of(world, request)
        if account is None:
            return _unknown_token()
        found = [
            one
            for one in account.requests.values()
            if reference in (None, one.reference) and order_number in (None, one.order_number)
        ]
        return JSONResponse({"requests": [work.shown(one) for one in found]})


def _request_routes(world: World, router: APIRouter) -> None:
    @router.get("/requests/{number}")
    async def read(number: str, request: Request) -> Response:
        account = account_of(world, request)
        if account is None:
            return _unknown_token()
        found = account.requests.get(number)
        if found is None:
            return _not_found(number)
        fault = _take(account, "read", found)
        if fault is not None:
            return await _failed(request, fault)
        return JSONResponse(work.shown(found))

    @router.post("/requests/{number}/cancel")
    async def cancel(number: str, request: Request) -> Response:
        account = account_of(world, request)
        if account is None:
            return _unknown_token()
        found = account.requests.get(number)
        if found is None:
            return _not_found(number)
        fault = _take(account, "cancel", found)
        if fault is not None and fault.kind not in ACTING:
            return await _failed(request, fault)
        if fault is not None and fault.kind == "act_late":
            await late(world, fault.seconds)
        try:
            cancelled = work.cancel(account, found)
            reply = JSONResponse(work.shown(found) | {"state": "cancelled", "cancelled": cancelled})
        except work.Refused as refusal:
            reply = JSONResponse(work.shown(found) | {"state": "refused", "reason": str(refusal)}, 409)
        return await drop_connection(request) if fault is not None and fault.kind == "lose_reply" else reply


def _new(account: Account, body: RequestBody) -> ShipRequest:
    return ShipRequest(
        id=f"REQ-{account.name}-{next(account.numbers)}",
        account=account.name,
        reference=body.reference,
        order_number=body.order_number,
        recipient=body.recipient,
        lines=[Line(one.line_id, one.sku, one.quantity) for one in body.lines],
        note=body.note,
        promised=body.model_dump(mode="json", include={"service", "ship_by", "deliver_by"}),
        created_at=work.stamp(utc_now()),
    )


def _take(account: Account, endpoint: str, request: ShipRequest) -> Fault | None:
    for fault in account.faults:
        if fault.times > 0 and fault.endpoint in (endpoint, "*") and request.named(fault.match):
            fault.times -= 1
            return fault
    return None


async def _failed(request: Request, fault: Fault) -> Response:
    if fault.kind == "timeout":
        return await hang(request, fault.seconds)
    if fault.kind in ACTING:
        return await drop_connection(request)
    return JSONResponse({"error": "internal", "message": "Something went wrong on our side."}, 500)


def _unknown_token() -> Response:
    return JSONResponse({"error": "unauthorized", "message": "The bearer token is missing or unknown."}, 401)


def _not_found(number: str) -> Response:
    return JSONResponse({"error": "not_found", "message": f"There is no request {number}."}, 404)
