"""The group commit against a real Postgres: neighbours, outages, and what is told to the relay."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.channels.generic import connector
from crossdock.channels.model import Verified
from crossdock.channels.shopify import connector as shopify
from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import Database, Row, async_url
from crossdock.testing.database import TestDatabase, statements_to
from gateway.directory import Entry
from gateway.domain.deliveries import Delivery
from gateway.intake import GROUP_ROWS, DatabaseAway, GroupCommit, Unstorable
from gateway.webhooks import arrival

ENTRY = Entry(UUID(int=1), "shopify", shopify, ())


def deliveries(number: int, body: bytes = b"{}") -> list[tuple[Delivery, Outgoing | None]]:
    return [arrival(ENTRY, Verified("orders/create", f"d-{n}", None, None), body) for n in range(number)]


@pytest.fixture
def told() -> list[Outgoing]:
    """What the relay was told of."""
    return []


@pytest.fixture
async def intake(database: TestDatabase, told: list[Outgoing]) -> AsyncIterator[GroupCommit]:
    opened = database.open("gateway")
    opened.on_commit.append(told.extend)
    commit = GroupCommit(opened, seconds=2.0)
    yield commit
    await opened.close()


async def rows(database: Database, statement: str) -> Sequence[Row]:
    async with transaction(database) as tx:
        return await tx.rows(text(statement))


async def test_what_waits_together_is_committed_together(intake: GroupCommit) -> None:
    first, *others = deliveries(150)
    await intake.store(*first)  # a new connection asks Postgres for its types
    with statements_to(intake._database) as statements:
        await asyncio.gather(*(intake.store(*one) for one in others))
    assert len(statements) == 1
    assert len(await rows(intake._database, "SELECT id FROM delivery")) == 150


async def test_a_group_is_bounded_and_the_rest_goes_with_the_next(intake: GroupCommit) -> None:
    await asyncio.gather(*(intake.store(*one) for one in deliveries(3 * GROUP_ROWS)))
    assert len(await rows(intake._database, "SELECT id FROM delivery")) == 3 * GROUP_ROWS


async def test_a_delivery_that_comes_as_a_flight_ends_is_not_left_behind(intake: GroupCommit) -> None:
    began = time.monotonic()
    for one in deliveries(50):
        await intake.store(*one)
    pairs = deliveries(150)[50:]
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        await asyncio.gather(intake.store(*first), intake.store(*second))
    assert len(await rows(intake._database, "SELECT id FROM delivery")) == 150
    assert time.monotonic() - began < 10


async def test_the_relay_is_told_of_new_deliveries_only_and_after_the_commit(
    intake: GroupCommit, told: list[Outgoing]
) -> None:
    first = deliveries(3)
    await asyncio.gather(*(intake.store(*one) for one in first))
    await asyncio.gather(*(intake.store(*one) for one in deliveries(5)))
    published = [message.message_id for message in told]
    stored = [row.id for row in await rows(intake._database, "SELECT id FROM delivery")]
    assert len(published) == 5
    assert sorted(published) == sorted(stored)
    assert sorted(row.id for row in await rows(intake._database, "SELECT id FROM outbox")) == sorted(stored)


@pytest.mark.parametrize("topic", ["bad \x00 topic", "lone \ud800 surrogate"])
async def test_one_delivery_that_the_database_refuses_does_not_harm_its_neighbours(
    intake: GroupCommit, caplog: pytest.LogCaptureFixture, topic: str
) -> None:
    good = deliveries(20)
    bad, message = arrival(ENTRY, Verified("orders/create", "bad", None, None), b"a customer's name")
    bad = replace(bad, topic=topic)
    mixed = [*good[:10], (bad, message), *good[10:]]

    results = await asyncio.gather(*(intake.store(*one) for one in mixed), return_exceptions=True)

    assert [type(one) for one in results] == [type(None)] * 10 + [Unstorable] + [type(None)] * 10
    assert len(await rows(intake._database, "SELECT id FROM delivery")) == 20
    assert len(await rows(intake._database, "SELECT id FROM outbox")) == 20
    assert "cannot be stored" in caplog.text
    assert "customer" not in caplog.text


async def test_concurrent_writers_of_the_same_deliveries_in_any_order_do_not_deadlock(
    intake: GroupCommit, database: TestDatabase
) -> None:
    other = database.open("gateway")
    second = GroupCommit(other, seconds=5.0)
    for _ in range(10):
        one, two = deliveries(200), list(reversed(deliveries(200)))
        await asyncio.gather(*(intake.store(*d) for d in one), *(second.store(*d) for d in two))
    assert len(await rows(other, "SELECT id FROM delivery")) == 200
    assert len(await rows(other, "SELECT id FROM outbox")) == 200
    await other.close()


async def test_a_database_that_is_away_is_told_at_once(database: TestDatabase) -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/nowhere", "gateway")
    commit = GroupCommit(away, seconds=2.0)
    began = time.monotonic()
    results = await asyncio.gather(*(commit.store(*one) for one in deliveries(300)), return_exceptions=True)
    assert {type(one) for one in results} == {DatabaseAway}
    assert time.monotonic() - began < 2.5
    await away.close()


async def test_a_database_that_does_not_answer_is_given_up_in_time(database: TestDatabase) -> None:
    writers = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    stuck = Database(f"postgresql://nobody@127.0.0.1:{port}/nowhere", "gateway")
    commit = GroupCommit(stuck, seconds=0.5)
    began = time.monotonic()
    with pytest.raises(DatabaseAway):
        await commit.store(*deliveries(1)[0])
    assert time.monotonic() - began < 1.5
    await stuck.close()
    silent.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_connections_that_died_while_idle_cost_nobody_a_503(intake: GroupCommit, database: TestDatabase) -> None:
    await intake.store(*deliveries(1)[0])
    await end_connections(database)
    await asyncio.gather(*(intake.store(*one) for one in deliveries(5)))
    assert len(await rows(intake._database, "SELECT id FROM delivery")) == 5


async def end_connections(database: TestDatabase) -> None:
    """End every connection to the test's database, as a restart of Postgres does."""
    engine = create_async_engine(async_url(database.admin_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        await connection.execute(text(ending), {"name": database.name})
    await engine.dispose()


async def test_what_does_not_say_what_it_is_goes_to_the_reader_of_the_3pls_notices() -> None:
    delivery, message = arrival(Entry(UUID(int=1), "generic", connector, ()), Verified("", "d", None, None), b"?")
    assert (delivery.body, delivery.category) == (b"?", "fulfillment")
    assert message is not None
    assert message.type == "webhook.fulfillment.received.v1"
