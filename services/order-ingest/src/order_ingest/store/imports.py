"""Files of orders: their pieces, what each row came to, and how far each file was taken. An import is taken with a
lease, by Postgres's clock; its row is locked before any other."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row, columns
from order_ingest.domain.sheet import Dialect, Place

WORKING = ("checking", "importing")
ENDED = ("finished", "finished_partially", "failed", "stopped")
SHOWN = """
    i.import_id, i.channel_id, c.name AS channel, i.file_name, i.sha256, i.bytes, i.encoding, i.dialect, i.state,
    i.place, i.rows, i.orders, i.will_create, i.created, i.duplicates, i.errors, i.problem, i.created_by, i.created_at,
    i.changed_at, i.kept_bytes
"""
ADD = text("""
    INSERT INTO order_import (import_id, channel_id, channel_kind, file_name, created_by)
    VALUES (:import_id, :channel_id, :channel_kind, :file_name, :created_by)
""")
ADD_PIECE = text("""
    INSERT INTO order_import_piece (import_id, position, data)
    SELECT import_id, :position, :data FROM order_import
    WHERE import_id = :import_id AND state = 'uploading' FOR SHARE
""")
UPLOADED = text("""
    UPDATE order_import SET state = 'checking', sha256 = :sha256, bytes = :bytes, kept_bytes = :kept_bytes,
        encoding = :encoding, kept_as = :kept_as, due_at = now(), changed_at = now()
    WHERE import_id = :import_id AND state = 'uploading'
