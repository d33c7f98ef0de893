"""What the API reads: lists by keyset, newest first, and one order with its timeline. Lists hold no personal data."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row as SqlRow
from sqlalchemy import TextClause, text

from crossdock.messaging.transaction import Tx
from order_ingest.store.documents import source_of
from order_ingest.store.orders import COLUMNS, Row, number_key, row_of

LISTED = """order_id, channel_id, channel_kind, external_id, number, placed_at, status, source, progress,
    refetch_due_at, refetch_again, (SELECT c.name FROM channel c WHERE c.channel_id = orders.channel_id) AS channel"""
FILTERS = {
    "before": "order_id < :before",
    "channel_id": "channel_id = :channel_id",
    "status": "status = :status",
    "hold": "hold_codes @> ARRAY[CAST(:hold AS text)] AND hold_codes <> '{}'",
    "number": "number_key LIKE :number",
}
ONE = text(f"SELECT {COLUMNS}, source, status FROM orders WHERE order_id = :order_id")  # noqa: S608
IDS_OF_NUMBER = text("SELECT order_id FROM orders WHERE number_key = :key ORDER BY order_id DESC LIMIT 10")
TIMELINE = text("""
    SELECT id, at, kind, sentence, source, cause FROM timeline WHERE order_id = :order_id
    ORDER BY at, id LIMIT :limit
""")
RECIPIENT = text("SELECT recipient_version, recipient FROM recipient WHERE order_id = :order_id")


@cache
def _page(names: tuple[str, ...]) -> TextClause:
    """A statement of its own for each set of filters, so that each is planned by its own index."""
    where = " AND ".join(FILTERS[name] for name in names) or "true"
    return text(f"SELECT {LISTED} FROM orders WHERE {where} ORDER BY order_id DESC LIMIT :limit")  # noqa: S608


async def page(
    tx: Tx,
    *,
    before: UUID | None = None,
    channel_id: UUID | None = None,
    status: str | None = None,
    hold: str | None = None,
    number: str | None = None,
    limit: int,
) -> Sequence[SqlRow[Any]]:
    """Orders, newest first, from the one after `before`; `number` is how their number begins. Each comes as its row,
    whose order `listed_row` reads."""
    given = {"before": before, "channel_id": channel_id, "status": status, "hold": hold}
    if number is not None:
        escaped = number_key(number).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        given["number"] = f"{escaped}%"
    filters = {name: value for name, value in given.items() if value is not None}
    return await tx.rows(_page(tuple(sorted(filters))), limit=limit, **filters)


def listed_row(row: SqlRow[Any]) -> Row:
    """The order in a row of a page, its source included."""
    return row_of(row)._replace(source=None if row.source is None else source_of(row.source))


async def ids_of_number(tx: Tx, number: str) -> list[UUID]:
    """The orders that carry a number; two channels may use the same."""
    return [row.order_id for row in await tx.rows(IDS_OF_NUMBER, key=number_key(number))]


async def one(tx: Tx, order_id: UUID) -> tuple[Row, str] | None:
    """One order and its status."""
    rows = await tx.rows(ONE, order_id=order_id)
    if not rows:
        return None
    return listed_row(rows[0]), rows[0].status


async def timeline(tx: Tx, order_id: UUID, limit: int) -> Sequence[SqlRow[Any]]:
    """What happened to an order, oldest first."""
    return await tx.rows(TIMELINE, order_id=order_id, limit=limit)


async def recipient(tx: Tx, order_id: UUID) -> SqlRow[Any] | None:
    """Personal data of one order."""
    rows = await tx.rows(RECIPIENT, order_id=order_id)
    return rows[0] if rows else None
