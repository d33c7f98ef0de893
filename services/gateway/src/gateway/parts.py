"""The gateway's own parts, one of each for a running service."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from crossdock.service.app import Context
from crossdock.service.health import Health
from gateway.directory import Directory
from gateway.intake import GroupCommit
from gateway.keys import KeyRing
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
            keys=KeyRing(context.database),
        )
        directory = found.directory
        context.health.ready_unless("channels", lambda: None if directory.loaded else "not read yet")
    return found
