"""The relay: publishes what transactions left in the outbox, first from memory, else by looking for what was lost."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

from crossdock.messaging import faults, outbox
from crossdock.messaging.broker import Broker, BrokerAway, Published
from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import single_statement, transaction
from crossdock.service import telemetry
from crossdock.storage.engine import Database

WINDOW = 200
MEMORY_ROWS = 5 * WINDOW
MEMORY_BYTES = 16 * 2**20
SCAN_SECONDS = 1.0

FORGET_SECONDS = 0.1
"""How long a confirmed message stays in the outbox at most, so that one transaction deletes those of many windows: far
less than the grace after which another relay would publish it again."""

log = logging.getLogger(__name__)


class Relay:
    """One for each process. What does not fit into memory, or is not confirmed in time, is found by the scan: a row
    that its writer left behind may be published by any process once it is 5 s old."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        beat: Callable[[], None],
        complete: outbox.Complete = outbox.as_stored,
    ) -> None:
        self._database = database
        self._complete = complete
        self._broker = broker
        self._beat = beat
        self._memory: deque[Outgoing] = deque()
        self._bytes = 0
        self._confirmed: list[UUID] = []
        self._forget_at = math.inf
        self._kick = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        database.on_commit.append(self.offer)
        broker.on_connect.append(self._kick.set)

    def offer(self, rows: Sequence[Outgoing]) -> None:
        """Remember committed rows for publishing at once; those that do not fit are left to the scan."""
        if not self._broker.connected:
            return
        for row in rows:
            if len(self._memory) >= MEMORY_ROWS or self._bytes >= MEMORY_BYTES:
                self._room.clear()
                break
            self._memory.append(row)
            self._bytes += len(row.body)
        if len(self._memory) >= 2 * WINDOW:
            self._room.clear()
        self._idle.clear()
        self._kick.set()

    async def room(self) -> None:
        """Wait while memory is full, so that a consumer does not outrun the relay. Never waits for a lost broker."""
        if self._broker.connected and not self._room.is_set():
            try:
                await asyncio.wait_for(self._room.wait(), outbox.WRITER_GRACE_SECONDS)
            except TimeoutError:
                return

    async def run(self) -> None:
        """Publish for ever; an outage of either server only makes it wait."""
        next_scan = 0.0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._beat()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), max(0.0, min(next_scan, self._forget_at) - loop.time()))
            self._kick.clear()
            await self._drain_memory()
            if loop.time() >= min(next_scan, self._forget_at):
                await self._forget_confirmed()
            if loop.time() >= next_scan:
                next_scan = loop.time() + SCAN_SECONDS
                await self._guarded(self._scan)
                await self._guarded(self._measure)

    async def stop(self, seconds: float = 5.0) -> None:
        """Publish what is in memory, then end; the rest is in the outbox for the next process."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.warning("stopped with %d messages left to the outbox", len(self._memory))
        self._stopping = True
        self._kick.set()

    async def _drain_memory(self) -> None:
        while self._memory:
            window = [self._memory.popleft() for _ in range(min(WINDOW, len(self._memory)))]
            self._bytes -= sum(len(row.body) for row in window)
            if len(self._memory) < WINDOW:
                self._room.set()
            if not await self._guarded(partial(self._publish, window)):
                self._memory.clear()
                self._bytes = 0
            if asyncio.get_running_loop().time() >= self._forget_at:
                await self._forget_confirmed()
        self._room.set()
        if not self._confirmed:
            self._idle.set()

    async def _forget_confirmed(self) -> None:
        """Delete from the outbox what the broker confirmed. What cannot be deleted now is tried with the next."""
        self._forget_at = math.inf
        await self._guarded(self._forget)
        if not self._memory:
            self._idle.set()

    async def _forget(self) -> None:
        if confirmed := self._confirmed[:]:
            async with single_statement(self._database) as tx:
                await outbox.confirm(tx, confirmed)
            del self._confirmed[: len(confirmed)]

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
            return True
        except BrokerAway as away:
            log.info("relay waits for the broker: %s", away)
        except Exception as error:
            if judge(error) is Verdict.MESSAGE:
                log.exception("relay failed")
            else:
                log.warning("relay waits for the database: %s", explain(error))
        return False

    async def _publish(self, window: Sequence[Outgoing]) -> None:
        await faults.point("before_publish")
        published = await self._broker.publish(window)
        await faults.point("after_publish")
        if published.confirmed:
            self._confirmed += published.confirmed
            self._forget_at = min(self._forget_at, asyncio.get_running_loop().time() + FORGET_SECONDS)
        if published.refused:
            async with single_statement(self._database) as tx:
                await outbox.delay(tx, list(published.refused))
        _tell_refused(published)

    async def _scan(self) -> None:
        if not self._broker.connected:
            return
        await self._release_due()
        while await self._publish_lost() == WINDOW:
            self._beat()

    async def _measure(self) -> None:
        """Tell what lies in the tables, above all while the broker is away."""
        async with transaction(self._database) as tx:
            telemetry.stored(await outbox.state(tx))

    async def _release_due(self) -> None:
        async with transaction(self._database) as tx:
            for message in await outbox.take_due(tx, WINDOW):
                tx.send(message)

    async def _publish_lost(self) -> int:
        """Lock, publish, delete in one transaction, so that two relays never publish the same lost row together."""
        async with transaction(self._database) as tx:
            lost = await outbox.take_lost(tx, WINDOW)
            if lost:
                published = await self._broker.publish(await self._complete(tx, lost))
                await outbox.confirm(tx, published.confirmed)
                await outbox.delay(tx, list(published.refused))
                _tell_refused(published)
        return len(lost)


def _tell_refused(published: Published) -> None:
    for reason in published.refused.values():
        telemetry.refused(reason)
        log.error("a message came back from the broker and is tried again later: %s", reason)
