"""One connection to RabbitMQ: aiormq speaks the protocol, content frames pass by it; its loss is always noticed.

aiormq reads each frame through three awaits, a queue and a task per message. So its transport is tapped (a public
extension point, `transport_factory`): content frames of registered channels go straight to their sink, all others are
handed on to aiormq byte for byte. Measured on the same two busy cores, quorum queue, 600-byte bodies, windows of 200,
CPU of the client: aio_pika 260 µs to publish a message and 221 µs to consume one, this way 20 and 26; 9,600 to 16,000
messages published per second, 20,000 to 32,000 consumed, and then the broker is the limit.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiormq.abc import AbstractChannel
from aiormq.channel import Channel
from aiormq.connection import Connection, TransportFactory
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from crossdock.messaging.broker import wire

if TYPE_CHECKING:
    from yarl import URL

log = logging.getLogger(__name__)

# The supervisor says in one line what happened; aiormq would add a traceback per lost connection.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

_OPEN_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 2.0
_CLOSE, _BLOCKED, _UNBLOCKED = ((10 << 16 | method).to_bytes(4, "big") for method in (50, 60, 61))


class Tap(asyncio.StreamReaderProtocol):
    """Splits the incoming bytes into frames and gives each to its channel's sink, or to aiormq's reader."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop):
        super().__init__(reader, loop=loop)
        self.sinks: dict[int, wire.ChannelSink] = {}
        self.transport: asyncio.Transport | None = None
        self.blocked = False
        self.farewell = ""
        self.heard = self.told = time.monotonic()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to write content frames on."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits on this connection."""
        if not self.lost.done():
            self.lost.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Route whole frames; keep the beginning of one that has not come whole yet."""
        self.heard = time.monotonic()
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= wire.FRAME_OVERHEAD:
            kind, channel, size = wire.FRAME_HEAD.unpack_from(data, at)
            if kind not in wire.FRAME_TYPES:  # no AMQP 0-9-1: aiormq explains what it is
                break
            after = at + wire.FRAME_OVERHEAD + size
            if after > end:
                break
            self._route(kind, channel, data, at, after)
            at = after
        else:
            kind = wire.HEARTBEAT
        self._rest = data[at:]
        if kind not in wire.FRAME_TYPES:
            self._rest = b""
            super().data_received(data[at:])
        elif self.heard - self.told > 1:
            # While content flows the broker sends no heartbeat, and aiormq would believe the connection stuck.
            self._tell(wire.HEARTBEAT_FRAME)

    def _route(self, kind: int, channel: int, data: bytes, at: int, after: int) -> None:
        sink = self.sinks.get(channel)
        if sink is not None and sink.frame(kind, data[at + 7 : after - 1]):
            return
        if channel == 0 and kind == wire.METHOD:
            self._note(data[at + 7 : after - 1])
        self._tell(data[at:after])

    def _note(self, method: bytes) -> None:
        if method.startswith(_BLOCKED):
            self.blocked = True
            log.warning("RabbitMQ takes no messages for now: %s", method[5 : 5 + method[4]].decode("utf-8", "replace"))
        elif method.startswith(_UNBLOCKED):
            self.blocked = False
            log.info("RabbitMQ takes messages again")
        elif method.startswith(_CLOSE):
            self.farewell = method[7 : 7 + method[6]].decode("utf-8", "replace")

    def _tell(self, frame: bytes) -> None:
        self.told = self.heard
        super().data_received(frame)


class _TappedTransport(TransportFactory):
    def __init__(self) -> None:
        self.tap: Tap | None = None

    async def create(self, url: "URL", **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = await kwargs["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        tap = Tap(reader, loop)
        transport, _ = await loop.create_connection(lambda: tap, str(url.host), url.port or 5672, ssl=tls)
        self.tap = tap
        return reader, asyncio.StreamWriter(transport, tap, reader, loop)


class Link:
    """An open connection. `lost` is done when it is gone; `blocked` while the broker takes no publishes (an alarm)."""

    def __init__(self, connection: Connection, tap: Tap):
        self._connection = connection
        self._tap = tap
        self.frame_max = connection.connection_tune.frame_max or 131_072

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection is gone; never fails."""
        return self._tap.lost

    @property
    def blocked(self) -> bool:
        """Whether the broker has said that it takes no publishes for now (memory or disk alarm)."""
        return self._tap.blocked

    @property
    def heard(self) -> float:
        """When the broker last sent anything, in seconds of `time.monotonic()`."""
        return self._tap.heard

    def why_lost(self) -> str:
        """One clause for the log: what ended the connection."""
        return self._tap.farewell or "the connection was lost"

    @property
    def unsent(self) -> int:
        """Bytes written that the operating system has not taken yet, since the broker does not read."""
        transport = self._tap.transport
        return transport.get_write_buffer_size() if transport is not None else 0

    def send(self, frames: bytes) -> None:
        """Write whole frames at once; they are lost with the connection."""
        transport = self._tap.transport
        if transport is not None and not transport.is_closing():
            transport.write(frames)

    def abort(self) -> None:
        """Give the connection up at once, as one must with a peer that no longer answers."""
        if self._tap.transport is not None:
            self._tap.transport.abort()

    @asynccontextmanager
    async def channel(self, sink: wire.ChannelSink | None = None, *, confirms: bool = False) -> AsyncIterator[Channel]:
        """A channel whose content frames go to `sink`; closed on leaving, so that the broker requeues what it held."""
        if self.lost.done():
            raise ConnectionError(self.why_lost())
        async with asyncio.timeout(_OPEN_TIMEOUT):
            channel = await self._connection.channel(publisher_confirms=confirms)
        assert isinstance(channel, Channel)
        if sink is not None:
            self._tap.sinks[channel.number] = sink
        try:
            yield channel
        finally:
            if not self.lost.done():
                with suppress(Exception):
                    await channel.close(timeout=_CLOSE_TIMEOUT)
            if sink is not None and self._tap.sinks.get(channel.number) is sink:
                del self._tap.sinks[channel.number]

    async def close(self) -> None:
        """Say goodbye, for at most two seconds."""
        with suppress(Exception):
            await self._connection.close(timeout=_CLOSE_TIMEOUT)
        self.abort()


