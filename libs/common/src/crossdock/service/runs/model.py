"""What an integration and a run are, and what a kind of integration has to say (values and protocols, no SQL)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from crossdock.messaging.transaction import Tx
from crossdock.service.runs.schedule import NEVER, Schedule

if TYPE_CHECKING:
    from crossdock.service.runs.job import Job

OPEN = ("waiting", "running")
ENDED = ("finished", "finished_partially", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as the service that runs integrations knows it."""

    channel_id: UUID
    kind: str
    name: str
    connected: bool
    serviced: bool = False
    """Whether we are one of its fulfillment services."""


@dataclass(frozen=True, slots=True)
class Integration:
    """A named way of data for one channel. `schedule` is None where the service's default holds, `time_zone` None
    until the channel's own is known; `last_slot` is the scheduled time of its newest run."""

    integration_id: UUID
    channel_id: UUID
    kind: str
    enabled: bool
    schedule: Schedule | None
    time_zone: str | None
    settings: Mapping[str, Any]
    last_slot: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run did with the records it saw: `imported` were new, `changed` were known and are different now."""

    seen: int = 0
    imported: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that a run could not take: which one, and why, in one sentence without personal data."""

    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the hands of a process. `failures` came in a row; `now` is Postgres's time when it was taken;
    `finished_before` is when the newest run of this integration that finished had begun."""

    run_id: UUID
    integration_id: UUID
    channel_id: UUID
    channel_kind: str
    kind: str
    scheduled_at: datetime
    started_at: datetime
    request: Mapping[str, Any]
    settings: Mapping[str, Any]
    cursor: Any
    tally: Tally
    expected: int | None
    failures: int
    failing_since: datetime | None
    now: datetime
    finished_before: datetime | None
    time_zone: str | None
    stop_requested: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes of one turn of a run: whether it is at its end; else after how many seconds it goes on, and what it
    waits for meanwhile, in one sentence."""

    done: bool
    seconds: float = 0.0
    waits_for: str = ""


GOES_ON = Turn(done=False)
DONE = Turn(done=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of integration.

    Kinds of one `lane` never run at the same time for one channel, and keep a gap between one's end and the other's
    begin. `ability` is what channels have to be able to do; `schedule` is the default of a service's settings.
    `turn` does a part of the work, at most half a lease long, and saves it through the job. `longest_wait` bounds the
    seconds between attempts while the channel fails; a run whose channel fails for `patience` seconds ends as failed.
    """

    name: str
    lane: str
    origin: str
    destination: str
    ability: type
    turn: Callable[["Job"], Awaitable[Turn]]
    schedule: Callable[[Any], Schedule] = lambda _settings: NEVER
    options: type[BaseModel] | None = None
    """What a person may set on the integration (`settings`)."""
    request: type[BaseModel] | None = None
    """What a person has to say when they start it; None: nothing."""
    how_to_start: str = ""
    """Where a start needs more than a request: what to do instead, for people."""
    longest_wait: Callable[[Any], float] = lambda _settings: 300.0
    patience: float | None = 6 * 3600.0
    wanted: Callable[[ChannelRow], bool] = lambda _channel: True
    """Whether a channel that can take part has any use for it now."""
    local: bool = False
    """Whether its schedule follows the channel's time zone, and waits until that is known."""


@dataclass(frozen=True)
class Runs:
    """The integrations of a service: its kinds, and the channels it knows."""

    kinds: Sequence[Kind]
    channels: Callable[[Tx], Awaitable[Sequence[ChannelRow]]]
    by_name: Mapping[str, Kind] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {kind.name: kind for kind in self.kinds})

    def lanes(self) -> Sequence[str]:
        """The lanes, each once, in the order of the kinds."""
        return tuple(dict.fromkeys(kind.lane for kind in self.kinds))
