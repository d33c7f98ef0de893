"""What is committed reaches the broker once it is there, and a consumer survives the loss of either server; one with a
pace takes together what came meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from crossdock.contracts.base import utc_now
from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging import relay as relaying
from crossdock.messaging.broker import Broker
from crossdock.messaging.relay import Relay
from crossdock.messaging.runner import BatchRunner
from crossdock.messaging.topology import Queue, Topology
from crossdock.messaging.transaction import Tx, transaction
from crossdock.testing.probe import Probe, sku
from crossdock.testing.proxy import between
from crossdock.testing.waiting import until

QUEUE = Queue("probe.record", (("events", "sku.changed.v1"),))


def no_beat() -> None:
    """The loops of a test need not prove that they live."""


@asynccontextmanager
async def running(*loops: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def broker_at(url: str, queues: Sequence[Queue] = (QUEUE,), mandatory: bool = True) -> Broker:
    types = frozenset({"sku.changed.v1"}) if mandatory else frozenset()
    return Broker(url, name="probe", topology=Topology(("events", "internal"), tuple(queues)), mandatory_types=types)


@asynccontextmanager
async def service(probe: Probe, url: str, handler: str) -> AsyncIterator[tuple[Broker, BatchRunner]]:
    """The loops of a service that reads what it publishes."""
    broker = broker_at(url)
    relay = Relay(probe.database, broker, no_beat)
    stream = broker.stream("probe.record", 40)
    runner = BatchRunner(probe.bench.processor(handler), stream, size=20, beat=no_beat, room=relay.room)
    async with running(broker.run(), relay.run(), runner.run()):
        await broker.wait_connected(10)
        yield broker, runner
        with suppress(TimeoutError):
            await asyncio.wait_for(runner.stop(), 5)
        await broker.close()


async def publish(probe: Probe, names: Sequence[str]) -> None:
    async with transaction(probe.database) as tx:
        for name in names:
            tx.publish(sku(name))


async def outbox_is_empty(probe: Probe) -> bool:
    return not await probe.bench.table("outbox")


async def test_what_is_committed_is_published_handled_once_and_forgotten(probe: Probe, vhost: str) -> None:
    names = [f"{n:04}" for n in range(500)]
    async with service(probe, vhost, probe.handler()):
        for start in range(0, 500, 50):
            await publish(probe, names[start : start + 50])

        async def all_there() -> bool:
            return len(await probe.effects()) >= 500

        await until(all_there)
        await until(lambda: outbox_is_empty(probe))
    assert await probe.effects() == names


async def test_what_was_confirmed_in_many_windows_is_deleted_in_one_go(
    probe: Probe, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "FORGET_SECONDS", 2.0)
    async with service(probe, vhost, probe.handler()):
        with probe.bench.counting() as statements:
            for n in range(5):
                await publish(probe, [f"{n}"])

                async def handled(count: int = n + 1) -> bool:
                    return len(await probe.effects()) == count

                await until(handled)
            await until(lambda: outbox_is_empty(probe))
    deletions = [statement for statement in statements if statement.startswith("DELETE FROM outbox")]
    assert 1 <= len(deletions) <= 2, "one for each window would be five"


async def test_what_was_committed_while_the_broker_was_away_is_published_when_it_is_back(
    probe: Probe, vhost: str
) -> None:
    away = broker_at("amqp://guest:guest@127.0.0.1:9/")
    relay = Relay(probe.database, away, no_beat)
    async with running(away.run(), relay.run()):
        await publish(probe, ["a", "b"])
        await asyncio.sleep(0.3)
        assert len(await probe.bench.table("outbox")) == 2
    probe.database.on_commit.remove(relay.offer)
    await probe.ddl("UPDATE outbox SET not_before = now()")
    async with service(probe, vhost, probe.handler()):
        await until(lambda: outbox_is_empty(probe))

        async def both_there() -> bool:
            return await probe.effects() == ["a", "b"]

        await until(both_there)


async def test_a_message_that_nobody_would_get_is_kept_and_tried_again(probe: Probe, vhost: str) -> None:
    broker = broker_at(vhost, queues=())
    relay = Relay(probe.database, broker, no_beat)
    async with running(broker.run(), relay.run()):
        await broker.wait_connected(10)
        await publish(probe, ["a"])

        async def delayed() -> bool:
            rows = await probe.bench.table("outbox")
            return bool(rows) and (rows[0]["not_before"] - utc_now()).total_seconds() > 20

        await until(delayed)
        await broker.close()


async def test_a_failed_message_comes_back_to_its_own_handler_when_it_is_due(probe: Probe, vhost: str) -> None:
    attempts: list[str] = []

    async def fail_once(events: Sequence[SkuChanged], _tx: Tx) -> None:
        attempts.extend(event.sku for event in events)
        if len(attempts) == 1:
            raise RuntimeError

    async with service(probe, vhost, probe.handler(fail_once)):
        await publish(probe, ["a"])

        async def recorded() -> bool:
            return await probe.effects() == ["a"]

        await until(recorded)
    assert attempts == ["a", "a"]


async def test_a_handler_with_a_pace_takes_together_what_came_since_its_last_batch(probe: Probe, vhost: str) -> None:
    batches: list[int] = []

    async def note(events: Sequence[SkuChanged], _tx: Tx) -> None:
        batches.append(len(events))

    async def first_one() -> bool:
        return batches == [1]

    async def handled() -> bool:
        return sum(batches) == 6

    async with service(probe, vhost, probe.handler(note, pace=2.0)):
        await publish(probe, ["first"])
        await until(first_one)
        for n in range(5):
            await publish(probe, [f"{n}"])
        await until(handled)
    assert batches == [1, 5], "the first waits for nobody"


async def test_full_batches_follow_each_other_whatever_the_pace(probe: Probe, vhost: str) -> None:
    names = [f"{n:03}" for n in range(400)]
    async with service(probe, vhost, probe.handler(pace=2.0)):
        await publish(probe, names)

        async def all_there() -> bool:
            return len(await probe.effects()) == 400

        await until(all_there)  # twenty batches, two seconds apart, would be there much later
    assert await probe.effects() == names


async def test_a_consumer_pauses_in_an_outage_of_its_schema_and_goes_on_by_itself(probe: Probe, vhost: str) -> None:
    names = [f"{n:03}" for n in range(100)]
    async with service(probe, vhost, probe.handler()) as (_, runner):
        await probe.ddl("ALTER TABLE effect RENAME TO away")
        await publish(probe, names)

        async def paused() -> bool:
            return runner.paused is not None

        await until(paused)
        await probe.ddl("ALTER TABLE away RENAME TO effect")

        async def all_there() -> bool:
            return len(await probe.effects()) >= 100

        await until(all_there)
        assert runner.paused is None
    assert await probe.effects() == names
    assert not await probe.bench.table("parked_message")
    assert not await probe.bench.table("scheduled")


async def test_a_lost_connection_to_the_broker_repeats_no_effect(probe: Probe, vhost: str) -> None:
    names = [f"{n:04}" for n in range(400)]

    async def slowly(_events: Sequence[SkuChanged], _tx: Tx) -> None:
        await asyncio.sleep(0.05)

    async with between(vhost) as (proxy, url), service(probe, url, probe.handler(slowly)) as (broker, _):
        generation = broker.generation
        await publish(probe, names)

        async def some_there() -> bool:
            return len(await probe.effects()) >= 40

        await until(some_there)
        proxy.cut()

        async def all_there() -> bool:
            return len(await probe.effects()) >= 400

        await until(all_there, 30)
        assert broker.generation > generation
    assert await probe.effects() == names
