"""Orders as signed webhooks at a fixed rate, and when each became a request to ship; prints one JSON object.

The arrival times are fixed beforehand. Latency runs from the moment at which an order's webhook was due to the moment
at which a subscriber held its `fulfillment.requested`: whatever waits anywhere on the way is in it, no coordinated
omission. `sustained` says that nothing piled up: after the last order was due, it was through within SETTLED of
the time that the load took.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uvloop
from webhook_load import Connection, Load, Requests, signed_request

from crossdock.contracts.fulfillment import FulfillmentRequested
from crossdock.messaging.broker import Broker
from crossdock.messaging.topology import Queue, Topology
from order_ingest.domain.ids import order_id_of

QUEUE = "bench.requested"
SKUS = 5_000
LINES = 3
SETTLED = 0.2
PATIENCE = 60.0


def order_body(number: int, placed_at: str, size: int) -> bytes:
    """An order of three lines as a store sends it, made up; what the hub does not read makes up the size."""
    chance = random.Random(number)
    money = {"shop_money": {"amount": "24.00", "currency_code": "EUR"}}
    order: dict[str, Any] = {
        "id": number,
        "name": f"#{number}",
        "financial_status": "paid",
        "created_at": placed_at,
        "updated_at": placed_at,
        "currency": "EUR",
        "email": "test.person@example.com",
        "total_price_set": {"shop_money": {"amount": "72.00", "currency_code": "EUR"}},
        "shipping_address": {
            "name": "Test Person",
            "address1": "1 Example Street",
            "city": "Exampletown",
            "zip": "00000",
            "country_code": "DE",
        },
        "line_items": [
            {
                "id": 10 * number + position,
                "variant_id": 1000 + sku,
                "sku": f"SKU-{sku:05d}",
                "title": f"Product {sku}",
                "quantity": 1,
                "price_set": money,
                "tax_lines": [{"rate": 0.19, "title": "VAT", "price_set": money}],
                "properties": [],
                "requires_shipping": True,
            }
            for position, sku in enumerate(chance.sample(range(SKUS), LINES))
        ],
        "client_details": {"user_agent": ""},
    }
    order["client_details"]["user_agent"] = "x" * max(size - len(json.dumps(order)), 0)
    return json.dumps(order).encode()


class Orders(Requests):
    """Prepared webhooks, each of another order, in the order in which they are due."""

    def __init__(self, shop: str, secret: str, size: int, channel_id: UUID, first: int, count: int) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        numbers = range(first, first + count)
        self.ids = [order_id_of(channel_id, str(number), now) for number in numbers]
        self._made: Iterator[bytes] = iter(
            [
                signed_request(shop, secret, order_body(number, now.isoformat(), size), f"order-{number}")
                for number in numbers
            ]
        )

    def next(self) -> bytes:
        return next(self._made)


class Chain(Load):
    """A load that also hears what became of each order."""

    def __init__(self, orders: Orders, rate: float) -> None:
        super().__init__(orders, rate)
        self._number = {str(order_id): number for number, order_id in enumerate(orders.ids)}
        self.due: list[float] = []
        self.heard: dict[int, float] = {}
        self.twice = 0
        self._all_heard = asyncio.Event()

    async def listen(self, broker: Broker) -> None:
        """Note when each request to ship is in hand."""
        stream = broker.stream(QUEUE, 1000)
        while True:
            batch = await stream.take(1000, 1.0)
            now = time.perf_counter()
            for delivery in batch:
                number = self._number.get(delivery.message.correlation_id or "")
                if number is not None:
                    self.twice += number in self.heard
                    self.heard.setdefault(number, now)
            if batch:
                await stream.ack_through(batch[-1])
            if len(self.heard) == len(self._number):
                self._all_heard.set()

    async def run_chain(self, port: int, connections: int, count: int) -> dict[str, float | bool]:
        """Send every order when it is due, wait until each came through, and return the figures."""
        assert self._rate is not None
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        began = time.perf_counter() + 0.2
        self.due = [began + number / self._rate for number in range(count)]
        await self._send_at(self.due)
        self.over = await self._answered_all()  # from now on the gateway may close what is idle
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_heard.wait(), PATIENCE)
        return self._figures()

    def _figures(self) -> dict[str, float | bool]:
        # A tenth of the run warms up: pools, plans and caches of a hub that runs for months are warm.
        first = len(self.due) // 10
        latencies = sorted(self.heard[n] - self.due[n] for n in range(first, len(self.due)) if n in self.heard)
        last = max(self.heard.values(), default=0.0)
        return {
            "sent": len(self.due),
            "failed": self.failed + self.lost,
            "requested": len(self.heard),
            "twice": self.twice,
            "per_second": len(self.heard) / max(last - self.due[0], 1e-9),
            "sustained": last - self.due[-1] < SETTLED * (self.due[-1] - self.due[0]),
            "p50_ms": 1000 * latencies[len(latencies) // 2],
            "p95_ms": 1000 * latencies[len(latencies) * 95 // 100],
            "p99_ms": 1000 * latencies[len(latencies) * 99 // 100],
            "longest_ms": 1000 * latencies[-1],
        }


async def run(given: argparse.Namespace) -> dict[str, float | bool]:
    """Connect, send, listen."""
    orders = Orders(given.shop, given.secret, given.size, given.channel, given.first, given.count)
    chain = Chain(orders, given.rate)
    topology = Topology(("events",), (Queue(QUEUE, (("events", FulfillmentRequested.type),)),))
    broker = Broker(given.broker_url, name="bench", topology=topology, mandatory_types=frozenset())
    running = asyncio.create_task(broker.run())
    listening = asyncio.create_task(chain.listen(broker))
    try:
        await broker.wait_connected(10)
        return await chain.run_chain(given.port, given.connections, given.count)
    finally:
        listening.cancel()
        await broker.close()
        with suppress(asyncio.CancelledError):
            await running


def main() -> None:
    """Read the command line, send, listen, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--broker-url", required=True)
    parser.add_argument("--shop", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--channel", type=UUID, required=True)
    parser.add_argument("--first", type=int, required=True, help="number of the first order")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--size", type=int, default=6144)
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
