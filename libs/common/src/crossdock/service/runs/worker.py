"""The loops that schedule runs and turn them: any number of processes, each run in one of them at a time."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from crossdock.channels.errors import AuthExpired, ChannelError, RateLimited, Retryable, Unknown
from crossdock.channels.registry import can
from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import Tx
from crossdock.service import telemetry
from crossdock.service.app import Context, Worker
from crossdock.service.runs import store
from crossdock.service.runs.job import Job, LostRun
from crossdock.service.runs.model import Integration, Kind, Runs
from crossdock.service.runs.schedule import Schedule, due_slot
from crossdock.service.runs.store import Queued

ended_total = telemetry.meter.create_counter("run.ended", description="Runs that ended, by how")
failing_gauge = telemetry.meter.create_gauge(
    "run.failing", description="Integrations that failed twice in a row, or fail since half an hour"
)
log = logging.getLogger(__name__)


def workers(runs: Runs) -> tuple[Worker, ...]:
    """The loops of a service's runs. Each lane has two: a channel that hangs delays only others that fail."""
    turning = [
        Worker(f"runs_{lane}{'_failing' if failing else ''}", partial(turn, runs, lane, failing), 1.0)
        for lane in runs.lanes()
        for failing in (False, True)
    ]
    return (Worker("runs", partial(schedule, runs), 1.0), *turning)


async def schedule(runs: Runs, context: Context) -> bool:
    """Queue what is due and start what may run. One process does it at a time; the others find nothing to do. Each of
    them tells what fails."""
    await _tell_failing(runs, context)
    async with context.transaction() as tx:
        now = await store.begin(tx)
        if now is None:
            return False
        channels = {one.channel_id: one for one in await runs.channels(tx) if one.connected}
        there = await _all(tx, runs, channels.values())
        due = []
        for one in there:
            kind = runs.by_name.get(one.kind)
            channel = channels.get(one.channel_id)
            if kind is None or channel is None or not one.enabled or not kind.wanted(channel):
                continue
            zone = zone_of(kind, one)
            slot = zone and due_slot(schedule_of(context, kind, one), zone, one.last_slot, one.created_at, now)
            if slot:
                due.append(Queued(one, kind.lane, slot, "schedule", {}))
        if due:
            await store.queue(tx, due)
        await store.start(tx, channels, context.settings.run_gap_seconds)
        await store.prune(tx, context.settings.run_days)
    return False


async def _tell_failing(runs: Runs, context: Context) -> None:
    async with context.transaction() as tx:
        connected = [one.channel_id for one in await runs.channels(tx) if one.connected]
        found = await store.failing(tx, connected)
    for kind in runs.kinds:
        failing_gauge.set(found.get(kind.name, 0), {"kind": kind.name})


async def _all(tx: Tx, runs: Runs, channels: Any) -> Sequence[Integration]:
    """Every integration; those of new channels and new kinds are made."""
    there = await store.integrations(tx)
    known = {(one.channel_id, one.kind) for one in there}
    wanted = [
        (c.channel_id, kind.name)
        for c in channels
        for kind in runs.kinds
        if can(c.kind, kind.ability) and kind.wanted(c)
    ]
    missing = [key for key in wanted if key not in known]
    if not missing:
        return there
    await store.add(tx, missing)
    return await store.integrations(tx)


def schedule_of(context: Context, kind: Kind, integration: Integration) -> Schedule:
    """What a person set, else the default of the service's settings."""
    return kind.schedule(context.settings) if integration.schedule is None else integration.schedule


def zone_of(kind: Kind, integration: Integration) -> str | None:
    """The time zone in which the schedule counts; None while a kind waits for its channel's."""
    return integration.time_zone or (None if kind.local else "UTC")


async def turn(runs: Runs, lane: str, failing: bool, context: Context) -> bool:
    """Turn the runs of a lane that are due, a few at once; whether there were any."""
    token = new_id()
    settings = context.settings
    async with context.transaction() as tx:
        channels = {one.channel_id: one for one in await runs.channels(tx) if one.connected}
        claimed = await store.claim(
            tx,
            token,
            [kind for kind in runs.kinds if kind.lane == lane],
            channels,
            failing=failing,
            limit=settings.run_channels,
            lease_seconds=settings.run_lease_seconds,
        )
    jobs = [Job(context, runs.by_name[run.kind], run, token) for run in claimed]
    outcomes = await asyncio.gather(*map(_turn, jobs), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return bool(claimed)


async def _turn(job: Job) -> None:
    """One turn of one run; whatever goes wrong with its channel is its own trouble."""
    try:
        if job.stopping:
            return await _end(job, "stopped")
        turned = await job.turn()
    except LostRun:
        log.warning("run %s (%s) went to another process", job.run.run_id, job.kind.name)
    except ChannelError as problem:
        await _trouble(job, problem)
    except Exception as error:
        if judge(error) is not Verdict.MESSAGE:
            raise
        log.exception("run %s (%s) made no sense of what it read", job.run.run_id, job.kind.name)
        await _end(job, "failed", f"The channel's answer makes no sense: {explain(error)}")
    else:
        if turned.done or job.stopping:
            await _end(job, "finished" if turned.done else "stopped")
        else:
            async with job.context.transaction() as tx:
                await store.release(tx, job.run.run_id, job.token, turned.seconds, turned.waits_for)
    return None


async def _trouble(job: Job, problem: ChannelError) -> None:
    """A limit is waited for; passing trouble is tried again, ever later, until patience ends; lasting trouble ends the
    run."""
    run, settings = job.run, job.context.settings
    if isinstance(problem, RateLimited):
        async with job.context.transaction() as tx:
            await store.release(tx, run.run_id, job.token, problem.after, problem.sentence)
        return None
    if isinstance(problem, AuthExpired):
        job.context.access.forget(run.channel_id)
    if not isinstance(problem, Retryable | AuthExpired | Unknown):
        return await _end(job, "failed", problem.sentence)
    patience = job.kind.patience
    if patience is not None and run.failing_since and (run.now - run.failing_since).total_seconds() > patience:
        return await _end(job, "failed", f"{problem.sentence}, for {patience / 3600:g} hours: start it again later")
    doubled = min(settings.run_retry_seconds * 2 ** min(run.failures, 20), job.kind.longest_wait(settings))
    after = problem.after if isinstance(problem, Retryable) else 0.0
    log.warning("run %s (%s) of channel %s: %s", run.run_id, job.kind.name, run.channel_id, problem)
    async with job.context.transaction() as tx:
        await store.put_off(tx, run.run_id, job.token, max(after, doubled), problem.sentence)
    return None


async def _end(job: Job, state: str, problem: str = "") -> None:
    async with job.context.transaction() as tx:
        ended = await store.end(tx, job.run.run_id, job.token, state, problem)
    if ended is None:
        return
    ended_total.add(1, {"kind": job.kind.name, "state": ended})
    if ended == "failed":
        log.warning("run %s (%s) of channel %s failed: %s", job.run.run_id, job.kind.name, job.run.channel_id, problem)


async def queue_now(
    tx: Tx,
    kind: Kind,
    integration: Integration,
    request: Any,
    *,
    notes: Sequence[str] = (),
    expected: int | None = None,
) -> UUID | None:
    """Queue a run that somebody asks for; None when one waits already."""
    wanted = Queued(integration, kind.lane, None, "person", request, notes, expected)
    [run_id] = await store.queue(tx, [wanted])
    return run_id if await store.one(tx, run_id) is not None else None
