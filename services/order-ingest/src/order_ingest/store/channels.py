"""Channels as their configuration told them, and which of them wait for their orders to be judged again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import columns
from order_ingest.domain.channel import Channel
from order_ingest.domain.policy import policy_of
from order_ingest.domain.status import OPEN
from order_ingest.store.orders import COLUMNS, Row, whole_row_of

FIRST = UUID(int=0)
SHARE = text("""
    SELECT * FROM channel WHERE channel_id = ANY(CAST(:channel_ids AS uuid[])) ORDER BY channel_id FOR SHARE
""")
LOCK = text("""
    SELECT * FROM channel WHERE channel_id = ANY(CAST(:channel_ids AS uuid[])) ORDER BY channel_id FOR UPDATE
""")
LOCK_ALL = text("SELECT * FROM channel ORDER BY channel_id FOR UPDATE")
ADD = text("""
    INSERT INTO channel (channel_id, channel_version, kind, name, mode, connected)
    SELECT id, 0, '', '', 'observe', true FROM unnest(CAST(:channel_ids AS uuid[])) AS id ORDER BY id
    ON CONFLICT DO NOTHING
""")
SAVE = text("""
    UPDATE channel SET channel_version = c.channel_version, kind = c.kind, name = c.name, mode = c.mode,
        connected = c.connected, time_zone = c.time_zone, role = c.role, destination = c.destination,
        warehouse_observing = c.warehouse_observing
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:channel_version AS int[]), CAST(:kind AS text[]),
                CAST(:name AS text[]), CAST(:mode AS text[]), CAST(:connected AS bool[]), CAST(:time_zone AS text[]),
                CAST(:role AS text[]), CAST(:destination AS text[]), CAST(:warehouse_observing AS text[]))
         AS c(channel_id, channel_version, kind, name, mode, connected, time_zone, role, destination,
              warehouse_observing)
    WHERE channel.channel_id = c.channel_id
""")
EVERY = text("""
    SELECT channel_id, kind, name, connected, coalesce(policy->>'service_location', '') AS service_location
    FROM channel WHERE channel_version > 0 ORDER BY channel_id
""")
SERVICE_LOCATION = text("""
    SELECT coalesce(policy->>'service_location', '') AS place FROM channel WHERE channel_id = :channel_id
""")
RECONSIDER = text("""
    INSERT INTO reconsideration (channel_id, after)
    SELECT id, :first FROM unnest(CAST(:channel_ids AS uuid[])) AS id ORDER BY id
    ON CONFLICT (channel_id) DO UPDATE SET after = excluded.after
""")
NEXT_CHANNEL = text("SELECT channel_id FROM reconsideration ORDER BY channel_id LIMIT 1")
LOCK_RECONSIDERATION = text("SELECT after FROM reconsideration WHERE channel_id = :channel_id FOR UPDATE")
ADVANCE = text("UPDATE reconsideration SET after = :after WHERE channel_id = :channel_id")
FINISH = text("DELETE FROM reconsideration WHERE channel_id = :channel_id")
OPEN_ORDERS = text(f"""
    SELECT {COLUMNS}, source FROM orders
    WHERE channel_id = :channel_id AND order_id > :after AND status = ANY(CAST(:statuses AS text[]))
    ORDER BY order_id LIMIT :limit FOR UPDATE
""")  # noqa: S608


async def share(tx: Tx, channel_ids: Collection[UUID]) -> dict[UUID, Channel]:
    """Channels, locked against a change of their mode until the transaction ends. One never heard of gets a row:
    whoever imports an order and whoever takes its channel live must meet on a common lock, or the order would be held
    for ever."""
    return await _all(tx, SHARE, channel_ids)


async def lock(tx: Tx, channel_ids: Collection[UUID]) -> dict[UUID, Channel]:
    """Channels, locked for a change."""
    return await _all(tx, LOCK, channel_ids)


async def lock_all(tx: Tx, channel_ids: Collection[UUID]) -> dict[UUID, Channel]:
    """Every channel, these too, locked for a change: what is configured of one may concern the orders of others."""
    rows = await tx.rows(LOCK_ALL)
    if set(channel_ids) - {row.channel_id for row in rows}:
        await tx.run(ADD, channel_ids=sorted(channel_ids))
        rows = await tx.rows(LOCK_ALL)
    return {row.channel_id: _channel(row) for row in rows}


async def _all(tx: Tx, statement: Any, channel_ids: Collection[UUID]) -> dict[UUID, Channel]:
    wanted = sorted(set(channel_ids))
    rows = await tx.rows(statement, channel_ids=wanted)
    if len(rows) < len(wanted):
        await tx.run(ADD, channel_ids=wanted)
        rows = await tx.rows(statement, channel_ids=wanted)
    return {row.channel_id: _channel(row) for row in rows}


def _channel(row: Any) -> Channel:
    return Channel(**{**row, "policy": policy_of(row.policy)})


async def every(tx: Tx) -> Sequence[Any]:
    """Id, kind, name, connectedness and service location of each channel that was configured."""
    return await tx.rows(EVERY)


async def service_location(tx: Tx, channel_id: UUID) -> str:
    """The location of our fulfillment service in a channel, blank when there is none."""
    rows = await tx.rows(SERVICE_LOCATION, channel_id=channel_id)
    return str(rows[0].place) if rows else ""


async def save(tx: Tx, channels: Mapping[UUID, Channel]) -> None:
    """Write what was configured of channels that were locked before."""
    configured = ("channel_id", "channel_version", "kind", "name", "mode", "connected", "time_zone", "role",
                  "destination", "warehouse_observing")  # fmt: skip
    await tx.run(SAVE, **columns([channels[channel_id] for channel_id in sorted(channels)], *configured))


async def reconsider(tx: Tx, channel_ids: Collection[UUID]) -> None:
    """Let all open orders of these channels be judged again, from the first."""
    await tx.run(RECONSIDER, channel_ids=sorted(channel_ids), first=FIRST)


async def next_to_reconsider(tx: Tx) -> UUID | None:
    """A channel whose orders wait to be judged again; not locked, because its channel row is locked first."""
    rows = await tx.rows(NEXT_CHANNEL)
    return rows[0].channel_id if rows else None


async def page_to_reconsider(tx: Tx, channel_id: UUID, limit: int) -> Sequence[Row]:
    """The next open or rejected orders of a channel that waits to be judged again, locked, with their sources; empty
    when there are no more."""
    cursor = await tx.rows(LOCK_RECONSIDERATION, channel_id=channel_id)
    if not cursor:
        return []
    found = await tx.rows(
        OPEN_ORDERS, channel_id=channel_id, after=cursor[0].after, statuses=[*OPEN, "rejected"], limit=limit
    )
    return [whole_row_of(row) for row in found]


async def reconsidered(tx: Tx, channel_id: UUID, last: UUID | None) -> None:
    """Remember how far the walk came; None when it is at its end."""
    if last is None:
        await tx.run(FINISH, channel_id=channel_id)
    else:
        await tx.run(ADVANCE, channel_id=channel_id, after=last)
