"""What the API reads: lists by keyset, and one order with its timeline. Lists show no personal data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row as SqlRow
from order_ingest.domain.ids import first_id_at
from order_ingest.store import counts
from order_ingest.store.orders import COLUMNS, Row, number_key, whole_row_of

LISTED = """o.order_id, o.channel_id, o.channel_kind, o.external_id, o.number, o.placed_at, o.status, o.source,
    o.progress, o.refetch_due_at, o.refetch_again,
    (SELECT c.name FROM channel c WHERE c.channel_id = o.channel_id) AS channel"""
CONDITIONS = {
    "before": "o.order_id < :before",
    "after": "o.order_id > :after",
    "due_after": "(o.ship_by, o.order_id) > ((SELECT ship_by FROM orders WHERE order_id = :due_after), :due_after)",
    "channel_id": "o.channel_id = :channel_id",
    "hold": "o.hold_codes @> ARRAY[CAST(:hold AS text)] AND o.hold_codes <> '{}'",
    "sku": "k.sku = :sku",
    "begins": "o.number_key LIKE :begins",
    "since": "o.order_id >= :since",
    "until": "o.order_id < :until",
}
ORDERS = "orders o"
OF_SKU = "orders o JOIN order_sku k ON k.order_id = o.order_id"
BY_NUMBER = "o.number_key LIKE :number"
BY_EXTERNAL_ID = "o.external_id = :external_id AND o.channel_id IN (SELECT channel_id FROM channel)"
BY_PERSON = "o.order_id IN (SELECT r.order_id FROM recipient r WHERE r.terms @@ CAST(:person AS tsquery))"
SORTS = {
    "newest": ("order_id", "order_id DESC"),
    "oldest": ("order_id", "order_id"),
    "due": ("ship_by, order_id", "ship_by, order_id"),
}
EACH_STATUS = "unnest(CAST(:statuses AS text[])) AS w(word)"
EACH_CHANNEL = "channel c"
CUSTOM_PLANS = text("SET LOCAL plan_cache_mode = force_custom_plan")
"""A plan for any status is none for the one in a thousand: every page is planned for what it asks."""
ONE = text(f"SELECT {COLUMNS}, source, status FROM orders WHERE order_id = :order_id")  # noqa: S608
IDS_OF_NUMBER = text("SELECT order_id FROM orders WHERE number_key = :key ORDER BY order_id DESC LIMIT 10")
TIMELINE = text("""
    SELECT id, at, kind, sentence, source, cause FROM timeline
    WHERE order_id = :order_id AND (CAST(:after AS uuid) IS NULL OR (at, id) > (
        (SELECT at FROM timeline WHERE order_id = :order_id AND id = CAST(:after AS uuid)), CAST(:after AS uuid)))
    ORDER BY at, id LIMIT :limit
""")
RECIPIENT = text("SELECT recipient_version, recipient FROM recipient WHERE order_id = :order_id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of orders is asked for; None where it does not matter. `clock` is `late` or `due_today`.

    `sort` is `newest`, `oldest` or `due`; `beyond` is the last order of the page before. `number` is the beginning of
    one, `text` that or the channel's own id; `person` is a tsquery over recipients (`search.query_of`).
    """

    statuses: tuple[str, ...] | None = None
    clock: str | None = None
    hold: str | None = None
    channel_id: UUID | None = None
    sku: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    number: str | None = None
    text: str | None = None
    person: str = ""
    sort: str = "newest"
    beyond: UUID | None = None


BEYOND = {"newest": "before", "oldest": "after", "due": "due_after"}


def _given(wanted: Wanted) -> dict[str, Any]:
    """The parameters of a page's statement. A window of dates is one of ids, which hold the time of the order."""
    found = {
        "statuses": None if wanted.statuses is None else list(wanted.statuses),
        "channel_id": wanted.channel_id,
        "hold": wanted.hold,
        "sku": None if wanted.sku is None else wanted.sku.strip().lower(),
        "since": None if wanted.since is None else first_id_at(wanted.since),
        "until": None if wanted.until is None else first_id_at(wanted.until),
        "begins": None if wanted.number is None else _beginning(number_key(wanted.number)),
        BEYOND[wanted.sort]: wanted.beyond,
    }
    if wanted.text is not None:
        found |= {"number": _beginning(number_key(wanted.text)), "external_id": wanted.text.strip()}
        found["person"] = wanted.person or None
    return {name: value for name, value in found.items() if value is not None}


