"""Starts a service in which something is altered: a mechanism that keeps a promise left out, to see it broken.

`python -m crossdock.testing.altered inbox,look inventory` runs inventory without its inbox and without looks.
Tests of promises say which of these they were seen to fail without.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import text

DEADLY = b"deadly"

CLOCK_JUMPS = (0.0, 600.0, 0.0, -600.0)
CLOCK_JUMP_SECONDS = 2.0
"""How far the jumping clock is off, in seconds, and for how long at a time."""


def without_inbox() -> None:
    """Every message counts as new, however often it comes."""
    inbox: Any = import_module("crossdock.messaging.inbox")

    async def claim_all(_tx: Any, _handler: str, ids: Iterable[UUID]) -> set[UUID]:
        return set(ids)

    inbox.claim = claim_all


def without_outbox() -> None:
    """Events are kept in memory alone until the broker has them."""
    outbox: Any = import_module("crossdock.messaging.outbox")

    async def forget(*_: Any, **__: Any) -> None:
        return None

    outbox.insert = forget


def without_waiting_for_commit() -> None:
    """The gateway answers before the delivery is stored."""
    if (intake := _module("gateway.intake")) is None:
        return
    store = intake.GroupCommit.store
    running: set[asyncio.Task[None]] = set()

    async def store_later(self: Any, *delivery: Any) -> None:
        task = asyncio.create_task(_later(store, self, *delivery))
        running.add(task)
        task.add_done_callback(running.discard)

    intake.GroupCommit.store = store_later


async def _later(store: Any, *arguments: Any) -> None:
    await asyncio.sleep(0.05)
    await store(*arguments)


def without_late_ack() -> None:
    """Messages are acknowledged when they are taken, not when their fate is committed."""
    stream: Any = import_module("crossdock.messaging.broker.stream")
    take, acknowledge = stream.Stream.take, stream.Stream.ack_through

    async def take_and_acknowledge(self: Any, *how: Any) -> Any:
        batch = await take(self, *how)
        if batch:
            await acknowledge(self, batch[-1])
        return batch

    async def nothing_is_left_to_acknowledge(*_: Any) -> None:
        return None

    stream.Stream.take, stream.Stream.ack_through = take_and_acknowledge, nothing_is_left_to_acknowledge


def without_returns() -> None:
    """The broker may drop what no queue takes."""
    publishing: Any = import_module("crossdock.messaging.broker.publishing")
    frames = publishing.publish_frames

    def optional(message: Any, *, mandatory: bool, **how: Any) -> Any:
        return frames(message, mandatory=mandatory and not message.exchange, **how)

    publishing.publish_frames = optional


def without_pauses() -> None:
    """Whatever goes wrong counts against the message."""
    batch: Any = import_module("crossdock.messaging.batch")
    batch.judge = lambda _: batch.Verdict.MESSAGE
    batch.FailingRun.failure = lambda *_: False


def without_isolation() -> None:
    """A batch in which something goes wrong is parked whole."""
    batch: Any = import_module("crossdock.messaging.batch")
    attempt = batch.BatchProcessor._run_again_after_accidents

    async def all_or_nothing(self: Any, members: Any, to_park: Any) -> None:
        try:
            await attempt(self, members, to_park)
        except batch.Paused:
            raise
        except Exception as error:
            await attempt(self, [], [*to_park, *(batch._parked(member, error) for member in members)])

    batch.BatchProcessor._run_again_after_accidents = all_or_nothing


def without_parking() -> None:
    """What cannot be handled is tried until it can, and the queue waits behind it."""
    parked: Any = import_module("crossdock.messaging.parked")
    failures: Any = import_module("crossdock.messaging.failures")

    async def try_for_ever(*_: Any) -> None:
        raise failures.Paused("a message cannot be handled")

    parked.park = try_for_ever


def without_marks() -> None:
    """Nobody remembers with which message a process died."""
    runner: Any = import_module("crossdock.messaging.runner")

    async def settle_all(self: Any, batch: Any) -> None:
        await self._processor.settle([delivery.message for delivery in batch])

    runner.BatchRunner._settle_all = settle_all


def without_graceful_stop() -> None:
    """SIGTERM ends the process at once."""
    app: Any = import_module("crossdock.service.app")
    start = app.Process._start

    def start_mortal(self: Any) -> Any:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, os._exit, 128 + signal.SIGTERM)
        return start(self)

    app.Process._start = start_mortal


def without_settling_once() -> None:
    """A parked message can be replayed whatever became of it before."""
    parked: Any = import_module("crossdock.messaging.parked")

    async def unlocked(tx: Any, parked_id: UUID) -> Any:
        return (await tx.rows(parked.SHOW, id=parked_id))[0]

    parked._lock = unlocked


def without_polls() -> None:
    """Channels are never asked what changed."""
    if (runs := _module("order_ingest.runs")) is not None:
        runs.RUNS = replace(runs.RUNS, kinds=tuple(kind for kind in runs.RUNS.kinds if kind.name != "orders"))


def without_stock_locks() -> None:
    """Stock is read without locking it."""
    if (store := _module("inventory.store")) is not None:
        store.LOCK_STOCK = text(str(store.LOCK_STOCK).replace("FOR UPDATE", ""))


def without_looks() -> None:
    """A write whose fate is unknown is sent again."""
    if (outside := _module("fulfillment.outside")) is None:
        return
    send = outside.send

    async def send_again(access: Any, write: Any, seconds: float) -> Any:
        outcome = await send(access, write, seconds)
        return outside.Again(0.0, outcome.note) if isinstance(outcome, outside.Doubt) else outcome

    outside.send = send_again
    writes: Any = import_module("fulfillment.store.writes")
    writes.EXPIRE = text(str(writes.EXPIRE).replace("'in_doubt'", "'pending'"))


def with_quick_retries() -> None:
    """Not a mechanism left out: the waits before further attempts are short, so that a test sees the last one."""
    batch: Any = import_module("crossdock.messaging.batch")
    batch.BatchProcessor.__init__.__kwdefaults__["retry_after"] = (0.2, 0.4)


def with_deadly_messages() -> None:
    """Not a mechanism left out: a message whose body says so ends the process, as one that exhausts memory would."""
    consumer: Any = import_module(f"{sys.argv[2]}.handlers").consumer
    consumer.handlers[:] = [replace(handler, function=_mortal(handler.function)) for handler in consumer.handlers]


def with_jumping_clock() -> None:
    """Not a mechanism left out: the clock of this process jumps ten minutes ahead and ten back, again and again."""
    real, ids = time.time, uuid_utils.compat.uuid7

    def jumped() -> float:
        return real() + CLOCK_JUMPS[int(time.monotonic() / CLOCK_JUMP_SECONDS) % len(CLOCK_JUMPS)]

    time.time = jumped
    compat: Any = uuid_utils.compat
    compat.uuid7 = lambda: ids(nanoseconds=int(jumped() * 1e9))
    base: Any = import_module("crossdock.contracts.base")
    base.datetime = SimpleNamespace(now=lambda zone: datetime.fromtimestamp(jumped(), zone))


def _mortal(handle: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_or_die(events: Any, tx: Any) -> None:
        if any(DEADLY in getattr(event, "body", b"") for event in events):
            os._exit(137)
        await handle(events, tx)

    return handle_or_die


MECHANISMS: dict[str, Callable[[], None]] = {
    "inbox": without_inbox,
    "outbox": without_outbox,
    "commit": without_waiting_for_commit,
    "late-ack": without_late_ack,
    "returns": without_returns,
    "pauses": without_pauses,
    "isolation": without_isolation,
    "parking": without_parking,
    "marks": without_marks,
    "graceful-stop": without_graceful_stop,
    "settling-once": without_settling_once,
    "polls": without_polls,
    "stock-locks": without_stock_locks,
    "looks": without_looks,
    "=quick-retries": with_quick_retries,
    "=deadly-messages": with_deadly_messages,
    "=jumping-clock": with_jumping_clock,
}


def _module(name: str) -> Any:
    """A module of a service, if it is of the service that runs here."""
    return import_module(name) if name.partition(".")[0] == sys.argv[2] else None


def main() -> None:
    """Alter, then run."""
    for name in sys.argv[1].split(","):
        MECHANISMS[name]()
    service = import_module(f"{sys.argv[2]}.main").service
    import_module("crossdock.service.app").run(service)


if __name__ == "__main__":
    main()