""")
CLAIM = text("""
    UPDATE order_import SET token = :token, due_at = now() + make_interval(secs => :lease_seconds)
    WHERE import_id = (
        SELECT import_id FROM order_import WHERE state IN ('checking', 'importing') AND due_at <= now()
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
""")
PIECE = text("SELECT data FROM order_import_piece WHERE import_id = :import_id AND position = :position")
HOLD = text("""
    UPDATE order_import SET due_at = now() + make_interval(secs => :lease_seconds)
    WHERE import_id = :import_id AND token = :token AND state = :state RETURNING 1
""")
LEARN = text("UPDATE order_import SET dialect = :dialect, changed_at = now() WHERE import_id = :import_id")
SAVE = text("""
    UPDATE order_import SET place = :place, rows = rows + :rows, orders = orders + :orders,
        will_create = will_create + :will_create, created = created + :created, duplicates = duplicates + :duplicates,
        errors = errors + :errors, changed_at = now()
    WHERE import_id = :import_id
""")
RELEASE = text("""
    UPDATE order_import SET token = NULL, due_at = now() + make_interval(secs => :seconds)
    WHERE import_id = :import_id AND token = :token
""")
FINISH = text("""
    UPDATE order_import SET token = NULL, due_at = NULL, changed_at = now(), problem = :problem, state = CASE
        WHEN :problem <> '' THEN 'failed' WHEN state = 'checking' THEN 'checked' WHEN errors = 0 THEN 'finished'
        WHEN created + duplicates > 0 THEN 'finished_partially' ELSE 'failed' END
    WHERE import_id = :import_id RETURNING state
""")
START = text("""
    UPDATE order_import SET state = 'importing', place = CAST(NULL AS jsonb), due_at = now(), changed_at = now()
    WHERE import_id = :import_id
""")
STOP = text("""
    UPDATE order_import SET state = 'stopped', token = NULL, due_at = NULL, problem = :problem, changed_at = now()
    WHERE import_id = ANY(CAST(:import_ids AS uuid[]))
""")
FORGET = text("DELETE FROM order_import_piece WHERE import_id = ANY(CAST(:import_ids AS uuid[]))")
LEFT = text("""
    SELECT import_id FROM order_import
    WHERE state = 'uploading' AND changed_at < now() - interval '1 hour'
       OR state = 'checked' AND changed_at < now() - make_interval(days => :days)
    ORDER BY import_id LIMIT 100 FOR UPDATE SKIP LOCKED
""")
LOCK_KEPT = text("""
    SELECT import_id FROM order_import
    WHERE channel_id = :channel_id AND state IN ('uploading', 'checking', 'checked', 'importing')
    ORDER BY import_id FOR UPDATE
""")
ONE = text(f"""
    SELECT {SHOWN} FROM order_import i JOIN channel c USING (channel_id) WHERE i.import_id = :import_id
""")  # noqa: S608
PAGE = text(f"""
    SELECT {SHOWN} FROM order_import i JOIN channel c USING (channel_id)
    WHERE CAST(:before AS uuid) IS NULL OR i.import_id < :before
    ORDER BY i.import_id DESC LIMIT :limit
""")  # noqa: S608
LOCK = text("SELECT state, sha256, problem FROM order_import WHERE import_id = :import_id FOR UPDATE")
STORED = text("""
    SELECT external_id FROM orders WHERE channel_id = :channel_id AND external_id = ANY(CAST(:numbers AS text[]))
""")
EARLIER = text("""
    SELECT order_number, min(row) AS row FROM order_import_row
    WHERE import_id = :import_id AND order_number = ANY(CAST(:numbers AS text[])) GROUP BY order_number
""")
ADD_ROWS = text("""
    INSERT INTO order_import_row (import_id, row, order_number, outcome, field, reason)
    SELECT :import_id, r.row, r.order_number, r.outcome, r.field, r.reason
    FROM unnest(CAST(:row AS int[]), CAST(:order_number AS text[]), CAST(:outcome AS text[]), CAST(:field AS text[]),
                CAST(:reason AS text[])) AS r(row, order_number, outcome, field, reason)
    ORDER BY r.row
""")
TO_CREATE = text("""
    SELECT row FROM order_import_row
    WHERE import_id = :import_id AND row = ANY(CAST(:rows AS int[])) AND outcome = 'will_create'
""")
SETTLE_ROWS = text("""
    UPDATE order_import_row r SET outcome = s.outcome, reason = s.reason,
        order_id = CASE WHEN r.row = s.first_row THEN s.order_id END
    FROM unnest(CAST(:first_row AS int[]), CAST(:last_row AS int[]), CAST(:outcome AS text[]), CAST(:reason AS text[]),
                CAST(:order_id AS uuid[])) AS s(first_row, last_row, outcome, reason, order_id)
    WHERE r.import_id = :import_id AND r.row BETWEEN s.first_row AND s.last_row
""")
ROWS = text("""
    SELECT row, order_number, outcome, field, reason, order_id FROM order_import_row
    WHERE import_id = :import_id AND row > :after AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
    ORDER BY row LIMIT :limit
""")
IN_FLIGHT = text("""
    SELECT count(*) AS orders FROM (
        SELECT order_id FROM order_import_row WHERE import_id = :import_id AND order_id IS NOT NULL
        ORDER BY row DESC LIMIT :limit) newest
    JOIN orders o USING (order_id)
    WHERE o.status = ANY(CAST(:open AS text[])) AND NOT jsonb_exists(o.progress, 'match')
""")
CHANNELS = text("""
    SELECT channel_id, kind, name, connected FROM channel
    WHERE connected AND (name = :name OR CAST(channel_id AS text) = :name) ORDER BY channel_id LIMIT 2
""")
REMEMBER = text("""
    INSERT INTO order_request (channel_id, key, asked, order_id) VALUES (:channel_id, :key, :asked, :order_id)
    ON CONFLICT DO NOTHING
""")
REMEMBERED = text("SELECT asked, order_id FROM order_request WHERE channel_id = :channel_id AND key = :key")


@dataclass(frozen=True, slots=True)
class Job:
    """An import that was claimed. `dialect` is None before its header was read, `place` before its first row was taken;
    `now`: when the file was given."""

    import_id: UUID
    channel_id: UUID
    channel_kind: str
    state: str
    kept_as: str
    dialect: Dialect | None
    place: Place | None
    now: datetime


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What a row came to. `field`: the columns that are wrong, if any; `reason`: sentences without values."""

    row: int
    order_number: str
    outcome: str
    field: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What an order of a file came to when it was taken: its rows from the first to the last."""

    first_row: int
    last_row: int
    outcome: str
    reason: str = ""
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """By how much an import's counts rise; all but `rows` count orders."""

    rows: int = 0
    orders: int = 0
    will_create: int = 0
    created: int = 0
    duplicates: int = 0
    errors: int = 0


async def add(tx: Tx, import_id: UUID, channel: Row, file_name: str, created_by: str) -> None:
    """Begin an upload."""
    about = {"channel_id": channel.channel_id, "channel_kind": channel.kind, "file_name": file_name}
    await tx.run(ADD, import_id=import_id, created_by=created_by, **about)


async def add_piece(tx: Tx, import_id: UUID, position: int, data: bytes) -> bool:
    """Keep one piece of a file; all but the last are equally long. False when the import was ended meanwhile."""
    return await tx.run(ADD_PIECE, import_id=import_id, position=position, data=data) > 0


async def uploaded(
    tx: Tx, import_id: UUID, *, sha256: str, size: int, kept_bytes: int, encoding: str, kept_as: str
) -> bool:
    """The file is here: let it be checked. False when the import was ended meanwhile."""
    about = {"sha256": sha256, "bytes": size, "kept_bytes": kept_bytes, "encoding": encoding, "kept_as": kept_as}
    return await tx.run(UPLOADED, import_id=import_id, **about) > 0


async def claim(tx: Tx, token: UUID, lease_seconds: float) -> Job | None:
    """Take the import that has waited longest; whoever comes later finds it taken until the lease ends."""
    rows = await tx.rows(CLAIM, token=token, lease_seconds=lease_seconds)
    if not rows:
        return None
    row = rows[0]
    dialect = None if row.dialect is None else Dialect(**_tuples(row.dialect))
    place = None if row.place is None else Place(**row.place)
    return Job(row.import_id, row.channel_id, row.channel_kind, row.state, row.kept_as, dialect, place, row.created_at)


def _tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}


