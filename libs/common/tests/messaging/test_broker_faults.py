"""What the broker side does when the network, the broker or its administrator misbehave, on a real RabbitMQ."""

import asyncio
import ipaddress
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiormq
import httpx
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossdock.local.servers import Broker as Server
from crossdock.messaging.broker import Broker, BrokerAway, Published, Reconnected, Stream
from crossdock.messaging.broker.link import outcome
from crossdock.messaging.envelope import Outgoing, new_id
from crossdock.messaging.topology import Queue, Topology
from crossdock.testing.proxy import FaultProxy, between
from crossdock.testing.waiting import until

QUEUE, OTHER = "inventory.reserve-stock", "inventory.count-stock"
TOPOLOGY = Topology(
    exchanges=("events", "internal"),
    queues=(Queue(QUEUE, (("events", "order.matched.v1"),)), Queue(OTHER, (("events", "stock.counted.v1"),))),
)
BLOCKED = b"\x01\x00\x00\x00\x00\x00\x08\x00\x0a\x00\x3c\x03low\xce"
UNBLOCKED = b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x3d\xce"
SOON = 15.0
Network = tuple[FaultProxy, str]


def message(type: str = "order.matched.v1") -> Outgoing:
    return Outgoing(new_id(), type, "events", type, "order-1", {"cloudEvents_type": type}, b"{}")


@pytest.fixture
async def network(vhost: str) -> AsyncIterator[Network]:
    """What stands before the broker, and the URL that goes through it."""
    async with between(vhost) as network:
        yield network


@asynccontextmanager
async def running(
    url: str, *, topology: Topology = TOPOLOGY, heartbeat: int = 10, redeclare_every: float = 60.0
) -> AsyncIterator[Broker]:
    broker = Broker(
        url,
        name="inventory",
        topology=topology,
        mandatory_types=frozenset({"order.matched.v1"}),
        heartbeat=heartbeat,
        redeclare_every=redeclare_every,
    )
    task = asyncio.create_task(broker.run())
    try:
        await broker.wait_connected(SOON)
        yield broker
    finally:
        async with asyncio.timeout(SOON):
            await broker.close()
            await task


async def published(broker: Broker) -> bool:
    """Whether a message could be published now."""
    with suppress(BrokerAway):
        return bool((await broker.publish([message()])).confirmed)
    return False


@pytest.fixture
async def management(broker: Server, vhost: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{broker.management_url}/api/", auth=(broker.user, broker.password), timeout=30, trust_env=False
    ) as client:
        yield client


def name_of(vhost: str) -> str:
    return urlsplit(vhost).path.removeprefix("/")


async def test_a_reset_connection_ends_a_window_at_once_and_what_was_lost_can_be_sent_again(network: Network) -> None:
    proxy, url = network
    async with running(url) as broker:
        stream = broker.stream(QUEUE, 400)
        proxy.blackhole()
        window = [message() for _ in range(50)]
        waiting = asyncio.create_task(broker.publish(window))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        proxy.cut()
        with pytest.raises(BrokerAway) as away:
            await waiting
        assert time.monotonic() - began < 1
        assert away.value.published == Published()
        proxy.blackhole(False)
        await broker.wait_connected(SOON)
        assert len((await broker.publish(window)).confirmed) == 50
        assert len(await stream.take(200, SOON)) > 0


async def test_connections_cut_again_and_again_lose_nothing(network: Network) -> None:
    proxy, url = network
    async with running(url) as broker:
        stream = broker.stream(QUEUE, 400)
        unconfirmed = {each.message_id: each for each in (message() for _ in range(20_000))}
        sent = {str(each) for each in unconfirmed}
        got: set[str | None] = set()

        async def publish() -> None:
            while unconfirmed:
                try:
                    answer = await broker.publish(list(unconfirmed.values())[:200])
                except BrokerAway as away:
                    answer = away.published
                    await asyncio.sleep(0.01)
                assert not answer.refused
                for message_id in answer.confirmed:
                    del unconfirmed[message_id]

        async def consume() -> None:
            while got != sent:
                batch = await stream.take(200, 1)
                if batch:
                    with suppress(Reconnected):
                        await stream.ack_through(batch[-1])
                        got.update(each.message.message_id for each in batch)

        async def cut() -> None:
            for _ in range(8):
                await asyncio.sleep(0.4)
                proxy.cut()

        async with asyncio.timeout(60):
            await asyncio.gather(publish(), consume(), cut())
        assert broker.generation > 3


