"""What the 3PL does with requests: ship, void, deliver, cancel, and tell by signed notices."""

import base64
import hashlib
import hmac
import uuid
from datetime import datetime
from typing import Any

import orjson

from sandbox.clock import utc_now
from sandbox.delivery import Delivery
from sandbox.threepl.state import Account, Behaviour, Line, Request, Shipment
from sandbox.world import World


class Refused(ValueError):
    """The 3PL won't do that; the message says why."""


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`webhook-signature` of Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`, base64, `v1,` before it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def source_of(account: Account) -> str:
    """The courier's name for an account."""
    return f"3pl:{account.name}"


def stamp(moment: datetime) -> str:
    """A time in a body: UTC with milliseconds and `Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notify(world: World, account: Account, request: Request, kind: str, **more: Any) -> Delivery | None:
    """Send one notice to the account's callback; None when it has none."""
    if account.callback_url is None:
        return None
    message_id = f"msg_{uuid.UUID(int=world.rng.getrandbits(128), version=4).hex}"
    body = {
        "type": kind,
        "occurred_at": stamp(utc_now()),
        "request_id": request.id,
        "reference": request.reference,
        "order_number": request.order_number,
        **more,
    }

    def sign(raw: bytes, at: datetime) -> dict[str, str]:
        how = world.courier.of(source_of(account)).sign_with
        wrong = "whsec_" + base64.b64encode(b"not the secret").decode()
        secret = {"old": account.old_secret or account.secret, "wrong": wrong}.get(how, account.secret)
        timestamp = int(at.timestamp())
        return {
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message_id, timestamp, raw),
        }

    return world.courier.send(
        Delivery(
            id=message_id,
            source=source_of(account),
            topic=kind,
            subject=request.reference,
            url=account.callback_url,
            body=orjson.dumps(body),
            headers={"Content-Type": "application/json", "webhook-id": message_id},
            sign=sign,
        )
    )


def begin(world: World, account: Account, request: Request) -> None:
    """Set the work on a new request going, as its behaviour says."""
    how = account.behaviour_for(request)
    if how.reject is not None and how.reject_after is None:
        request.state, request.reason = "rejected", how.reject
        return
    if how.reject is not None:
        reason = how.reject
        world.clock.after(how.reject_after or 0.0, lambda: reject(world, account, request, reason))
        return
    plan(world, account, request, how)


def plan(world: World, account: Account, request: Request, how: Behaviour) -> None:
    """Plan the shipments of a request, or of what is left of it."""
    if how.steps is not None:
        for step in how.steps:
            chosen = step.get("packages")
            world.clock.after(
                float(step.get("after", 1.0)),
                lambda chosen=chosen: _ship_if_open(world, account, request, chosen),  # type: ignore[misc]
            )
    elif how.ship_after is not None:
        world.clock.after(how.ship_after, lambda: _ship_if_open(world, account, request, None))


def _ship_if_open(world: World, account: Account, request: Request, chosen: list[list[dict[str, Any]]] | None) -> None:
    if request.state == "accepted" and any(line.left for line in request.lines):
        ship(world, account, request, chosen)


def ship(
    world: World,
    account: Account,
    request: Request,
    chosen: list[list[dict[str, Any]]] | None = None,
    tracking: dict[str, str] | None = None,
) -> Shipment:
    """Ship now: the packages chosen (lists of {sku or line_id, quantity}), or all that is left. Raises: Refused."""
    if request.state != "accepted":
        raise Refused(f"Request {request.id} is {request.state}; nothing can be shipped.")
    how = account.behaviour_for(request)
    boxes = _usual(request, how.packages) if chosen is None else [_picked(request, box) for box in chosen]
    taken: dict[str, int] = {}
    for line, count in (slot for box in boxes for slot in box):
        taken[line.line_id] = taken.get(line.line_id, 0) + count
    for line_id, count in taken.items():
        if count > request.line(line_id).left:
            raise Refused(f"Line {line_id} has {request.line(line_id).left} units left; {count} were asked.")
    if not taken:
        raise Refused(f"Request {request.id} has nothing left to ship.")
    number = next(account.numbers)
    packages = []
    for index, box in enumerate(boxes, 1):
        code = f"1Z{account.name.upper()}{number:06d}{index:02d}"
        package: dict[str, Any] = {
            "package_ref": f"PKG-{number}-{index}",
            "carrier": how.carrier,
            "service": how.service,
            "tracking_number": code,
            "tracking_url": f"https://track.example.com/{code}",
            "lines": [{"line_id": line.line_id, "sku": line.sku, "quantity": count} for line, count in box],
        }
        packages.append(package | (tracking or {}))
    for line_id, count in taken.items():
        request.line(line_id).shipped += count
    shipment = Shipment(f"SHP-{account.name}-{number}", packages, stamp(utc_now()))
    request.shipments.append(shipment)
    notify(world, account, request, "shipment.dispatched", shipment_id=shipment.id, packages=packages)
    if how.deliver_after is not None:
        world.clock.after(how.deliver_after, lambda: deliver(world, account, request, shipment))
    return shipment


