"""Databases for tests: one migrated template for each set of services and run, and a copy of it for every test."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from asyncpg.connection import LoggedQuery
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.storage.engine import Database, async_url
from crossdock.storage.migrations import migrate
from crossdock.storage.roles import bootstrap, quoted, roles_of, wall_off


@contextmanager
def statements_to(database: Database) -> Iterator[list[str]]:
    """Collect the statements that are sent to Postgres meanwhile, but for those that begin and end a transaction."""
    statements: list[str] = []

    def note(query: LoggedQuery) -> None:
        if not query.query.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            statements.append(query.query)

    @asynccontextmanager
    async def watched() -> AsyncIterator[Any]:
        async with Database.connection(database) as connection:
            with connection.query_logger(note):
                yield connection

    with patch.object(database, "connection", watched):
        yield statements


@dataclass(frozen=True)
class TestDatabase:
    """A database of its own for one test. `template` names the one it was copied from, whose roles it uses."""

    __test__ = False

    name: str
    template: str
    admin_url: str
    password: str

    def url(self, service: str, *, owner: bool = False) -> str:
        """The URL of a service's runtime role (or its owner role)."""
        roles = roles_of(self.template, service)
        user = roles.owner if owner else roles.runtime
        made = make_url(self.admin_url).set(database=self.name, username=user, password=self.password)
        return made.render_as_string(hide_password=False)

    def open(self, service: str, *, size: int = 5) -> Database:
        """The service's database as its process opens it."""
        return Database(self.url(service), service, size=size)


class Templates:
    """Makes each template once and drops everything at the end of the run."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._made: dict[tuple[str, ...], str] = {}
        self._password = secrets.token_hex(8)
        self._run = secrets.token_hex(4)

    def template(self, services: Sequence[str]) -> str:
        """The name of a database in which these services are migrated."""
        key = tuple(sorted(services))
        if key not in self._made:
            name = f"t{self._run}_{len(self._made)}"
            _finish(self._make(name, key))
            self._made[key] = name
        return self._made[key]

    def copy(self, services: Sequence[str]) -> TestDatabase:
        """A fresh copy of the template for these services."""
        template = self.template(services)
        name = f"{template}_{secrets.token_hex(4)}"
        _finish(_execute(self._admin_url, f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)}"))
        return TestDatabase(name, template, self._admin_url, self._password)

    def drop(self, database: TestDatabase) -> None:
        """Drop a copy, whoever is still connected."""
        _finish(drop(self._admin_url, database.name))

    def close(self) -> None:
        """Drop the templates and their roles."""
        for key, name in self._made.items():
            _finish(drop(self._admin_url, name, key))

    async def _make(self, name: str, services: tuple[str, ...]) -> None:
        roles = [role for service in services for role in roles_of(name, service).names]
        await bootstrap(self._admin_url, name, dict.fromkeys(roles, self._password))
        await wall_off(self._admin_url, name, services)
        made = TestDatabase(name, name, self._admin_url, self._password)
        for service in services:
            await migrate(made.url(service, owner=True), service)


def _finish(work: Coroutine[None, None, None]) -> None:
    """Run to the end in a thread of its own: a fixture may be set up while a test's loop turns."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def drop(admin_url: str, database: str, services: Sequence[str] = ()) -> None:
    """Drop a database, whoever is still connected, and the roles that these services have in it."""
    roles = [role for service in services for role in roles_of(database, service).names]
    drops = [f"DROP ROLE IF EXISTS {quoted(role)}" for role in roles]
    await _execute(admin_url, f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)", *drops)


async def _execute(admin_url: str, *statements: str) -> None:
    engine = create_async_engine(async_url(admin_url), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


def session_templates(admin_url: str) -> Iterator[Templates]:
    """For the session fixture: templates that are dropped at the end."""
    templates = Templates(admin_url)
    try:
        yield templates
    finally:
        templates.close()
