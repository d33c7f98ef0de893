"""One handler's loop: take what is local, settle it, acknowledge it with one ack; pause and probe in an outage."""

import asyncio
import gc
import logging
import random
import time
from collections.abc import Awaitable, Callable

from crossdock.messaging import faults
from crossdock.messaging.batch import BatchProcessor
from crossdock.messaging.broker import Delivery, Reconnected, Stream
from crossdock.messaging.failures import Paused
from crossdock.service import telemetry

IDLE_SECONDS = 1.0
"""How long a loop waits for a message before it says that it still turns."""

PROBE_SECONDS = (0.5, 1, 2, 5, 10, 15)
"""The wait before each probe of a paused consumer; the last one repeats."""

COLLECT_AFTER_OBJECTS = 20_000
"""How many more objects than were freed must be made before the garbage collector looks at the young ones."""

log = logging.getLogger(__name__)


def spare_the_collector() -> None:
    """Keep the garbage collector from walking over what lives as long as the process, and over every batch, whose
    objects their reference counts free: it took 15 % of a consumer's CPU at full load, two thirds of it on modules."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)


class BatchRunner:
    """Feeds one handler from its queue. At most one batch is in flight, so one `ack(multiple)` covers it exactly."""

    def __init__(
        self,
        processor: BatchProcessor,
        stream: Stream,
        *,
        size: int,
        beat: Callable[[], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = processor.queue
        self.paused: str | None = None
        self._processor = processor
        self._stream = stream
        self._size = size
        self._beat = beat
        self._room = room
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Turn until stopped; a batch that was taken is always finished."""
        spare_the_collector()
        while not self._stopping.is_set():
            self._beat()
            await self._room()
            batch = await self._stream.take(self._size, IDLE_SECONDS)
            if batch:
                began = time.monotonic()
                await self._settle(batch)
                rest = began + self._processor.handler.pace - time.monotonic()
                if rest > 0 and len(batch) < self._size:  # after a full one enough wait already
                    await asyncio.sleep(rest)

    async def stop(self) -> None:
        """Take nothing more; `run` returns after the batch in hand."""
        self._stopping.set()
        await self._stream.cancel()

    async def _settle(self, batch: list[Delivery]) -> None:
        try:
            await self._settle_all(batch)
        except Paused as pause:
            if not await self._wait_out(batch, pause):
                return
        await faults.point("before_ack")
        try:
            await self._stream.ack_through(batch[-1])
            await faults.point("after_ack")
        except Reconnected:
            log.info("%s: connection was lost after commit; the inbox absorbs the redelivery", self.name)

    async def _settle_all(self, batch: list[Delivery]) -> None:
        """New messages together; those that were delivered before, perhaps to a process that died of one, under
        marks: together too, and alone once a process died of these."""
        before = [delivery.message for delivery in batch if delivery.redelivered]
        if not before:
            await self._processor.settle([delivery.message for delivery in batch])
            return
        together, alone = await self._processor.suspects(before)
        suspected = together | alone
        await self._processor.settle([d.message for d in batch if d.message.message_id not in suspected])
        groups = [[message for message in before if message.message_id in together]]
        groups += [[message] for message in before if message.message_id in alone]
        for group in filter(None, groups):
            self._beat()
            await self._processor.settle_suspects(group)

    async def _wait_out(self, batch: list[Delivery], pause: Paused) -> bool:
        """Probe with one message after another until one works, then settle the whole batch. False when stopped."""
        probes = 0
        self._pause(pause)
        while not await self._stopped_within(PROBE_SECONDS[min(probes, len(PROBE_SECONDS) - 1)]):
            self._beat()
            if probes and probes % len(batch) == 0:
                batch += await self._stream.take(self._size, 0)
            try:
                await self._processor.settle([batch[probes % len(batch)].message])
                await self._settle_all(batch)
                self._resume()
                return True
            except Paused as again:
                self._pause(again)
                probes += 1
        return False

    async def _stopped_within(self, seconds: float) -> bool:
        """Sleep, in steps short enough that the loop is seen to turn."""
        remaining = seconds * random.uniform(1, 1.2)  # noqa: S311 - spreads probes
        while remaining > 0 and not self._stopping.is_set():
            step = min(remaining, IDLE_SECONDS)
            await asyncio.sleep(step)
            self._beat()
            remaining -= step
        return self._stopping.is_set()

    def _pause(self, pause: Paused) -> None:
        if self.paused is None:
            log.error("%s: paused: %s", self.name, pause)
            telemetry.paused(self.name, True)
        self.paused = str(pause)

    def _resume(self) -> None:
        log.warning("%s: resumed", self.name)
        telemetry.paused(self.name, False)
        self.paused = None
