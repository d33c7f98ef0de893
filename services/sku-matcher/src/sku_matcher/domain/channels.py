"""What the matcher keeps of a channel (pure)."""

from dataclasses import dataclass, replace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it was last told; `kind` and `name` are blank when only its end was told."""

    channel_id: UUID
    channel_version: int
    kind: str = ""
    name: str = ""
    connected: bool = False


def newest(old: Channel | None, new: Channel) -> Channel:
    """The newer of two; one that tells only of the end keeps the name."""
    if old is None:
        return new
    if new.channel_version <= old.channel_version:
        return old
    return replace(new, kind=new.kind or old.kind, name=new.name or old.name)
