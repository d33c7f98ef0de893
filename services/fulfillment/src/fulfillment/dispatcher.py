"""The dispatcher: claims writes that are due, calls several at once, and records what came of them.

Guards: `sending` is committed before any byte leaves, and no transaction is open while somebody outside is waited for.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crossdock.messaging import faults
from crossdock.messaging.failures import explain
from crossdock.messaging.transaction import Tx
from crossdock.service import telemetry
from crossdock.service.app import Context
from fulfillment import outside
from fulfillment.domain.writes import Done, Outcome
from fulfillment.recording import Result, record
from fulfillment.store import writes

TURN_SECONDS = 5.0
"""How long one turn of the dispatcher claims more, before it waits for what is under way: its loop is watched."""

SETTLE_SECONDS = 0.1
"""How long finished calls wait at most until half of all are, so that one transaction records many and claims as many
again."""

LOOK_AROUND_SECONDS = 0.01

LEASE_SLACK_SECONDS = 10.0
"""How much longer a lease lasts than the call that it covers."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """Which writes: `tags`, or all others; and how many calls may be under way at once, in all and to one channel."""

    tags: bool
    in_flight: int
    per_channel: int


async def dispatch(context: Context) -> bool:
    """One turn with requests, cancellations and tracking."""
    settings = context.settings
    return await _turn(context, Lane(False, settings.writes_in_flight, settings.writes_per_channel))


async def dispatch_tags(context: Context) -> bool:
    """One turn with tags of orders, of which there may be many at once, and for which nothing else waits."""
    settings = context.settings
    return await _turn(context, Lane(True, settings.tags_in_flight, settings.tags_per_channel))


async def _turn(context: Context, lane: Lane) -> bool:
    """Keep calls under way until nothing is due any more, or the turn is over. True when anything was due."""
    until = time.monotonic() + TURN_SECONDS
    calls: dict[asyncio.Task[Result], UUID] = {}
    any_claimed = False
    while True:
        done = [task for task in calls if task.done()]
        for task in done:
            del calls[task]
        claimed = await _settle(context, lane, results_of(done), calls, claim=time.monotonic() < until)
        any_claimed = any_claimed or bool(claimed)
        for write in claimed:
            calls[asyncio.create_task(_call(context, write))] = write.channel_id
        if not calls:
            return any_claimed
        await _some_are_done(calls)


async def _some_are_done(calls: dict[asyncio.Task[Result], UUID]) -> None:
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    late = time.monotonic() + SETTLE_SECONDS
    while 2 * sum(task.done() for task in calls) < len(calls) and time.monotonic() < late:
        await asyncio.wait(calls, timeout=LOOK_AROUND_SECONDS)


async def _settle(
    context: Context, lane: Lane, results: Sequence[Result], calls: dict[asyncio.Task[Result], UUID], *, claim: bool
) -> Sequence[Any]:
    """Record what is done and claim more, in one transaction; returns what was claimed."""
    free = lane.in_flight - len(calls) if claim else 0
    if not results and not free:
        return ()
    if results:
        await faults.point("before_record")
    await faults.point("before_sending")
    async with context.transaction() as tx:
        if results:
            await record(tx, results)
        claimed = await _claim(tx, lane, calls, free, context.settings.call_seconds) if free else ()
    if claimed:
        await faults.point("after_sending")
    return claimed


async def _claim(
    tx: Tx, lane: Lane, calls: dict[asyncio.Task[Result], UUID], free: int, seconds: float
) -> Sequence[Any]:
    under_way = Counter(calls.values())
    busy = [channel for channel, n in under_way.items() if n >= lane.per_channel]
    lease = seconds + LEASE_SLACK_SECONDS
    return await writes.claim(tx, tags=lane.tags, limit=free, per_channel=lane.per_channel, lease=lease, busy=busy)


async def _call(context: Context, write: Any) -> Result:
    with telemetry.calling(f"write {write.kind}", write.traceparent, about(write)) as call:
        outcome = await outside.send(context.access, write, context.settings.call_seconds)
        ended(call, outcome)
    await faults.point("after_send")
    return Result(write, "call", outcome, call.trace)


def results_of(done: Sequence[asyncio.Task[Result]]) -> list[Result]:
    """What calls came to. One that broke off has no result: its lease ends, and a look finds out."""
    results = []
    for task in done:
        error = task.exception()
        if error is None:
            results.append(task.result())
        else:
            log.error("a call broke off and is left to a look: %s", explain(error))
    return results


def about(write: Any) -> dict[str, str | int]:
    """What a span says of a call; no personal data."""
    return {
        "crossdock.order_id": str(write.order_id),
        "crossdock.channel": write.channel_name,
        "crossdock.channel_kind": write.channel_kind,
        "crossdock.attempt": write.attempt,
    }


def ended(call: telemetry.Call, outcome: Outcome) -> None:
    """Tell the span how the call ended."""
    call.ended(type(outcome).__name__.lower(), well=isinstance(outcome, Done))
