"""What a sender sees while Postgres or RabbitMQ is away, and that nothing is lost over it."""

import asyncio
import time
from typing import Any

from crossdock.contracts.gateway import OrdersWebhookReceived
from crossdock.messaging.broker import Broker, Stream
from crossdock.messaging.envelope import decode
from crossdock.messaging.topology import Queue, Topology
from crossdock.testing.database import TestDatabase
from crossdock.testing.proxy import between

QUEUE = Queue("order-ingest.receive-orders", (("internal", "webhook.orders.received.v1"),))
TOPOLOGY = Topology(("events", "internal"), (QUEUE,))


async def status_becomes(gateway: Any, path: str, status: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while (await gateway.client.get(path)).status_code != status:
        assert time.monotonic() < deadline, f"{path} did not become {status}"
        await asyncio.sleep(0.1)


async def test_postgres_away_is_503_with_retry_after_within_two_seconds_and_then_200_again(
    start: Any, database: TestDatabase
) -> None:
    async with between(database.url("gateway")) as (proxy, url), start(database_url=url) as gateway:
        await gateway.connect()
        assert (await gateway.deliver(delivery_id="before")).status_code == 200

        await proxy.refuse()
        began = time.monotonic()
        replies = await asyncio.gather(*(gateway.deliver(delivery_id=f"during-{n}") for n in range(30)))
        took = time.monotonic() - began
        assert {reply.status_code for reply in replies} == {503}
        assert all(int(reply.headers["retry-after"]) > 0 for reply in replies)
        assert took < 2.5
        await status_becomes(gateway, "/readyz", 503)
        assert (await gateway.client.get("/healthz")).status_code == 200

        await proxy.listen()
        await status_becomes(gateway, "/readyz", 200)
        again = await asyncio.gather(*(gateway.deliver(delivery_id=f"during-{n}") for n in range(30)))
        assert {reply.status_code for reply in again} == {200}
        assert len(await gateway.rows("SELECT id FROM delivery")) == 31


async def test_a_postgres_that_stops_answering_is_503_within_the_time_that_senders_wait(
    start: Any, database: TestDatabase
) -> None:
    async with between(database.url("gateway")) as (proxy, url), start(database_url=url, commit_seconds=1.0) as gateway:
        await gateway.connect()
        proxy.blackhole()
        began = time.monotonic()
        replies = await asyncio.gather(*(gateway.deliver(delivery_id=f"d-{n}") for n in range(5)))
        assert {reply.status_code for reply in replies} == {503}
        assert time.monotonic() - began < 3.0

        proxy.blackhole(False)
        await asyncio.sleep(0.2)
        assert (await gateway.deliver(delivery_id="d-0")).status_code == 200
        assert len(await gateway.rows("SELECT id FROM delivery")) == len(
            await gateway.rows("SELECT id FROM outbox WHERE type LIKE 'webhook.%'")
        )


async def test_people_are_told_that_the_database_is_away(start: Any, database: TestDatabase) -> None:
    async with between(database.url("gateway")) as (proxy, url), start(database_url=url) as gateway:
        await proxy.refuse()
        reply = await gateway.client.get("/v1/channels", headers={"authorization": "Bearer xd_never-seen"})
        assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
        await proxy.listen()


async def test_before_the_channels_were_ever_read_a_known_shop_is_503_and_not_404(
    start: Any, database: TestDatabase
) -> None:
    async with start() as gateway:
        await gateway.connect()
    async with between(database.url("gateway")) as (proxy, url):
        await proxy.refuse()
        async with start(database_url=url, wait_for="/healthz") as gateway:
            reply = await gateway.deliver()
            assert (reply.status_code, reply.json()["code"]) == (503, "not_ready")
            await proxy.listen()
            await status_becomes(gateway, "/readyz", 200)
            assert (await gateway.deliver()).status_code == 200


async def test_broker_away_is_200_and_ready_and_the_event_is_delivered_later(start: Any, vhost: str) -> None:
    async with between(vhost) as (proxy, url):
        await proxy.refuse()
        async with start(broker_url=url) as gateway, listening(vhost) as stream:
            await gateway.connect()
            assert (await gateway.deliver(b'{"id":7}', delivery_id="while-away")).status_code == 200
            assert (await gateway.client.get("/readyz")).status_code == 200
            assert await stream.take(1, 0.5) == []

            await proxy.listen()
            [delivery] = await stream.take(1, 30.0)
            assert delivery.message.type == "webhook.orders.received.v1"
            event = decode(delivery.message).event
            assert isinstance(event, OrdersWebhookReceived)
            assert (event.external_delivery_id, event.body) == ("while-away", b'{"id":7}')


async def test_what_was_taken_in_is_published_once_within_the_moment(start: Any, vhost: str) -> None:
    async with start(broker_url=vhost) as gateway, listening(vhost) as stream:
        await gateway.connect()
        await asyncio.gather(*(gateway.deliver(delivery_id=f"d-{n % 20}") for n in range(60)))
        taken = []
        while batch := await stream.take(100, 1.0):
            taken += batch
        assert len({delivery.message.message_id for delivery in taken}) == len(taken) == 20
        assert await gateway.rows("SELECT id FROM outbox WHERE type LIKE 'webhook.%'") == []


class listening:  # noqa: N801 - reads as a function
    """A consumer of order webhooks, as order-ingest is one."""

    def __init__(self, url: str) -> None:
        self._broker = Broker(url, name="test", topology=TOPOLOGY, mandatory_types=frozenset())

    async def __aenter__(self) -> Stream:
        self._task = asyncio.create_task(self._broker.run())
        await self._broker.wait_connected(10)
        stream = self._broker.stream(QUEUE.name, 100)
        assert await stream.take(1, 0.2) == []
        return stream

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._broker.close()