def _beginning(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


@cache
def _page(names: frozenset[str], clock: str | None, sort: str) -> TextClause:
    """A statement of its own for each set of filters, so that each is served by its own index. Several statuses, or
    the channels whose days end at different times, are asked for one by one and merged: each is a walk along an
    index, and no walk is longer than a page."""
    key, order = SORTS[sort]
    where = [CONDITIONS[name] for name in CONDITIONS if name in names]
    tables = OF_SKU if "sku" in names else ORDERS
    if clock or sort == "due":
        where += [counts.STILL_TO_SHIP, "o.ship_by IS NOT NULL", *([CLOCKS[clock]] if clock else [])]
    each = EACH_CHANNEL if clock or sort == "due" else None
    if each:
        where.append("o.channel_id = c.channel_id")
    if "number" in names:
        if "statuses" in names:
            where.append("o.status = ANY(CAST(:statuses AS text[]))")
        ways = [BY_NUMBER, BY_EXTERNAL_ID, *([BY_PERSON] if "person" in names else [])]
    else:
        if "statuses" in names and each is None:
            each, where = EACH_STATUS, [*where, "o.status = w.word"]
        elif "statuses" in names:
            where.append("o.status = ANY(CAST(:statuses AS text[]))")
        ways = ["true"]
    found = " UNION ".join(f"({_walk(tables, each, [*where, way], key, order)})" for way in ways)
    return text(f"""
        SELECT {LISTED} FROM (SELECT {key} FROM ({found}) AS f ORDER BY {order} LIMIT :limit) AS f
        JOIN orders o USING (order_id) ORDER BY {", ".join(f"o.{part}" for part in order.split(", "))}
    """)  # noqa: S608


def _walk(tables: str, each: str | None, where: Sequence[str], key: str, order: str) -> str:
    selected, ordered = (", ".join(f"o.{part}" for part in parts.split(", ")) for parts in (key, order))
    walk = f"SELECT {selected} FROM {tables} WHERE {' AND '.join(where)} ORDER BY {ordered} LIMIT :limit"  # noqa: S608
    if each is None:
        return walk
    return f"SELECT {selected} FROM {each} CROSS JOIN LATERAL ({walk}) AS o ORDER BY {ordered} LIMIT :limit"  # noqa: S608


CLOCKS = {
    "late": "o.ship_by < now()",
    "due_today": f"o.ship_by >= now() AND o.ship_by < {counts.END_OF_DAY}",
}


async def page(tx: Tx, wanted: Wanted, limit: int) -> Sequence[SqlRow]:
    """Orders in the order that is asked for. Each comes as its row, whose order `orders.whole_row_of` reads."""
    given = _given(wanted)
    await tx.run(CUSTOM_PLANS)
    return await tx.rows(_page(frozenset(given), wanted.clock, wanted.sort), limit=limit, **given)


async def ids_of_number(tx: Tx, number: str) -> list[UUID]:
    """The orders that carry a number; two channels may use the same."""
    return [row.order_id for row in await tx.rows(IDS_OF_NUMBER, key=number_key(number))]


async def one(tx: Tx, order_id: UUID) -> tuple[Row, str] | None:
    """One order and its status."""
    rows = await tx.rows(ONE, order_id=order_id)
    if not rows:
        return None
    return whole_row_of(rows[0]), rows[0].status


async def timeline(tx: Tx, order_id: UUID, after: UUID | None, limit: int) -> Sequence[SqlRow]:
    """What happened to an order, oldest first, from the entry behind `after` on."""
    return await tx.rows(TIMELINE, order_id=order_id, after=after, limit=limit)


async def recipient(tx: Tx, order_id: UUID) -> SqlRow | None:
    """Personal data of one order."""
    rows = await tx.rows(RECIPIENT, order_id=order_id)
    return rows[0] if rows else None
