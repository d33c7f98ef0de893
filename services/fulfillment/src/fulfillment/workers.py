"""Loops that are no handlers: the dispatcher of writes, looks at what is in doubt, and orders without a destination."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from crossdock.channels.http import close_client
from crossdock.messaging import faults
from crossdock.service import telemetry
from crossdock.service.app import Context, Worker
from fulfillment import excess, outside
from fulfillment.desks import Desks
from fulfillment.directory import Directory
from fulfillment.domain.writes import Done
from fulfillment.recording import Result, record
from fulfillment.store import channels, desks, writes

TURN_SECONDS = 5.0
"""How long one turn of the dispatcher claims more, before it waits for what is under way: its loop is watched."""

SETTLE_SECONDS = 0.03
"""How long finished calls wait for others, so that one transaction records many."""

LEASE_SLACK_SECONDS = 10.0
"""How much longer a lease lasts than the call that it covers."""

LOOKS_AT_ONCE = 8
PAGE = 200


@asynccontextmanager
async def connections(_: Context) -> AsyncIterator[None]:
    """The HTTP connections of the connectors last as long as the service runs."""
    try:
        yield
    finally:
        await close_client()


async def dispatch(context: Context) -> bool:
    """Claim writes that are due, call several at once with no transaction open, and record what came of them."""
    until = time.monotonic() + TURN_SECONDS
    under_way: dict[asyncio.Task[Result], UUID] = {}
    any_claimed = False
    while True:
        if time.monotonic() < until:
            claimed = await _claim(context, under_way)
            any_claimed = any_claimed or bool(claimed)
            for write in claimed:
                under_way[asyncio.create_task(_call(context, write))] = write.channel_id
        if not under_way:
            return any_claimed
        done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(SETTLE_SECONDS)
        done |= {task for task in under_way if task.done()}
        await faults.point("before_record")
        async with context.transaction() as tx:
            await record(tx, [task.result() for task in done])
        for task in done:
            del under_way[task]


async def _claim(context: Context, under_way: dict[asyncio.Task[Result], UUID]) -> Any:
    settings = context.settings
    free = settings.writes_in_flight - len(under_way)
    if free < max(1, settings.writes_in_flight // 2):
        return ()
    calls = Counter(under_way.values())
    busy = [channel for channel, n in calls.items() if n >= settings.writes_per_channel]
    await faults.point("before_sending")
    async with context.transaction() as tx:
        lease = settings.call_seconds + LEASE_SLACK_SECONDS
        claimed = await writes.claim(tx, limit=free, per_channel=settings.writes_per_channel, lease=lease, busy=busy)
    if claimed:
        await faults.point("after_sending")
    return claimed


async def _call(context: Context, write: Any) -> Result:
    with telemetry.calling(f"write {write.kind}", write.traceparent, _about(write)) as call:
        outcome = await outside.send(context.access, write, context.settings.call_seconds)
        call.ended(type(outcome).__name__.lower(), well=isinstance(outcome, Done))
    await faults.point("after_send")
    return Result(write, "call", outcome, call.trace)


def _about(write: Any) -> dict[str, str | int]:
    """What a span says of a call; no personal data."""
    return {
        "crossdock.order_id": str(write.order_id),
        "crossdock.channel": write.channel_name,
        "crossdock.channel_kind": write.channel_kind,
        "crossdock.attempt": write.attempt,
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
    with telemetry.calling(f"look for {write.kind}", write.traceparent, _about(write)) as call:
        outcome = await outside.look(context.access, write, settings.call_seconds, settings.doubt_seconds)
        call.ended(type(outcome).__name__.lower(), well=isinstance(outcome, Done))
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
    for doubt in doubts:
        async with context.transaction() as tx:
            held = await Desks.lock(tx, [doubt.order_id], create=False)
            where = held.doubted(doubt.order_id, doubt.shipment_id)
            if where is None:
                await writes.drop_doubt(tx, doubt.order_id, doubt.shipment_id)
                continue
        said = await outside.standing(context.access, where, settings.call_seconds)
        if said is not None:
            async with context.transaction() as tx:
                held = await Desks.lock(tx, [doubt.order_id], create=False)
                await excess.hand_over(tx, held, doubt, said)
    return len(doubts) == LOOKS_AT_ONCE


WORKERS = (
    Worker("dispatch", dispatch, 0.2),
    Worker("look", look, 1.0),
    Worker("inspect_excess", inspect_excess, 5.0),
    Worker("find_destinations", find_destinations, 5.0),
)
