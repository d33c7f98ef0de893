"""When an integration is due: by an interval, or by a cron expression in a time zone (pure).

Guards: a day of the zone counts once across a change of its clock, in both directions. A time that the change skips is
taken at the first moment after it; one that comes twice is taken the first time (cronsim does as Debian's cron does).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 366 * 86_400.0


class BadSchedule(ValueError):
    """A schedule that means nothing; the text says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every so many seconds, or by a cron expression of five fields; neither: only when somebody asks."""

    every_seconds: float | None = None
    cron: str | None = None


NEVER = Schedule()


def check(schedule: Schedule, zone: str) -> None:
    """Raises BadSchedule."""
    if schedule.every_seconds is not None and schedule.cron is not None:
        raise BadSchedule("An integration has either a frequency or a cron expression, not both.")
    seconds = schedule.every_seconds
    if seconds is not None and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise BadSchedule("A frequency is between one second and a year.")
    if zone not in available_timezones():
        raise BadSchedule("There is no time zone of that name: use one like Europe/Berlin or UTC.")
    if schedule.cron is not None:
        try:
            next(CronSim(schedule.cron, datetime.now(ZoneInfo(zone))))
        except (CronSimError, StopIteration):
            raise BadSchedule(
                "The cron expression cannot be read or never comes true: five fields, such as 0 3 * * *."
            ) from None


@lru_cache(4096)
def next_slot(schedule: Schedule, zone: str, last: datetime | None, since: datetime) -> datetime | None:
    """The first slot after `last`; where there was none, an interval begins at `since` and a cron expression goes on
    from there. None for an integration that nothing but a request starts."""
    if schedule.every_seconds is not None:
        return since if last is None else last + timedelta(seconds=schedule.every_seconds)
    if schedule.cron is not None:
        return _after(schedule.cron, zone, last or since)
    return None


def due_slot(schedule: Schedule, zone: str, last: datetime | None, since: datetime, now: datetime) -> datetime | None:
    """The slot to run now, or None. Slots that were missed run once, as the newest of them."""
    first = next_slot(schedule, zone, last, since)
    if first is None or first > now:
        return None
    if schedule.every_seconds is not None:
        every = timedelta(seconds=schedule.every_seconds)
        return first + (now - first) // every * every
    assert schedule.cron is not None
    newest: datetime = next(CronSim(schedule.cron, _local(now + timedelta(minutes=1), zone), reverse=True))
    while newest > now:
        newest = next(CronSim(schedule.cron, newest, reverse=True))
    return max(first, newest.astimezone(now.tzinfo))


def _after(cron: str, zone: str, moment: datetime) -> datetime:
    found: datetime = next(CronSim(cron, _local(moment, zone)))
    return found.astimezone(moment.tzinfo)


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone))