@asynccontextmanager
async def connect(url: str, *, name: str, heartbeat: int, timeout: float) -> AsyncIterator[Link]:
    """Open one connection within `timeout` seconds, shown as `name` in the management console.

    A peer silent for two intervals of `heartbeat` seconds is given up. Raises ConnectionError with the reason.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"heartbeat": str(heartbeat), "name": name}
    transport = _TappedTransport()
    connection = Connection(parts._replace(query=urlencode(query)).geturl(), transport_factory=transport)
    try:
        async with asyncio.timeout(timeout):
            await connection.connect()
    except Exception as problem:
        farewell = transport.tap.farewell if transport.tap is not None else ""
        raise ConnectionError(farewell or explain(problem)) from problem
    assert transport.tap is not None
    link = Link(connection, transport.tap)
    silence = asyncio.create_task(_listen_for_silence(link, 2 * heartbeat))
    try:
        yield link
    finally:
        silence.cancel()
        await link.close()


async def _listen_for_silence(link: Link, longest: float) -> None:
    """Abort a half-open connection: RabbitMQ sends a heartbeat every half interval when it has nothing else to send."""
    while not link.lost.done():
        silent = time.monotonic() - link.heard
        if silent >= longest:
            link.abort()
            return
        await asyncio.sleep(longest - silent)


def why_closed(link: Link, channel: AbstractChannel) -> str:
    """One clause for the log: what ended the channel, or its connection."""
    closing = channel.closing
    if not link.lost.done() and closing.done() and not closing.cancelled():
        problem = closing.exception()
        if problem is not None and str(problem):
            return explain(problem)
    return link.why_lost()


async def outcome(step: Awaitable[str], what: str) -> str:
    """The clause that the step returned, or one on what ended it: nothing but our own cancellation passes through here.

    aiormq ends whoever waits for an answer with CancelledError when its own tasks are cancelled, and a task that dies
    of it vanishes without a word.
    """
    try:
        return await step
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return "the connection was lost"
    except (OSError, AMQPError, ChannelInvalidStateError) as problem:  # TimeoutError is an OSError
        return explain(problem)
    except Exception as problem:
        log.exception("%s: a fault in talking to RabbitMQ", what)
        return explain(problem)


def explain(problem: BaseException) -> str:
    """A clause for a person. aiormq's texts quote the broker or the operating system, never the credentials."""
    if isinstance(problem, TimeoutError):
        return "the broker did not answer in time"
    return " ".join(str(problem).split())[:300] or type(problem).__name__
