"""Deliveries of one queue on a channel of their own: none is ever acknowledged on a newer channel than its own."""

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiormq.channel import Channel
from aiormq.exceptions import AMQPError

from crossdock.messaging.broker.link import Link, explain, outcome, why_closed
from crossdock.messaging.broker.wire import ChannelSink, Content, ack_frame
from crossdock.messaging.envelope import Incoming

log = logging.getLogger(__name__)

_OPEN_TIMEOUT = 10.0
_CANCEL_TIMEOUT = 3.0
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in hand, to be acknowledged by its `tag` while its `generation` lasts.

    `delivery_count` is how often the broker delivered it before and got no answer (quorum queues; 0 at first).
    """

    tag: int
    generation: int
    redelivered: bool
    delivery_count: int
    message: Incoming


class Reconnected(Exception):
    """The deliveries in your hand belong to an older generation: throw them away, the broker delivers them again."""


@dataclass(slots=True)
class _Consumer:
    """One channel's worth of consuming; `settled` is the last tag acknowledged, `seen` what the watchdog saw last."""

    link: Link
    channel: Channel
    sink: ChannelSink
    tag: str
    broken: asyncio.Future[str]
    since: float = math.inf
    delivered: int = 0
    settled: int = 0
    seen: int = 0

    @property
    def gone(self) -> bool:
        return self.sink.closed or self.link.lost.done()

    def break_off(self, reason: str) -> None:
        if not self.broken.done():
            self.broken.set_result(reason)


class Stream:
    """Deliveries of one queue, for one reader; it lives through reconnects and a deleted queue.

    `generation` rises whenever the channel is opened anew, by a reconnect or for this queue alone.
    """

    def __init__(self, queue: str, prefetch: int, redeclare: Callable[[Link], Awaitable[object]]):
        self.queue = queue
        self.generation = 0
        self._prefetch = prefetch
        self._redeclare = redeclare
        self._consumer: _Consumer | None = None
        self._cancelled = False
        self._local: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._opening = asyncio.Lock()

    async def take(self, limit: int, wait: float) -> list[Delivery]:
        """At least one delivery if any comes within `wait` seconds, then what is already here, up to `limit`."""
        if not self._local:
            if self._cancelled:
                return []
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        return [self._local.popleft() for _ in range(min(limit, len(self._local)))]

    async def ack_through(self, last: Delivery) -> None:
        """Settle `last` and every delivery before it with one frame. Raises Reconnected when it is of an older channel.

        The frame is on its way, not confirmed: a connection lost now delivers the messages again.
        """
        self._settle(last, multiple=True)

    async def ack_one(self, delivery: Delivery) -> None:
        """Settle this delivery alone. Raises Reconnected when it is of an older channel."""
        self._settle(delivery, multiple=False)

    async def cancel(self) -> None:
        """Ask for no new deliveries, for good; those already here can still be taken and acknowledged."""
        self._cancelled = True
        async with self._opening:
            consumer = self._consumer
            if consumer is not None and not consumer.gone:
                try:
                    async with asyncio.timeout(_CANCEL_TIMEOUT):
                        await consumer.channel.basic_cancel(consumer.tag)
                except (OSError, AMQPError) as problem:
                    log.info("queue %s: cancelled by losing its channel: %s", self.queue, explain(problem))
        self._arrived.set()

    def _delivery(self, content: Content) -> Delivery:
        tag, redelivered = content.delivery()
        message, count = content.message()
        return Delivery(tag, self.generation, redelivered, count, message)

    def _settle(self, delivery: Delivery, *, multiple: bool) -> None:
        consumer = self._consumer
        if consumer is None or consumer.gone or delivery.generation != self.generation:
            raise Reconnected(f"queue {self.queue}: the channel of these deliveries is gone")
        consumer.link.send(ack_frame(consumer.channel.number, delivery.tag, multiple=multiple))
        consumer.settled = max(consumer.settled, delivery.tag)

    async def keep(self, link: Link) -> None:
        """Keep a consumer on `link` until the link is lost or the stream is cancelled."""
        delay, again = _FIRST_DELAY, False
        while not link.lost.done() and not self._cancelled:
            opened = time.monotonic()
            reason = await outcome(self._consume(link, redeclare=again), f"queue {self.queue}")
            if link.lost.done() or self._cancelled:
                return
            if time.monotonic() - opened > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            log.warning("queue %s: consuming again in %.1f s: %s", self.queue, delay, reason)
            await asyncio.wait((link.lost,), timeout=delay * random.uniform(0.5, 1))  # noqa: S311 - spreads retries
            delay, again = min(_LONGEST_DELAY, delay * 2), True

    async def _consume(self, link: Link, *, redeclare: bool) -> str:
        """Consume until something ends it; what that was, as a clause for the log."""
        if redeclare:
            await self._redeclare(link)
        sink = ChannelSink(self._on_content, _no_confirm)
        async with link.channel(sink) as channel:
            self.generation += 1
            broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            consumer = _Consumer(link, channel, sink, f"{self.queue}.{self.generation}", broken)
            self._consumer = consumer
            channel.on_consumer_cancel_callbacks.add(lambda _: consumer.break_off("the broker ended the consumer"))
            try:
                async with self._opening, asyncio.timeout(_OPEN_TIMEOUT):
                    if self._cancelled:
                        return "cancelled"
                    await channel.basic_qos(prefetch_count=self._prefetch)
                    await channel.basic_consume(self.queue, _unused, consumer_tag=consumer.tag)
                consumer.since = time.monotonic()
                await asyncio.wait((link.lost, channel.closing, broken), return_when=asyncio.FIRST_COMPLETED)
                return broken.result() if broken.done() else why_closed(link, channel)
            finally:
                self._consumer = None
                self._local.clear()

    def _on_content(self, returned: bool, content: Content) -> None:
        if self._consumer is not None:
            self._consumer.delivered += 1
            # Read as it comes: that is while the batch in hand waits for Postgres, and not between it and the next.
            self._local.append(self._delivery(content))
            self._arrived.set()

    def check(self, asked: float, ready: int, consumers: int) -> None:
        """The watchdog. At `asked` (time.monotonic) the queue had `ready` messages waiting and `consumers`.

        A consumer can be gone without a word (aio-pika #231, #334): no consumer at all, or messages waiting while we
        hold none and got none since the last look, mean that ours is.
        """
        consumer = self._consumer
        if consumer is None or consumer.since > asked or self._cancelled:
            return
        idle = consumer.delivered == consumer.seen and consumer.settled >= consumer.delivered
        consumer.seen = consumer.delivered
        if consumers == 0 or (ready > 0 and idle):
            consumer.break_off(f"the consumer was stuck: {ready} messages wait for {consumers} consumers")


def _no_confirm(tag: int, multiple: bool, accepted: bool) -> None:
    """Nothing is published on a consuming channel."""


async def _unused(message: object) -> None:
    """Deliveries go to the channel's sink and never reach aiormq."""
