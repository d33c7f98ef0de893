"""A schedule follows the store's clock: a day counts once, also when that changes, and what was missed runs once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crossdock.service.runs.schedule import NEVER, BadSchedule, Schedule, check, due_slot, next_slot

NEW_YORK, LORD_HOWE, BERLIN = "America/New_York", "Australia/Lord_Howe", "Europe/Berlin"


def slots(cron: str, zone: str, day: datetime, days: int) -> list[datetime]:
    """Every slot that a process which looks once a minute would run."""
    schedule, last, found = Schedule(cron=cron), None, []
    now = day
    while now < day + timedelta(days=days):
        if slot := due_slot(schedule, zone, last, day, now):
            found.append(slot)
            last = slot
        now += timedelta(minutes=1)
    return found


@pytest.mark.parametrize(
    ("zone", "cron", "first", "told"),
    [
        (NEW_YORK, "30 2 * * *", datetime(2026, 3, 7, 5, tzinfo=UTC), ["07 02:30", "08 03:00", "09 02:30"]),
        (NEW_YORK, "30 1 * * *", datetime(2026, 10, 31, 4, tzinfo=UTC), ["31 01:30", "01 01:30", "02 01:30"]),
        (BERLIN, "30 2 * * *", datetime(2026, 3, 27, 23, tzinfo=UTC), ["28 02:30", "29 03:00", "30 02:30"]),
        (BERLIN, "30 2 * * *", datetime(2026, 10, 23, 22, tzinfo=UTC), ["24 02:30", "25 02:30", "26 02:30"]),
        (LORD_HOWE, "15 2 * * *", datetime(2026, 10, 2, 14, tzinfo=UTC), ["03 02:15", "04 02:30", "05 02:15"]),
        (LORD_HOWE, "45 1 * * *", datetime(2026, 4, 3, 14, tzinfo=UTC), ["04 01:45", "05 01:45", "06 01:45"]),
    ],
    ids=["spring", "autumn", "spring-berlin", "autumn-berlin", "half an hour on", "half an hour back"],
)
def test_a_day_runs_once_across_a_change_of_the_clock(zone: str, cron: str, first: datetime, told: list[str]) -> None:
    found = [slot.astimezone(ZoneInfo(zone)) for slot in slots(cron, zone, first, 3)]
    assert [f"{slot:%d %H:%M}" for slot in found] == told


def test_slots_that_were_missed_run_once_as_the_newest_of_them() -> None:
    began = datetime(2026, 11, 1, 12, tzinfo=UTC)
    now = began + timedelta(days=3, minutes=7)
    daily = due_slot(Schedule(cron="0 3 * * *"), "UTC", began, began, now)
    assert daily == datetime(2026, 11, 4, 3, tzinfo=UTC)
    assert due_slot(Schedule(cron="0 3 * * *"), "UTC", daily, began, now) is None
    often = due_slot(Schedule(every_seconds=60), "UTC", began, began, now)
    assert often == now
    assert due_slot(Schedule(every_seconds=60), "UTC", often, began, now + timedelta(seconds=59)) is None


def test_an_interval_begins_at_once_and_a_time_of_day_waits_for_it() -> None:
    began = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert due_slot(Schedule(every_seconds=60), "UTC", None, began, began) == began
    assert due_slot(Schedule(cron="0 3 * * *"), "UTC", None, began, began + timedelta(hours=14)) is None
    assert next_slot(Schedule(cron="0 3 * * *"), BERLIN, None, began) == datetime(2026, 11, 2, 2, tzinfo=UTC)
    assert next_slot(NEVER, "UTC", None, began) is None


@pytest.mark.parametrize(
    ("schedule", "zone", "reason"),
    [
        (Schedule(cron="0 25 * * *"), "UTC", "cannot be read"),
        (Schedule(cron="0 0 30 2 *"), "UTC", "never comes true"),
        (Schedule(cron="0 3 * * *"), "Europe/Nowhere", "time zone"),
        (Schedule(every_seconds=0), "UTC", "between one second"),
        (Schedule(every_seconds=float("nan")), "UTC", "between one second"),
        (Schedule(every_seconds=60, cron="0 3 * * *"), "UTC", "not both"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused_in_one_sentence(schedule: Schedule, zone: str, reason: str) -> None:
    with pytest.raises(BadSchedule, match=reason):
        check(schedule, zone)
