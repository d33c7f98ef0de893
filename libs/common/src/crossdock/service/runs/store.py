"""Every SQL statement of integrations and runs, by Postgres's clock.

Guards: a run is one row for (integration, scheduled time), and at most one per channel and lane is `running`; whatever
a process says of a run carries the token with which it took it, and is refused once somebody else has taken it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.runs.model import ChannelRow, Failure, Integration, Kind, Run, Tally
from crossdock.service.runs.schedule import Schedule
from crossdock.storage.engine import Json, Row

KEPT_ERRORS = 1000
"""Of one run so many errors are kept; the others are counted."""
LONGEST_TEXT = 1000

BEGIN = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.runs')) AS mine, now() AS now")
ADD = text("""
    INSERT INTO integration (integration_id, channel_id, kind)
    SELECT * FROM unnest(CAST(:integration_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:kind AS text[]))
    ON CONFLICT DO NOTHING
""")
INTEGRATIONS = text("SELECT * FROM integration ORDER BY channel_id, kind")
ONE = text("SELECT * FROM integration WHERE integration_id = :integration_id FOR UPDATE")
OF_CHANNEL = text("SELECT * FROM integration WHERE channel_id = :channel_id AND kind = :kind")
CHANGE = text("""
    UPDATE integration SET enabled = :enabled, own_schedule = :own_schedule, every_seconds = :every_seconds,
        cron = :cron, time_zone = :time_zone, settings = :settings
    WHERE integration_id = :integration_id
""")
SET_ZONE = text("UPDATE integration SET time_zone = :zone WHERE channel_id = :channel_id AND time_zone IS NULL")
QUEUE = text("""
    INSERT INTO run (run_id, integration_id, channel_id, kind, lane, scheduled_at, cause, state, request, notes,
                     expected)
    SELECT q.run_id, q.integration_id, q.channel_id, q.kind, q.lane, coalesce(q.scheduled_at, clock_timestamp()),
           q.cause, 'waiting', q.request, q.notes, q.expected
    FROM unnest(CAST(:run_id AS uuid[]), CAST(:integration_id AS uuid[]), CAST(:channel_id AS uuid[]),
                CAST(:kind AS text[]), CAST(:lane AS text[]), CAST(:scheduled_at AS timestamptz[]),
                CAST(:cause AS text[]), CAST(:request AS jsonb[]), CAST(:notes AS jsonb[]), CAST(:expected AS int[]))
         AS q(run_id, integration_id, channel_id, kind, lane, scheduled_at, cause, request, notes, expected)
    ON CONFLICT DO NOTHING
""")
# The last two that ended both failed, or one that is under way has been failing for half an hour.
FAILING = text("""
    SELECT i.kind, count(*) AS n FROM integration i
    WHERE i.enabled AND i.channel_id = ANY(CAST(:channel_ids AS uuid[])) AND (
        (SELECT count(*) FILTER (WHERE l.state = 'failed') FROM (
            SELECT r.state FROM run r
            WHERE r.integration_id = i.integration_id AND r.ended_at IS NOT NULL AND r.started_at IS NOT NULL
            ORDER BY r.scheduled_at DESC LIMIT 2) AS l) = 2
        OR EXISTS (
            SELECT 1 FROM run r
            WHERE r.channel_id = i.channel_id AND r.integration_id = i.integration_id AND r.state = 'running'
              AND r.failing_since < now() - interval '30 minutes'))
    GROUP BY i.kind
""")
SLOTS = text("""
    UPDATE integration SET last_slot = s.slot
    FROM unnest(CAST(:integration_id AS uuid[]), CAST(:slot AS timestamptz[])) AS s(integration_id, slot)
    WHERE integration.integration_id = s.integration_id
