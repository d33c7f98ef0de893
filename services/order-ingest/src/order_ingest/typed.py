"""Orders that a person or script gives one by one, judged by the validator that files are judged by; and cancelling
such an order, which nobody else can do."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response

from crossdock.channels.manual import orders as given
from crossdock.channels.manual.orders import Fault
from crossdock.channels.model import CanonicalOrder
from crossdock.channels.protocols import KeptHere
from crossdock.channels.reading import Bad, read_json, records
from crossdock.channels.registry import can
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Verdict, judge
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from order_ingest.book import Book, Cause
from order_ingest.domain import fold
from order_ingest.imports import ATTEMPTS, word_of
from order_ingest.intake import take
from order_ingest.reference import order_id_of
from order_ingest.sheets import manual_channel
from order_ingest.store import imports, orders, pages

FAULTS_TOLD = 20
EXAMPLE = {"channel": "Phone orders", "lines": [{"sku": "SHIRT-M", "quantity": 2, "unit_price": "19.90"}]} | {
    column.name: column.example for column in given.COLUMNS if column.of_order and column.example
}


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["orders"])

    @routes.post(
        "/orders",
        status_code=201,
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"example": EXAMPLE}}}},
    )
    async def create(
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> dict[str, Any]:
        """Create an order in a channel of kind manual, with the fields of the template for files. The same
        `Idempotency-Key` with the same body gives the same order, however often it is sent."""
        body = await request.body()
        wanted, head, lines = read_order(body)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with context.transaction() as tx:
                    order_id, fresh = await create_order(tx, wanted, head, lines, body, idempotency_key)
                break
            except Exception as error:
                if judge(error) is not Verdict.RERUN or attempt == ATTEMPTS:
                    raise
        response.status_code = 201 if fresh else 200
        async with context.transaction() as tx:
            found = await pages.one(tx, order_id)
        assert found is not None, "it was stored just now, and orders are never deleted"
        row, status = found
        return {"order_id": order_id, "number": row.source and row.source.number, "status": status}

    @routes.post("/orders/{reference}/cancel")
    async def cancel_given(reference: str) -> dict[str, Any]:
        """Cancel an order that people gave; one from a store is cancelled there."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            await cancel(tx, order_id)
        return {"order_id": order_id, "cancelled": True}

    return routes


def read_order(body: bytes) -> tuple[str, Mapping[str, Any], list[Mapping[str, Any]]]:
    """The channel's name, the order's fields and those of its lines. Raises Problem (422)."""
    try:
        document = read_json(body)
        if not isinstance(document, dict):
            raise Bad("", "the body is JSON, but no order")
        lines = list(records(document.pop("lines", None), "lines"))
    except Bad as bad:
        raise Problem(
            422, "invalid_order", f"{str(bad)[:1].upper()}{str(bad)[1:]}.", "Send an order as JSON."
        ) from None
    channel = document.pop("channel", "")
    return channel if isinstance(channel, str) else "", document, lines


async def create_order(
    tx: Tx, wanted: str, head: Mapping[str, Any], lines: list[Mapping[str, Any]], body: bytes, key: str | None
) -> tuple[UUID, bool]:
    """Take an order; its id, and whether it is new. Raises Problem: 404, 409 for a number that is there, 422."""
    channel = await manual_channel(tx, wanted)
    asked = sha256(body).hexdigest()
    used = await imports.remembered(tx, channel.channel_id, key) if key else None
    if used is not None:
        return _same(used, asked), False
    order = checked({"order_number": _made_up(channel.channel_id, key)} | dict(head), lines)
    taken: dict[str, UUID] = {}
    await take(tx, [word_of(order, channel.channel_id, channel.kind, Cause(utc_now(), "operator"), taken)])
    if order.external_id not in taken:
        used = await imports.remembered(tx, channel.channel_id, key) if key else None
        if used is not None:  # committed while this call waited for the order
            return _same(used, asked), False
        raise Problem(
            409,
            "order_exists",
            f"The channel has an order {order.number} already.",
            "Look at it: crossdock order show. Give another number to another order.",
        )
    order_id = taken[order.external_id]
    if key and not await imports.remember(tx, channel.channel_id, key, asked, order_id):
        raise key_reused()  # by another order at this very moment: the same order would have met this one before
    return order_id, True


def _same(used: Any, asked: str) -> UUID:
    if used.asked != asked:
        raise key_reused()
    order_id: UUID = used.order_id
    return order_id


def key_reused() -> Problem:
    """422: the key names another order."""
    return Problem(
        422, "key_reused", "This Idempotency-Key was used for another order.", "Use a new key for each order."
    )


def _made_up(channel_id: UUID, key: str | None) -> str:
    """A number for an order that has none: the same for the same key, so that two calls at once meet on one order."""
    seed = new_id().bytes if key is None else orjson.dumps([str(channel_id), key])
    return f"M-{sha256(seed).hexdigest()[:12].upper()}"


def checked(head: Mapping[str, Any], lines: list[Mapping[str, Any]]) -> CanonicalOrder:
    """An order that can be taken. Raises Problem (422) with a sentence for each wrong field."""
    found = given.unknown_fields(head, lines) or given.order_of(head, lines, utc_now())
    if isinstance(found, CanonicalOrder):
        return found
    more = len(found) - FAULTS_TOLD
    said = [f"{_path(fault)} {fault.what}" for fault in found[:FAULTS_TOLD]] + (
        [f"and {more} more"] if more > 0 else []
    )
    raise Problem(422, "invalid_order", f"{'; '.join(said)}.", "Correct the fields and send the order again.")


def _path(fault: Fault) -> str:
    return fault.field if fault.line is None else f"lines[{fault.line}].{fault.field}"


async def cancel(tx: Tx, order_id: UUID) -> None:
    """Cancel an order that people gave. Raises Problem: 404, 409 when its channel decides that."""
    rows = await orders.lock_by_ids(tx, [order_id])
    row = rows.get(order_id)
    if row is None:
        raise not_found("order", order_id)
    if not can(row.channel_kind, KeptHere):
        raise Problem(
            409, "not_manual", f"The order was sold through {row.channel_kind}.", "Cancel it there; the hub follows."
        )
    book = Book(tx, rows.values())
    book.take(order_id, fold.take_cancel(row.order), Cause(utc_now(), "operator"))
    await book.save(whole=False)
