"""The schema that the migrations make is the one that the code expects."""

from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase
from fulfillment import tables


async def test_migrations_make_exactly_the_tables_that_the_code_knows(place: TestDatabase) -> None:
    assert await drift_of(place.url("fulfillment", owner=True), "fulfillment", tables.metadata) == []
