"""How many orders stand under each tab, by channel: sums that are kept, and what goes by the clock from its index."""

from collections.abc import Sequence

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row
from order_ingest.domain.tabs import TO_SHIP

BY_STATUS = text("""
    SELECT c.channel_id, c.status, sum(c.orders)::bigint AS orders FROM (
        SELECT channel_id, status, orders FROM order_count
        UNION ALL
        SELECT channel_id, status, orders FROM order_count_delta) AS c
    GROUP BY c.channel_id, c.status
""")
END_OF_DAY = "(date_trunc('day', now() AT TIME ZONE c.time_zone) + interval '1 day') AT TIME ZONE c.time_zone"
"""The end of a channel's day. Times that do not exist or come twice at a clock change are for Postgres to settle."""
STILL_TO_SHIP = f"o.status IN ({', '.join(repr(status) for status in TO_SHIP)})"
"""Spelled as in the index `orders_due`, which serves it."""
BY_CLOCK = text(f"""
    SELECT c.channel_id, c.name, c.time_zone, o.late, o.due_today FROM channel c CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE o.ship_by < now()) AS late,
               count(*) FILTER (WHERE o.ship_by >= now()) AS due_today
        FROM orders o WHERE o.channel_id = c.channel_id AND {STILL_TO_SHIP} AND o.ship_by < {END_OF_DAY}) AS o
    ORDER BY c.channel_id
""")  # noqa: S608
ROLL_UP = text("""
    WITH taken AS (
        DELETE FROM order_count_delta WHERE id IN (
            SELECT id FROM order_count_delta ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING channel_id, status, orders),
    sums AS (SELECT channel_id, status, sum(orders) AS orders FROM taken GROUP BY channel_id, status),
    kept AS (
        INSERT INTO order_count (channel_id, status, orders) SELECT * FROM sums ORDER BY channel_id, status
        ON CONFLICT (channel_id, status) DO UPDATE SET orders = order_count.orders + excluded.orders)
    SELECT count(*) AS taken FROM taken
""")


async def by_status(tx: Tx) -> Sequence[Row]:
    """Orders by channel and status, to the last committed change: `channel_id`, `status`, `orders`."""
    return await tx.rows(BY_STATUS)


async def by_clock(tx: Tx) -> Sequence[Row]:
    """For every channel its `name` and `time_zone`, and how many orders are `late` and `due_today`."""
    return await tx.rows(BY_CLOCK)


async def roll_up(tx: Tx, limit: int) -> int:
    """Add up to `limit` changes to the sums that are kept, so that few are left to be read; how many there were."""
    return int((await tx.rows(ROLL_UP, limit=limit))[0].taken)
