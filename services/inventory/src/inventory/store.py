"""Every SQL statement of inventory. Rows are locked in one order: claims by order id, then stock by SKU."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import RunAgain
from crossdock.messaging.inbox import BY_VALUE
from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Json, Row
from inventory.domain.claims import Claim, Item, Refund, Settlement, Shipment
from inventory.domain.stock import Level

DEFAULT_LOCATION = text("SELECT location_id, name FROM location WHERE is_default")
LOCATIONS = text("SELECT location_id, name, is_default FROM location ORDER BY name")
LOCK_CLAIMS = text("""
    SELECT * FROM claim WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")
WAITING_FOR = text("""
    SELECT order_id FROM claim WHERE waiting AND skus && CAST(:skus AS text[])
""")
SKUS = """CASE WHEN c.waiting
    THEN ARRAY(SELECT DISTINCT i ->> 'sku' FROM jsonb_array_elements(c.items) AS i ORDER BY 1) ELSE '{}' END"""
CLAIMS = """
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:placed_at AS timestamptz[]), CAST(:match_content AS int[]),
                CAST(:match_version AS int[]), CAST(:answered_content AS int[]), CAST(:answered_match AS int[]),
                CAST(:reservation_version AS int[]), CAST(:reserved AS bool[]), CAST(:waiting AS bool[]),
                CAST(:items AS jsonb[]), CAST(:shipments AS jsonb[]), CAST(:refunds AS jsonb[]),
                CAST(:settlement_version AS int[]), CAST(:settled_content AS int[]), CAST(:standing AS jsonb[]))
         AS c(order_id, placed_at, match_content, match_version, answered_content, answered_match,
              reservation_version, reserved, waiting, items, shipments, refunds, settlement_version, settled_content,
              standing)
"""
ADD_CLAIMS = text(f"""
    INSERT INTO claim (order_id, placed_at, match_content, match_version, answered_content, answered_match,
                       reservation_version, reserved, waiting, skus, items, shipments, refunds, settlement_version,
                       settled_content, standing)
    SELECT c.order_id, c.placed_at, c.match_content, c.match_version, c.answered_content, c.answered_match,
           c.reservation_version, c.reserved, c.waiting, {SKUS}, c.items, c.shipments, c.refunds,
           c.settlement_version, c.settled_content, c.standing
    {CLAIMS}
    ON CONFLICT DO NOTHING
""")
SAVE_CLAIMS = text(f"""
    UPDATE claim SET
        placed_at = c.placed_at, match_content = c.match_content, match_version = c.match_version,
        answered_content = c.answered_content, answered_match = c.answered_match,
        reservation_version = c.reservation_version, reserved = c.reserved, waiting = c.waiting, skus = {SKUS},
        items = c.items, shipments = c.shipments, refunds = c.refunds, settlement_version = c.settlement_version,
        settled_content = c.settled_content, standing = c.standing
    {CLAIMS}
    WHERE claim.order_id = c.order_id
""")  # noqa: S608
LOCK_STOCK = text("""
    SELECT sku, on_hand, reserved, counted_at FROM stock
    WHERE location_id = :location_id AND sku = ANY(CAST(:skus AS text[])) ORDER BY sku FOR UPDATE
""")
ADD_STOCK = text("""
    INSERT INTO stock (sku, location_id, on_hand, reserved, counted_at)
    SELECT sku, :location_id, 0, 0, 'epoch' FROM unnest(CAST(:skus AS text[])) AS sku ORDER BY sku
    ON CONFLICT DO NOTHING
""")
SAVE_STOCK = text("""
    UPDATE stock SET on_hand = s.on_hand, reserved = s.reserved, counted_at = s.counted_at
    FROM unnest(CAST(:sku AS text[]), CAST(:on_hand AS int[]), CAST(:reserved AS int[]),
                CAST(:counted_at AS timestamptz[])) AS s(sku, on_hand, reserved, counted_at)
    WHERE stock.sku = s.sku AND stock.location_id = :location_id
""")
WRITE_LEDGER = text("""
    INSERT INTO ledger (id, sku, location_id, kind, quantity, contained, order_id, cause, at)
    SELECT l.id, l.sku, :location_id, l.kind, l.quantity, l.contained, l.order_id, l.cause, l.at
    FROM unnest(CAST(:id AS uuid[]), CAST(:sku AS text[]), CAST(:kind AS text[]), CAST(:quantity AS int[]),
                CAST(:contained AS bool[]), CAST(:order_id AS uuid[]), CAST(:cause AS text[]),
                CAST(:at AS timestamptz[])) AS l(id, sku, kind, quantity, contained, order_id, cause, at)
""")
MOVED_SINCE = text("""
    SELECT quantity FROM ledger
    WHERE sku = :sku AND location_id = :location_id AND at > :as_of AND kind <> 'count' AND quantity <> 0
""")
STOCK = text("""
    SELECT s.sku, l.name AS location, s.on_hand, s.reserved, s.on_hand - s.reserved AS available, s.counted_at
    FROM stock s JOIN location l USING (location_id)
    WHERE s.sku > :after AND (CAST(:sku AS text) IS NULL OR s.sku = :sku) ORDER BY s.sku, l.name LIMIT :limit
""")
LEDGER = text("""
    SELECT kind, quantity, contained, order_id, cause, at, recorded_at FROM ledger
    WHERE sku = :sku ORDER BY at DESC, id DESC LIMIT :limit
""")
CLAIM = text("SELECT * FROM claim WHERE order_id = :order_id")


