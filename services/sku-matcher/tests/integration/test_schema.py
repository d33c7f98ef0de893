"""The schema is what its migrations make."""

from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase
from sku_matcher import tables


async def test_the_migrations_make_the_tables_that_the_code_knows(database: TestDatabase) -> None:
    assert await drift_of(database.url("sku-matcher", owner=True), "sku-matcher", tables.metadata) == []
