"""Orders, their recipients and their timelines: loaded and saved by the batch, in a fixed number of statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import RunAgain
from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row as SqlRow
from crossdock.storage.engine import columns
from order_ingest.domain.holds import shown_holds
from order_ingest.domain.order import Order, Recipient, Snapshot
from order_ingest.domain.search import terms_of
from order_ingest.domain.status import ENDED, last_dispatch, status
from order_ingest.store.documents import order_of, progress_document, source_document, source_of

COLUMNS = "order_id, channel_id, channel_kind, external_id, progress, refetch_due_at, refetch_again"
LOCK_BY_KEYS = text("""
    SELECT o.order_id, o.channel_id, o.channel_kind, o.external_id, o.source, o.progress, o.refetch_due_at,
           o.refetch_again
    FROM orders o JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:external_id AS text[])) AS k(channel_id, external_id)
         ON o.channel_id = k.channel_id AND o.external_id = k.external_id
    ORDER BY o.order_id FOR UPDATE OF o
""")
LOCK_BY_IDS = text(f"""
    SELECT {COLUMNS} FROM orders WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")  # noqa: S608
SOURCES = text("SELECT order_id, source FROM orders WHERE order_id = ANY(CAST(:order_ids AS uuid[]))")
COUNT_CHANGES = """
    INSERT INTO order_count_delta (channel_id, status, orders)
    SELECT c.channel_id, c.status, sum(c.orders) FROM (
        SELECT old.channel_id, old.status, -1 AS orders FROM old JOIN s USING (order_id) WHERE s.status <> old.status
        UNION ALL
        SELECT old.channel_id, s.status, 1 FROM old JOIN s USING (order_id) WHERE s.status <> old.status) AS c
    GROUP BY c.channel_id, c.status HAVING sum(c.orders) <> 0
"""
"""Orders by status change by rows that are only ever added, so that no two batches wait for one counter. A statement
sees rows as they were before it: `old` is what the UPDATE beside it replaces."""
ENDING = """redacted = s.redacted,
        ended_at = CASE WHEN s.ended THEN coalesce(s.shipped_at, orders.ended_at, now()) END"""