async def default_location(tx: Tx) -> tuple[UUID, str]:
    """Where stock lies unless a channel says otherwise: its id and its name."""
    row = (await tx.rows(DEFAULT_LOCATION))[0]
    return row.location_id, row.name


async def locations(tx: Tx) -> Sequence[Row]:
    """All locations."""
    return await tx.rows(LOCATIONS)


class HeldClaims(dict[UUID, Claim]):
    """The claims of a batch by order, locked where they are `stored` already."""

    stored: frozenset[UUID] = frozenset()


async def lock_claims(tx: Tx, order_ids: Iterable[UUID]) -> HeldClaims:
    """Lock the claims of some orders; one that is not there yet comes back empty."""
    wanted = sorted(set(order_ids), key=BY_VALUE)
    found = {row.order_id: _claim(row) for row in await tx.rows(LOCK_CLAIMS, order_ids=wanted)}
    held = HeldClaims((order_id, found.get(order_id, Claim(order_id))) for order_id in wanted)
    held.stored = frozenset(found)
    return held


async def waiting_for(tx: Tx, skus: Collection[str]) -> list[UUID]:
    """The orders that wait for any of these SKUs."""
    return [row.order_id for row in await tx.rows(WAITING_FOR, skus=sorted(skus))]


async def save_claims(tx: Tx, held: HeldClaims) -> None:
    """Write claims. Raises RunAgain when another handler was first with a claim that nobody could lock before: its
    facts and ours would overwrite each other."""
    in_order = sorted(held.values(), key=lambda claim: claim.order_id.int)
    new = [claim for claim in in_order if claim.order_id not in held.stored]
    if len(new) < len(in_order):
        known = [claim for claim in in_order if claim.order_id in held.stored]
        await tx.run(SAVE_CLAIMS, **_claim_columns(known))
    if new and await tx.run(ADD_CLAIMS, **_claim_columns(new)) < len(new):
        raise RunAgain("two handlers met at the first fact of an order")


