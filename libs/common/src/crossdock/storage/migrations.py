"""Each service's own Alembic chain, run by its owner role inside its own schema and nowhere else."""

from importlib import resources
from typing import Any, Protocol

from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Executable, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from crossdock.contracts.base import utc_now
from crossdock.storage.engine import async_url, schema_of
from crossdock.storage.partitions import keep_partitions
from crossdock.storage.tables import MESSAGING_DDL, messaging_tables, redaction_table


def config_of(service: str) -> Config:
    """Alembic's configuration of a service: its scripts lie in the package's `migrations` folder."""
    config = Config()
    package = schema_of(service)
    config.set_main_option("script_location", str(resources.files(package).joinpath("migrations")))
    config.attributes["service"] = service
    return config


async def migrate(owner_url: str, service: str, revision: str = "head") -> None:
    """Bring a service's schema to a revision, and its inbox partitions up to date. Runs as the owner role."""
    engine = owner_engine(owner_url, service)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, service, revision)
        async with engine.begin() as connection:
            await keep_partitions(connection, utc_now().date())
    finally:
        await engine.dispose()


def owner_engine(owner_url: str, service: str) -> AsyncEngine:
    """An engine of the owner role: short lock waits, so that a migration never queues the traffic behind it."""
    settings = {
        "search_path": schema_of(service),
        "lock_timeout": "5000",
        "application_name": f"crossdock-migrate-{service}",
    }
    return create_async_engine(async_url(owner_url), connect_args={"server_settings": settings, "timeout": 10})


def _upgrade(connection: Connection, service: str, revision: str) -> None:
    config = config_of(service)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def head_of(service: str) -> str:
    """The newest revision that this code knows."""
    head = ScriptDirectory.from_config(config_of(service)).get_current_head()
    if head is None:
        raise LookupError(f"{service} has no migrations")
    return head


def run_environment(metadata: MetaData) -> None:
    """What a service's `migrations/env.py` calls."""
    config = context.config
    connection: Connection | None = config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("migrations run through `crossdock migrate`")
    schema = schema_of(config.attributes["service"])
    configure(connection, metadata, schema)
    with context.begin_transaction():
        context.run_migrations()


def configure(connection: Connection, metadata: MetaData, schema: str) -> None:
    """Keep Alembic to one schema and away from the inbox's partitions."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=schema,
        **comparison(schema),
    )


def comparison(schema: str) -> dict[str, Any]:
    """How tables are compared with the metadata: in this schema alone, partitions left out."""

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == schema
        return not (kind == "table" and name is not None and (name.startswith("inbox_") or name == "alembic_version"))

    return {"include_schemas": True, "include_name": include, "compare_type": True}


class Migration(Protocol):
    """What Alembic's `op` offers and is needed here."""

    def get_bind(self) -> Connection: ...
    def execute(self, statement: Executable) -> None: ...


def create_messaging_tables(op: Migration, schema: str) -> None:
    """For a service's first migration: inbox, outbox, scheduled, suspect, parked_message."""
    metadata = MetaData(schema=schema)
    messaging_tables(metadata)
    metadata.create_all(op.get_bind())
    for statement in MESSAGING_DDL:
        op.execute(text(statement))


def create_redaction_table(op: Migration, schema: str) -> None:
    """For a service that keeps copies of personal data: redaction."""
    metadata = MetaData(schema=schema)
    redaction_table(metadata)
    metadata.create_all(op.get_bind())


async def drift_of(owner_url: str, service: str, metadata: MetaData) -> list[Any]:
    """What differs between a migrated schema and the metadata: empty when every change has its migration."""
    from alembic.autogenerate import compare_metadata

    def compare(connection: Connection) -> list[Any]:
        options = {"target_metadata": metadata, "version_table_schema": schema_of(service)}
        migration = MigrationContext.configure(connection, opts=options | comparison(schema_of(service)))
        return list(compare_metadata(migration, metadata))

    # Off the search path every name is told with its schema, as the metadata has it.
    settings = {"search_path": "pg_catalog"}
    engine = create_async_engine(async_url(owner_url), connect_args={"server_settings": settings})
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()
