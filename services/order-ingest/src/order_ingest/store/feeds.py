"""How far each channel's list of changes was read; a channel is taken with a lease, by Postgres's clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row as SqlRow
from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from order_ingest.domain.feed import Known, Position

ADD = text("""
    INSERT INTO feed (channel_id, start_at, since, reached, due_at)
    SELECT f.channel_id, f.at, f.at, f.at, now()
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:at AS timestamptz[])) AS f(channel_id, at) ORDER BY f.channel_id
    ON CONFLICT DO NOTHING
""")
RESTART = text("""
    UPDATE feed SET since = start_at, reached = start_at, page = NULL, token = NULL, failures = 0, problem = '',
        due_at = now(), resets = r.resets
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:resets AS int[])) AS r(channel_id, resets)
    WHERE feed.channel_id = r.channel_id AND feed.resets < r.resets
""")
KINDS = text("SELECT DISTINCT kind FROM channel WHERE connected")
CLAIM = text("""
    UPDATE feed SET token = :token, due_at = now() + make_interval(secs => :lease_seconds)
    FROM channel
    WHERE channel.channel_id = feed.channel_id AND feed.channel_id IN (
        SELECT f.channel_id FROM feed f JOIN channel c ON c.channel_id = f.channel_id
        WHERE f.due_at <= now() AND c.connected AND c.kind = ANY(CAST(:kinds AS text[]))
          AND (f.failures > 0) = CAST(:failing AS bool)
        ORDER BY f.due_at LIMIT :limit FOR UPDATE OF f SKIP LOCKED)
    RETURNING feed.channel_id, channel.kind, feed.start_at, feed.since, feed.reached, feed.page, feed.failures,
        now() AS claimed_at
""")
KNOWN = text("""
    SELECT external_id, CAST(source->>'updated_at' AS timestamptz) AS updated_at,
           source->>'financial_status' AS financial_status, CAST(source->>'cancelled' AS bool) AS cancelled,
           CAST(source->>'total' AS numeric) AS total
    FROM orders
    WHERE channel_id = :channel_id AND external_id = ANY(CAST(:external_ids AS text[])) AND source IS NOT NULL
""")
HOLD = text("SELECT 1 FROM feed WHERE channel_id = :channel_id AND token = :token FOR UPDATE")
SAVE = text("""
    UPDATE feed SET since = :since, reached = :reached, page = :page, token = NULL,
        due_at = now() + make_interval(secs => :seconds), failures = 0, problem = '', polled_at = now()
    WHERE channel_id = :channel_id
""")
PUT_OFF = text("""
    UPDATE feed SET since = :since, reached = :reached, page = :page, token = NULL,
        due_at = now() + make_interval(secs => :seconds), failures = failures + 1, problem = :problem
    WHERE channel_id = :channel_id
""")
ALL = text("""
    SELECT f.channel_id, c.name AS channel, c.kind AS channel_kind, c.connected, f.reached, f.polled_at, f.failures,
           f.problem
    FROM feed f JOIN channel c ON c.channel_id = f.channel_id
    WHERE c.kind = ANY(CAST(:kinds AS text[])) ORDER BY f.channel_id
""")


@dataclass(frozen=True, slots=True)
class Feed:
    """A channel's list of changes, claimed; `claimed_at` is Postgres's time. `failures` came in a row."""

    channel_id: UUID
    kind: str
    position: Position
    failures: int
    claimed_at: datetime


async def add(tx: Tx, starts: Mapping[UUID, datetime]) -> None:
    """Read these channels from these times on, unless they are read already."""
    await tx.run(ADD, channel_id=list(starts), at=list(starts.values()))


async def restart(tx: Tx, resets: Mapping[UUID, int]) -> None:
    """Read channels from their beginning again that were reset more often than is known here."""
    await tx.run(RESTART, channel_id=list(resets), resets=list(resets.values()))


async def kinds(tx: Tx) -> list[str]:
    """The kinds of the channels that are connected."""
    return [row.kind for row in await tx.rows(KINDS)]


async def claim(
    tx: Tx, token: UUID, kinds: Collection[str], *, failing: bool, limit: int, lease_seconds: float
) -> list[Feed]:
    """Take channels of these kinds that are due: those whose last poll failed, or the others. Whoever comes later finds
    them taken until the lease ends."""
    rows = await tx.rows(
        CLAIM, token=token, kinds=list(kinds), failing=failing, limit=limit, lease_seconds=lease_seconds
    )
    return [
        Feed(
            row.channel_id,
            row.kind,
            Position(row.start_at, row.since, row.reached, row.page),
            row.failures,
            row.claimed_at,
        )
        for row in rows
    ]


async def known(tx: Tx, channel_id: UUID, external_ids: Collection[str]) -> dict[str, Known]:
    """What is stored of a channel's orders; those without content are missing. Nothing is locked."""
    rows = await tx.rows(KNOWN, channel_id=channel_id, external_ids=list(external_ids))
    return {row.external_id: Known(row.updated_at, row.financial_status, row.cancelled, row.total) for row in rows}


async def hold(tx: Tx, token: UUID, channel_id: UUID) -> bool:
    """Lock a channel's feed; False when somebody else has taken it since."""
    return bool(await tx.rows(HOLD, token=token, channel_id=channel_id))


async def save(tx: Tx, channel_id: UUID, position: Position, seconds: float) -> None:
    """Keep how far a feed that is held was read; it is due again after so many seconds."""
    await tx.run(SAVE, channel_id=channel_id, **_place(position), seconds=seconds)


async def put_off(tx: Tx, channel_id: UUID, position: Position, seconds: float, problem: str) -> None:
    """Try a feed that is held again after so many seconds, and say why."""
    await tx.run(PUT_OFF, channel_id=channel_id, **_place(position), seconds=seconds, problem=problem[:1000])


def _place(position: Position) -> dict[str, Any]:
    return {"since": position.since, "reached": position.reached, "page": position.page}


async def every(tx: Tx, kinds: Collection[str]) -> Sequence[SqlRow[Any]]:
    """The feeds of all channels of these kinds, for people."""
    return await tx.rows(ALL, kinds=list(kinds))