async def piece(tx: Tx, import_id: UUID, position: int) -> bytes | None:
    """One piece of a file; None behind the last."""
    rows = await tx.rows(PIECE, import_id=import_id, position=position)
    return bytes(rows[0].data) if rows else None


async def hold(tx: Tx, token: UUID, job: Job, lease_seconds: float) -> bool:
    """Lock an import and renew its lease; False when somebody else has taken or stopped it since."""
    about = {"import_id": job.import_id, "state": job.state}
    return bool(await tx.rows(HOLD, token=token, lease_seconds=lease_seconds, **about))


async def learn(tx: Tx, import_id: UUID, dialect: Dialect) -> None:
    """Keep how the file is written."""
    await tx.run(LEARN, import_id=import_id, dialect=asdict(dialect))


async def save(tx: Tx, import_id: UUID, place: Place, counts: Counts) -> None:
    """Keep how far the file was taken."""
    await tx.run(SAVE, import_id=import_id, place=asdict(place), **asdict(counts))


async def release(tx: Tx, token: UUID, import_id: UUID, seconds: float) -> None:
    """Give an import back; it goes on in so many seconds."""
    await tx.run(RELEASE, import_id=import_id, token=token, seconds=seconds)


async def finish(tx: Tx, import_id: UUID, problem: str = "") -> str:
    """Everything was taken, or (with a `problem`) nothing can be; returns the state. An import that ended forgets its
    file."""
    state = str((await tx.rows(FINISH, import_id=import_id, problem=problem))[0].state)
    if state in ENDED:
        await tx.run(FORGET, import_ids=[import_id])
    return state


async def lock(tx: Tx, import_id: UUID) -> Row | None:
    """Lock an import: its state, the hash of its file and why it ended; None when there is none."""
    rows = await tx.rows(LOCK, import_id=import_id)
    return rows[0] if rows else None


