"""A channel whose orders are found by asking it: connected, due, and read to the end."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from ingest_examples import CHANNEL, configured
from sqlalchemy import text

from crossdock.contracts.base import Event
from crossdock.contracts.order_ingest import OrderPlaced
from crossdock.service.app import Context
from crossdock.service.runs import worker
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest.runs import RUNS
from sandbox.testing import Sandbox

OTHER = UUID(int=8)
ZERO = timedelta(0)
SHOPIFY = import_module("crossdock.channels.shopify.connector")


def connected(channel: UUID = CHANNEL, *, at: datetime | None = None, **more: Any) -> Event:
    """A channel is taken live; an hour ago unless told otherwise."""
    event: Event = configured("live", channel=channel, **more)
    return event.model_copy(update={"occurred_at": at or datetime.now(UTC) - timedelta(hours=1)})


def order(shop: Sandbox, **more: Any) -> Any:
    return shop.order({"sku": "SHIRT", "quantity": 1}, **more)


async def schedule(context: Context) -> None:
    """The orders of every channel are due: another day has come."""
    async with context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running'"))
        await tx.run(text("UPDATE run SET scheduled_at = scheduled_at - interval '1 day' WHERE ended_at IS NOT NULL"))
        await tx.run(text("UPDATE integration SET last_slot = last_slot - interval '1 day' WHERE kind = 'orders'"))
    await worker.schedule(RUNS, context)


async def turn(context: Context, *, failing: bool = False) -> bool:
    """One look of a loop."""
    return await worker.turn(RUNS, "orders", failing, context)


async def poll(context: Context) -> None:
    """One interval: every channel's orders are due, and both loops turn until nothing is left."""
    await schedule(context)
    while await turn(context) or await turn(context, failing=True):
        pass


async def feed_of(bench: HandlerBench, channel: UUID = CHANNEL) -> dict[str, Any]:
    """How far a channel was read, and the newest run that began."""
    [row] = [row for row in await bench.table("feed") if row["channel_id"] == channel]
    runs = [run for run in await bench.table("run", order_by="scheduled_at") if run["channel_id"] == channel]
    return ({"failures": 0} | runs[-1] if runs else {"failures": 0}) | row


def placed_numbers(bench: HandlerBench) -> list[str]:
    told = [event_of(row) for row in bench.published if row.type == OrderPlaced.type]
    return sorted(event.number for event in told if isinstance(event, OrderPlaced))
