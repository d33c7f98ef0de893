"""The schema that the migrations make is the one that the code expects, and nobody else's role can see it."""

import asyncpg
import pytest
from sqlalchemy import text

from crossdock.messaging.transaction import transaction
from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase
from order_ingest import tables


async def test_migrations_make_exactly_the_tables_that_the_code_knows(ingest_database: TestDatabase) -> None:
    assert await drift_of(ingest_database.url("order-ingest", owner=True), "order-ingest", tables.metadata) == []


async def test_the_runtime_role_cannot_change_the_schema(ingest_database: TestDatabase) -> None:
    database = ingest_database.open("order-ingest", size=1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(database) as tx:
            await tx.run(text("DROP TABLE orders"))
    await database.close()
