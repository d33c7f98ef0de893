"""A load generator for webhooks: a process of its own, signed requests made beforehand, raw sockets, so that it costs
little beside what it measures. Prints one JSON object.

`closed`: so many connections, each sends its next request when the last one is answered. `open` (with --rate): requests
are due at a fixed rate whatever the answers do, and latency counts from the moment at which each was due, the wait for
a free connection included: no coordinated omission.
"""

import argparse
import asyncio
import base64
import hmac
import itertools
import json
import math
import random
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import uvloop

END_OF_HEAD = b"\r\n\r\n"
OK = b"HTTP/1.1 200"
BODIES = 32
WARM_UP = 0.2
GRACE_SECONDS = 5.0


def order_body(size: int, number: int) -> bytes:
    """An order as a store sends it, made up, with as many lines as fit into about `size` bytes."""
    chance = random.Random(number)
    money = {"shop_money": {"amount": "24.00", "currency_code": "EUR"}}
    order: dict[str, Any] = {
        "id": 6_000_000_000_000 + number,
        "name": f"#{number}",
        "financial_status": "paid",
        "created_at": "2026-11-01T10:00:00+00:00",
        "updated_at": "2026-11-01T10:00:01+00:00",
        "currency": "EUR",
        "email": "test.person@example.com",
        "total_price_set": money,
        "shipping_address": {
            "name": "Test Person",
            "address1": "1 Example Street",
            "city": "Exampletown",
            "zip": "00000",
        },
        "note_attributes": [],
        "line_items": [],
    }
    while len(body := json.dumps(order).encode()) < size - 400:
        order["line_items"].append(
            {
                "id": chance.randrange(10**13, 10**14),
                "variant_id": chance.randrange(10**13, 10**14),
                "sku": f"SKU-{chance.randrange(5000):05d}",
                "title": f"Product {secrets.token_hex(6)}",
                "quantity": chance.randint(1, 3),
                "price_set": money,
                "tax_lines": [{"rate": 0.19, "title": "VAT", "price_set": money}],
                "properties": [],
                "requires_shipping": True,
            }
        )
    order["note"] = "x" * max(size - len(body) - 14, 0)
    return json.dumps(order).encode()


def request_parts(shop: str, secret: str, body: bytes) -> tuple[bytes, bytes]:
    """A signed webhook of a shop, as what comes before and after its delivery id."""
    signed = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    head = (
        "POST /webhooks/shopify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "User-Agent: Shopify-Captain-Hook\r\nAccept: */*\r\nX-Shopify-Topic: orders/create\r\n"
        f"X-Shopify-Shop-Domain: {shop}\r\nX-Shopify-Hmac-Sha256: {signed}\r\nX-Shopify-API-Version: 2026-10\r\n"
        f"X-Shopify-Event-Id: {secrets.token_hex(16)}\r\nX-Shopify-Triggered-At: 2026-11-01T10:00:00.000000000Z\r\n"
        f"Content-Length: {len(body)}\r\nX-Shopify-Webhook-Id: "
    )
    return head.encode(), END_OF_HEAD + body


def signed_request(shop: str, secret: str, body: bytes, delivery_id: str) -> bytes:
    """A signed webhook of a shop, whole."""
    head, tail = request_parts(shop, secret, body)
    return b"".join((head, delivery_id.encode(), tail))


class Requests:
    """Prepared webhooks: a few signed bodies in turn, and a new delivery id each time."""

    def __init__(self, shop: str, secret: str, size: int) -> None:
        self._prepared: Iterator[tuple[bytes, bytes]] = itertools.cycle(
            [request_parts(shop, secret, order_body(size, number)) for number in range(BODIES)]
        )
        self._run = secrets.token_hex(12)
        self._number = 0

    def next(self) -> bytes:
        """The next request, whole."""
        self._number += 1
        head, tail = next(self._prepared)
        return b"".join((head, f"{self._run}-{self._number}".encode(), tail))


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._due = 0.0
        self._answer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._load.free(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due then (time.perf_counter)."""
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(END_OF_HEAD)
        if end < 0 or len(self._answer) < end + 4 + _length(self._answer[:end]):
            return
        self._load.answered(self._due, ok=self._answer.startswith(OK))
        self._answer = b""
        self._load.free(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost += not self._load.over


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


class Load:
    """Sends for so many seconds after a warm-up; an answer counts for the second in which its request was due."""

    def __init__(self, requests: Requests, rate: float | None) -> None:
        self._requests = requests
        self._rate = rate
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._answers: list[tuple[float, float]] = []
        self._unanswered = 0
        self._sending = True
        self._all_answered = asyncio.Event()
        self.failed = 0
        self.lost = 0
        self.over = False

    def free(self, connection: Connection) -> None:
        """A connection can take the next request."""
        if self._waiting:
            connection.send(self._requests.next(), self._waiting.popleft())
        elif self._rate is None and self._sending:
            self._unanswered += 1
            connection.send(self._requests.next(), time.perf_counter())
        else:
            self._free.append(connection)

    def answered(self, due: float, *, ok: bool) -> None:
        """The answer to a request that was due then."""
        self._answers.append((due, time.perf_counter()))
        self._unanswered -= 1
        if not self._sending and not self._unanswered:
            self._all_answered.set()
        self.failed += not ok

    async def run(self, port: int, connections: int, seconds: float) -> dict[str, float]:
        """Open the connections, send, and return the figures."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        began = time.perf_counter() + seconds * WARM_UP
        await self._send_until(began + seconds)
        await self._answered_all()
        self.over = True
        latencies = sorted(at - due for due, at in self._answers if began <= due < began + seconds)
        if self._unanswered or not latencies:
            raise SystemExit(f"{self._unanswered} requests were not answered, {len(latencies)} were")
        return {
            "per_second": sum(began <= at < began + seconds for _, at in self._answers) / seconds,
            "p50_ms": 1000 * latencies[len(latencies) // 2],
            "p99_ms": 1000 * latencies[len(latencies) * 99 // 100],
            "requests": len(self._answers),
            "failed": self.failed + self.lost,
        }

    async def _answered_all(self) -> bool:
        """Send nothing more; whether every request was answered in time."""
        self._sending = False
        if self._unanswered:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), GRACE_SECONDS)
        return not self._unanswered

    async def _send_until(self, end: float) -> None:
        if self._rate is None:
            await asyncio.sleep(end - time.perf_counter())
            return
        began = time.perf_counter()
        await self._send_at([began + number / self._rate for number in range(math.ceil((end - began) * self._rate))])

    async def _send_at(self, times: Sequence[float]) -> None:
        """Send one request at each of these times, or as soon after it as a connection is free."""
        for due in times:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._unanswered += 1
            if self._free:
                self._free.popleft().send(self._requests.next(), due)
            else:
                self._waiting.append(due)


def main() -> None:
    """Read the command line, send, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--shop", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--size", type=int, default=6144)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    load = Load(Requests(given.shop, given.secret, given.size), given.rate)
    print(json.dumps(uvloop.run(load.run(given.port, given.connections, given.seconds))))


if __name__ == "__main__":
    main()
