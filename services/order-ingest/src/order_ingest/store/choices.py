"""What going live means for a channel's orders: counted, and kept on the channel."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row
from order_ingest.domain.status import OPEN

IS_LIVE = text("SELECT 1 FROM channel WHERE channel_id = :channel_id AND mode = 'live' AND connected")
COUNT = text("""
    SELECT count(*) AS observed,
           count(*) FILTER (WHERE CAST(:ours_from AS timestamptz) IS NULL OR placed_at >= :ours_from
                                  OR order_id = ANY(CAST(:named AS uuid[]))) AS chosen
    FROM orders
    WHERE channel_id = :channel_id AND status = ANY(CAST(:statuses AS text[])) AND hold_codes @> ARRAY['observing']
""")
KEEP = text("UPDATE channel SET ours_from = :ours_from WHERE channel_id = :channel_id")
OF_OTHERS = text("""
    SELECT order_id FROM orders
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND channel_id <> :channel_id ORDER BY order_id
""")
CHOSEN = text("""
    SELECT order_id FROM orders WHERE channel_id = :channel_id AND progress @> '{"chosen": true}'
""")


async def is_live(tx: Tx, channel_id: UUID) -> bool:
    """Whether a channel is connected and live."""
    return bool(await tx.rows(IS_LIVE, channel_id=channel_id))


async def count(tx: Tx, channel_id: UUID, ours_from: datetime | None, named: Collection[UUID]) -> Row:
    """How many open orders are `observed`, and how many of them are `chosen`."""
    rows = await tx.rows(COUNT, channel_id=channel_id, ours_from=ours_from, named=sorted(named), statuses=list(OPEN))
    return rows[0]


async def keep(tx: Tx, channel_id: UUID, ours_from: datetime | None) -> None:
    """Keep from when on the orders of a channel, which is locked, are ours; None: all of them."""
    await tx.run(KEEP, channel_id=channel_id, ours_from=ours_from)


async def of_others(tx: Tx, channel_id: UUID, order_ids: Collection[UUID]) -> list[UUID]:
    """Which of these orders belong to another channel."""
    return [row.order_id for row in await tx.rows(OF_OTHERS, channel_id=channel_id, order_ids=sorted(order_ids))]


async def chosen_before(tx: Tx, channel_id: UUID) -> list[UUID]:
    """The orders that an earlier choice named; it looks through the channel's orders, for people go live seldom."""
    return [row.order_id for row in await tx.rows(CHOSEN, channel_id=channel_id)]