""")
# The oldest of a lane goes first, and while it waits for the gap nobody passes it: a daily run gets its turn between
# polls that follow one another faster than the gap.
START = text("""
    UPDATE run SET state = 'running', started_at = now(), due_at = now(), waits_for = '',
        failures = coalesce((SELECT CASE WHEN l.state = 'failed' THEN greatest(l.failures, 1) ELSE 0 END FROM run l
                             WHERE l.integration_id = run.integration_id AND l.ended_at IS NOT NULL
                             ORDER BY l.scheduled_at DESC LIMIT 1), 0)
    WHERE run_id IN (
        SELECT DISTINCT ON (w.channel_id, w.lane) w.run_id FROM run w
        WHERE w.state = 'waiting' AND w.channel_id = ANY(CAST(:channel_ids AS uuid[]))
        ORDER BY w.channel_id, w.lane, w.scheduled_at, w.run_id)
      AND NOT EXISTS (
        SELECT 1 FROM run r WHERE r.channel_id = run.channel_id AND r.lane = run.lane AND r.state = 'running')
      AND NOT EXISTS (
        SELECT 1 FROM run e
        WHERE e.channel_id = run.channel_id AND e.lane = run.lane AND e.integration_id <> run.integration_id
          AND e.started_at IS NOT NULL AND e.ended_at > now() - make_interval(secs => :gap_seconds))
