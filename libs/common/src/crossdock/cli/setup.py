"""What prepares the servers: roles and walls, migrations, partitions, topology. Settings come from the environment."""

import asyncio
import json
import os
import time
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from crossdock.cli.stack import SERVICES
from crossdock.contracts.base import utc_now
from crossdock.messaging.topology import Change, Management, Topology, plan
from crossdock.storage.migrations import migrate, owner_engine
from crossdock.storage.partitions import keep_partitions
from crossdock.storage.roles import bootstrap, wall_off

MAINTENANCE_SECONDS = 6 * 3600


class SettingMissing(Exception):
    """A setting is not in the environment; the text says which and what it is for."""


def setting(name: str, what: str) -> str:
    """A setting from the environment. Raises SettingMissing."""
    value = os.environ.get(f"CROSSDOCK_{name}")
    if not value:
        raise SettingMissing(f"Set CROSSDOCK_{name}: {what}.")
    return value


def installed_services() -> dict[str, Any]:
    """The services whose packages are installed here (in an image, exactly one), by name."""
    services = [point.load() for point in entry_points(group="crossdock.services")]
    return {service.name: service for service in services}


def make_walls() -> tuple[str, ...]:
    """Make database, roles and schemas. Returns the services that have their walls now."""
    admin = setting("POSTGRES_ADMIN_URL", "the URL of a Postgres role that may create databases and roles")
    database = setting("DATABASE", "the name of Crossdock's database")
    passwords = json.loads(setting("ROLE_PASSWORDS", "a JSON object with a password for each role"))

    async def run() -> None:
        await bootstrap(admin, database, passwords)
        await wall_off(admin, database, SERVICES)

    asyncio.run(run())
    return SERVICES


def owner_urls() -> dict[str, str]:
    """The owner role's URL of each service that is to be migrated here."""
    if several := os.environ.get("CROSSDOCK_OWNER_DATABASE_URLS"):
        return dict(json.loads(several))
    url = setting("OWNER_DATABASE_URL", "the URL of the service's owner role")
    return dict.fromkeys(installed_services(), url)


def migrate_installed() -> list[str]:
    """Bring every installed service's schema to its newest revision."""
    urls = owner_urls()

    async def run() -> None:
        for service, url in urls.items():
            await migrate(url, service)

    asyncio.run(run())
    return list(urls)


def maintain_forever() -> None:
    """Keep the inbox partitions ahead of time, every six hours."""
    urls = owner_urls()

    async def once() -> None:
        for service, url in urls.items():
            engine = owner_engine(url, service)
            async with engine.begin() as connection:
                await keep_partitions(connection, utc_now().date())
            await engine.dispose()

    while True:
        asyncio.run(once())
        time.sleep(MAINTENANCE_SECONDS)


def topology_of_installed() -> Topology:
    """What all installed services need of the broker."""
    queues = [queue for service in installed_services().values() for queue in service.topology().queues]
    return Topology(("events", "internal"), tuple(queues))


def management(url: str) -> Management:
    """The management API at a URL with credentials; its path, if any, names the virtual host."""
    path = urlsplit(url).path.strip("/")
    return Management(url.removesuffix(f"/{path}") if path else url, path or "/")


def topology_changes(url: str) -> list[Change]:
    """What the broker lacks."""
    return asyncio.run(_changes(management(url)))


def apply_topology(url: str) -> tuple[list[Change], list[Change]]:
    """Make what the broker lacks; returns all changes, and those left for a person."""

    async def run() -> tuple[list[Change], list[Change]]:
        api = management(url)
        changes = await _changes(api)
        return changes, await api.apply(topology_of_installed(), changes)

    return asyncio.run(run())


async def _changes(api: Management) -> list[Change]:
    return plan(topology_of_installed(), await api.live())
