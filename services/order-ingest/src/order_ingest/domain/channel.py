"""A channel as far as orders care: its policy, and whether anything may be sent because of its orders."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from order_ingest.domain.policy import STANDARD, Policy, Terms


@dataclass(frozen=True, slots=True)
class Channel:
    """What was configured newest. Version 0: nothing is known yet, which counts as observing. `ours_from`: orders that
    were placed earlier did not become ours when the channel went live, unless somebody named them. `time_zone` is the
    IANA name of the zone in which its days are counted. Personal data of orders that were placed before
    `redacted_before` is refused. `role` and `destination` are its settings of these names: what it is besides a channel
    that sells, and which warehouse ships what it sells. `warehouse_observing` is the name of that warehouse while it
    only observes, else blank."""

    channel_id: UUID
    channel_version: int
    kind: str
    name: str
    mode: str
    connected: bool
    policy: Policy = STANDARD
    policy_version: int = 0
    ours_from: datetime | None = None
    time_zone: str = "UTC"
    redacted_before: datetime | None = None
    role: str = ""
    destination: str = ""
    warehouse_observing: str = ""

    @property
    def observing(self) -> str:
        """The name by which its orders say that it only observes; blank when it is live."""
        return "" if self.mode == "live" else self.name or str(self.channel_id)

    @property
    def restraint(self) -> tuple[str, str]:
        """What keeps its orders from a warehouse: itself or the warehouse, while they only observe."""
        return self.observing, self.warehouse_observing


def configure(channel: Channel, new: Channel) -> Channel:
    """The newer configuration wins."""
    if new.channel_version <= channel.channel_version:
        return channel
    return replace(
        new,
        policy=channel.policy,
        policy_version=channel.policy_version,
        ours_from=channel.ours_from,
        redacted_before=channel.redacted_before,
    )


def disconnect(channel: Channel, channel_version: int) -> Channel:
    """Nothing more comes from it."""
    if channel_version <= channel.channel_version:
        return channel
    return replace(channel, channel_version=channel_version, connected=False)


def terms_of(channel: Channel, at: datetime, *, routes: bool) -> Terms:
    """Under what an order of this channel is judged that is heard of at a time."""
    return Terms(
        channel.policy,
        channel.policy_version,
        channel.observing,
        channel.ours_from,
        at,
        routes,
        channel.warehouse_observing,
    )


def zone_of(name: object) -> str:
    """The IANA name of a time zone as a channel's settings give it, or `UTC` for what is none."""
    try:
        return ZoneInfo(name).key if isinstance(name, str) and name else "UTC"
    except (ValueError, OSError, LookupError):
        return "UTC"
