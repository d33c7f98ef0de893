"""Orders that are read again from their channels: claimed with a lease, finished by whoever still holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from order_ingest.store.orders import COLUMNS, Row, whole_row_of

CLAIM = text("""
    UPDATE orders SET refetch_token = :token, refetch_again = false, refetch_attempt = refetch_attempt + 1,
        refetch_due_at = now() + make_interval(secs => :lease_seconds)
    WHERE order_id IN (
        SELECT order_id FROM orders WHERE refetch_due_at <= now() ORDER BY refetch_due_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    RETURNING order_id, channel_id, channel_kind, external_id, refetch_attempt,
        coalesce(CAST(progress ->> 'follows' AS bool), false) AS follows
""")
LOCK_MINE = text(f"""
    SELECT {COLUMNS}, source FROM orders
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND refetch_token = :token ORDER BY order_id FOR UPDATE
""")  # noqa: S608
DUE = text("""
    UPDATE orders SET refetch_due_at = now() + make_interval(secs => d.seconds), refetch_token = NULL
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:seconds AS double precision[])) AS d(order_id, seconds)
    WHERE orders.order_id = d.order_id
""")
DONE = text("""
    UPDATE orders SET refetch_attempt = 0, refetch_token = NULL WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Refetch:
    """An order to be read again; `attempt` counts from 1; `follows`: with its routes."""

    order_id: UUID
    channel_id: UUID
    channel_kind: str
    external_id: str
    attempt: int
    follows: bool


async def claim(tx: Tx, token: UUID, *, limit: int, lease_seconds: float) -> list[Refetch]:
    """Take orders that are due; whoever comes later finds them taken until the lease ends."""
    rows = await tx.rows(CLAIM, token=token, limit=limit, lease_seconds=lease_seconds)
    return [
        Refetch(row.order_id, row.channel_id, row.channel_kind, row.external_id, row.refetch_attempt, row.follows)
        for row in rows
    ]


async def lock_mine(tx: Tx, token: UUID, claimed: Sequence[Refetch]) -> dict[UUID, Row]:
    """Lock those that were claimed under this token and are not lost to somebody else since, with their sources."""
    rows = await tx.rows(LOCK_MINE, token=token, order_ids=[one.order_id for one in claimed])
    return {row.order_id: whole_row_of(row) for row in rows}


async def finish(tx: Tx, done: Sequence[UUID], later: Mapping[UUID, float]) -> None:
    """Close what was answered, and make the rest due after so many seconds."""
    if done:
        await tx.run(DONE, order_ids=sorted(done))
    if later:
        ids = sorted(later)
        await tx.run(DUE, order_id=ids, seconds=[later[order_id] for order_id in ids])
