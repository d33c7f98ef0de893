"""A service made for one test, with the runtime's tables and one table of effects: for tests of the runtime itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.contracts.base import utc_now
from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging.consumer import Consumer, HandlerFunction
from crossdock.messaging.transaction import Tx, transaction
from crossdock.storage.engine import Database, async_url
from crossdock.storage.partitions import keep_partitions
from crossdock.storage.tables import MESSAGING_DDL, messaging_tables
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase

RECORD = text("INSERT INTO effect (sku) SELECT unnest(CAST(:skus AS text[]))")
EFFECTS = text("SELECT sku FROM effect ORDER BY sku")


@dataclass
class Probe:
    """A service made for one test: its handler records the SKU of every event it is given, after `before` ran."""

    database: Database
    admin_url: str
    bench: HandlerBench
    consumer: Consumer

    def handler(self, before: HandlerFunction | None = None, *, pace: float = 0.0) -> str:
        """Register the handler, with a pace in seconds, and return its name."""

        async def record(events: Sequence[SkuChanged], tx: Tx) -> None:
            if before is not None:
                await before(events, tx)
            await tx.run(RECORD, skus=[event.sku for event in events])

        self.consumer.on(SkuChanged, pace=pace)(record)
        return "record"

    async def effects(self) -> list[str]:
        """What was recorded, once for each time."""
        async with transaction(self.database) as tx:
            return [row.sku for row in await tx.rows(EFFECTS)]

    async def ddl(self, *statements: str) -> None:
        """Change the schema or the server as an administrator."""
        engine = create_async_engine(
            async_url(self.admin_url), isolation_level="AUTOCOMMIT",
            connect_args={"server_settings": {"search_path": "probe"}},
        )  # fmt: skip
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()


def sku(name: str) -> SkuChanged:
    """An event that the probe's handler records."""
    return SkuChanged(sku=name, sku_version=1)


@asynccontextmanager
async def open_probe(made: TestDatabase) -> AsyncIterator[Probe]:
    """A probe in a database without services."""
    admin = async_url(made.admin_url).set(database=made.name).render_as_string(hide_password=False)
    metadata = MetaData()
    messaging_tables(metadata)
    engine = create_async_engine(async_url(admin), connect_args={"server_settings": {"search_path": "probe"}})
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA probe"))
        await connection.run_sync(metadata.create_all)
        await connection.execute(text("CREATE TABLE effect (sku text CHECK (length(sku) < 40))"))
        for statement in MESSAGING_DDL:
            await connection.execute(text(statement))
        await keep_partitions(connection, utc_now().date())
    await engine.dispose()
    database = Database(admin, "probe")
    consumer = Consumer()
    yield Probe(database, admin, HandlerBench(database, consumer, metadata), consumer)
    await database.close()
