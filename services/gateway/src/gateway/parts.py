"""The gateway's own parts, one of each for a running service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from crossdock.service.app import Context
from crossdock.service.health import Health
from gateway.directory import Directory
from gateway.domain.routing import SERVICES
from gateway.intake import GroupCommit
from gateway.keys import KeyRing
from gateway.proxy import Proxy
from gateway.sealing import SealingBox
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What routes and workers share."""

    settings: Settings
    box: SealingBox
    directory: Directory
    commit: GroupCommit
    keys: KeyRing
    proxy: Proxy


_made: WeakKeyDictionary[Health, Parts] = WeakKeyDictionary()


def parts_of(context: Context) -> Parts:
    """The parts of a running gateway, made when first asked for. Raises BadKeys."""
    found = _made.get(context.health)
    if found is None:
        settings: Settings = context.settings
        box = SealingBox.from_setting(settings.sealing_keys.get_secret_value())
        found = _made[context.health] = Parts(
            settings=settings,
            box=box,
            directory=Directory(context.database, box),
            commit=GroupCommit(context.database, seconds=settings.commit_seconds),
            keys=KeyRing(context.database, settings.bootstrap_api_key),
            proxy=Proxy(
                {service: getattr(settings, f"{service.replace('-', '_')}_url") for service in SERVICES},
                settings.service_key.get_secret_value(),
                settings.proxy_seconds,
                settings.upload_bytes,
            ),
        )
        directory, keys = found.directory, found.keys
        context.health.ready_unless("channels", lambda: None if directory.loaded else "not read yet")
        context.health.ready_unless("api key", lambda: "the first one is not stored yet" if keys.lacks_first else None)
    return found


@asynccontextmanager
async def lifespan(context: Context) -> AsyncIterator[None]:
    """Close what the parts opened when the process ends."""
    try:
        yield
    finally:
        await parts_of(context).proxy.close()
