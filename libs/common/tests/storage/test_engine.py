"""Connections of a service: what a row is, what a transaction costs, and that one gives back nothing unfinished."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import Database, Json, positional
from crossdock.testing.probe import Probe

BACKEND = text("SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS waits")


@pytest.fixture
async def single(probe: Probe) -> AsyncIterator[Database]:
    """A database with one connection: whoever comes next gets what the one before left."""
    database = Database(probe.database.url, "probe", 1)
    yield database
    await database.close()


def test_parameters_are_numbered_by_name_and_a_name_used_twice_is_sent_once() -> None:
    sql, names = positional(text("SELECT :b, CAST(:a AS int), CAST(:b AS text)"))
    assert (sql, names) == ("SELECT $1, CAST($2 AS int), CAST($1 AS text)", ("b", "a"))


async def test_the_columns_of_a_row_are_its_attributes(single: Database) -> None:
    some = uuid4()
    async with transaction(single) as tx:
        [row] = await tx.rows(text("SELECT CAST(:id AS uuid) AS id, CAST(:told AS jsonb) AS told"), id=some, told=[1])
    assert (row.id, row.told) == (some, [1])
    assert dict(row) == {"id": some, "told": [1]}
    with pytest.raises(AttributeError, match="no column other"):
        _ = row.other


async def test_lists_go_into_arrays_of_jsonb(single: Database) -> None:
    async with transaction(single) as tx:
        [row] = await tx.rows(text("SELECT CAST(:all AS jsonb[]) AS found"), all=[{"a": 1}, Json([2, 3])])
    assert row.found == [{"a": 1}, [2, 3]]


async def test_run_tells_how_many_rows_it_touched(single: Database) -> None:
    async with transaction(single) as tx:
        assert await tx.run(text("INSERT INTO effect VALUES ('a'), ('b')")) == 2
        assert await tx.run(text("UPDATE effect SET sku = 'c' WHERE sku = 'none'")) == 0
        assert await tx.run(text("SET LOCAL lock_timeout = '1s'")) == 0


async def test_what_fails_is_undone_and_its_connection_is_as_good_as_new(single: Database, probe: Probe) -> None:
    async with transaction(single) as tx:
        [before] = await tx.rows(BACKEND)
    with pytest.raises(asyncpg.CheckViolationError):
        async with transaction(single) as tx:
            await tx.run(text("SET LOCAL lock_timeout = '1s'"))
            await tx.run(text("INSERT INTO effect VALUES ('good')"))
            await tx.run(text("INSERT INTO effect VALUES (repeat('x', 50))"))
    async with transaction(single) as tx:
        [after] = await tx.rows(BACKEND)
    assert (after.pid, after.waits) == (before.pid, before.waits)
    assert await probe.effects() == []


async def test_giving_a_connection_back_costs_no_round_trip(single: Database) -> None:
    sent = []
    async with single.connection() as connection:
        connection.add_query_logger(lambda query: sent.append(query.query))
    async with transaction(single) as tx:
        await tx.rows(BACKEND)
    async with single.connection():
        assert sent == ["BEGIN;", BACKEND.text, "COMMIT;"]


async def test_a_connection_that_the_server_ended_meanwhile_is_replaced(single: Database, probe: Probe) -> None:
    async with transaction(single) as tx:
        [before] = await tx.rows(BACKEND)
    await probe.ddl(f"SELECT pg_terminate_backend({before.pid})")
    await asyncio.sleep(0.1)  # the news of it comes over the connection itself
    async with transaction(single) as tx:
        [after] = await tx.rows(BACKEND)
    assert after.pid != before.pid


async def test_a_closed_database_opens_again_when_it_is_used(single: Database) -> None:
    await single.close()
    async with transaction(single) as tx:
        assert await tx.rows(BACKEND)
