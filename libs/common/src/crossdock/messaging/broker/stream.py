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

from crossdock.messaging.broker.link import Link, explain, why_closed
from crossdock.messaging.broker.wire import ChannelSink, Content, ack_frame
from crossdock.messaging.envelope import Incoming

log = logging.getLogger(__name__)

_OPEN_TIMEOUT = 10.0
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


class Stream:
    """Deliveries of one queue, for one reader; it lives through reconnects and a deleted queue.

    `generation` rises whenever the channel is opened anew, by a reconnect or for this queue alone.
    """

    def __init__(self, queue: str, prefetch: int, redeclare: Callable[[Link], Awaitable[None]]):
        self.queue = queue
        self.generation = 0
        self._prefetch = prefetch
        self._redeclare = redeclare
        self._link: Link | None = None
        self._channel: Channel | None = None
        self._tag = ""
        self._cancelled = False
        self._local: deque[Content] = deque()
        self._arrived = asyncio.Event()
        self._opening = asyncio.Lock()
        self._broken: asyncio.Future[str] | None = None
        self._consuming_since = math.inf
        self._delivered = self._settled = self._seen = 0

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
        return [self._delivery(self._local.popleft()) for _ in range(min(limit, len(self._local)))]

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
            if self._channel is not None:
                try:
                    async with asyncio.timeout(_OPEN_TIMEOUT):
                        await self._channel.basic_cancel(self._tag)
                except (OSError, AMQPError) as problem:
                    log.info("queue %s: cancelled by losing its channel: %s", self.queue, explain(problem))
        self._arrived.set()

    def _delivery(self, content: Content) -> Delivery:
        tag, redelivered = content.delivery()
        message, count = content.message()
        return Delivery(tag, self.generation, redelivered, count, message)

    def _settle(self, delivery: Delivery, *, multiple: bool) -> None:
        if (
            self._link is None
            or self._channel is None
            or self._link.lost.done()
            or delivery.generation != self.generation
        ):
            raise Reconnected(f"queue {self.queue}: the connection of these deliveries is gone")
        self._link.send(ack_frame(self._channel.number, delivery.tag, multiple=multiple))
        self._settled = max(self._settled, delivery.tag)

    def _on_content(self, returned: bool, content: Content) -> None:
        self._local.append(content)
        self._delivered += 1
        self._arrived.set()

    async def keep(self, link: Link) -> None:
        """Keep a consumer on `link` until the link is lost or the stream is cancelled."""
        delay = _FIRST_DELAY
        while not link.lost.done() and not self._cancelled:
            opened = time.monotonic()
            reason = await self._consume(link)
            if link.lost.done() or self._cancelled:
                return
            if time.monotonic() - opened > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            log.warning("queue %s: consuming again in %.1f s: %s", self.queue, delay, reason)
            await asyncio.wait((link.lost,), timeout=delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
            delay = min(_LONGEST_DELAY, delay * 2)
            if not link.lost.done():
                await self._redeclare(link)

    async def _consume(self, link: Link) -> str:
        """Consume until something ends it; what that was, as a clause for the log."""
        try:
            async with link.channel(ChannelSink(self._on_content, _no_confirm)) as channel:
                broken = self._begin(link, channel)
                async with self._opening, asyncio.timeout(_OPEN_TIMEOUT):
                    if self._cancelled:
                        return "cancelled"
                    await channel.basic_qos(prefetch_count=self._prefetch)
                    await channel.basic_consume(self.queue, _unused, consumer_tag=self._tag)
                self._consuming_since = time.monotonic()
                await asyncio.wait((link.lost, channel.closing, broken), return_when=asyncio.FIRST_COMPLETED)
                return broken.result() if broken.done() else why_closed(link, channel)
        except (OSError, AMQPError) as problem:
            return explain(problem)
        except Exception as problem:
            log.exception("queue %s: a fault in its consumer", self.queue)
            return explain(problem)
        finally:
            self._end()

    def _begin(self, link: Link, channel: Channel) -> asyncio.Future[str]:
        """A new generation; the future it returns is set by whoever finds the consumer gone."""
        self.generation += 1
        self._link, self._channel = link, channel
        self._tag = f"{self.queue}.{self.generation}"
        self._broken = asyncio.get_running_loop().create_future()
        self._delivered = self._settled = self._seen = 0
        channel.on_consumer_cancel_callbacks.add(lambda _: self._break("the broker ended the consumer"))
        return self._broken

    def _end(self) -> None:
        self._link = self._channel = self._broken = None
        self._consuming_since = math.inf
        self._local.clear()

    def _break(self, reason: str) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(reason)

    def check(self, asked: float, ready: int, consumers: int) -> None:
        """The watchdog. At `asked` (time.monotonic) the queue had `ready` messages waiting and `consumers`.

        A consumer can be gone without a word (aio-pika #231, #334): no consumer at all, or messages waiting while we
        hold none and got none since the last look, mean that ours is.
        """
        if self._consuming_since > asked or self._cancelled:
            return
        idle = self._delivered == self._seen and self._settled >= self._delivered
        self._seen = self._delivered
        if consumers == 0 or (ready > 0 and idle):
            self._break(f"the consumer was stuck: {ready} messages wait, {consumers} consumers")


def _no_confirm(tag: int, multiple: bool, accepted: bool) -> None:
    """Nothing is published on a consuming channel."""


async def _unused(message: object) -> None:
    """Deliveries go to the channel's sink and never reach aiormq."""