async def start(tx: Tx, import_id: UUID) -> None:
    """Let a checked import begin; it is locked."""
    await tx.run(START, import_id=import_id)


async def stop(tx: Tx, import_ids: Collection[UUID], problem: str) -> None:
    """End imports that are locked, and forget their files."""
    ids = sorted(import_ids)
    await tx.run(STOP, import_ids=ids, problem=problem)
    await tx.run(FORGET, import_ids=ids)


async def left(tx: Tx, days: int) -> list[UUID]:
    """Lock uploads that broke off an hour ago, and checked files that nobody started for so many days."""
    return [row.import_id for row in await tx.rows(LEFT, days=days)]


async def lock_kept(tx: Tx, channel_id: UUID) -> list[UUID]:
    """Lock the imports of a channel whose files are arriving or not taken whole."""
    return [row.import_id for row in await tx.rows(LOCK_KEPT, channel_id=channel_id)]


async def one(tx: Tx, import_id: UUID) -> Row | None:
    """An import as it is shown; None when there is none."""
    rows = await tx.rows(ONE, import_id=import_id)
    return rows[0] if rows else None


async def page(tx: Tx, before: UUID | None, limit: int) -> Sequence[Row]:
    """Imports, newest first."""
    return await tx.rows(PAGE, before=before, limit=limit)


async def stored(tx: Tx, channel_id: UUID, numbers: Collection[str]) -> set[str]:
    """Which of these order numbers the channel has already."""
    return {row.external_id for row in await tx.rows(STORED, channel_id=channel_id, numbers=list(numbers))}


async def earlier(tx: Tx, import_id: UUID, numbers: Collection[str]) -> dict[str, int]:
    """In which row of the file each of these order numbers came first, as far as the file was taken."""
    rows = await tx.rows(EARLIER, import_id=import_id, numbers=list(numbers))
    return {row.order_number: row.row for row in rows}


async def add_rows(tx: Tx, import_id: UUID, rows: Sequence[RowOutcome]) -> None:
    """Write what rows came to when they were checked."""
    await tx.run(ADD_ROWS, import_id=import_id, **columns(rows))


async def to_create(tx: Tx, import_id: UUID, rows: Collection[int]) -> set[int]:
    """Which of these rows begin an order that was found to be new and whole."""
    return {row.row for row in await tx.rows(TO_CREATE, import_id=import_id, rows=list(rows))}


async def settle_rows(tx: Tx, import_id: UUID, outcomes: Sequence[OrderOutcome]) -> None:
    """Write what orders came to when they were taken."""
    await tx.run(SETTLE_ROWS, import_id=import_id, **columns(outcomes))


async def rows_after(tx: Tx, import_id: UUID, *, after: int, outcome: str | None, limit: int) -> Sequence[Row]:
    """What rows came to, in their order, from the one behind `after`."""
    return await tx.rows(ROWS, import_id=import_id, after=after, outcome=outcome, limit=limit)


async def in_flight(tx: Tx, import_id: UUID, limit: int, open_: Sequence[str]) -> int:
    """How many of the newest `limit` orders of an import wait for their first answer from sku-matcher."""
    return int((await tx.rows(IN_FLIGHT, import_id=import_id, limit=limit, open=list(open_)))[0].orders)


async def channels_named(tx: Tx, name: str) -> Sequence[Row]:
    """Connected channels with this name or id, two at most."""
    return await tx.rows(CHANNELS, name=name)


async def remember(tx: Tx, channel_id: UUID, key: str, asked: str, order_id: UUID) -> bool:
    """Keep under which key an order was asked for; False when the key was used before."""
    return await tx.run(REMEMBER, channel_id=channel_id, key=key, asked=asked, order_id=order_id) > 0


async def remembered(tx: Tx, channel_id: UUID, key: str) -> Row | None:
    """What was asked for under a key, and the order that came of it."""
    rows = await tx.rows(REMEMBERED, channel_id=channel_id, key=key)
    return rows[0] if rows else None
