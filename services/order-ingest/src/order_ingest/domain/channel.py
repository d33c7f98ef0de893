"""A channel as far as orders care: whether anything may be sent because of its orders."""

from dataclasses import dataclass, replace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Channel:
    """What was configured newest. Version 0: nothing is known yet, which counts as observing."""

    channel_id: UUID
    channel_version: int
    kind: str
    name: str
    mode: str
    connected: bool

    @property
    def observing(self) -> str:
        """The name by which its orders say that it only observes; blank when it is live."""
        return "" if self.mode == "live" else self.name or str(self.channel_id)


def configure(channel: Channel, new: Channel) -> Channel:
    """The newer configuration wins."""
    return new if new.channel_version > channel.channel_version else channel


def disconnect(channel: Channel, channel_version: int) -> Channel:
    """Nothing more comes from it."""
    if channel_version <= channel.channel_version:
        return channel
    return replace(channel, channel_version=channel_version, connected=False)
