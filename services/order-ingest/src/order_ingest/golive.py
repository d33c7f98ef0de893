"""Which orders become ours when a channel that was only observed goes live: all, those since a time, or those named.

The choice is kept on the channel and on the named orders before the mode changes; when it does, the walk over the open
orders (worker `reconsider`) follows it, and so does the import of an old order that is first heard of afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from order_ingest.book import Book, Cause
from order_ingest.domain import rulings
from order_ingest.reference import order_id_of
from order_ingest.store import choices, orders, policies

Reference = Annotated[str, Field(min_length=1, max_length=100)]


class Choice(BaseModel):
    """What becomes ours. `since` is needed for `since`, `named` (numbers or ids) for `named`."""

    model_config = ConfigDict(extra="forbid")

    orders: Literal["all", "since", "named"]
    since: AwareDatetime | None = None
    named: Annotated[list[Reference], Field(max_length=1000)] = []
    preview: bool = False


def router(context: Context) -> APIRouter:
    """The route; the gateway changes the mode after it."""
    routes = APIRouter(dependencies=[service_guard(context, "order-ingest")], tags=["policies"])

    @routes.post("/channels/{channel_id}/go-live")
    async def choose(channel_id: UUID, choice: Choice) -> dict[str, Any]:
        """Keep which orders of an observed channel become ours when it goes live, and count them."""
        async with context.transaction() as tx:
            return await keep(tx, channel_id, choice)

    return routes


async def keep(tx: Tx, channel_id: UUID, choice: Choice) -> dict[str, Any]:
    """Keep a choice, or with `preview` only count what it means. Raises Problem: 404, 409 for a live channel, 422."""
    if await policies.load(tx, channel_id, lock=not choice.preview) is None:
        raise not_found("channel", channel_id, "List the channels; one that was just connected is known in a moment.")
    if await choices.is_live(tx, channel_id):
        raise Problem(409, "already_live", "This channel is live already.", "Take it back to observe first.")
    ours_from, named = await _meaning(tx, channel_id, choice)
    counted = await choices.count(tx, channel_id, ours_from, named)
    if not choice.preview:
        await choices.keep(tx, channel_id, ours_from)
        await _mark(tx, channel_id, named)
    return {"channel_id": channel_id, "becomes_ours": counted.chosen, "left_out": counted.observed - counted.chosen}


async def _meaning(tx: Tx, channel_id: UUID, choice: Choice) -> tuple[datetime | None, list[UUID]]:
    """From when on orders are ours, and which are besides."""
    if choice.orders == "all":
        return None, []
    if choice.orders == "since":
        if choice.since is None:
            raise Problem(422, "since_missing", "The time since which orders become ours is missing.", "Give `since`.")
        return choice.since, []
    if not choice.named:
        raise Problem(422, "nothing_named", "No order is named.", "Name orders by number or id, or choose `since`.")
    named = [await order_id_of(tx, reference) for reference in choice.named]
    if strangers := await choices.of_others(tx, channel_id, named):
        told = ", ".join(str(order_id) for order_id in strangers[:5])
        raise Problem(422, "other_channel", f"These orders are none of this channel: {told}.", "Leave them out.")
    return utc_now(), named


async def _mark(tx: Tx, channel_id: UUID, named: Sequence[UUID]) -> None:
    """Note on every order of the channel whether it is named; an earlier choice counts no more."""
    rows = await orders.lock_by_ids(tx, {*named, *await choices.chosen_before(tx, channel_id)})
    book = Book(tx, rows.values())
    for order_id, row in rows.items():
        book.take(order_id, rulings.choose(row.order, chosen=order_id in named), Cause(utc_now(), "operator"))
    await book.save(whole=False)
