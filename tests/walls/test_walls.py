"""No service reads or changes what belongs to another, and none may change its own tables' shape."""

from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import text

from crossdock.cli.setup import installed_services
from crossdock.cli.stack import SERVICES
from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import Database, schema_of
from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_cannot_reach_into_another_schema(databases: Callable[..., TestDatabase], service: str) -> None:
    made = databases(*SERVICES)
    for owner in (False, True):
        database = Database(made.url(service, owner=owner), service, size=1)
        for other in set(SERVICES) - {service}:
            for attempt in (
                f"SELECT * FROM {schema_of(other)}.outbox",
                f"DELETE FROM {schema_of(other)}.inbox",
                f"CREATE TABLE {schema_of(other)}.spy (a int)",
                f"DROP TABLE {schema_of(other)}.outbox",
            ):
                assert await sqlstate(database, attempt) == "42501", attempt
        await database.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_running_service_cannot_change_the_shape_of_its_tables(
    databases: Callable[..., TestDatabase], service: str
) -> None:
    database = databases(*SERVICES).open(service, size=1)
    for attempt in ("DROP TABLE outbox", "CREATE TABLE extra (a int)", "ALTER TABLE inbox ADD extra int",
                    "TRUNCATE inbox",
                    "CREATE TABLE public.extra (a int)", "CREATE SCHEMA extra"):  # fmt: skip
        assert await sqlstate(database, attempt) == "42501", attempt
    assert await sqlstate(database, "SELECT * FROM outbox") is None
    await database.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_change_of_a_table_has_its_migration(databases: Callable[..., TestDatabase], service: str) -> None:
    made = databases(*SERVICES)
    metadata = installed_services()[service].metadata
    assert await drift_of(made.url(service, owner=True), service, metadata) == []


async def sqlstate(database: Database, statement: str) -> str | None:
    """How Postgres refuses a statement, or None when it does not."""
    try:
        async with transaction(database) as tx:
            await tx.run(text(statement))
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return None
