"""Every failure ends in a committed fate, and neighbours are never harmed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import make_url, text

from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging import parked
from crossdock.messaging.envelope import Incoming, decode, new_id
from crossdock.messaging.failures import RETRY_AFTER_SECONDS, Paused, Poison
from crossdock.messaging.transaction import Tx, transaction
from crossdock.testing.bench import event_of, message_of
from crossdock.testing.probe import Probe, sku

NAMES = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("position", range(5))
async def test_poison_is_parked_and_its_neighbours_are_applied(probe: Probe, position: int) -> None:
    async def refuse(events: Sequence[SkuChanged], _tx: Tx) -> None:
        for event in events:
            if event.sku == NAMES[position]:
                raise Poison(event, "This SKU is not ours.")

    handler = probe.handler(refuse)
    await probe.bench.handle(handler, [sku(name) for name in NAMES])
    assert await probe.effects() == [name for name in NAMES if name != NAMES[position]]
    [row] = await probe.bench.table("parked_message")
    assert (row["reason"], row["handler"], row["traceback"]) == ("This SKU is not ours.", "record", "")


async def test_a_batch_full_of_poison_is_parked_whole(probe: Probe) -> None:
    async def refuse(events: Sequence[SkuChanged], _tx: Tx) -> None:
        raise Poison(events[-1], "Nothing here is ours.")

    await probe.bench.handle(probe.handler(refuse), [sku(name) for name in NAMES])
    assert len(await probe.bench.table("parked_message")) == 5


async def test_an_event_that_cannot_be_written_fails_the_message_that_caused_it_and_no_other(probe: Probe) -> None:
    async def tell(events: Sequence[SkuChanged], tx: Tx) -> None:
        for event in events:
            unwritable = event.model_copy(update={"sku": "\ud800"})
            tx.publish(unwritable if event.sku == "b" else event, cause=event)
        await tx.rows(text("SELECT 1"))

    await probe.bench.handle(probe.handler(tell), [sku(name) for name in NAMES])
    assert await probe.effects() == ["a", "c", "d", "e"]
    assert len(await probe.bench.table("scheduled")) == 1
    told = [event_of(row) for row in probe.bench.published]
    assert [event.sku for event in told if isinstance(event, SkuChanged)] == ["a", "c", "d", "e"]


async def test_a_message_that_fails_alone_runs_again_later_and_is_parked_at_last(probe: Probe) -> None:
    async def stumble(events: Sequence[SkuChanged], _tx: Tx) -> None:
        if any(event.sku == "b" for event in events):
            raise KeyError("@".join(("b", "example.com")))

    handler = probe.handler(stumble)
    messages = [message_of(sku(name)) for name in NAMES]
    await probe.bench.deliver(handler, messages)
    assert await probe.effects() == ["a", "c", "d", "e"]
    for attempt in range(1, len(RETRY_AFTER_SECONDS) + 1):
        [row] = await probe.bench.table("scheduled")
        assert (row["exchange"], row["routing_key"]) == ("", "probe.record")
        again = incoming(row)
        assert decode(again).attempt == attempt
        assert decode(again).origin_id == UUID(messages[1].message_id)
        await probe.ddl("DELETE FROM scheduled")
        await probe.bench.deliver(handler, [again])
    [row] = await probe.bench.table("parked_message")
    assert row["reason"] == "KeyError"
    assert "b@example.com" not in row["traceback"] + row["reason"]
    assert row["body"] == messages[1].body
    assert not await probe.bench.table("scheduled")


def incoming(row: dict[str, object]) -> Incoming:
    headers = orjson.loads(row["headers"])  # type: ignore[arg-type]
    return Incoming(str(row["id"]), str(row["type"]), str(row["correlation_id"]), headers, row["body"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"body": b"{"}, "the body is no sku.changed.v1: body: json_invalid"),
        ({"body": b'{"sku": "x", "sku_version": "many"}'}, "sku_version"),
        ({"type": "sku.invented.v9"}, "nothing here reads messages of type 'sku.invented.v9'"),
        ({"type": None}, "nothing here reads messages of type None"),
        ({"message_id": "17"}, "the message id is not a UUID"),
        ({"message_id": str(uuid4())}, "the message id is not a UUIDv7"),
        ({"message_id": str(UUID(int=7 << 76 | 2 << 62))}, "outside the days that the inbox keeps"),
        ({"message_id": None}, "the message id is not a UUID"),
        ({"type": "sku\0", "correlation_id": "\0"}, "nothing here reads messages of type"),
    ],
)
async def test_what_cannot_be_read_is_parked_once_and_harms_nobody(
    probe: Probe, damage: dict[str, object], reason: str
) -> None:
    broken = replace(message_of(sku("broken")), **damage)  # type: ignore[arg-type]
    handler = probe.handler()
    await probe.bench.deliver(handler, [message_of(sku("a")), broken, message_of(sku("b"))])
    await probe.bench.deliver(handler, [broken])
    assert await probe.effects() == ["a", "b"]
    [row] = await probe.bench.table("parked_message")
    assert reason in row["reason"]
    assert row["body"] == broken.body


async def test_a_value_that_the_database_refuses_counts_against_its_message_alone(probe: Probe) -> None:
    handler = probe.handler()
    await probe.bench.handle(handler, [sku("a"), sku("n\0l"), sku("x" * 50), sku("b")])
    assert await probe.effects() == ["a", "b"]
    assert len(await probe.bench.table("scheduled")) == 2


@pytest.mark.parametrize(
    "outage",
    [
        "ALTER TABLE effect RENAME TO moved",
        "ALTER TABLE effect RENAME COLUMN sku TO named",
        "DROP TABLE inbox",
        "ALTER TABLE outbox RENAME TO gone",
    ],
)
async def test_a_broken_schema_pauses_and_parks_nothing(probe: Probe, outage: str) -> None:
    async def publish(events: Sequence[SkuChanged], tx: Tx) -> None:
        tx.publish(sku("out"), cause=events[0])

    handler = probe.handler(publish)
    await probe.ddl(outage)
    for _ in range(7):
        with pytest.raises(Paused):
            await probe.bench.handle(handler, [sku("a"), sku("b")])
    assert not await probe.bench.table("scheduled")
    assert not await probe.bench.table("parked_message")


async def test_a_missing_partition_pauses_and_parks_nothing(probe: Probe) -> None:
    partitions = "SELECT relname FROM pg_class WHERE relname LIKE 'inbox_2%' AND relkind = 'r'"
    async with transaction(probe.database) as tx:
        names = [row.relname for row in await tx.rows(text(partitions))]
    await probe.ddl(*[f"DROP TABLE {name}" for name in names])
    with pytest.raises(Paused, match="23514"):
        await probe.bench.handle(probe.handler(), [sku("a")])
    assert not await probe.bench.table("parked_message")


async def test_a_read_only_database_pauses_and_parks_nothing(probe: Probe) -> None:
    name = make_url(probe.database.url).database
    await probe.ddl(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await probe.database.close()
    with pytest.raises(Paused, match="25006"):
        await probe.bench.handle(probe.handler(), [sku("a")])


async def test_a_deadlock_runs_the_batch_again(probe: Probe) -> None:
    await probe.ddl("INSERT INTO effect VALUES ('one'), ('two')")
    lock = text("SELECT 1 FROM effect WHERE sku = :sku FOR UPDATE")
    runs = 0
    mine, theirs = asyncio.Event(), asyncio.Event()

    async def crosswise(_events: Sequence[SkuChanged], tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await tx.run(text("SET LOCAL deadlock_timeout = '50ms'"))
        await tx.rows(lock, sku="one")
        mine.set()
        await theirs.wait()
        await asyncio.sleep(0.2)  # the other one waits first: this one closes the circle and is the victim
        await tx.rows(lock, sku="two")

    async def other_way() -> None:
        async with transaction(probe.database) as tx:
            await tx.rows(lock, sku="two")
            theirs.set()
            await mine.wait()
            await tx.rows(lock, sku="one")

    handler = probe.handler(crosswise)
    await asyncio.gather(other_way(), probe.bench.handle(handler, [sku("a")]))
    assert runs == 2
    assert "a" in await probe.effects()


async def test_ten_different_failures_in_a_row_pause_and_spend_no_attempts(probe: Probe) -> None:
    broken = True

    async def bad_deploy(_events: Sequence[SkuChanged], _tx: Tx) -> None:
        if broken:
            raise TypeError("bad deploy")

    handler = probe.handler(bad_deploy)
    processor = probe.bench.processor(handler)
    messages = [message_of(sku(f"{n:02}")) for n in range(30)]
    with pytest.raises(Paused, match="one after the other"):
        await processor.settle(messages)
    assert len(await probe.bench.table("scheduled")) == 9
    for message in messages[9:20]:
        with pytest.raises(Paused):
            await processor.settle([message])
    assert len(await probe.bench.table("scheduled")) == 9
    broken = False
    await processor.settle(messages)
    assert await probe.effects() == [f"{n:02}" for n in range(9, 30)]


async def test_two_processes_that_get_the_same_message_apply_it_once(probe: Probe) -> None:
    async def slowly(_events: Sequence[SkuChanged], _tx: Tx) -> None:
        await asyncio.sleep(0.2)

    handler = probe.handler(slowly)
    messages = [message_of(sku(name)) for name in NAMES]
    one, two = probe.bench.processor(handler), probe.bench.processor(handler)
    await asyncio.gather(one.settle(messages), two.settle(list(reversed(messages))))
    assert await probe.effects() == NAMES


async def test_a_parked_message_can_be_corrected_and_replayed_once(probe: Probe) -> None:
    async def refuse(events: Sequence[SkuChanged], _tx: Tx) -> None:
        for event in events:
            if event.sku == "wrong":
                raise Poison(event, "No such SKU.")

    handler = probe.handler(refuse)
    await probe.bench.handle(handler, [sku("wrong")])
    [row] = await probe.bench.table("parked_message")
    async with transaction(probe.database) as tx:
        await parked.edit(tx, row["id"], b'{"sku": "right", "sku_version": 1}')
        await parked.replay(tx, row["id"])
    sent = probe.bench.published[-1]
    assert (sent.exchange, sent.routing_key) == ("", "probe.record")
    again = Incoming(str(sent.message_id), sent.type, sent.correlation_id, sent.headers, sent.body)
    await probe.bench.deliver(handler, [again])
    await probe.bench.deliver(handler, [again])
    assert await probe.effects() == ["right"]
    with pytest.raises(parked.NotParked, match="replayed before"):
        async with transaction(probe.database) as tx:
            await parked.replay(tx, row["id"])


async def test_an_event_leaves_with_its_transaction_or_not_at_all(probe: Probe) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(probe.database) as tx:
            tx.publish(sku("a"))
            raise ZeroDivisionError
    assert not await probe.bench.table("outbox")
    assert not probe.bench.published
    async with transaction(probe.database) as tx:
        tx.publish(sku("a"))
    [row] = await probe.bench.table("outbox")
    assert row["routing_key"] == "sku.changed.v1"


async def test_what_a_handler_publishes_keeps_the_trace_of_its_cause(probe: Probe) -> None:
    async def publish(events: Sequence[SkuChanged], tx: Tx) -> None:
        tx.publish(sku("out"), cause=events[0])

    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    message = message_of(sku("in"))
    message = replace(message, headers={**message.headers, "traceparent": trace}, message_id=str(new_id()))
    await probe.bench.deliver(probe.handler(publish), [message])
    assert str(probe.bench.published[-1].headers["traceparent"]).split("-")[1] == "ab" * 16
