"""Old orders, brought in because somebody asks, and those of the last days read once more every night.

A page of orders and the place behind it are one commit; each order is taken as a webhook is, so that it does not matter
what arrives meanwhile. An import brings in no more while many of its orders are on their way through the services.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from crossdock.channels.model import CanonicalOrder
from crossdock.channels.protocols import BacklogPage, BacklogQuery, BacklogScope, BacklogSource
from crossdock.channels.registry import connector
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, GOES_ON, Failure, Kind, Tally, Turn
from crossdock.service.runs.schedule import Schedule
from order_ingest import translate
from order_ingest.reading import Reader, take_answers
from order_ingest.store import flights

END = "end"
"""The cursor behind the last page: a process that dies there does not begin again."""
FLIGHT_SECONDS = 1.0
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
OrderNumber = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class BacklogRequest(BaseModel):
    """Which old orders to bring in: a window of when they were placed (`until` not included), their numbers, or
    everything of which something is still to ship (within the window, where one is given)."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = None
    until: Moment | None = None
    numbers: Annotated[list[OrderNumber], Field(max_length=1000)] = []
    unfulfilled: bool = False

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Nothing at all is no request, and neither is a window that ends before it begins."""
        if self.numbers and (self.since or self.until or self.unfulfilled):
            raise PydanticCustomError("numbers_stand_alone", "numbers stand alone")
        if not (self.numbers or self.since or self.until or self.unfulfilled):
            raise PydanticCustomError("says_nothing", "say since, until, numbers or unfulfilled")
        if self.since and self.until and self.since >= self.until:
            raise PydanticCustomError("window_ends_before_it_begins", "until is not after since")
        return self

    def query(self) -> BacklogQuery:
        """As connectors want it."""
        numbers = tuple(dict.fromkeys(self.numbers))
        return BacklogQuery(self.since, self.until, numbers=numbers, unfulfilled=self.unfulfilled)


class DailyOptions(BaseModel):
    """`days`: what changed within so many days is read again."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(3, ge=1, le=60)


async def scope_of(context: Context, channel_id: Any, kind: str, query: BacklogQuery) -> BacklogScope:
    """What an import would find. Raises ChannelError."""
    source: BacklogSource = connector(kind)
    return await source.backlog_scope(await context.access.channel(channel_id), query)


async def import_turn(job: Job) -> Turn:
    """One page of what somebody asked for. Raises ChannelError."""
    return await _turn(job, BacklogRequest.model_validate(dict(job.run.request)).query(), "backlog")


async def daily_turn(job: Job) -> Turn:
    """One page of what changed in the last days. Raises ChannelError."""
    days = DailyOptions.model_validate(dict(job.run.settings)).days
    query = BacklogQuery(changed_since=job.run.started_at - timedelta(days=days))
    if job.run.expected is None:
        scope = await scope_of(job.context, job.run.channel_id, job.run.channel_kind, query)
        await job.save(job.cursor, expected=scope.expected)
    return await _turn(job, query, "found")


async def _turn(job: Job, query: BacklogQuery, note: str) -> Turn:
    if job.cursor == END:
        return DONE
    if waits := await _too_many_in_flight(job):
        return waits
    page: BacklogPage = await job.ask(lambda source, access: source.backlog_page(access, query, job.cursor))
    failures = [Failure(f"order {name}", reason) for name, reason in page.unreadable]
    cursor = None if page.restarted else END if page.cursor is None else page.cursor
    reader = Reader(job.run.channel_id, job.run.channel_kind, job.run.now, note)
    await job.take(page.orders, partial(_apply, job, reader), cursor, name=_name, failures=failures)
    if cursor == END:
        return DONE
    return GOES_ON if not page.after else Turn(done=False, seconds=page.after, waits_for=page.waits_for)


async def _too_many_in_flight(job: Job) -> Turn | None:
    limit = job.context.settings.import_in_flight
    async with job.context.transaction() as tx:
        flying = await flights.count(tx, job.run.run_id)
    if flying <= limit:
        return None
    sentence = f"{flying:,} of its orders are not matched and reserved yet: it goes on when at most {limit:,} are"
    return Turn(done=False, seconds=FLIGHT_SECONDS, waits_for=sentence)


async def _apply(job: Job, reader: Reader, tx: Tx, orders: Sequence[CanonicalOrder]) -> Tally:
    answers = {order.external_id: translate.arrival_of(order) for order in orders}
    taken = await take_answers(tx, reader, answers)
    await flights.add(tx, job.run.run_id, taken.imported | taken.changed)
    return taken.tally(len(orders))


def _name(order: CanonicalOrder) -> str:
    return f"order {order.number}"


BACKLOG = Kind(
    name="backlog",
    lane="backlog",
    origin="old orders of {channel}",
    destination="orders of this hub",
    ability=BacklogSource,
    turn=import_turn,
    request=BacklogRequest,
    how_to_start="Use POST /v1/backlog, or crossdock backlog import.",
)
DAILY_REFETCH = Kind(
    name="daily_refetch",
    lane="orders",
    origin="orders of {channel} that changed in the last days",
    destination="orders of this hub",
    ability=BacklogSource,
    turn=daily_turn,
    schedule=lambda settings: Schedule(cron=settings.daily_refetch_cron),
    options=DailyOptions,
    local=True,
)
