"""The matcher's integrations: a channel's catalogue, read page by page, so that it is known without any webhook.

A run reads what changed since the newest run that finished had begun; the first one, and one that is asked to, reads
everything. A page and the place behind it are one commit. Nothing is removed because a list does not name it.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from crossdock.channels.model import ListingSet
from crossdock.channels.protocols import ListingSource
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
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


def serves(kind: str) -> bool:
    """Whether channels of a kind tell their listings."""
    try:
        return isinstance(connector(kind), ListingSource)
    except UnknownChannelKind:
        return False


async def turn(job: Job) -> Turn:
    """One page of a channel's products. Raises ChannelError."""
    run = job.run
    source: ListingSource = connector(run.channel_kind)
    access = await job.context.access.channel(run.channel_id)
    asked_at = utc_now()
    since = None if run.request.get("full") or run.finished_before is None else run.finished_before - OVERLAP
    page = await source.list_products(access, since, job.cursor)
    failures = [Failure(f"product {name}", reason) for name, reason in page.unreadable]
    learn = partial(_learn, run.channel_id, asked_at)
    await job.take(page.products, learn, page.cursor, name=lambda told: f"product {told.product_id}", failures=failures)
    return DONE if page.cursor is None else GOES_ON


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
    serves=serves,
    turn=turn,
    schedule=lambda settings: Schedule(every_seconds=settings.listings_seconds),
    request=ListingsRequest,
)
RUNS = Runs((LISTINGS,), channels)
