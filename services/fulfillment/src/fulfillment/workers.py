"""Loops that are no handlers: the dispatcher, looks at what is in doubt, orders without a destination, and figures."""

import asyncio
from typing import Any

from crossdock.service import telemetry
from crossdock.service.app import Context, Worker
from fulfillment import excess, outside
from fulfillment.desks import Desks
from fulfillment.directory import Directory
from fulfillment.dispatcher import LEASE_SLACK_SECONDS, about, dispatch, dispatch_tags, ended
from fulfillment.recording import Result, record
from fulfillment.redacting import redact_requests
from fulfillment.store import channels, desks, writes

LOOKS_AT_ONCE = 8
PAGE = 200

GAUGES = {
    name: telemetry.meter.create_gauge(f"write_back.{name}", description=f"Writes to the outside that {what}")
    for name, what in {
        "pending": "wait to be sent",
        "sending": "are under way",
        "in_doubt": "may or may not have happened",
        "needs_person": "nobody but a person can settle",
        "failed": "will not happen",
    }.items()
}


async def look(context: Context) -> bool:
    """Doubt what outlived its deadline, and look at what is in doubt before anything is sent again."""
    settings = context.settings
    async with context.transaction() as tx:
        evidence = {"at": tx.now.isoformat(), "how": "call", "note": "no answer was recorded before the deadline"}
        await writes.expire(tx, evidence=evidence, seconds=settings.look_seconds)
    async with context.transaction() as tx:
        lease = settings.call_seconds + LEASE_SLACK_SECONDS
        claimed = await writes.claim_looks(tx, limit=LOOKS_AT_ONCE, lease=lease)
    if not claimed:
        return False
    results = await asyncio.gather(*(_look(context, write) for write in claimed))
    async with context.transaction() as tx:
        await record(tx, results)
    return len(claimed) == LOOKS_AT_ONCE


async def _look(context: Context, write: Any) -> Result:
    settings = context.settings
    with telemetry.calling(f"look for {write.kind}", write.traceparent, about(write)) as call:
        outcome = await outside.look(context.access, write, settings.call_seconds, settings.doubt_seconds)
        ended(call, outcome)
    return Result(write, "look", outcome, call.trace)


async def find_destinations(context: Context) -> bool:
    """Try the orders again that lack nothing but a destination, once there is one for them."""
    async with context.transaction() as tx:
        sellers = await desks.sellers_without_destination(tx)
        if not sellers:
            return False
        directory = Directory.of(await channels.all_channels(tx))
        served = [seller for seller in sellers if directory.destination_for(seller)]
        page = await desks.orders_without_destination(tx, served, PAGE)
        held = await Desks.lock(tx, page, create=False)
        for order_id in page:
            held.find_destination(order_id)
        await held.save()
    return len(page) == PAGE


async def inspect_excess(context: Context) -> bool:
    """Look at shipments of more than was asked, whose void did not come; hand those that stay so to a person."""
    settings = context.settings
    async with context.transaction() as tx:
        lease = settings.call_seconds + LEASE_SLACK_SECONDS
        doubts = await writes.claim_doubts(tx, limit=LOOKS_AT_ONCE, lease=lease, age=settings.excess_seconds)
    # At once, not one after the other: with a destination that does not answer the loop would seem to be stuck.
    await asyncio.gather(*(_inspect(context, doubt) for doubt in doubts))
    return len(doubts) == LOOKS_AT_ONCE


async def _inspect(context: Context, doubt: Any) -> None:
    async with context.transaction() as tx:
        held = await Desks.lock(tx, [doubt.order_id], create=False)
        where = held.doubted(doubt.order_id, doubt.shipment_id)
        if where is None:
            await writes.drop_doubt(tx, doubt.order_id, doubt.shipment_id)
            return
    said = await outside.standing(context.access, where, context.settings.call_seconds)
    if said is not None:
        async with context.transaction() as tx:
            held = await Desks.lock(tx, [doubt.order_id], create=False)
            await excess.hand_over(tx, held, doubt, said)


async def count_writes(context: Context) -> bool:
    """Tell how many writes wait, are under way, in doubt, failed or left to a person."""
    async with context.transaction() as tx:
        found = await writes.counts(tx)
    for name, gauge in GAUGES.items():
        gauge.set(getattr(found, name))
    return False


WORKERS = (
    Worker("redact_requests", redact_requests, 2.0),
    Worker("dispatch", dispatch, 0.2),
    Worker("dispatch_tags", dispatch_tags, 0.5),
    Worker("look", look, 1.0),
    Worker("inspect_excess", inspect_excess, 5.0),
    Worker("find_destinations", find_destinations, 5.0),
    Worker("count_writes", count_writes, 2.0),
)
