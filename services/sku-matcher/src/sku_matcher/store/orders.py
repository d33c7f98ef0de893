"""SQL of orders, their matches, and what they wait for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row as SqlRow
from crossdock.storage.engine import columns
from sku_matcher.domain.matching import (
    ANYWHERE,
    Component,
    Line,
    Match,
    MatchedLine,
    Name,
    OrderState,
    Problem,
    Row,
    Wait,
    waits,
)
from sku_matcher.store.presence import CARRIERS, HUB, PRESENCE

ADD_ORDERS = text("""
    INSERT INTO order_match (order_id) SELECT id FROM unnest(CAST(:order_ids AS uuid[])) AS id ORDER BY id
    ON CONFLICT DO NOTHING RETURNING order_id
""")
LOCK_ORDERS = text("""
    SELECT * FROM order_match WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")
SAVE_ORDERS = text("""
    UPDATE order_match o SET channel_id = n.channel_id, placed_at = n.placed_at, order_version = n.order_version,
           content_version = n.content_version, cancelled = n.cancelled, content = n.content,
           match_content = n.match_content, match_version = n.match_version, outcome = n.outcome
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:placed_at AS timestamptz[]),
                CAST(:order_version AS int[]), CAST(:content_version AS int[]), CAST(:cancelled AS bool[]),
                CAST(:content AS jsonb[]), CAST(:match_content AS int[]), CAST(:match_version AS int[]),
                CAST(:outcome AS jsonb[]))
         AS n(order_id, channel_id, placed_at, order_version, content_version, cancelled, content, match_content,
              match_version, outcome)
    WHERE o.order_id = n.order_id
""")
CLEAR_WAITING = text("DELETE FROM waiting WHERE order_id = ANY(CAST(:order_ids AS uuid[]))")
ADD_WAITING = text("""
    INSERT INTO waiting (order_id, sku, listing_id, channel_id, carriers, blank, placed_at)
    SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:sku AS text[]), CAST(:listing_id AS text[]),
                         CAST(:channel_id AS uuid[]), CAST(:carriers AS int[]), CAST(:blank AS bool[]),
                         CAST(:placed_at AS timestamptz[]))
""")
DUE_ORDERS = text(f"""
    SELECT w.order_id, w.placed_at FROM waiting w {PRESENCE}
    WHERE w.sku <> '' AND w.sku = ANY(CAST(:skus AS text[])) AND w.carriers <> {CARRIERS}
    UNION
    SELECT w.order_id, w.placed_at FROM waiting w JOIN listing l USING (channel_id, listing_id)
    WHERE w.listing_id <> '' AND w.listing_id = ANY(CAST(:listing_ids AS text[]))
          AND (w.blank AND l.sku <> '' AND l.sku_since > w.placed_at
               OR EXISTS (SELECT FROM mapping m WHERE m.channel_id = w.channel_id AND m.listing_id = w.listing_id
                              AND m.sku <> ''))
    ORDER BY placed_at, order_id LIMIT :limit
""")  # noqa: S608
ORDER = text("SELECT * FROM order_match WHERE order_id = :order_id AND order_version > 0")


async def lock_orders(tx: Tx, order_ids: Iterable[UUID], *, add: bool = False) -> dict[UUID, Row]:
    """Lock some orders; with `add`, those never heard of get an empty row first, which is not read again."""
    wanted = sorted(set(order_ids))
    held = {row.order_id: Row() for row in await tx.rows(ADD_ORDERS, order_ids=wanted)} if add else {}
    if known := [order_id for order_id in wanted if order_id not in held]:
        held |= {row.order_id: _row(row) for row in await tx.rows(LOCK_ORDERS, order_ids=known)}
    return held


async def order_row(tx: Tx, order_id: UUID) -> Row | None:
    """One order, or None when nothing of it has arrived."""
    rows = await tx.rows(ORDER, order_id=order_id)
    return _row(rows[0]) if rows else None


async def due_orders(tx: Tx, names: Collection[Name], limit: int) -> list[UUID]:
    """Orders that wait for one of these, and that the catalogue judges otherwise now; oldest first."""
    skus = [name for kind, name in names if kind == "sku"]
    listing_ids = [name for kind, name in names if kind == "listing"]
    rows = await tx.rows(DUE_ORDERS, skus=skus, listing_ids=listing_ids, hub=HUB, anywhere=ANYWHERE, limit=limit)
    return [row.order_id for row in rows]


async def save_orders(tx: Tx, before: Mapping[UUID, Row], after: Mapping[UUID, Row]) -> None:
    """Write the orders that changed (they are locked), and what they wait for."""
    changed = [order_id for order_id, row in after.items() if row is not before[order_id]]
    if not changed:
        return
    await tx.run(SAVE_ORDERS, **_order_columns([after[order_id] for order_id in changed]))
    waited = [order_id for order_id in changed if waits(before[order_id])]
    if waited:
        await tx.run(CLEAR_WAITING, order_ids=waited)
    waiting = [pair for order_id in changed for pair in _waiting(after[order_id])]
    if waiting:
        await tx.run(ADD_WAITING, **_waiting_columns(waiting))


def _row(row: SqlRow) -> Row:
    if row.order_version == 0:
        return Row()
    order = OrderState(
        order_id=row.order_id,
        channel_id=row.channel_id,
        placed_at=row.placed_at,
        order_version=row.order_version,
        content_version=row.content_version,
        cancelled=row.cancelled,
        lines=tuple(Line(**line) for line in row.content["lines"]),
        listed=row.content.get("listed", True),
    )
    if row.match_content is None:
        return Row(order)
    lines = tuple(
        MatchedLine(**line | {"components": tuple(Component(**part) for part in line["components"])})
        for line in row.outcome["lines"]
    )
    problems = tuple(Problem(**problem) for problem in row.outcome["problems"])
    return Row(order, Match(row.match_content, row.match_version, lines, problems))


def _order_columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    orders = [row.order for row in rows if row.order is not None]
    matches = [row.match for row in rows]
    return {
        **columns(orders, "order_id", "channel_id", "placed_at", "order_version", "content_version", "cancelled"),
        "content": [{"lines": order.lines, "listed": order.listed} for order in orders],
        "match_content": [match and match.content_version for match in matches],
        "match_version": [match and match.match_version for match in matches],
        "outcome": [match and {"lines": match.lines, "problems": match.problems} for match in matches],
    }


def _waiting(row: Row) -> list[tuple[OrderState, Wait]]:
    return [(row.order, wait) for wait in waits(row)] if row.order is not None else []


def _waiting_columns(waiting: Sequence[tuple[OrderState, Wait]]) -> dict[str, list[Any]]:
    return {
        **columns([order for order, _ in waiting], "order_id", "placed_at"),
        "channel_id": [order.shelf for order, _ in waiting],
        **columns([wait for _, wait in waiting]),
    }
