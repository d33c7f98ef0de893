"""What the broker promises the message runtime, on a real RabbitMQ."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from crossdock.local.servers import Broker as Server
from crossdock.messaging.broker import LARGEST_WINDOW, Broker, BrokerAway, Delivery, Reconnected, Stream
from crossdock.messaging.envelope import Outgoing, new_id
from crossdock.messaging.topology import DEAD_LETTERS, Queue, Topology
from crossdock.testing.waiting import until

QUEUE = "inventory.reserve-stock"
TOPOLOGY = Topology(exchanges=("events", "internal"), queues=(Queue(QUEUE, (("events", "order.matched.v1"),)),))
SOON = 10.0

Management = httpx.AsyncClient


def message(
    type: str = "order.matched.v1", *, exchange: str = "events", routing_key: str | None = None, body: bytes = b"{}"
) -> Outgoing:
    return Outgoing(
        message_id=new_id(),
        type=type,
        exchange=exchange,
        routing_key=type if routing_key is None else routing_key,
        correlation_id="order-1",
        headers={"cloudEvents_type": type, "x-attempt": 3},
        body=body,
    )


@asynccontextmanager
async def running(url: str, topology: Topology = TOPOLOGY, **settings: float) -> AsyncIterator[Broker]:
    broker = Broker(
        url,
        name="inventory",
        topology=topology,
        mandatory_types=frozenset({"order.matched.v1", "order.lost.v1"}),
        heartbeat=int(settings.get("heartbeat", 10)),
        redeclare_every=settings.get("redeclare_every", 60.0),
    )
    task = asyncio.create_task(broker.run())
    try:
        await broker.wait_connected(SOON)
        yield broker
    finally:
        await broker.close()
        async with asyncio.timeout(SOON):
            await task


async def take(stream: Stream, count: int, limit: int = LARGEST_WINDOW) -> list[Delivery]:
    """Exactly `count` deliveries, waiting for them."""
    got: list[Delivery] = []
    end = time.monotonic() + SOON
    while len(got) < count and time.monotonic() < end:
        got += await stream.take(limit, 1.0)
    assert len(got) == count
    return got


@pytest.fixture
async def management(broker: Server, vhost: str) -> AsyncIterator[Management]:
    async with httpx.AsyncClient(
        base_url=f"{broker.management_url}/api/", auth=(broker.user, broker.password), timeout=30, trust_env=False
    ) as client:
        yield client


def name_of(vhost: str) -> str:
    return urlsplit(vhost).path.removeprefix("/")


async def disconnect(management: Management, vhost: str, side: str) -> None:
    """Close this side's connection from the broker's end; its list of connections lags by up to 5 s."""

    async def closed() -> bool:
        listed = (await management.get(f"vhosts/{name_of(vhost)}/connections")).json()
        mine = [each for each in listed if each.get("client_properties", {}).get("connection_name", "").endswith(side)]
        for each in mine:
            with suppress(httpx.HTTPError):
                await management.delete(f"connections/{each['name']}")
        return bool(mine)

    await until(closed)


async def rose(broker: Broker, generation: int) -> bool:
    return broker.generation > generation


async def test_a_published_message_arrives_whole(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        sent = message(body=b'{"order_id": "1"}' * 50_000)  # several frames
        published = await broker.publish([sent])
        assert published.confirmed == [sent.message_id]
        assert published.refused == {}
        (got,) = await take(stream, 1)
        assert got.message.body == sent.body
        assert got.message.message_id == str(sent.message_id)
        assert (got.message.type, got.message.correlation_id) == (sent.type, sent.correlation_id)
        assert got.message.headers == dict(sent.headers)
        assert (got.redelivered, got.delivery_count) == (False, 0)


async def test_a_thousand_messages_in_windows_arrive_once_and_in_order(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        messages = [message() for _ in range(1000)]
        windows = [messages[at : at + LARGEST_WINDOW] for at in range(0, 1000, LARGEST_WINDOW)]
        answers = await asyncio.gather(*(broker.publish(window) for window in windows))
        assert sorted(id for answer in answers for id in answer.confirmed) == sorted(m.message_id for m in messages)
        got: list[Delivery] = []
        while len(got) < 1000:
            batch = await stream.take(LARGEST_WINDOW, SOON)
            assert batch
            got += batch
            await stream.ack_through(batch[-1])
        assert [each.message.message_id for each in got] == [str(each.message_id) for each in messages]
        assert await stream.take(10, 0.3) == []


async def test_a_message_that_no_queue_takes_is_refused_when_its_type_has_a_declared_subscriber(vhost: str) -> None:
    async with running(vhost) as broker:
        lost, free, good = message("order.lost.v1"), message("nobody.cares.v1"), message()
        own = message(exchange="", routing_key="inventory.no-such-handler")
        published = await broker.publish([lost, good, free, own])
        assert set(published.confirmed) == {good.message_id, free.message_id}
        assert set(published.refused) == {lost.message_id, own.message_id}
        assert "NO_ROUTE" in published.refused[lost.message_id]


async def test_a_message_for_one_handler_reaches_its_queue_by_name(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 10)
        sent = message(exchange="", routing_key=QUEUE)
        assert (await broker.publish([sent])).confirmed == [sent.message_id]
        (got,) = await take(stream, 1)
        assert got.message.message_id == str(sent.message_id)


async def test_a_message_that_no_frame_can_carry_is_refused_and_its_neighbours_go(vhost: str) -> None:
    async with running(vhost) as broker:
        good = message()
        long_key = message(routing_key="x" * 256)
        no_exchange = message(exchange="nowhere")
        too_big = message(body=bytes(17 * 1024 * 1024))
        published = await broker.publish([long_key, no_exchange, good, too_big])
        assert published.confirmed == [good.message_id]
        assert set(published.refused) == {long_key.message_id, no_exchange.message_id, too_big.message_id}
        with pytest.raises(ValueError, match="at most 200"):
            await broker.publish([good] * 201)


async def test_acknowledging_a_delivery_settles_every_one_before_it(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        await broker.publish([message() for _ in range(5)])
        first = await take(stream, 5)
        await stream.ack_through(first[3])
        assert await stream.take(10, 0.3) == []
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        (left,) = await take(stream, 1)
        assert left.message == first[4].message
        assert left.redelivered
        assert left.delivery_count == 1
        await stream.ack_one(left)
        assert await stream.take(10, 0.3) == []


async def test_no_more_than_prefetch_deliveries_are_in_hand(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 3)
        await broker.publish([message() for _ in range(5)])
        got = await take(stream, 3)
        assert await stream.take(10, 0.3) == []
        await stream.ack_one(got[0])
        await take(stream, 1)


async def test_a_cancelled_stream_gets_nothing_new_and_settles_what_it_has(vhost: str) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        await broker.publish([message() for _ in range(4)])
        (first,) = await take(stream, 1, limit=1)
        await stream.cancel()
        await broker.publish([message()])
        began = time.monotonic()
        rest = await stream.take(LARGEST_WINDOW, 5)
        assert len(rest) == 3
        assert await stream.take(LARGEST_WINDOW, 5) == []
        assert time.monotonic() - began < 1
        await stream.ack_through(rest[-1])
        assert first.generation == rest[-1].generation
    async with running(vhost) as broker:
        await take(broker.stream(QUEUE, 400), 1)


async def test_after_a_lost_connection_old_deliveries_are_thrown_away_and_come_again(
    vhost: str, management: Management
) -> None:
    async with running(vhost) as broker:
        woken: list[float] = []
        broker.on_connect.append(lambda: woken.append(time.monotonic()))
        stream = broker.stream(QUEUE, 400)
        await broker.publish([message() for _ in range(3)])
        old = await take(stream, 2, limit=2)
        generation = broker.generation
        await disconnect(management, vhost, "consuming")
        await until(lambda: rose(broker, generation))
        again = await take(stream, 3)
        assert broker.generation > generation
        assert [each.redelivered for each in again] == [True] * 3
        assert again[0].generation > old[0].generation
        for settle in (stream.ack_through, stream.ack_one):
            with pytest.raises(Reconnected):
                await settle(old[-1])
        await stream.ack_through(again[-1])
        assert await stream.take(10, 0.3) == []
        assert woken


async def test_publishing_goes_on_after_a_lost_connection(vhost: str, management: Management) -> None:
    async with running(vhost) as broker:
        await disconnect(management, vhost, "publishing")

        async def published() -> bool:
            with suppress(BrokerAway):
                return bool((await broker.publish([message()])).confirmed)
            return False

        await until(published)


async def test_publishing_while_disconnected_fails_at_once(vhost: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        broker = Broker(
            f"amqp://someone:secret@127.0.0.1:{taken.getsockname()[1]}/",
            name="inventory",
            topology=TOPOLOGY,
            mandatory_types=frozenset(),
        )
        task = asyncio.create_task(broker.run())
        began = time.monotonic()
        with pytest.raises(BrokerAway) as away:
            await broker.publish([message()])
        assert time.monotonic() - began < 0.5
        assert away.value.published.confirmed == []
        with pytest.raises(BrokerAway):
            await broker.wait_connected(0.5)
        assert not broker.connected
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_consuming_goes_on_when_the_queue_is_deleted_and_made_again(vhost: str, management: Management) -> None:
    async with running(vhost) as broker:
        stream = broker.stream(QUEUE, 400)
        await broker.publish([message()])
        (old,) = await take(stream, 1)
        (await management.delete(f"queues/{name_of(vhost)}/{QUEUE}")).raise_for_status()

        async def arrives() -> bool:
            await broker.publish([message()])
            return bool(await stream.take(1, 0.2))

        await until(arrives)
        with pytest.raises(Reconnected):
            await stream.ack_through(old)


async def test_a_binding_that_someone_removed_comes_back(vhost: str, management: Management) -> None:
    async with running(vhost, redeclare_every=0.5) as broker:
        path = f"bindings/{name_of(vhost)}/e/events/q/{QUEUE}"
        (await management.delete(f"{path}/order.matched.v1")).raise_for_status()
        refused = await broker.publish([message()])
        assert not refused.confirmed

        async def routed() -> bool:
            return bool((await broker.publish([message()])).confirmed)

        await until(routed)


async def test_dead_letters_have_a_queue(vhost: str, management: Management) -> None:
    async with running(vhost):
        queue = (await management.get(f"queues/{name_of(vhost)}/{DEAD_LETTERS}")).json()
        assert queue["arguments"]["x-queue-type"] == "quorum"
        own = (await management.get(f"queues/{name_of(vhost)}/{QUEUE}")).json()
        assert own["arguments"]["x-dead-letter-exchange"] == DEAD_LETTERS
        assert own["arguments"]["x-delivery-limit"] >= 10_000