async def test_a_silent_network_is_noticed_on_both_connections(network: Network) -> None:
    proxy, url = network
    async with running(url, heartbeat=1) as broker:
        stream = broker.stream(QUEUE, 400)
        assert await published(broker)
        (held,) = await stream.take(10, SOON)
        generation = broker.generation
        proxy.blackhole()  # half open: no reset, no answer
        began = time.monotonic()
        with pytest.raises(BrokerAway):
            await broker.publish([message()])
        assert time.monotonic() - began < 6
        await asyncio.sleep(max(0.0, 3 - (time.monotonic() - began)))
        assert not broker.connected
        with pytest.raises(Reconnected):
            await stream.ack_through(held)
        proxy.cut()
        proxy.blackhole(False)
        await broker.wait_connected(SOON)
        assert broker.generation > generation
        assert (await stream.take(10, SOON))[0].message.message_id == held.message.message_id


async def test_nothing_is_sent_while_the_broker_has_an_alarm(network: Network) -> None:
    proxy, url = network
    async with running(url) as broker:
        proxy.say(BLOCKED)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        with pytest.raises(BrokerAway, match="alarm"):
            await broker.publish([message()])
        assert time.monotonic() - began < 0.5
        proxy.say(UNBLOCKED)
        await asyncio.sleep(0.1)
        assert await published(broker)


async def test_a_window_ends_after_five_seconds_when_confirms_do_not_come(network: Network) -> None:
    proxy, url = network
    async with running(url) as broker:
        assert await published(broker)
        proxy.blackhole()
        began = time.monotonic()
        with pytest.raises(BrokerAway, match=r"did not confirm 2 of 2 messages within 5 s"):
            await broker.publish([message(), message()])
        assert 4.5 < time.monotonic() - began < 6
        proxy.cut()
        proxy.blackhole(False)
        await until(lambda: published(broker))


async def test_the_broker_may_come_after_the_service(vhost: str) -> None:
    async with between(vhost) as (proxy, url):
        await proxy.refuse()
        broker = Broker(url, name="inventory", topology=TOPOLOGY, mandatory_types=frozenset({"order.matched.v1"}))
        stream = broker.stream(QUEUE, 10)
        task = asyncio.create_task(broker.run())
        try:
            with pytest.raises(BrokerAway):
                await broker.wait_connected(0.5)
            assert await stream.take(1, 0) == []
            await proxy.listen()
            await broker.wait_connected(SOON)
            assert await published(broker)
            assert await stream.take(1, SOON)
        finally:
            await broker.close()
            await task


async def test_an_exchange_that_someone_deleted_is_declared_again(vhost: str, management: httpx.AsyncClient) -> None:
    async with running(vhost) as broker:
        (await management.delete(f"exchanges/{name_of(vhost)}/events")).raise_for_status()
        with pytest.raises(BrokerAway, match="no exchange 'events'"):
            await broker.publish([message()])
        await until(lambda: published(broker))


async def consumer_of(stream: Stream) -> Any:
    """What the stream believes to be its consumer, once the broker has confirmed it."""

    async def consuming() -> bool:
        return stream._consumer is not None and stream._consumer.since < time.monotonic()

    await until(consuming)
    return stream._consumer


async def test_a_consumer_that_vanished_without_a_word_is_found(vhost: str) -> None:
    async with running(vhost, redeclare_every=0.5) as broker:
        stream = broker.stream(QUEUE, 10)
        consumer = await consumer_of(stream)
        await consumer.channel.basic_cancel(consumer.tag)  # as the broker forgetting it, behind the stream's back
        generation = stream.generation
        assert await published(broker)
        assert await stream.take(1, SOON)
        assert stream.generation > generation


async def test_a_consumer_that_gets_nothing_while_messages_wait_is_opened_anew(vhost: str) -> None:
    async with running(vhost, redeclare_every=0.5) as broker, aiormq.Connection(vhost) as other:
        stream = broker.stream(QUEUE, 10)
        assert await published(broker)
        (first,) = await stream.take(1, SOON)
        await stream.ack_one(first)
        hog = await other.channel()
        await hog.basic_qos(prefetch_count=1)
        await hog.basic_consume(QUEUE, _keep)  # so that the queue has a consumer, if one that is full
        consumer = await consumer_of(stream)
        await consumer.channel.basic_cancel(consumer.tag)
        for _ in range(3):
            assert await published(broker)
        assert await stream.take(1, SOON)
        assert stream.generation > first.generation


