"""A TCP proxy that fails on command: cut, blackhole, refuse, latency, words of its own. It stands between a service and
a server."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """Forwards connections on a loopback port to one target. `latency` is in seconds, one way; a new `target` is for
    new connections; with `tls` the client speaks TLS, and the target does not."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.latency = 0.0
        self.port = 0
        self.target = (host, port)
        self._flow = asyncio.Event()
        self._flow.set()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self._tls = tls

    async def listen(self) -> None:
        """Accept connections, on the port used before if there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every open connection on both sides."""
        for pair in list(self._pairs):
            for writer in pair:
                _reset(writer)

    def blackhole(self, swallow: bool = True) -> None:
        """Let nothing through while the connections stay open, as a broken network does."""
        if swallow:
            self._flow.clear()
        else:
            self._flow.set()

    def say(self, data: bytes) -> None:
        """Send every client something, as if the target had."""
        for client, _ in self._pairs:
            client.write(data)

    async def refuse(self) -> None:
        """Be gone, like a host that is down; `listen` brings it back."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer))
                both.create_task(self._pump(far_reader, writer))
        finally:
            self._pairs.discard(pair)
            for each in pair:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):
            while data := await reader.read(65_536):
                if self.latency:
                    await asyncio.sleep(self.latency)
                await self._flow.wait()
                writer.write(data)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def between(url: str, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[FaultProxy, str]]:
    """Put a proxy before the server that a URL names; yields it and the URL that goes through it, `amqps:` for `amqp:`
    with `tls`."""
    parts = urlsplit(url)
    proxy = FaultProxy(parts.hostname or "127.0.0.1", parts.port or 0, tls)
    await proxy.listen()
    credentials = parts.netloc.rpartition("@")[0]
    netloc = f"{credentials}@127.0.0.1:{proxy.port}" if credentials else f"127.0.0.1:{proxy.port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=netloc, scheme=f"{parts.scheme}s" if tls else parts.scheme))
    finally:
        await proxy.refuse()
