"""The migrations and the tables say the same."""

from typing import Any

import pytest

from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase
from gateway.tables import metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_table_of_the_code_has_its_migration(database: TestDatabase) -> None:
    assert await drift_of(database.url("gateway", owner=True), "gateway", metadata) == []


async def test_bodies_are_stored_without_compressing_them(gateway: Any) -> None:
    statement = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'delivery_body'::regclass AND attname = 'body'"
    [row] = await gateway.rows(statement)
    assert row["attstorage"] in ("e", b"e")