async def _keep(message: object) -> None:
    """Never settle it."""


async def test_a_consumer_that_is_only_slow_is_left_alone(vhost: str) -> None:
    async with running(vhost, redeclare_every=0.2) as broker:
        stream = broker.stream(QUEUE, 2)
        for _ in range(5):
            assert await published(broker)
        held = await stream.take(2, SOON)
        await asyncio.sleep(1.5)  # several looks, with messages waiting and two in hand
        await stream.ack_through(held[-1])


async def test_a_queue_with_other_arguments_is_named_and_consumed_all_the_same(
    vhost: str, management: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"durable": True, "arguments": {"x-queue-type": "classic"}}
    (await management.put(f"queues/{name_of(vhost)}/{QUEUE}", json=body)).raise_for_status()
    async with running(vhost, redeclare_every=0.2) as broker:
        stream, other = broker.stream(QUEUE, 10), broker.stream(OTHER, 10)
        assert await published(broker)
        assert await stream.take(1, SOON)
        assert (await broker.publish([message("stock.counted.v1")])).confirmed
        assert await other.take(1, SOON)
        await asyncio.sleep(1)
    told = [record for record in caplog.records if "not as declared" in record.message and QUEUE in record.message]
    assert len(told) == 1


async def test_an_acknowledgement_that_the_broker_refuses_costs_only_its_own_stream(vhost: str) -> None:
    async with running(vhost) as broker:
        stream, other = broker.stream(QUEUE, 10), broker.stream(OTHER, 10)
        assert await published(broker)
        await broker.publish([message("stock.counted.v1")])
        (mine,), (theirs,) = await stream.take(1, SOON), await other.take(1, SOON)
        await stream.ack_one(mine)
        await stream.ack_one(mine)  # an unknown tag by now: the broker closes the channel

        async def reopened() -> bool:
            return stream.generation > mine.generation

        await until(reopened)
        await other.ack_one(theirs)
        assert await published(broker)
        assert await stream.take(1, SOON)
        assert (broker.generation, other.generation) == (1, 1)


async def test_credentials_are_in_no_log_line(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    proxy, url = network
    caplog.set_level(logging.DEBUG)
    password = urlsplit(url).password or ""
    async with running(url) as broker:
        await published(broker)
        proxy.cut()
        await asyncio.sleep(0.1)
        await broker.wait_connected(SOON)
    wrong = Broker(
        url.replace(password, "not-the-password"),
        name="inventory",
        topology=TOPOLOGY,
        mandatory_types=frozenset(),
    )
    task = asyncio.create_task(wrong.run())
    with pytest.raises(BrokerAway):
        await wrong.wait_connected(1.5)
    await wrong.close()
    await task
    assert "ACCESS_REFUSED" in caplog.text
    assert password not in caplog.text
    assert "not-the-password" not in caplog.text
    with pytest.raises(ValueError, match="must look like") as refused:
        Broker("http://me:secret@host/", name="x", topology=TOPOLOGY, mandatory_types=frozenset())
    assert "secret" not in str(refused.value)


async def test_it_works_over_tls(vhost: str, tmp_path: Path) -> None:
    authority = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    async with between(vhost, tls=context) as (_, url), running(f"{url}?cafile={authority}") as broker:
        stream = broker.stream(QUEUE, 10)
        assert await published(broker)
        assert await stream.take(1, SOON)


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "broker.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


async def test_it_works_on_uvloop_as_the_services_run(vhost: str) -> None:
    async def round_trip() -> int:
        async with running(vhost) as broker:
            stream = broker.stream(QUEUE, 400)
            await broker.publish([message() for _ in range(200)])
            got = 0
            while got < 200:
                batch = await stream.take(200, SOON)
                got += len(batch)
                await stream.ack_through(batch[-1])
            return got

    assert await asyncio.to_thread(uvloop.run, round_trip()) == 200


async def test_a_cancellation_that_is_not_ours_does_not_end_a_loop() -> None:
    async def ended_by_aiormq() -> str:
        raise asyncio.CancelledError

    assert await outcome(ended_by_aiormq(), "a test") == "the connection was lost"

    async def cancelled_by_us() -> str:
        return await outcome(_sleep(), "a test")

    task = asyncio.create_task(cancelled_by_us())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _sleep() -> str:
    await asyncio.sleep(60)
    return "slept"
