"""What a person decides about one order, over HTTP: brought in although the policy rejects it, approved, or
asked of its destination again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from crossdock.service.tokens import Actor
from order_ingest.book import Book, Cause
from order_ingest.domain import rulings
from order_ingest.domain.order import Order, Recipient, Snapshot
from order_ingest.domain.status import status
from order_ingest.domain.steps import Step
from order_ingest.intake import govern, terms
from order_ingest.reference import order_id_of
from order_ingest.store import channels, orders, pages

Decide = Callable[[Order, Snapshot, Recipient | None], Step]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[service_guard(context, "order-ingest")], tags=["orders"])

    @routes.post("/orders/{reference}/retry")
    async def retry(reference: str) -> dict[str, Any]:
        """Answer the newest rejection, so that the destination is asked again."""
        async with context.transaction() as tx:
            return await answer_rejection(tx, await order_id_of(tx, reference))

    @routes.post("/orders/{reference}/bring-in")
    async def bring_in(reference: str, actor: Actor) -> dict[str, Any]:
        """Take an order in, whole, that the channel's policy rejects."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            nothing = Problem(409, "not_rejected", "This order is not rejected.", "Look at it: crossdock order show.")
            return await decide(tx, order_id, rulings.bring_in, actor, nothing)

    @routes.post("/orders/{reference}/approve")
    async def approve(reference: str, actor: Actor) -> dict[str, Any]:
        """Let an order go on that waits for an approval: too old, or sold in a currency that is not expected."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            nothing = Problem(
                409,
                "nothing_to_approve",
                "This order does not wait for an approval.",
                "Look at its holds: crossdock order show.",
            )
            return await decide(tx, order_id, rulings.approve, actor, nothing)

    return routes


async def decide(tx: Tx, order_id: UUID, step_of: Decide, actor: str, nothing: Problem) -> dict[str, Any]:
    """Judge one order with what a person decided. Raises Problem: 404, or `nothing` where nothing is to be decided."""
    found = await pages.one(tx, order_id)
    if found is None:
        raise not_found("order", order_id)
    channel_id = found[0].channel_id
    channel = (await channels.share(tx, [channel_id]))[channel_id]
    rows = await orders.lock_by_ids(tx, [order_id])
    sources = await orders.sources(tx, [order_id])
    if order_id not in sources:
        raise nothing
    book = Book(tx, [rows[order_id]._replace(source=sources[order_id])], await orders.recipients(tx, [order_id]))
    cause = Cause(utc_now(), actor)
    govern(book, order_id, terms(channel, cause.at), cause)
    step = step_of(book.rows[order_id].order, sources[order_id], book.recipients.get(order_id))
    if not step.taken:
        raise nothing
    book.take(order_id, step, cause)
    await book.save(whole=True)
    return {"order_id": order_id, "status": status(step.order)}


async def answer_rejection(tx: Tx, order_id: UUID) -> dict[str, Any]:
    """Answer the newest rejected revision of an order. Raises Problem: 404, or 409 when nothing waits for an answer."""
    rows = await orders.lock_by_ids(tx, [order_id])
    if order_id not in rows:
        raise not_found("order", order_id)
    step = rulings.answer_rejection(rows[order_id].order)
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
