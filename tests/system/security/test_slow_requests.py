"""Slow, bloated and idle connections starve nobody: a neighbour's webhook is answered as always, in bounded memory.

It would fail: with uvicorn's own protocol the slow connections are never closed, and memory grows with what they send.
"""

import asyncio
import json
import statistics
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from crossdock.contracts.base import utc_now
from crossdock.service.patience import HEAD_SECONDS
from crossdock.testing.forgeries import sign_as_shopify

pytestmark = pytest.mark.timeout(180)

SECONDS = 12.0
GROWTH = 120 * 2**20
"""Bytes that the gateway may grow by under all of them at once; its bodies alone may take 48 MiB."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crowd:
    """Connections that want to keep the gateway from others."""

    def __init__(self, guarded: Any) -> None:
        url = httpx.URL(guarded.system.stack.gateway_url)
        self._where = (url.host, url.port)
        shop = f"x-shopify-shop-domain: {guarded.market.shop}\r\n".encode()
        self._head = b"POST /webhooks/shopify HTTP/1.1\r\nhost: here\r\n" + shop
        self.slow: list[Stream] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def gather(self) -> None:
        """Several hundred of each kind."""
        kinds = [(300, self._nothing), (300, self._head_drop_by_drop), (100, self._body_drop_by_drop)]
        kinds += [(50, self._endless_head), (30, self._huge_body)]
        for number, kind in kinds:
            for _ in range(number):
                stream = await asyncio.open_connection(*self._where)
                if kind is not self._huge_body:
                    self.slow.append(stream)
                self.tasks.append(asyncio.create_task(kind(stream[1])))

    async def still_open(self) -> int:
        """How many of the slow ones the gateway has not closed."""
        ended = await asyncio.gather(*(self._ended(reader) for reader, _ in self.slow))
        return ended.count(False)

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for _, writer in self.slow:
            writer.close()

    async def _ended(self, reader: asyncio.StreamReader) -> bool:
        with suppress(ConnectionError):
            try:
                await asyncio.wait_for(reader.read(), 1)
            except TimeoutError:
                return False
        return True

    async def _nothing(self, _: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SECONDS)

    async def _head_drop_by_drop(self, writer: asyncio.StreamWriter) -> None:
        await self._drip(writer, self._head, b"x: y\r\n")

    async def _body_drop_by_drop(self, writer: asyncio.StreamWriter) -> None:
        await self._drip(writer, self._head + b"content-length: 2000000\r\n\r\n", b"x" * 10)

    async def _endless_head(self, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(self._head)
            while True:
                writer.write(b"x-padding: " + b"y" * 60_000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

    async def _huge_body(self, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(self._head + b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(100):
                writer.write(b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n")
                await writer.drain()
            writer.close()

    async def _drip(self, writer: asyncio.StreamWriter, first: bytes, drop: bytes) -> None:
        with suppress(ConnectionError):
            writer.write(first)
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.5)


async def webhooks(guarded: Any, seconds: float) -> list[float]:
    """Send the webhooks of a well-behaved store, one after another; returns how long each took, in seconds."""
    market, took = guarded.market, []
    raw = json.dumps({"id": 1, "note": "nobody reads this"}).encode()
    signed = sign_as_shopify(raw, market.secrets[0].encode(), utc_now()) | {"x-shopify-shop-domain": market.shop}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=market.gateway_url, timeout=10, trust_env=False) as client:
            headers = signed | {"x-shopify-topic": "shop/nobody_needs_this", "x-shopify-webhook-id": str(uuid4())}
            reply = await client.post("/webhooks/shopify", content=raw, headers=headers)
        assert reply.status_code == 200, reply.text
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return took


async def test_a_neighbours_webhooks_are_answered_as_always(guarded: Any) -> None:
    process = psutil.Process(guarded.system.pid("gateway"))
    quiet = statistics.median(await webhooks(guarded, 3.0))
    before = process.memory_info().rss
    crowd = Crowd(guarded)
    try:
        await crowd.gather()
        took = await webhooks(guarded, SECONDS)
        grown = process.memory_info().rss - before
        await asyncio.sleep(max(0.0, 2 * HEAD_SECONDS + 2 - SECONDS))
        left = await crowd.still_open()
    finally:
        await crowd.leave()
    p95 = statistics.quantiles(took, n=20)[-1]
    told = f"quiet median {quiet * 1e3:.1f} ms; beside the crowd median {statistics.median(took) * 1e3:.1f} ms, p95"
    print(f"{told} {p95 * 1e3:.1f} ms; {grown / 2**20:.1f} MiB more; {left} of {len(crowd.slow)} still open")
    assert len(took) > 50
    assert p95 < max(1.0, 20 * quiet)
    assert grown < GROWTH
    assert left == 0
