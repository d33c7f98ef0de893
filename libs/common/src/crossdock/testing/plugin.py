"""Fixtures that every test of the workspace may ask for; servers start when the first test needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crossdock.local.servers import Broker
    from crossdock.testing.database import Templates, TestDatabase


LOOPBACK = "127.0.0.1,localhost,::1"


def pytest_configure() -> None:
    """Channels of tests are on this machine."""
    from crossdock.channels.addresses import allow_private

    os.environ.setdefault("CROSSDOCK_PRIVATE_HOSTS", LOOPBACK)
    allow_private(LOOPBACK)


def _speaker(config: pytest.Config) -> Callable[[str], None]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.write_line if reporter else print


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a superuser, database `postgres`, of the one Postgres of this run."""
    from crossdock.testing.servers import postgres_server

    with postgres_server(pytestconfig.rootpath / ".run" / "tools", _speaker(pytestconfig)) as url:
        yield url


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """The one RabbitMQ of this run; tests use a `vhost` of it."""
    from crossdock.testing.servers import broker_server

    with broker_server(pytestconfig.rootpath / ".run" / "tools", _speaker(pytestconfig)) as running:
        yield running


@pytest.fixture
def vhost(broker: Broker) -> Iterator[str]:
    """The AMQP URL of a fresh virtual host; it is gone after the test."""
    from crossdock.testing.servers import fresh_vhost

    with fresh_vhost(broker) as url:
        yield url


@pytest.fixture(scope="session")
def templates(postgres_url: str) -> Iterator[Templates]:
    """The migrated template databases of this run."""
    from crossdock.testing.database import session_templates

    yield from session_templates(postgres_url)


@pytest.fixture
def databases(templates: Templates) -> Iterator[Callable[..., TestDatabase]]:
    """Make a fresh database in which the named services are migrated: `databases("inventory")`."""
    made: list[TestDatabase] = []

    def copy(*services: str) -> TestDatabase:
        made.append(templates.copy(services))
        return made[-1]

    yield copy
    for database in made:
        templates.drop(database)