"""Since when a recipient is not needed: the last dispatch, or where nothing left, the moment at which that was so."""
SKUS = """
    SELECT DISTINCT lower(btrim(line->>'sku')) AS sku, {order_id}
    FROM {rows}, jsonb_array_elements({source}->'lines') AS line WHERE btrim(line->>'sku') <> ''
"""
ADD = text(f"""
    WITH s AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:order_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:channel_kind AS text[]),
            CAST(:external_id AS text[]), CAST(:number AS text[]), CAST(:number_key AS text[]),
            CAST(:placed_at AS timestamptz[]), CAST(:status AS text[]), CAST(:hold_codes AS text[]),
            CAST(:source AS jsonb[]), CAST(:progress AS jsonb[]), CAST(:refetching AS bool[]),
            CAST(:ship_by AS timestamptz[]), CAST(:ended AS bool[]), CAST(:shipped_at AS timestamptz[]),
            CAST(:redacted AS bool[]))
            AS s(order_id, channel_id, channel_kind, external_id, number, number_key, placed_at, status, hold_codes,
                 source, progress, refetching, ship_by, ended, shipped_at, redacted)),
    added AS (
        INSERT INTO orders (order_id, channel_id, channel_kind, external_id, number, number_key, placed_at, status,
                            hold_codes, source, progress, refetch_due_at, ship_by, ended_at, redacted)
        SELECT s.order_id, s.channel_id, s.channel_kind, s.external_id, s.number, s.number_key, s.placed_at, s.status,
               string_to_array(s.hold_codes, ' '), s.source, s.progress, CASE WHEN s.refetching THEN now() END,
               s.ship_by, CASE WHEN s.ended THEN coalesce(s.shipped_at, now()) END, s.redacted
        FROM s ORDER BY s.channel_id, s.external_id
        ON CONFLICT DO NOTHING RETURNING order_id, channel_id, status),
    counted AS (
        INSERT INTO order_count_delta (channel_id, status, orders)
        SELECT channel_id, status, count(*) FROM added GROUP BY channel_id, status),
    found AS (
        INSERT INTO order_sku (sku, order_id)
        {SKUS.format(rows="s JOIN added USING (order_id)", order_id="s.order_id", source="s.source")} ORDER BY 1, 2
        ON CONFLICT DO NOTHING)
    SELECT order_id FROM added
""")  # noqa: S608
SAVE_WHOLE = text(f"""
    WITH s AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:order_id AS uuid[]), CAST(:number AS text[]), CAST(:number_key AS text[]),
            CAST(:placed_at AS timestamptz[]), CAST(:status AS text[]), CAST(:hold_codes AS text[]),
            CAST(:source AS jsonb[]), CAST(:progress AS jsonb[]), CAST(:refetching AS bool[]),
            CAST(:refetch_again AS bool[]), CAST(:ship_by AS timestamptz[]), CAST(:ended AS bool[]),
            CAST(:shipped_at AS timestamptz[]), CAST(:redacted AS bool[]))
            AS s(order_id, number, number_key, placed_at, status, hold_codes, source, progress, refetching,
                 refetch_again, ship_by, ended, shipped_at, redacted)),
    old AS MATERIALIZED (SELECT o.order_id, o.channel_id, o.status, o.source FROM orders o JOIN s USING (order_id)),
    counted AS ({COUNT_CHANGES}),
    had AS MATERIALIZED ({SKUS.format(rows="old", order_id="order_id", source="source")}),
    have AS MATERIALIZED ({SKUS.format(rows="s", order_id="order_id", source="source")}),
    gone AS (
        DELETE FROM order_sku USING (SELECT * FROM had EXCEPT SELECT * FROM have) AS g
        WHERE order_sku.sku = g.sku AND order_sku.order_id = g.order_id),
    found AS (
        INSERT INTO order_sku (sku, order_id) (SELECT * FROM have EXCEPT SELECT * FROM had) ORDER BY 1, 2
        ON CONFLICT DO NOTHING)
    UPDATE orders SET number = s.number, number_key = s.number_key, placed_at = s.placed_at, status = s.status,
        hold_codes = string_to_array(s.hold_codes, ' '), source = s.source, progress = s.progress,
        refetch_due_at = CASE WHEN NOT s.refetching THEN NULL
            WHEN s.refetch_again AND orders.refetch_token IS NULL THEN now()
            ELSE coalesce(orders.refetch_due_at, now()) END,
        refetch_again = s.refetch_again AND orders.refetch_token IS NOT NULL, ship_by = s.ship_by,
        {ENDING}
    FROM s WHERE orders.order_id = s.order_id
""")  # noqa: S608
SAVE_PROGRESS = text(f"""
    WITH s AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:status AS text[]), CAST(:hold_codes AS text[]),
                             CAST(:progress AS jsonb[]), CAST(:ended AS bool[]), CAST(:shipped_at AS timestamptz[]),
                             CAST(:redacted AS bool[]), CAST(:read_again AS bool[]))
            AS s(order_id, status, hold_codes, progress, ended, shipped_at, redacted, read_again)),
    old AS MATERIALIZED (SELECT o.order_id, o.channel_id, o.status FROM orders o JOIN s USING (order_id)),
    counted AS ({COUNT_CHANGES})
    UPDATE orders SET status = s.status, hold_codes = string_to_array(s.hold_codes, ' '), progress = s.progress,
        refetch_due_at = CASE WHEN s.read_again THEN coalesce(orders.refetch_due_at, now())
            ELSE orders.refetch_due_at END,
        refetch_again = orders.refetch_again OR (s.read_again AND orders.refetch_token IS NOT NULL),
        {ENDING}
    FROM s WHERE orders.order_id = s.order_id
""")  # noqa: S608
ASKED = text("""
    SELECT external_id, progress->'asked' AS asked FROM orders
    WHERE channel_id = :channel_id AND external_id = ANY(CAST(:external_ids AS text[])) AND progress ? 'asked'
""")
RECIPIENTS = text("""
    SELECT order_id, recipient FROM recipient WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
""")
SAVE_RECIPIENTS = text("""
    INSERT INTO recipient (order_id, recipient_version, recipient, terms)
    SELECT r.order_id, r.recipient_version, r.recipient, array_to_tsvector(string_to_array(r.terms, ' '))
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:recipient_version AS int[]), CAST(:recipient AS jsonb[]),
                CAST(:terms AS text[])) AS r(order_id, recipient_version, recipient, terms)
    ON CONFLICT (order_id) DO UPDATE SET
        recipient_version = excluded.recipient_version, recipient = excluded.recipient, terms = excluded.terms
""")
WRITE_TIMELINE = text("""
    INSERT INTO timeline (order_id, id, at, kind, sentence, source, cause)
    SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:id AS uuid[]), CAST(:at AS timestamptz[]),
                         CAST(:kind AS text[]), CAST(:sentence AS text[]), CAST(:source AS text[]),
                         CAST(:cause AS uuid[]))
""")
KEY_CHARACTERS = 200
"""Of an order's number this much is searchable; an index entry may not be longer than a third of a page."""


