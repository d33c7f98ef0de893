"""The walls between services: for each a schema, an owner role for migrations and a runtime role with DML on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from crossdock.storage.engine import async_url, schema_of

KEY = 4_201_913
"""The advisory lock under which roles and schemas are made: two bootstraps at once must not collide."""


@dataclass(frozen=True, slots=True)
class ServiceRoles:
    """The names of one service's two roles. They carry the database's name, since roles belong to the whole server."""

    service: str
    owner: str
    runtime: str

    @property
    def names(self) -> tuple[str, str]:
        """Both."""
        return self.owner, self.runtime


def roles_of(database: str, service: str) -> ServiceRoles:
    """The roles of a service in a database."""
    name = f"{database}_{schema_of(service)}"
    return ServiceRoles(service, f"{name}_owner", name)


def quoted(name: str) -> str:
    """A Postgres identifier, safe in DDL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A Postgres string constant, safe in DDL (which takes no parameters)."""
    return "'" + value.replace("'", "''") + "'"


async def bootstrap(admin_url: str, database: str, passwords: dict[str, str]) -> None:
    """Make the database, the roles and the schemas that are missing; existing data is left alone.

    `passwords` holds one password for each role name: the services whose roles are named get their walls.
    Raises sqlalchemy.exc.DBAPIError when `admin_url` may not do that.
    """
    async with _admin(admin_url) as connection:
        exists = await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": database})
        if not exists:
            await connection.execute(text(f"CREATE DATABASE {quoted(database)}"))
    url = async_url(admin_url).set(database=database).render_as_string(hide_password=False)
    async with _admin(url) as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({KEY})"))
        await connection.execute(text(f"REVOKE ALL ON DATABASE {quoted(database)} FROM PUBLIC"))
        await connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
        for role, password in passwords.items():
            await _role(connection, database, role, password)


async def wall_off(admin_url: str, database: str, services: Sequence[str], *, roles_from: str | None = None) -> None:
    """Give each service its schema, owned by its owner role, with DML for its runtime role and nothing for others.

    `roles_from` names another database whose roles are used (a copy made from a template keeps the template's roles).
    """
    url = async_url(admin_url).set(database=database).render_as_string(hide_password=False)
    async with _admin(url) as connection:
        for service in services:
            roles = roles_of(roles_from or database, service)
            # One statement list is one transaction: a migration never meets a schema without its default grants.
            await connection.execute(text("BEGIN"))
            for statement in _walls(roles, schema_of(service)):
                await connection.execute(text(statement))
            await connection.execute(text("COMMIT"))


def _walls(roles: ServiceRoles, schema: str) -> tuple[str, ...]:
    owner, runtime, inside = quoted(roles.owner), quoted(roles.runtime), quoted(schema)
    return (
        f"GRANT {owner} TO CURRENT_USER",
        f"CREATE SCHEMA IF NOT EXISTS {inside} AUTHORIZATION {owner}",
        f"GRANT USAGE ON SCHEMA {inside} TO {runtime}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {inside} "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {inside} GRANT USAGE ON SEQUENCES TO {runtime}",
    )


async def _role(connection: AsyncConnection, database: str, role: str, password: str) -> None:
    exists = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": role})
    verb = "ALTER" if exists else "CREATE"
    rights = f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {literal(password)}"
    await connection.execute(text(f"{verb} ROLE {quoted(role)} {rights}"))
    await connection.execute(text(f"GRANT CONNECT ON DATABASE {quoted(database)} TO {quoted(role)}"))


class _admin:  # noqa: N801 - reads as a function
    """A connection outside any transaction, as DDL on databases wants it."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(async_url(url), isolation_level="AUTOCOMMIT", connect_args={"timeout": 10})

    async def __aenter__(self) -> AsyncConnection:
        self._connection = await self._engine.connect()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        await self._engine.dispose()
