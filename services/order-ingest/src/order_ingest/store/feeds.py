"""How far each channel's list of changes was read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row
from order_ingest.domain.feed import Known, Position

ADD = text("""
    INSERT INTO feed (channel_id, start_at, since, reached)
    SELECT f.channel_id, f.at, f.at, f.at
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:at AS timestamptz[])) AS f(channel_id, at) ORDER BY f.channel_id
    ON CONFLICT DO NOTHING
""")
# Whoever reads the channel at this moment loses its run, and with it the place that it was about to keep.
RESTART = text("""
    WITH begun AS (
        UPDATE feed SET since = start_at, reached = start_at, page = NULL, resets = r.resets
        FROM unnest(CAST(:channel_id AS uuid[]), CAST(:resets AS int[])) AS r(channel_id, resets)
        WHERE feed.channel_id = r.channel_id AND feed.resets < r.resets
        RETURNING feed.channel_id),
    taken AS (
        UPDATE run SET token = NULL, due_at = now(), failures = 0, failing_since = NULL, problem = ''
        WHERE state = 'running' AND kind = 'orders' AND channel_id IN (SELECT channel_id FROM begun)
        RETURNING channel_id)
    SELECT channel_id FROM begun WHERE channel_id NOT IN (SELECT channel_id FROM taken)
""")
KINDS = text("SELECT DISTINCT kind FROM channel WHERE connected")
KNOWN = text("""
    SELECT external_id, CAST(source->>'updated_at' AS timestamptz) AS updated_at,
           source->>'financial_status' AS financial_status, CAST(source->>'cancelled' AS bool) AS cancelled,
           CAST(source->>'total' AS numeric) AS total, ship_by,
           CAST(source->>'deliver_by' AS timestamptz) AS deliver_by
    FROM orders
    WHERE channel_id = :channel_id AND external_id = ANY(CAST(:external_ids AS text[])) AND source IS NOT NULL
""")
POSITION = text("SELECT start_at, since, reached, page FROM feed WHERE channel_id = :channel_id")
SAVE = text("""
    UPDATE feed SET since = :since, reached = :reached, page = :page,
        polled_at = CASE WHEN CAST(:reached_end AS bool) THEN now() ELSE polled_at END
    WHERE channel_id = :channel_id
""")
ALL = text("""
    SELECT f.channel_id, c.name AS channel, c.kind AS channel_kind, c.connected, f.reached, f.polled_at,
           CASE WHEN r.state = 'failed' THEN greatest(r.failures, 1) ELSE coalesce(r.failures, 0) END AS failures,
           coalesce(r.problem, '') AS problem
    FROM feed f JOIN channel c ON c.channel_id = f.channel_id
    LEFT JOIN integration i ON i.channel_id = f.channel_id AND i.kind = 'orders'
    LEFT JOIN LATERAL (
        SELECT o.state, o.failures, o.problem FROM run o
        WHERE o.integration_id = i.integration_id AND o.started_at IS NOT NULL
        ORDER BY o.scheduled_at DESC LIMIT 1) r ON true
    WHERE c.kind = ANY(CAST(:kinds AS text[])) ORDER BY f.channel_id
""")


async def add(tx: Tx, starts: Mapping[UUID, datetime]) -> None:
    """Read these channels from these times on, unless they are read already."""
    await tx.run(ADD, channel_id=list(starts), at=list(starts.values()))


async def restart(tx: Tx, resets: Mapping[UUID, int]) -> set[UUID]:
    """Read channels from their beginning again that were reset more often than is known here; returns those of them
    that nobody is reading."""
    rows = await tx.rows(RESTART, channel_id=list(resets), resets=list(resets.values()))
    return {row.channel_id for row in rows}


async def kinds(tx: Tx) -> list[str]:
    """The kinds of the channels that are connected."""
    return [row.kind for row in await tx.rows(KINDS)]


async def known(tx: Tx, channel_id: UUID, external_ids: Collection[str]) -> dict[str, Known]:
    """What is stored of a channel's orders; those without content are missing. Nothing is locked."""
    rows = await tx.rows(KNOWN, channel_id=channel_id, external_ids=list(external_ids))
    return {
        row.external_id: Known(
            row.updated_at, row.financial_status, row.cancelled, row.total, row.ship_by, row.deliver_by
        )
        for row in rows
    }


async def position(tx: Tx, channel_id: UUID) -> Position | None:
    """How far a channel's list of changes was read."""
    rows = await tx.rows(POSITION, channel_id=channel_id)
    return Position(rows[0].start_at, rows[0].since, rows[0].reached, rows[0].page) if rows else None


async def save(tx: Tx, channel_id: UUID, position: Position, *, reached_end: bool) -> None:
    """Keep how far a channel's list was read; whoever does holds the run that reads it."""
    await tx.run(
        SAVE,
        channel_id=channel_id,
        since=position.since,
        reached=position.reached,
        page=position.page,
        reached_end=reached_end,
    )


async def every(tx: Tx, kinds: Collection[str]) -> Sequence[Row]:
    """The feeds of all channels of these kinds, for people."""
    return await tx.rows(ALL, kinds=list(kinds))
