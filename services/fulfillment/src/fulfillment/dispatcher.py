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

PAUSE_SECONDS = 0.2
"""How often it is looked for what came due while calls are under way: one that hangs must keep no other waiting."""

SETTLE_SECONDS = 0.1
"""How long finished calls wait at most until half of all are, so that one transaction records many and claims as many
again."""

SLOW_SECONDS = 1.0
"""What is under way for longer is not waited for: with many calls that hang, half of all would never be finished."""

LOOK_AROUND_SECONDS = 0.01

LEASE_SLACK_SECONDS = 10.0
"""How much longer a lease lasts than the call that it covers."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """Which writes: `tags`, or all others; how many calls may be under way at once, in all and to one channel; and the
    loop by whose name its health is known."""

    loop: str
    tags: bool
    in_flight: int
    per_channel: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A call under way: to which channel, and since when (monotonic seconds)."""

    channel_id: UUID
    at: float


Calls = dict[asyncio.Task[Result], Begun]


async def dispatch(context: Context) -> bool:
    """Requests, cancellations and tracking, until none is due."""
    settings = context.settings
    return await _turn(context, Lane("dispatch", False, settings.writes_in_flight, settings.writes_per_channel))


async def dispatch_tags(context: Context) -> bool:
    """Tags of orders, of which there may be many at once, and for which nothing else waits, until none is due."""
    settings = context.settings
    return await _turn(context, Lane("dispatch_tags", True, settings.tags_in_flight, settings.tags_per_channel))


async def _turn(context: Context, lane: Lane) -> bool:
    """Keep calls under way until nothing is due any more; a process that stops claims nothing, and ends its calls.
    False: when it ends, nothing was due a moment ago."""
    beat = context.health.beat(lane.loop)
    calls: Calls = {}
    while True:
        beat()
        done = [task for task in calls if task.done()]
        for task in done:
            del calls[task]
        claimed = await _settle(context, lane, results_of(done), calls)
        now = time.monotonic()
        for write in claimed:
            calls[asyncio.create_task(_call(context, write))] = Begun(write.channel_id, now)
        if not calls:
            return False
        await _some_are_done(calls)


async def _some_are_done(calls: Calls) -> None:
    """Wait until a call is done, and for others that soon are; at most until it is time to look for what came due."""
    done, _ = await asyncio.wait(calls, timeout=PAUSE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    late = time.monotonic() + SETTLE_SECONDS
    prompt = [task for task, begun in calls.items() if begun.at > late - SLOW_SECONDS]
    while done and 2 * sum(task.done() for task in prompt) < len(prompt) and time.monotonic() < late:
        await asyncio.wait(prompt, timeout=LOOK_AROUND_SECONDS)


async def _settle(context: Context, lane: Lane, results: Sequence[Result], calls: Calls) -> Sequence[Any]:
    """Record what is done and claim more, in one transaction; returns what was claimed."""
    free = 0 if context.stopping.is_set() else lane.in_flight - len(calls)
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


async def _claim(tx: Tx, lane: Lane, calls: Calls, free: int, seconds: float) -> Sequence[Any]:
    under_way = Counter(begun.channel_id for begun in calls.values())
    lease = seconds + LEASE_SLACK_SECONDS
    return await writes.claim(
        tx, tags=lane.tags, limit=free, per_channel=lane.per_channel, lease=lease, under_way=under_way
    )


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
