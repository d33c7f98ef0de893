"""The migrations and the tables say the same."""

from typing import Any

import pytest

from crossdock.storage.migrations import drift_of
from crossdock.testing.database import TestDatabase
from gateway.tables import metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_table_of_the_code_has_its_migration(database: TestDatabase) -> None:
    assert await drift_of(database.url("gateway", owner=True), "gateway", metadata) == []


async def test_bodies_are_compressed_in_the_quick_way_where_postgres_knows_it_and_else_not_at_all(gateway: Any) -> None:
    [known] = await gateway.rows("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
    [column] = await gateway.rows(
        "SELECT CAST(attstorage AS text) AS storage, CAST(attcompression AS text) AS way FROM pg_attribute"
        " WHERE attrelid = 'delivery_body'::regclass AND attname = 'body'"
    )
    assert column == ({"storage": "x", "way": "l"} if "lz4" in known["enumvals"] else {"storage": "e", "way": ""})