@dataclass(frozen=True, slots=True)
class Key:
    """What names an order outside; `order_id` is the id that it gets if it is not there yet."""

    order_id: UUID
    channel_id: UUID
    channel_kind: str
    external_id: str


class Row(NamedTuple):
    """One order as stored, locked. `source` is None where none has come or it was not loaded; `fresh`: not stored;
    `read_again`: it is to be read from its channel."""

    order_id: UUID
    channel_id: UUID
    channel_kind: str
    external_id: str
    order: Order
    source: Snapshot | None = None
    fresh: bool = False
    read_again: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an order's timeline."""

    order_id: UUID
    at: datetime
    kind: str
    sentence: str
    source: str
    cause: UUID | None


async def lock_by_keys(tx: Tx, keys: Mapping[tuple[UUID, str], Key]) -> dict[tuple[UUID, str], Row]:
    """Lock orders by channel and external id, with their sources; one not there yet comes back fresh. An existing
    row's id wins over the key's."""
    wanted = columns(list(keys.values()), "channel_id", "external_id")
    rows = {
        name: Row(k.order_id, k.channel_id, k.channel_kind, k.external_id, Order(), fresh=True)
        for name, k in keys.items()
    }
    for row in await tx.rows(LOCK_BY_KEYS, **wanted):
        rows[row.channel_id, row.external_id] = whole_row_of(row)
    return rows


