"""Starts a service in which something is altered: a mechanism that keeps a promise left out, to see it broken.

`python -m crossdock.testing.altered inbox,look inventory` runs inventory without its inbox and without looks.
Tests of promises say which of these they were seen to fail without.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any
from uuid import UUID


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
    runner: Any = import_module("crossdock.messaging.runner")
    settle = runner.BatchRunner._settle_all

    async def ack_first(self: Any, batch: Any) -> None:
        await self._stream.ack_through(batch[-1])
        await settle(self, batch)

    runner.BatchRunner._settle_all = ack_first


MECHANISMS: dict[str, Callable[[], None]] = {
    "inbox": without_inbox,
    "outbox": without_outbox,
    "commit": without_waiting_for_commit,
    "late-ack": without_late_ack,
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
