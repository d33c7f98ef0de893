"""The matcher's integrations: a channel's catalogue, read page by page, so that it is known without any webhook.

A run reads what changed since the newest run that finished had begun; the first one, the first one after a reset, and
one that is asked to, read everything. A page and the place behind it are one commit. Nothing is removed because a list
does not name it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from crossdock.channels.model import ListingSet
from crossdock.channels.protocols import ListingPage, ListingSource
from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
from crossdock.service.runs import store
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, GOES_ON, ChannelRow, Failure, Kind, Runs, Tally, Turn
from crossdock.service.runs.schedule import Schedule
from sku_matcher.assortment import Assortment, state_of
from sku_matcher.store import catalogue

OVERLAP = timedelta(minutes=5)
"""How far a run reaches back behind the begin of the one before: clocks differ, and indexes lag."""


class ListingsRequest(BaseModel):
    """`full`: read everything, not what changed alone."""

    model_config = ConfigDict(extra="forbid")

    full: bool = False


async def turn(job: Job) -> Turn:
    """One page of a channel's products. Raises ChannelError."""
    run = job.run
    asked_at = utc_now()
    async with job.context.transaction() as tx:
        reset_at = await catalogue.reset_at(tx, run.channel_id)
    since = None if run.request.get("full") else changed_since(run.finished_before, reset_at)
    page: ListingPage = await job.ask(lambda source, access: source.list_products(access, since, job.cursor))
    failures = [Failure(f"product {name}", reason) for name, reason in page.unreadable]
    learn = partial(_learn, run.channel_id, asked_at)
    await job.take(page.products, learn, page.cursor, name=lambda told: f"product {told.product_id}", failures=failures)
    return DONE if page.cursor is None else GOES_ON


def changed_since(finished_before: datetime | None, reset_at: datetime | None) -> datetime | None:
    """From when on changes are read, given when the newest run that finished had begun; None: everything is read."""
    if finished_before is None or (reset_at is not None and finished_before < reset_at):
        return None
    return finished_before - OVERLAP


async def _learn(channel_id: Any, told_at: Any, tx: Tx, products: Sequence[ListingSet]) -> Tally:
    states = [state_of(channel_id, told_at, told) for told in products]
    assortment = await Assortment.lock(tx, states)
    tally = Tally(seen=len(states))
    for state in states:
        tally += assortment.learn(state)
    await assortment.save()
    return tally


async def channels(tx: Tx) -> list[ChannelRow]:
    """The channels that the matcher knows."""
    return [ChannelRow(row.channel_id, row.kind, row.name, row.connected) for row in await catalogue.every_channel(tx)]


LISTINGS = Kind(
    name="listings",
    lane="listings",
    origin="products of {channel}",
    destination="SKUs and listings of this hub",
    ability=ListingSource,
    turn=turn,
    schedule=lambda settings: Schedule(every_seconds=settings.listings_seconds),
    request=ListingsRequest,
)
RUNS = Runs((LISTINGS,), channels)


async def read_now(tx: Tx, channel_ids: Collection[UUID]) -> None:
    """Queue a run for these channels, beside their schedule."""
    await store.queue_for(tx, LISTINGS, channel_ids, "reset")