def _usual(request: Request, packages: int) -> list[list[tuple[Line, int]]]:
    """All that is left in so many packages, unit by unit in turn; never an empty package."""
    units = [line for line in request.lines for _ in range(line.left)]
    boxes: list[list[tuple[Line, int]]] = []
    for index in range(max(1, packages)):
        counts: dict[str, int] = {}
        for line in units[index :: max(1, packages)]:
            counts[line.line_id] = counts.get(line.line_id, 0) + 1
        if counts:
            boxes.append([(request.line(line_id), count) for line_id, count in counts.items()])
    return boxes


def _picked(request: Request, box: list[dict[str, Any]]) -> list[tuple[Line, int]]:
    slots = []
    for one in box:
        line = next(
            (line for line in request.lines if line.line_id == one.get("line_id") or line.sku == one.get("sku")), None
        )
        if line is None:
            raise Refused(f"Request {request.id} has no line {one.get('line_id') or one.get('sku')}.")
        slots.append((line, int(one.get("quantity", line.left))))
    return slots


def void(world: World, account: Account, request: Request, shipment: Shipment, reship: bool) -> None:
    """Take a shipment back before it left; its units are shipped again, or cancelled. Raises: Refused."""
    if shipment.state != "dispatched":
        raise Refused(f"Shipment {shipment.id} is {shipment.state}.")
    shipment.state = "voided"
    for package in shipment.packages:
        for slot in package["lines"]:
            line = request.line(slot["line_id"])
            line.shipped -= slot["quantity"]
            if not reship or request.state == "cancelled":
                line.cancelled += slot["quantity"]
    notify(world, account, request, "shipment.voided", shipment_id=shipment.id, reship=reship)
    if reship and request.state == "accepted":
        how = account.behaviour_for(request)
        if how.ship_after is not None:
            world.clock.after(how.ship_after, lambda: _ship_if_open(world, account, request, None))


def deliver(world: World, account: Account, request: Request, shipment: Shipment) -> None:
    """The carrier handed a shipment over."""
    if shipment.state == "dispatched":
        shipment.state = "delivered"
        notify(world, account, request, "shipment.delivered", shipment_id=shipment.id)


def reject(world: World, account: Account, request: Request, reason: str) -> None:
    """Reject a request that was accepted, if nothing was shipped."""
    if request.state == "accepted" and not request.shipments:
        request.state, request.reason = "rejected", reason
        notify(world, account, request, "request.rejected", reason=reason)


def cancel(account: Account, request: Request) -> list[dict[str, Any]]:
    """Cancel what has not left; the units cancelled in all, by line. Raises: Refused."""
    how = account.behaviour_for(request)
    if request.state == "accepted" and how.refuse_cancellation is not None:
        raise Refused(how.refuse_cancellation)
    if request.state == "rejected":
        raise Refused("The request was rejected; there is nothing to cancel.")
    if request.state == "accepted" and not any(line.left for line in request.lines):
        raise Refused("Everything has left the warehouse.")
    for line in request.lines:
        line.cancelled += line.left
    request.state = "cancelled"
    return [{"line_id": line.line_id, "sku": line.sku, "quantity": line.cancelled} for line in request.lines]


def cancel_ourselves(world: World, account: Account, request: Request, reason: str) -> None:
    """The warehouse itself gives up what has not left, and says so. Raises: Refused."""
    if request.state != "accepted":
        raise Refused(f"Request {request.id} is {request.state}.")
    for line in request.lines:
        line.cancelled += line.left
    request.state, request.reason = "cancelled", reason
    cancelled = [{"line_id": line.line_id, "sku": line.sku, "quantity": line.cancelled} for line in request.lines]
    notify(world, account, request, "request.cancelled", reason=reason, cancelled=cancelled)


def shown(request: Request) -> dict[str, Any]:
    """A request as the API answers it."""
    return {
        "id": request.id,
        "reference": request.reference,
        "order_number": request.order_number,
        "state": request.state,
        "reason": request.reason,
        "created_at": request.created_at,
        **request.promised,
        "lines": [
            {
                "line_id": line.line_id,
                "sku": line.sku,
                "quantity": line.quantity,
                "shipped": line.shipped,
                "cancelled": line.cancelled,
            }
            for line in request.lines
        ],
        "shipments": [
            {"shipment_id": one.id, "state": one.state, "occurred_at": one.occurred_at, "packages": one.packages}
            for one in request.shipments
        ],
    }
