"""Order-ingest's HTTP API: orders with their state, why they wait, their parcels and their timeline."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from crossdock.contracts.base import utc_now
from crossdock.contracts.holds import HoldCode
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from order_ingest import policies
from order_ingest.book import Book, Cause
from order_ingest.domain import fold
from order_ingest.domain.status import STATUSES
from order_ingest.reconcile import can_be_polled
from order_ingest.store import feeds, orders, pages
from order_ingest.views import listed, order_view

TIMELINE_LIMIT = 1000


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[service_guard(context, "order-ingest")], tags=["orders"])
    routes.include_router(policies.router(context))

    @routes.get("/orders")
    async def list_orders(
        status: str | None = None,
        hold: HoldCode | None = None,
        channel: UUID | None = None,
        number: Annotated[str | None, Query(max_length=100)] = None,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        """Orders, newest first; `next` is the `before` of the next page."""
        if status is not None and status not in STATUSES:
            raise Problem(422, "unknown_status", "There is no such status.", f"Use one of {', '.join(STATUSES)}.")
        code = None if hold is None else hold.value
        async with context.transaction() as tx:
            rows = await pages.page(
                tx, before=before, channel_id=channel, status=status, hold=code, number=number, limit=limit
            )
        return {"orders": [listed(row) for row in rows], "next": rows[-1].order_id if len(rows) == limit else None}

    @routes.get("/orders/{reference}")
    async def show_order(reference: str) -> dict[str, Any]:
        """One order, by its id or its number."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            found = await pages.one(tx, order_id)
            entries = await pages.timeline(tx, order_id, TIMELINE_LIMIT)
        if found is None:
            raise not_found("order", order_id)
        return order_view(*found, entries)

    @routes.get("/orders/{reference}/recipient")
    async def show_recipient(reference: str) -> dict[str, Any]:
        """The personal data of one order."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            row = await pages.recipient(tx, order_id)
        if row is None:
            raise not_found("recipient of order", order_id)
        return {"order_id": order_id, "recipient_version": row.recipient_version, "recipient": row.recipient}

    @routes.post("/orders/{reference}/retry")
    async def retry(reference: str) -> dict[str, Any]:
        """Answer the newest rejection, so that the destination is asked again."""
        async with context.transaction() as tx:
            return await answer_rejection(tx, await order_id_of(tx, reference))

    @routes.get("/feeds")
    async def list_feeds() -> dict[str, Any]:
        """How far each channel's list of changes was read, and what went wrong at the last poll."""
        async with context.transaction() as tx:
            kinds = [kind for kind in await feeds.kinds(tx) if can_be_polled(kind)]
            return {"feeds": [dict(row._mapping) for row in await feeds.every(tx, kinds)]}

    return routes


async def order_id_of(tx: Tx, reference: str) -> UUID:
    """The id of an order by its id or number. Raises Problem: 404 when there is none, 409 when there are several."""
    try:
        return UUID(reference)
    except ValueError:
        ids = await pages.ids_of_number(tx, reference)
    if not ids:
        raise not_found("order with the number", reference[:100])
    if len(ids) > 1:
        several = ", ".join(str(order_id) for order_id in ids)
        raise Problem(409, "several_orders", f"Several orders carry this number: {several}.", "Name one by its id.")
    return ids[0]


async def answer_rejection(tx: Tx, order_id: UUID) -> dict[str, Any]:
    """Answer the newest rejected revision of an order. Raises Problem: 404, or 409 when nothing waits for an answer."""
    rows = await orders.lock_by_ids(tx, [order_id])
    if order_id not in rows:
        raise not_found("order", order_id)
    step = fold.answer_rejection(rows[order_id].order)
    if not step.taken:
        raise Problem(
            409,
            "nothing_to_retry",
            "No request of this order was rejected without an answer.",
            "Look at its holds: crossdock order show.",
        )
    book = Book(tx, rows.values())
    book.take(order_id, step, Cause(utc_now(), "operator"))
    await book.save(whole=False)
    return {"order_id": order_id, "answered_revision": step.order.answered}
