"""The broker as a service sees it: two connections that come back for ever; nothing is done before RabbitMQ says so."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from crossdock.messaging.broker.declaring import Declared, declare
from crossdock.messaging.broker.link import Link, connect, outcome, why_closed
from crossdock.messaging.broker.publishing import LARGEST_WINDOW, BrokerAway, Published, Publisher, Rules
from crossdock.messaging.broker.stream import Stream
from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.topology import Topology

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 10.0


class Broker:
    """RabbitMQ for one service process. `run()` must be running for anything else to work.

    `on_connect` are called, without arguments, each time both connections stand again.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        topology: Topology,
        mandatory_types: frozenset[str],
        heartbeat: int = 10,
        redeclare_every: float = 60.0,
    ):
        """`url` is amqp:// or amqps:// with credentials and virtual host; `heartbeat`, `redeclare_every` in seconds.

        A message whose type is in `mandatory_types` is refused when no queue takes it.
        """
        if urlsplit(url).scheme not in ("amqp", "amqps") or not urlsplit(url).hostname:
            raise ValueError("the address of RabbitMQ must look like amqp://user:password@host:5672/virtual-host")
        self._url = url
        self._name = name
        self._topology = topology
        self._heartbeat = heartbeat
        self._redeclare_every = redeclare_every
        self._rules = Rules(name, frozenset(topology.exchanges), mandatory_types)
        self.generation = 0
        self.on_connect: list[Callable[[], None]] = []
        self._publisher: Publisher | None = None
        self._consuming: Link | None = None
        self._streams: dict[Stream, asyncio.Task[None] | None] = {}
        self._declaring = asyncio.Lock()
        self._stood = {"publishing": False, "consuming": False}
        self._problems: dict[str, str] = {}
        self._whole = asyncio.Event()
        self._closing = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def connected(self) -> bool:
        """Whether both connections stand."""
        return self._whole.is_set()

    async def wait_connected(self, timeout: float) -> None:
        """Return when both connections stand. Raises BrokerAway after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._whole.wait()
        except TimeoutError:
            raise BrokerAway(f"RabbitMQ could not be reached within {timeout:g} s") from None

    async def run(self) -> None:
        """Connect, and connect again whenever a connection is lost, until cancelled or closed."""
        self._ended.clear()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep("publishing", self._publish_on))
                group.create_task(self._keep("consuming", self._consume_on))
        finally:
            self._ended.set()

    async def close(self) -> None:
        """Take no new deliveries and close both connections; the broker requeues what is unsettled. `run()` returns."""
        await asyncio.gather(*(stream.cancel() for stream in self._streams))
        self._closing.set()
        await self._ended.wait()

    def stream(self, queue: str, prefetch: int) -> Stream:
        """Deliveries of `queue`, at most `prefetch` of them unsettled, on a channel of their own."""
        stream = Stream(queue, prefetch, self._redeclare)
        self._streams[stream] = None
        if self._consuming is not None:
            self._streams[stream] = asyncio.create_task(stream.keep(self._consuming))
        return stream

    async def publish(self, messages: Sequence[Outgoing]) -> Published:
        """Publish one window of at most 200 messages and wait for the broker's answer to each, 5 s over all.

        Raises BrokerAway when not connected (at once), when the connection is lost, or when an answer is missing;
        `published` of the exception holds the answers that came.
        """
        if len(messages) > LARGEST_WINDOW:
            raise ValueError(f"a window holds at most {LARGEST_WINDOW} messages, not {len(messages)}")
        if self._publisher is None:
            raise BrokerAway("RabbitMQ is not connected")
        return await self._publisher.publish(messages)

    async def _keep(self, side: str, serve: Callable[[Link], Awaitable[str]]) -> None:
        """Hold one connection for ever; `serve` uses it and returns why it is of no more use."""
        delay, told = _FIRST_DELAY, ""
        while not self._closing.is_set():
            began = time.monotonic()
            reason = await outcome(self._serve(side, serve), side)
            if self._closing.is_set():
                return
            if time.monotonic() - began > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            if self._stood[side] or reason != told:
                log.warning("%s: RabbitMQ is away, trying again until it is back: %s", side, reason)
            self._stood[side], told = False, reason
            await self._pause(delay * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects, hides nothing
            delay = min(_LONGEST_DELAY, delay * 2)

    async def _serve(self, side: str, serve: Callable[[Link], Awaitable[str]]) -> str:
        name = f"{self._name} {side}"
        async with connect(self._url, name=name, heartbeat=self._heartbeat, timeout=_CONNECT_TIMEOUT) as link:
            await self._redeclare(link)
            log.info("%s: connected to RabbitMQ", side)
            self._stood[side] = True
            return await serve(link)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _publish_on(self, link: Link) -> str:
        publisher = Publisher(link, self._rules)
        async with link.channel(publisher.sink, confirms=True) as channel:
            publisher.channel = channel.number
            self._publisher = publisher
            self._standing()
            try:
                await self._until(link.lost, channel.closing)
                return why_closed(link, channel)
            finally:
                self._publisher = None
                self._whole.clear()
                publisher.fail(f"RabbitMQ is not connected: {why_closed(link, channel)}")

    async def _consume_on(self, link: Link) -> str:
        self._consuming = link
        self.generation += 1
        for stream in self._streams:
            self._streams[stream] = asyncio.create_task(stream.keep(link))
        self._standing()
        try:
            while not (link.lost.done() or self._closing.is_set()):
                await self._until(link.lost, timeout=self._redeclare_every)
                if not (link.lost.done() or self._closing.is_set()):
                    asked = time.monotonic()
                    self._watch(asked, await self._redeclare(link))
            return link.why_lost()
        finally:
            self._consuming = None
            self._whole.clear()
            tasks = [task for task in self._streams.values() if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until(self, *ended: asyncio.Future[Any], timeout: float | None = None) -> None:
        closing: asyncio.Future[Any] = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((*ended, closing), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()

    def _standing(self) -> None:
        if self._publisher is None or self._consuming is None:
            return
        self._whole.set()
        for call in self.on_connect:
            try:
                call()
            except Exception:
                log.exception("a listener for the connection to RabbitMQ failed")

    async def _redeclare(self, link: Link) -> Declared:
        """Declare everything again; what is wrong is said once."""
        async with self._declaring:  # the two connections at once would race to create the same quorum queue
            found = await declare(link, self._topology)
        for name, problem in found.problems.items():
            if self._problems.get(name) != problem:
                log.error("%s is not as declared, see `crossdock topology plan`: %s", name, problem)
        self._problems = found.problems
        return found

    def _watch(self, asked: float, found: Declared) -> None:
        for stream in self._streams:
            if stream.queue in found.depths:
                stream.check(asked, *found.depths[stream.queue])