async def lock_by_ids(tx: Tx, order_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """Lock orders by id, without their sources; unknown ones are missing from the answer."""
    rows = await tx.rows(LOCK_BY_IDS, order_ids=list(set(order_ids)))
    return {row.order_id: row_of(row) for row in rows}


async def sources(tx: Tx, order_ids: Collection[UUID]) -> dict[UUID, Snapshot]:
    """What the channels say of orders that are locked and known."""
    rows = await tx.rows(SOURCES, order_ids=list(order_ids))
    return {row.order_id: source_of(row.source) for row in rows if row.source is not None}


def row_of(row: SqlRow) -> Row:
    """The order in a row that holds COLUMNS."""
    order = order_of(row.progress, refetching=row.refetch_due_at is not None, again=row.refetch_again)
    return Row(row.order_id, row.channel_id, row.channel_kind, row.external_id, order)


def whole_row_of(row: SqlRow) -> Row:
    """The order in a row that holds COLUMNS and the source."""
    return row_of(row)._replace(source=None if row.source is None else source_of(row.source))


async def add(tx: Tx, rows: Sequence[Row]) -> None:
    """Write fresh orders. When somebody else added one of them since, the batch runs again and finds it: nothing else
    can lock what is not there yet, and a stub for each new order would double what an import writes."""
    names = columns(rows, "channel_id", "channel_kind", "external_id")
    if len(await tx.rows(ADD, **names, **_whole(rows))) < len(rows):
        raise RunAgain("two imports met at the same new order")


async def save_whole(tx: Tx, rows: Sequence[Row]) -> None:
    """Write stored orders of which anything may have changed; their sources are loaded. That another state arrived
    matters only to a read that is under way."""
    again = [row.order.arrived_meanwhile for row in rows]
    await tx.run(SAVE_WHOLE, **_whole(rows), refetch_again=again)


def _whole(rows: Sequence[Row]) -> dict[str, list[Any]]:
    told = [row.source for row in rows]
    numbers = [row.external_id if s is None else s.number for row, s in zip(rows, told, strict=True)]
    return _progress(rows) | {
        "number": numbers,
        "number_key": [number_key(number) for number in numbers],
        "placed_at": [None if s is None else s.placed_at for s in told],
        "source": [None if s is None else source_document(s) for s in told],
        "refetching": [row.order.refetching for row in rows],
        "ship_by": [None if s is None else s.ship_by for s in told],
    }


async def save_progress(tx: Tx, rows: Sequence[Row]) -> None:
    """Write orders of which only milestones, holds and versions changed, and which of them are to be read again."""
    await tx.run(SAVE_PROGRESS, **_progress(rows), read_again=[row.read_again for row in rows])


async def asked(tx: Tx, channel_id: UUID, external_ids: Collection[str]) -> set[tuple[str, str, str]]:
    """The requests that a channel's orders are known to wait with: order's external id, route, request."""
    rows = await tx.rows(ASKED, channel_id=channel_id, external_ids=sorted(set(external_ids)))
    return {(row.external_id, one["route_id"], one["request_id"]) for row in rows for one in row.asked}


def _progress(rows: Sequence[Row]) -> dict[str, list[Any]]:
    statuses = [status(row.order) for row in rows]
    return {
        "order_id": [row.order_id for row in rows],
        "status": statuses,
        "hold_codes": [_codes(row.order, word) for row, word in zip(rows, statuses, strict=True)],
        "progress": [progress_document(row.order) for row in rows],
        "ended": [word in ENDED for word in statuses],
        "shipped_at": [last_dispatch(row.order) for row in rows],
        "redacted": [row.order.redacted for row in rows],
    }


def _codes(order: Order, word: str) -> str:
    return " ".join(dict.fromkeys(hold.code for hold in shown_holds(order, word)))


def number_key(number: str) -> str:
    """The form in which an order's number is searched: without a leading `#`, in lower case."""
    return number.strip().lstrip("#").lower()[:KEY_CHARACTERS]


async def recipients(tx: Tx, order_ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """The recipients of orders that are locked."""
    rows = await tx.rows(RECIPIENTS, order_ids=list(order_ids))
    return {row.order_id: row.recipient for row in rows}


async def save_recipients(tx: Tx, found: Mapping[UUID, tuple[int, Recipient]]) -> None:
    """Write recipients with their versions."""
    ids = list(found)
    await tx.run(
        SAVE_RECIPIENTS,
        order_id=ids,
        recipient_version=[found[order_id][0] for order_id in ids],
        recipient=[found[order_id][1] for order_id in ids],
        terms=[" ".join(terms_of(found[order_id][1])) for order_id in ids],
    )


async def write_timeline(tx: Tx, entries: Sequence[Entry]) -> None:
    """Append to timelines; ids rise in the order of the entries."""
    await tx.run(WRITE_TIMELINE, id=[new_id() for _ in entries], **columns(entries))
