"""A run happens once, keeps its place whatever dies, never overlaps with its like, and tells how it ended."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from crossdock.channels.errors import AuthExpired, ChannelError, Permanent, RateLimited, Retryable
from crossdock.messaging.transaction import Tx
from crossdock.service.runs import store, worker
from crossdock.service.runs.job import Job, LostRun
from crossdock.service.runs.model import DONE, GOES_ON, Failure, Tally, Turn

Done = Callable[[Job], Awaitable[Turn]]


async def test_a_slot_runs_once_however_many_look(desk: Any, done: Done) -> None:
    desk.kind("orders", done, every=60)
    await asyncio.gather(*(desk.schedule() for _ in range(5)))
    await asyncio.gather(*(desk.turn() for _ in range(5)))
    await desk.schedule()
    [run] = await desk.rows()
    assert (run["state"], run["cause"], run["token"]) == ("finished", "schedule", None)


async def test_what_was_missed_while_nobody_looked_runs_once(desk: Any, done: Done) -> None:
    desk.kind("orders", done, every=60)
    await desk.schedule()
    await desk.turn()
    await desk.sql("UPDATE integration SET last_slot = last_slot - interval '2 hours'")
    await desk.sql("UPDATE run SET scheduled_at = scheduled_at - interval '2 hours'")
    for _ in range(3):
        await desk.schedule()
        await desk.turn()
    assert len(await desk.rows()) == 2


async def test_two_integrations_of_a_lane_keep_a_gap_and_the_one_that_waits_longer_goes_first(
    desk: Any, done: Done
) -> None:
    orders, daily = desk.kind("orders", done), desk.kind("daily_refetch", done)
    await desk.schedule()
    await desk.start(orders)
    await desk.schedule()
    await desk.start(daily)
    await desk.schedule()
    assert [run["state"] for run in await desk.rows()] == ["running", "waiting"]
    await desk.turn()
    await desk.start(orders)
    await desk.schedule()
    assert [run["state"] for run in await desk.rows()] == ["finished", "waiting", "waiting"]
    await desk.sql("UPDATE run SET ended_at = ended_at - interval '61 seconds' WHERE ended_at IS NOT NULL")
    await desk.schedule()
    assert [run["state"] for run in await desk.rows()] == ["finished", "running", "waiting"]


async def test_another_lane_does_not_wait(desk: Any, done: Done) -> None:
    for kind in (desk.kind("orders", done), desk.kind("backlog", done, lane="backlog")):
        await desk.schedule()
        await desk.start(kind)
    await desk.schedule()
    assert {run["state"] for run in await desk.rows()} == {"running"}


async def test_a_second_start_waits_and_a_third_is_refused(desk: Any, done: Done) -> None:
    kind = desk.kind("orders", done)
    await desk.schedule()
    assert await desk.start(kind)
    await desk.schedule()
    assert await desk.start(kind)
    assert await desk.start(kind) is None


def counting(rows: int, pages: list[Any]) -> Callable[[Job], Awaitable[Turn]]:
    """Reads so many pages of ten records; notes which page each turn began with."""

    async def turn(job: Job) -> Turn:
        place = job.cursor or 0
        pages.append(place)
        await job.save(place + 1, lambda _: _tally(10), expected=rows * 10)
        return DONE if place + 1 == rows else GOES_ON

    return turn


async def _tally(seen: int) -> Tally:
    return Tally(seen=seen, imported=seen)


async def test_a_run_that_is_killed_half_way_goes_on_from_its_place(desk: Any) -> None:
    pages: list[Any] = []
    kind = desk.kind("backlog", counting(4, pages))
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    for _ in range(2):
        await desk.turn()
    await desk.sql("UPDATE run SET token = gen_random_uuid(), due_at = now() + interval '60 seconds'")  # it died here
    assert not await desk.turn()
    await desk.sql("UPDATE run SET due_at = now()")  # its lease ends
    while await desk.turn():
        pass
    [run] = await desk.rows()
    assert pages == [0, 1, 2, 3]
    assert (run["state"], run["seen"], run["imported"], run["expected"]) == ("finished", 40, 40, 40)


async def test_whoever_lost_a_run_saves_nothing(desk: Any) -> None:
    caught: list[Exception] = []

    async def slow(job: Job) -> Turn:
        await desk.sql("UPDATE run SET token = gen_random_uuid()")  # somebody else took it

        async def write(tx: Tx) -> Tally:
            await tx.run(text("UPDATE integration SET settings = '{\"written\": true}'"))
            return Tally(seen=1)

        try:
            await job.save(1, write)
        except LostRun as error:
            caught.append(error)
            raise
        return DONE

    kind = desk.kind("orders", slow)
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    [run] = await desk.rows()
    [integration] = await desk.rows("integration", "1")
    assert caught
    assert (run["state"], run["seen"], run["cursor"], integration["settings"]) == ("running", 0, None, {})


async def test_what_is_done_and_the_place_are_kept_together_or_not_at_all(desk: Any) -> None:
    async def turn(job: Job) -> Turn:
        async def write(tx: Tx) -> Tally:
            await tx.run(text("UPDATE integration SET settings = '{\"written\": true}'"))
            raise ZeroDivisionError

        await job.save(1, write)
        return DONE

    kind = desk.kind("orders", turn)
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    [run] = await desk.rows()
    [integration] = await desk.rows("integration", "1")
    assert (run["state"], run["cursor"], integration["settings"]) == ("failed", None, {})


async def test_a_record_that_cannot_be_stored_harms_no_other(desk: Any) -> None:
    async def turn(job: Job) -> Turn:
        async def apply(tx: Tx, records: Sequence[int]) -> Tally:
            await tx.rows(text("SELECT 10 / r FROM unnest(CAST(:r AS int[])) AS r"), r=list(records))
            return Tally(seen=len(records), imported=len(records))

        unread = [Failure("#9", "It has no lines")]
        await job.take([3, 0, 5], apply, "end", name=lambda r: f"#{r}", failures=unread)
        return DONE

    kind = desk.kind("orders", turn)
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    [run] = await desk.rows()
    errors = await desk.rows("run_error", "id")
    assert (run["state"], run["seen"], run["imported"], run["failed"]) == ("finished_partially", 4, 2, 2)
    assert [error["subject"] for error in errors] == ["#9", "#0"]
    assert "22012" in errors[1]["sentence"]


def troubled(problem: Exception) -> Callable[[Job], Awaitable[Turn]]:
    async def turn(_: Job) -> Turn:
        raise problem

    return turn


@pytest.mark.parametrize(
    ("problem", "state", "failures", "told"),
    [
        (Retryable("The shop is away"), "running", 1, "The shop is away"),
        (AuthExpired("The token was refused"), "running", 1, "The token was refused"),
        (RateLimited("The budget is kept", 7.0), "running", 0, ""),
        (Permanent("The app lacks a scope"), "failed", 0, "The app lacks a scope"),
        (ChannelError("This channel cannot be read"), "failed", 0, "This channel cannot be read"),
        (KeyError("nodes"), "failed", 0, "makes no sense"),
    ],
)
async def test_what_becomes_of_a_run_whose_channel_fails(
    desk: Any, problem: Exception, state: str, failures: int, told: str
) -> None:
    kind = desk.kind("orders", troubled(problem))
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    [run] = await desk.rows()
    assert (run["state"], run["failures"], run["token"]) == (state, failures, None)
    assert told in run["problem"]
    assert run["waits_for"] == ("The budget is kept" if isinstance(problem, RateLimited) else "")
    assert bool(desk.context.access.forgotten) == isinstance(problem, AuthExpired)
    assert not await desk.turn(), "it waits before it asks again"


async def test_a_channel_that_failed_is_asked_in_a_loop_of_its_own_and_given_up_after_hours(desk: Any) -> None:
    kind = desk.kind("orders", troubled(Retryable("The shop is away")))
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    await desk.sql("UPDATE run SET due_at = now(), failing_since = now() - interval '7 hours'")
    assert not await desk.turn()
    assert await desk.turn(failing=True)
    [run] = await desk.rows()
    assert (run["state"], run["problem"]) == (
        "failed",
        "The shop is away, for 6 hours: start it again later",
    )
    await desk.start(kind)
    await desk.schedule()
    assert not await desk.turn(), "the next run of a channel that failed stays in the other loop"
    assert await desk.turn(failing=True)


async def test_what_fails_again_and_again_is_counted_until_it_succeeds(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, int] = {}
    monkeypatch.setattr(worker.failing_gauge, "set", lambda n, labels: told.update({labels["kind"]: n}))
    kind = desk.kind("orders", troubled(Permanent("The app lacks a scope")))
    await desk.schedule()
    counted = []
    for _ in range(3):
        await desk.start(kind)
        await desk.schedule()
        await desk.turn() or await desk.turn(failing=True)
        await desk.schedule()
        counted.append(told["orders"])
    assert counted == [0, 1, 1]
    await desk.sql("UPDATE run SET state = 'finished' WHERE scheduled_at = (SELECT max(scheduled_at) FROM run)")
    await desk.schedule()
    assert told == {"orders": 0}


async def test_a_run_that_has_been_failing_for_half_an_hour_is_counted_before_it_ends(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, int] = {}
    monkeypatch.setattr(worker.failing_gauge, "set", lambda n, labels: told.update({labels["kind"]: n}))
    kind = desk.kind("orders", troubled(Retryable("The shop is away")))
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    for minutes, count in ((29, 0), (31, 1)):
        await desk.sql(f"UPDATE run SET failing_since = now() - interval '{minutes} minutes'")
        await desk.schedule()
        assert told == {"orders": count}
    desk.disconnected()
    await desk.schedule()
    assert told == {"orders": 0}


async def test_a_run_that_is_stopped_keeps_what_it_took(desk: Any) -> None:
    pages: list[Any] = []
    kind = desk.kind("backlog", counting(4, pages))
    await desk.schedule()
    run_id = await desk.start(kind)
    await desk.schedule()
    await desk.turn()
    async with desk.context.transaction() as tx:
        assert await store.stop(tx, run_id=run_id) == 1
    await desk.turn()
    [run] = await desk.rows()
    assert (run["state"], run["seen"], pages) == ("stopped", 10, [0])
    assert run["ended_at"]


async def test_a_run_that_takes_longer_than_a_lease_stays_in_its_process(desk: Any) -> None:
    desk.context.settings.run_lease_seconds = 0.3

    async def long(job: Job) -> Turn:
        await asyncio.sleep(0.9)
        return DONE

    kind = desk.kind("orders", long)
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    working = asyncio.create_task(desk.turn())
    await asyncio.sleep(0.6)
    assert not await desk.turn()
    await working
    assert [run["state"] for run in await desk.rows()] == ["finished"]


async def test_a_process_that_gives_no_sign_of_life_is_cut_off(desk: Any) -> None:
    desk.context.settings.run_lease_seconds = 0.3
    ended: list[str] = []

    async def hangs(job: Job) -> Turn:
        await desk.sql("UPDATE run SET token = gen_random_uuid()")
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cut off")
        return DONE

    kind = desk.kind("orders", hangs)
    await desk.schedule()
    await desk.start(kind)
    await desk.schedule()
    await asyncio.wait_for(desk.turn(), 5)
    assert ended == ["cut off"]


async def test_a_channel_that_is_disconnected_starts_nothing_and_rests(desk: Any, done: Done) -> None:
    kind = desk.kind("orders", done, every=60)
    await desk.schedule()
    desk.disconnected()
    assert not await desk.turn()
    await desk.start(kind)
    await desk.schedule()
    assert [run["state"] for run in await desk.rows()] == ["running", "waiting"]


async def test_old_runs_are_forgotten_but_for_the_newest_that_finished(desk: Any, done: Done) -> None:
    kind = desk.kind("orders", done)
    await desk.schedule()
    for age in (40, 30, 1):
        await desk.start(kind)
        await desk.schedule()
        await desk.turn()
        await desk.sql(
            f"UPDATE run SET ended_at = ended_at - interval '{age} days', scheduled_at = scheduled_at - "
            f"interval '{age} days' WHERE ended_at > now() - interval '1 hour'"
        )
    await desk.schedule()
    assert len(await desk.rows()) == 1
    await desk.sql("UPDATE run SET ended_at = ended_at - interval '90 days'")
    await desk.schedule()
    assert len(await desk.rows()) == 1


SECOND_PROCESS = Path(__file__).with_name("looking.py")


@pytest.mark.slow
async def test_two_processes_run_every_slot_once(desk: Any, done: Done) -> None:
    url = desk.context.database.url
    command = [sys.executable, str(SECOND_PROCESS), url]
    looking = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in looking if process.stdout] == ["ready\n"] * 2
    for process in looking:
        process.communicate("go\n", timeout=60)
    assert [process.returncode for process in looking] == [0, 0]
    runs = await desk.rows()
    notes = await desk.rows("run_error", "id")
    assert len(runs) >= 3
    assert {run["state"] for run in runs[:-1]} <= {"finished_partially"}
    assert len(notes) == len({note["run_id"] for note in notes})
    assert len({note["subject"] for note in notes}) == 2, "one process did everything"
    gaps = {round((b["scheduled_at"] - a["scheduled_at"]).total_seconds(), 3) for a, b in itertools.pairwise(runs)}
    assert gaps == {2.0}, "a slot is passed over only where the machine stands still until the next one is due"