async def lock_stock(tx: Tx, location_id: UUID, skus: Collection[str]) -> dict[str, Level]:
    """Lock the stock of some SKUs at a location. One never heard of gets a row: whoever waits for stock and whoever
    brings it must meet on a common lock, or the order would wait for ever."""
    found = await _lock(tx, location_id, skus)
    if len(found) < len(skus):
        await tx.run(ADD_STOCK, location_id=location_id, skus=sorted(set(skus) - set(found)))
        found = await _lock(tx, location_id, skus)
    return found


async def _lock(tx: Tx, location_id: UUID, skus: Collection[str]) -> dict[str, Level]:
    rows = await tx.rows(LOCK_STOCK, location_id=location_id, skus=sorted(skus))
    return {level.sku: level for level in (Level(*row) for row in rows)}


async def save_stock(tx: Tx, location_id: UUID, levels: Sequence[Level]) -> None:
    """Write levels that were locked before."""
    await tx.run(
        SAVE_STOCK,
        location_id=location_id,
        sku=[level.sku for level in levels],
        on_hand=[level.on_hand for level in levels],
        reserved=[level.reserved for level in levels],
        counted_at=[level.counted_at for level in levels],
    )


async def write_ledger(tx: Tx, location_id: UUID, entries: Sequence[dict[str, Any]]) -> None:
    """Append entries: sku, kind, quantity, contained, order_id, cause, at."""
    fields = ("sku", "kind", "quantity", "contained", "order_id", "cause", "at")
    arrays = {name: [entry[name] for entry in entries] for name in fields}
    await tx.run(WRITE_LEDGER, location_id=location_id, id=[new_id() for _ in entries], **arrays)


async def moved_since(tx: Tx, location_id: UUID, sku: str, as_of: datetime) -> list[int]:
    """How the SKU's stock on hand moved after a time."""
    return [row.quantity for row in await tx.rows(MOVED_SINCE, sku=sku, location_id=location_id, as_of=as_of)]


async def stock_page(tx: Tx, *, sku: str | None, after: str, limit: int) -> Sequence[Row]:
    """Stock by SKU, from the one after `after`."""
    return await tx.rows(STOCK, sku=sku, after=after, limit=limit)


async def ledger_of(tx: Tx, sku: str, limit: int) -> Sequence[Row]:
    """The newest movements of a SKU."""
    return await tx.rows(LEDGER, sku=sku, limit=limit)


async def claim_of(tx: Tx, order_id: UUID) -> Claim | None:
    """One order's claim."""
    rows = await tx.rows(CLAIM, order_id=order_id)
    return _claim(rows[0]) if rows else None


def _claim(row: Row) -> Claim:
    return Claim(
        order_id=row.order_id,
        placed_at=row.placed_at,
        match=(row.match_content, row.match_version),
        answered=(row.answered_content, row.answered_match),
        reservation_version=row.reservation_version,
        reserved=row.reserved,
        items=tuple(Item(**item) for item in row["items"]),
        shipments=row.shipments and {key: Shipment(**value) for key, value in row.shipments.items()},
        refunds=row.refunds and {key: Refund(**value) for key, value in row.refunds.items()},
        settlement=Settlement(row.settlement_version, row.settled_content, row.standing),
    )


def _claim_columns(claims: Sequence[Claim]) -> dict[str, list[Any]]:
    return {
        "order_id": [c.order_id for c in claims],
        "placed_at": [c.placed_at for c in claims],
        "match_content": [c.match[0] for c in claims],
        "match_version": [c.match[1] for c in claims],
        "answered_content": [c.answered[0] for c in claims],
        "answered_match": [c.answered[1] for c in claims],
        "reservation_version": [c.reservation_version for c in claims],
        "reserved": [c.reserved for c in claims],
        "waiting": [c.waiting for c in claims],
        "items": [Json(c.items) for c in claims],
        "shipments": [c.shipments for c in claims],
        "refunds": [c.refunds for c in claims],
        "settlement_version": [c.settlement.settlement_version for c in claims],
        "settled_content": [c.settlement.content_version for c in claims],
        "standing": [c.settlement.standing for c in claims],
    }