""")
CLAIM = text("""
    UPDATE run SET token = :token, heartbeat_at = now(), due_at = now() + make_interval(secs => :lease_seconds)
    FROM integration i
    WHERE i.integration_id = run.integration_id AND run.run_id IN (
        SELECT r.run_id FROM run r
        WHERE r.state = 'running' AND r.due_at <= now() AND r.kind = ANY(CAST(:kinds AS text[]))
          AND (r.failures > 0) = CAST(:failing AS bool) AND r.channel_id = ANY(CAST(:channel_ids AS uuid[]))
        ORDER BY r.due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING run.*, i.settings, i.time_zone, now() AS now,
        (SELECT f.started_at FROM run f WHERE f.integration_id = run.integration_id AND f.state = 'finished'
         ORDER BY f.scheduled_at DESC LIMIT 1) AS finished_before
""")
BEAT = text("""
    UPDATE run SET heartbeat_at = now(), due_at = now() + make_interval(secs => :lease_seconds)
    WHERE run_id = :run_id AND token = :token RETURNING stop_requested
""")
HOLD = text("SELECT stop_requested FROM run WHERE run_id = :run_id AND token = :token FOR UPDATE")
SAVE = text("""
    UPDATE run SET cursor = :cursor, seen = seen + :seen, imported = imported + :imported, changed = changed + :changed,
        unchanged = unchanged + :unchanged, failed = failed + :failed, expected = coalesce(:expected, expected),
        heartbeat_at = now(), due_at = now() + make_interval(secs => :lease_seconds)
    WHERE run_id = :run_id
""")
NOTE_ERRORS = text("""
    INSERT INTO run_error (run_id, id, subject, sentence)
    SELECT CAST(:run_id AS uuid), e.id, e.subject, e.sentence
    FROM unnest(CAST(:id AS uuid[]), CAST(:subject AS text[]), CAST(:sentence AS text[])) AS e(id, subject, sentence)
""")
RELEASE = text("""
    UPDATE run SET token = NULL, due_at = now() + make_interval(secs => :seconds), waits_for = :waits_for,
        failures = 0, failing_since = NULL, problem = ''
    WHERE run_id = :run_id AND token = :token
""")
PUT_OFF = text("""
    UPDATE run SET token = NULL, due_at = now() + make_interval(secs => :seconds), waits_for = '', problem = :problem,
        failures = failures + 1, failing_since = coalesce(failing_since, now())
    WHERE run_id = :run_id AND token = :token
""")
END = text("""
    UPDATE run SET token = NULL, state = CASE WHEN :state = 'finished' AND failed > 0 THEN 'finished_partially'
                                              ELSE :state END,
        problem = :problem, waits_for = '', ended_at = clock_timestamp(),
        failures = CASE WHEN :state = 'failed' THEN failures ELSE 0 END
    WHERE run_id = :run_id AND token = :token RETURNING state
""")
STOP = text("""
    UPDATE run SET stop_requested = true,
        state = CASE WHEN state = 'waiting' THEN 'stopped' ELSE state END,
        ended_at = CASE WHEN state = 'waiting' THEN clock_timestamp() END,
        due_at = CASE WHEN token IS NULL THEN now() ELSE due_at END
    WHERE state IN ('waiting', 'running') AND (run_id = :run_id OR integration_id = :integration_id)
      AND (state = 'waiting' OR NOT CAST(:waiting_only AS bool))
    RETURNING run_id
""")
PRUNE = text("""
    WITH old AS (
        DELETE FROM run WHERE run_id IN (
            SELECT o.run_id FROM run o
            WHERE o.ended_at < now() - make_interval(days => :days)
              AND (o.state <> 'finished' OR EXISTS (
                    SELECT 1 FROM run n WHERE n.integration_id = o.integration_id AND n.state = 'finished'
                      AND n.scheduled_at > o.scheduled_at))
            ORDER BY o.ended_at LIMIT 500)
        RETURNING run_id)
    DELETE FROM run_error WHERE run_id IN (SELECT run_id FROM old)
""")
NEWEST = text("""
    SELECT r.* FROM integration i CROSS JOIN LATERAL (
        SELECT * FROM run WHERE run.integration_id = i.integration_id ORDER BY scheduled_at DESC LIMIT 1) r
""")
PAGE = text("""
    SELECT * FROM run
    WHERE (CAST(:integration_id AS uuid) IS NULL OR integration_id = :integration_id)
      AND (CAST(:state AS text) IS NULL OR state = :state) AND (CAST(:kind AS text) IS NULL OR kind = :kind)
      AND (CAST(:before AS timestamptz) IS NULL OR scheduled_at < :before)
    ORDER BY scheduled_at DESC, run_id LIMIT :limit
""")
SHOW = text("SELECT * FROM run WHERE run_id = :run_id")
ERRORS = text("SELECT at, subject, sentence FROM run_error WHERE run_id = :run_id ORDER BY id LIMIT :limit")


@dataclass(frozen=True, slots=True)
class Queued:
    """A run to be queued. `slot` None: now, because somebody asks."""

    integration: Integration
    lane: str
    slot: datetime | None
    cause: str
    request: Mapping[str, Any]
    notes: Sequence[str] = ()
    expected: int | None = None


async def begin(tx: Tx) -> datetime | None:
    """Postgres's time, or None while another process schedules."""
    [row] = await tx.rows(BEGIN)
    return row.now if row.mine else None


async def failing(tx: Tx, channel_ids: Collection[UUID]) -> dict[str, int]:
    """By kind, how many integrations of these channels fail again and again."""
    return {row.kind: row.n for row in await tx.rows(FAILING, channel_ids=list(channel_ids))}


async def add(tx: Tx, wanted: Sequence[tuple[UUID, str]]) -> None:
    """Make integrations of these channels and kinds that are not there yet."""
    ids = [new_id() for _ in wanted]
    await tx.run(ADD, integration_id=ids, channel_id=[c for c, _ in wanted], kind=[kind for _, kind in wanted])


async def integrations(tx: Tx) -> list[Integration]:
    """All of them."""
    return [_integration(row) for row in await tx.rows(INTEGRATIONS)]


async def integration(tx: Tx, integration_id: UUID) -> Integration | None:
    """One of them, locked."""
    rows = await tx.rows(ONE, integration_id=integration_id)
    return _integration(rows[0]) if rows else None


async def of_channel(tx: Tx, channel_id: UUID, kind: str) -> Integration | None:
    """The integration of a channel and kind."""
    rows = await tx.rows(OF_CHANNEL, channel_id=channel_id, kind=kind)
    return _integration(rows[0]) if rows else None


def _integration(row: Row) -> Integration:
    return Integration(
        row.integration_id,
        row.channel_id,
        row.kind,
        row.enabled,
        Schedule(row.every_seconds, row.cron) if row.own_schedule else None,
        row.time_zone,
        row.settings,
        row.last_slot,
        row.created_at,
    )


async def change(tx: Tx, wanted: Integration) -> None:
    """Write what a person may change of an integration that is locked."""
    schedule = wanted.schedule
    await tx.run(
        CHANGE,
        integration_id=wanted.integration_id,
        enabled=wanted.enabled,
        own_schedule=schedule is not None,
        every_seconds=schedule and schedule.every_seconds,
        cron=schedule and schedule.cron,
        time_zone=wanted.time_zone,
        settings=dict(wanted.settings),
    )


async def set_zone(tx: Tx, channel_id: UUID, zone: str) -> None:
    """The channel's own time zone, for its integrations that nobody gave one."""
    await tx.run(SET_ZONE, channel_id=channel_id, zone=zone)


async def queue(tx: Tx, wanted: Sequence[Queued]) -> list[UUID]:
    """Queue runs; one that would be the second to wait for the same integration is merged with the first. Returns the
    ids that were to be used."""
    ids = [new_id() for _ in wanted]
    await tx.run(
        QUEUE,
        run_id=ids,
        integration_id=[q.integration.integration_id for q in wanted],
        channel_id=[q.integration.channel_id for q in wanted],
        kind=[q.integration.kind for q in wanted],
        lane=[q.lane for q in wanted],
        scheduled_at=[q.slot for q in wanted],
        cause=[q.cause for q in wanted],
        request=[dict(q.request) for q in wanted],
        notes=[Json(list(q.notes)) for q in wanted],
        expected=[q.expected for q in wanted],
    )
    slots = [(q.integration.integration_id, q.slot) for q in wanted if q.slot is not None]
    if slots:
        await tx.run(SLOTS, integration_id=[i for i, _ in slots], slot=[slot for _, slot in slots])
    return ids


async def queue_for(tx: Tx, kind: Kind, channel_ids: Collection[UUID], cause: str) -> None:
    """Queue a run of a kind for each of these channels beside its schedule, unless one waits or the kind is off."""
    mine = [one for one in await integrations(tx) if one.kind == kind.name and one.channel_id in channel_ids]
    if wanted := [Queued(one, kind.lane, None, cause, {}) for one in mine if one.enabled]:
        await queue(tx, wanted)


async def start(tx: Tx, channel_ids: Collection[UUID], gap_seconds: float) -> int:
    """Start the oldest waiting run of each lane that is free; how many were started."""
    return await tx.run(START, channel_ids=list(channel_ids), gap_seconds=gap_seconds)


async def prune(tx: Tx, days: int) -> None:
    """Forget some of the runs that ended more than so many days ago; the newest that finished stays."""
    await tx.run(PRUNE, days=days)


async def claim(
    tx: Tx,
    token: UUID,
    kinds: Collection[Kind],
    channels: Mapping[UUID, ChannelRow],
    *,
    failing: bool,
    limit: int,
    lease_seconds: float,
) -> list[Run]:
    """Take runs that are due: those whose channel failed last time, or the others."""
    rows = await tx.rows(
        CLAIM,
        token=token,
        kinds=[kind.name for kind in kinds],
        channel_ids=list(channels),
        failing=failing,
        limit=limit,
        lease_seconds=lease_seconds,
    )
    return [_run(row, channels[row.channel_id]) for row in rows]


def _run(row: Row, channel: ChannelRow) -> Run:
    return Run(
        row.run_id,
        row.integration_id,
        row.channel_id,
        channel.kind,
        row.kind,
        row.scheduled_at,
        row.started_at,
        row.request,
        row.settings,
        row.cursor,
        Tally(row.seen, row.imported, row.changed, row.unchanged, row.failed),
        row.expected,
        row.failures,
        row.failing_since,
        row.now,
        row.finished_before,
        row.time_zone,
        row.stop_requested,
    )


async def beat(tx: Tx, run_id: UUID, token: UUID, lease_seconds: float) -> bool | None:
    """A sign of life; whether somebody wants the run to stop, None when it was lost."""
    rows = await tx.rows(BEAT, run_id=run_id, token=token, lease_seconds=lease_seconds)
    return rows[0].stop_requested if rows else None


async def hold(tx: Tx, run_id: UUID, token: UUID) -> bool | None:
    """Lock a run; whether somebody wants it to stop, None when somebody else has taken it since."""
    rows = await tx.rows(HOLD, run_id=run_id, token=token)
    return rows[0].stop_requested if rows else None


async def save(tx: Tx, run_id: UUID, cursor: Any, tally: Tally, expected: int | None, lease_seconds: float) -> None:
    """Keep the place and what was done since the last time; the run is held."""
    await tx.run(
        SAVE,
        run_id=run_id,
        cursor=cursor,
        seen=tally.seen,
        imported=tally.imported,
        changed=tally.changed,
        unchanged=tally.unchanged,
        failed=tally.failed,
        expected=expected,
        lease_seconds=lease_seconds,
    )


async def note_errors(tx: Tx, run_id: UUID, failures: Sequence[Failure]) -> None:
    """Keep which records a run could not take, and why."""
    await tx.run(
        NOTE_ERRORS,
        run_id=run_id,
        id=[new_id() for _ in failures],
        subject=[one.subject[:LONGEST_TEXT] for one in failures],
        sentence=[one.sentence[:LONGEST_TEXT] for one in failures],
    )


async def release(tx: Tx, run_id: UUID, token: UUID, seconds: float, waits_for: str) -> None:
    """Let go of a run that goes on after so many seconds."""
    await tx.run(RELEASE, run_id=run_id, token=token, seconds=seconds, waits_for=waits_for[:LONGEST_TEXT])


async def put_off(tx: Tx, run_id: UUID, token: UUID, seconds: float, problem: str) -> None:
    """Let go of a run whose channel failed; it is tried again after so many seconds."""
    await tx.run(PUT_OFF, run_id=run_id, token=token, seconds=seconds, problem=problem[:LONGEST_TEXT])


async def end(tx: Tx, run_id: UUID, token: UUID, state: str, problem: str) -> str | None:
    """End a run; `finished` becomes `finished_partially` when some records failed. Returns how it ended, None when it
    was lost."""
    rows = await tx.rows(END, run_id=run_id, token=token, state=state, problem=problem[:LONGEST_TEXT])
    return rows[0].state if rows else None


async def stop(
    tx: Tx, *, run_id: UUID | None = None, integration_id: UUID | None = None, waiting_only: bool = False
) -> int:
    """Stop runs: one that waits at once, one that runs at its next sign of life. How many there were."""
    rows = await tx.rows(STOP, run_id=run_id, integration_id=integration_id, waiting_only=waiting_only)
    return len(rows)


async def newest(tx: Tx) -> dict[UUID, Row]:
    """The newest run of each integration."""
    return {row.integration_id: row for row in await tx.rows(NEWEST)}


async def page(
    tx: Tx, *, integration_id: UUID | None, state: str | None, kind: str | None, before: datetime | None, limit: int
) -> Sequence[Row]:
    """Runs, newest first."""
    return await tx.rows(PAGE, integration_id=integration_id, state=state, kind=kind, before=before, limit=limit)


async def one(tx: Tx, run_id: UUID) -> Row | None:
    """One run."""
    rows = await tx.rows(SHOW, run_id=run_id)
    return rows[0] if rows else None


async def errors(tx: Tx, run_id: UUID) -> Sequence[Row]:
    """What a run could not take."""
    return await tx.rows(ERRORS, run_id=run_id, limit=KEPT_ERRORS)
