"""SQL on desks: each order's state, requests, shipments and recipient, loaded and saved as domain values."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row
from fulfillment.domain.desk import (
    Delivery,
    Desk,
    LineText,
    OrderState,
    Parcel,
    Reservation,
    Revision,
    Sale,
    Settlement,
    Shipment,
    Void,
)
from fulfillment.domain.protocol import lacks_only_destination
from fulfillment.domain.recipe import Recipes
from fulfillment.domain.units import Units

ADD = text("""
    INSERT INTO desk (order_id) SELECT order_id FROM unnest(CAST(:order_ids AS uuid[])) AS o(order_id)
    ORDER BY order_id ON CONFLICT DO NOTHING RETURNING order_id
""")
COLUMNS = """order_id, order_state, reservation, settlement, recipes, recipient_version, recipient, redacted, address,
    destination"""
LOCK = text(f"""
    SELECT {COLUMNS} FROM desk WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")  # noqa: S608
READ = text(f"SELECT {COLUMNS} FROM desk WHERE order_id = :order_id")  # noqa: S608
REQUESTS = text("""
    SELECT * FROM request WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id, revision
""")
SHIPMENTS = text("""
    SELECT * FROM shipment WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id, shipment_id
""")
SAVE = text("""
    UPDATE desk SET order_state = d.order_state, reservation = d.reservation, settlement = d.settlement,
        recipes = d.recipes, recipient_version = d.recipient_version, recipient = d.recipient, redacted = d.redacted,
        address = d.address, destination = d.destination, lacks_destination = d.lacks_destination
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:order_state AS jsonb[]), CAST(:reservation AS jsonb[]),
                CAST(:settlement AS jsonb[]), CAST(:recipes AS jsonb[]), CAST(:recipient_version AS int[]),
                CAST(:recipient AS bool[]), CAST(:redacted AS bool[]), CAST(:address AS text[]),
                CAST(:destination AS text[]), CAST(:lacks_destination AS bool[]))
         AS d(order_id, order_state, reservation, settlement, recipes, recipient_version, recipient, redacted,
              address, destination, lacks_destination)
    WHERE desk.order_id = d.order_id
""")
SAVE_REQUESTS = text("""
    INSERT INTO request (order_id, revision, destination, units, recipes, fate, cancelled, asked_content, asked_voids,
                         asked_address, written_off, external_id, reason, address)
    SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:revision AS int[]), CAST(:destination AS text[]),
                         CAST(:units AS jsonb[]), CAST(:recipes AS jsonb[]), CAST(:fate AS text[]),
                         CAST(:cancelled AS jsonb[]), CAST(:asked_content AS int[]), CAST(:asked_voids AS int[]),
                         CAST(:asked_address AS text[]), CAST(:written_off AS jsonb[]), CAST(:external_id AS text[]),
                         CAST(:reason AS text[]), CAST(:address AS text[]))
    ON CONFLICT (order_id, revision) DO UPDATE SET
        fate = excluded.fate, cancelled = excluded.cancelled, asked_content = excluded.asked_content,
        asked_voids = excluded.asked_voids, asked_address = excluded.asked_address, written_off = excluded.written_off,
        external_id = excluded.external_id, reason = excluded.reason, address = excluded.address
""")
SAVE_SHIPMENTS = text("""
    INSERT INTO shipment (order_id, shipment_id, revision, dispatch, doubted, voided, reship, delivered_at)
    SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:shipment_id AS text[]), CAST(:revision AS int[]),
                         CAST(:dispatch AS jsonb[]), CAST(:doubted AS bool[]), CAST(:voided AS bool[]),
                         CAST(:reship AS bool[]), CAST(:delivered_at AS timestamptz[]))
    ON CONFLICT (order_id, shipment_id) DO UPDATE SET
        dispatch = excluded.dispatch, doubted = excluded.doubted, voided = excluded.voided, reship = excluded.reship,
        delivered_at = excluded.delivered_at
""")
DROP_SHIPMENTS = text("""
    DELETE FROM shipment
    USING unnest(CAST(:order_ids AS uuid[]), CAST(:shipment_ids AS text[])) AS g(order_id, shipment_id)
    WHERE shipment.order_id = g.order_id AND shipment.shipment_id = g.shipment_id
""")
RECIPIENTS = text("""
    SELECT order_id, recipient FROM recipient
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND recipient IS NOT NULL
""")
SAVE_RECIPIENTS = text("""
    INSERT INTO recipient (order_id, recipient_version, redacted, recipient)
    SELECT * FROM unnest(CAST(:order_id AS uuid[]), CAST(:recipient_version AS int[]), CAST(:redacted AS bool[]),
                         CAST(:recipient AS jsonb[]))
    ON CONFLICT (order_id) DO UPDATE SET
        recipient_version = excluded.recipient_version, redacted = excluded.redacted, recipient = excluded.recipient
""")
SELLERS_WITHOUT_DESTINATION = text("""
    SELECT DISTINCT order_state -> 'sale' ->> 'channel_id' AS channel_id FROM desk WHERE lacks_destination
""")
WITHOUT_DESTINATION = text("""
    SELECT order_id FROM desk
    WHERE lacks_destination AND order_state -> 'sale' ->> 'channel_id' = ANY(CAST(:sellers AS text[]))
    ORDER BY order_id LIMIT :limit
""")


async def lock_desks(tx: Tx, order_ids: Iterable[UUID], *, create: bool = True) -> dict[UUID, Desk]:
    """Lock the desks of some orders. With `create`, one that was never heard of gets an empty desk, so that whoever
    brings its next fact meets the same lock; without, it is left out. What was just made is not read again."""
    wanted = sorted(set(order_ids))
    held = {row.order_id: Desk() for row in await tx.rows(ADD, order_ids=wanted)} if create else {}
    if known := [order_id for order_id in wanted if order_id not in held]:
        held |= await _with_requests(tx, await tx.rows(LOCK, order_ids=known))
    return held


async def read_desk(tx: Tx, order_id: UUID) -> Desk | None:
    """One order's desk, not locked."""
    found = await _with_requests(tx, await tx.rows(READ, order_id=order_id))
    return found.get(order_id)


async def save_desks(tx: Tx, before: dict[UUID, Desk], after: dict[UUID, Desk]) -> None:
    """Write what changed."""
    changed = sorted(order_id for order_id, desk in after.items() if desk != before[order_id])
    if not changed:
        return
    await tx.run(SAVE, **_desk_columns([(order_id, after[order_id]) for order_id in changed]))
    revisions = [
        (order_id, number, revision)
        for order_id in changed
        for number, revision in enumerate(after[order_id].revisions, 1)
        if before[order_id].revisions[number - 1 : number] != (revision,)
    ]
    if revisions:
        await tx.run(SAVE_REQUESTS, **_request_columns(revisions))
    await _save_shipments(tx, before, after, changed)


async def save_recipients(tx: Tx, recipients: dict[UUID, tuple[int, dict[str, Any] | None]]) -> None:
    """Write recipients (version, personal data); None is a tombstone: the data is gone."""
    ordered = sorted(recipients.items())
    await tx.run(
        SAVE_RECIPIENTS,
        order_id=[order_id for order_id, _ in ordered],
        recipient_version=[version for _, (version, _) in ordered],
        redacted=[data is None for _, (_, data) in ordered],
        recipient=[data for _, (_, data) in ordered],
    )


async def recipients(tx: Tx, order_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """The personal data of orders, of those that have any."""
    rows = await tx.rows(RECIPIENTS, order_ids=sorted(order_ids))
    return {row.order_id: row.recipient for row in rows}


async def sellers_without_destination(tx: Tx) -> list[str]:
    """The channels whose orders lack nothing but a destination."""
    return [row.channel_id for row in await tx.rows(SELLERS_WITHOUT_DESTINATION)]


async def orders_without_destination(tx: Tx, sellers: Collection[str], limit: int) -> list[UUID]:
    """Some orders of these channels that lack nothing but a destination, oldest first."""
    rows = await tx.rows(WITHOUT_DESTINATION, sellers=sorted(sellers), limit=limit)
    return [row.order_id for row in rows]


async def _with_requests(tx: Tx, rows: Sequence[Row]) -> dict[UUID, Desk]:
    order_ids = [row.order_id for row in rows]
    requests: dict[UUID, list[Row]] = defaultdict(list)
    shipments: dict[UUID, list[Row]] = defaultdict(list)
    for row in await tx.rows(REQUESTS, order_ids=order_ids):
        requests[row.order_id].append(row)
    for row in await tx.rows(SHIPMENTS, order_ids=order_ids):
        shipments[row.order_id].append(row)
    return {row.order_id: _desk(row, requests[row.order_id], shipments[row.order_id]) for row in rows}


async def _save_shipments(tx: Tx, before: dict[UUID, Desk], after: dict[UUID, Desk], changed: Collection[UUID]) -> None:
    columns: dict[str, list[Any]] = defaultdict(list)
    gone: list[tuple[UUID, str]] = []
    for order_id in changed:
        old, new = _shipment_rows(before[order_id]), _shipment_rows(after[order_id])
        gone += [(order_id, one) for one in old if one not in new]
        for shipment_id, row in new.items():
            if old.get(shipment_id) != row:
                for name, value in ({"order_id": order_id, "shipment_id": shipment_id} | row).items():
                    columns[name].append(value)
    if columns:
        await tx.run(SAVE_SHIPMENTS, **columns)
    if gone:
        await tx.run(DROP_SHIPMENTS, order_ids=[o for o, _ in gone], shipment_ids=[s for _, s in gone])


def _desk_columns(desks: Sequence[tuple[UUID, Desk]]) -> dict[str, list[Any]]:
    return {
        "order_id": [order_id for order_id, _ in desks],
        "order_state": [desk.order if desk.order.order_version else None for _, desk in desks],
        "reservation": [desk.reservation if desk.reservation.content_version else None for _, desk in desks],
        "settlement": [desk.settlement if desk.settlement.settlement_version else None for _, desk in desks],
        "recipes": [_document(desk.recipes) if desk.recipes else None for _, desk in desks],
        "recipient_version": [desk.recipient_version for _, desk in desks],
        "recipient": [desk.recipient for _, desk in desks],
        "redacted": [desk.redacted for _, desk in desks],
        "address": [desk.address for _, desk in desks],
        "destination": [desk.destination for _, desk in desks],
        "lacks_destination": [lacks_only_destination(desk) for _, desk in desks],
    }


def _request_columns(revisions: Sequence[tuple[UUID, int, Revision]]) -> dict[str, list[Any]]:
    return {
        "order_id": [order_id for order_id, _, _ in revisions],
        "revision": [number for _, number, _ in revisions],
        "destination": [revision.destination for _, _, revision in revisions],
        "units": [dict(revision.units) for _, _, revision in revisions],
        "recipes": [_document(revision.recipes) for _, _, revision in revisions],
        "fate": [revision.fate for _, _, revision in revisions],
        "cancelled": [dict(revision.cancelled) for _, _, revision in revisions],
        "asked_content": [revision.asked_at[0] for _, _, revision in revisions],
        "asked_voids": [revision.asked_at[1] for _, _, revision in revisions],
        "asked_address": [revision.asked_at[2] for _, _, revision in revisions],
        "written_off": [dict(revision.written_off) for _, _, revision in revisions],
        "external_id": [revision.external_id for _, _, revision in revisions],
        "reason": [revision.reason for _, _, revision in revisions],
        "address": [revision.address for _, _, revision in revisions],
    }


def _shipment_rows(desk: Desk) -> dict[str, dict[str, Any]]:
    """One row for each shipment that anything is known of."""
    rows: dict[str, dict[str, Any]] = {}

    def row(shipment_id: str, revision: int) -> dict[str, Any]:
        blank = {"dispatch": None, "doubted": False, "voided": False, "reship": False, "delivered_at": None}
        return rows.setdefault(shipment_id, {"revision": revision} | blank)

    for shipment in (*desk.shipments, *desk.doubted):
        left = {"at": shipment.at, "units": dict(shipment.units), "parcels": shipment.parcels}
        row(shipment.id, shipment.revision)["dispatch"] = left
    for void in desk.voids:
        row(void.id, void.revision).update(voided=True, reship=void.reship)
    for delivery in desk.deliveries:
        row(delivery.id, delivery.revision)["delivered_at"] = delivery.at
    for one in desk.doubted:
        rows[one.id]["doubted"] = True
    return rows


def _desk(row: Row, requests: Sequence[Row], shipments: Sequence[Row]) -> Desk:
    left = [(_shipment(one), one.doubted) for one in shipments if one.dispatch is not None]
    return Desk(
        order=order_of(row.order_state),
        reservation=_reservation(row.reservation),
        recipient_version=row.recipient_version,
        recipient=row.recipient,
        redacted=row.redacted,
        address=row.address,
        destination=row.destination,
        recipes=_recipes(row.recipes),
        revisions=tuple(_revision(request) for request in requests),
        shipments=tuple(one for one, doubted in left if not doubted),
        doubted=tuple(one for one, doubted in left if doubted),
        voids=tuple(Void(one.shipment_id, one.revision, one.reship) for one in shipments if one.voided),
        deliveries=tuple(
            Delivery(one.shipment_id, one.revision, one.delivered_at) for one in shipments if one.delivered_at
        ),
        settlement=_settlement(row.settlement),
    )


def order_of(data: dict[str, Any] | None) -> OrderState:
    """An order's state as it is stored."""
    if data is None:
        return OrderState()
    sale = data["sale"]
    lines = tuple(LineText(**line) for line in sale["lines"])
    fields = {
        "wanted": _units(data["wanted"]),
        "holds": tuple(data["holds"]),
        "sale": Sale(**(sale | {"lines": lines} | _promised(sale))),
    }
    return OrderState(**(data | fields))


def _promised(sale: dict[str, Any]) -> dict[str, datetime | None]:
    """The times of a sale; what was stored before they were known lacks them."""
    times = {name: sale.get(name) for name in ("ship_by", "deliver_by")}
    return {name: datetime.fromisoformat(at) if at else None for name, at in times.items()}


def _reservation(data: dict[str, Any] | None) -> Reservation:
    if data is None:
        return Reservation()
    recipes = tuple((line, tuple((sku, n) for sku, n in recipe)) for line, recipe in data["recipes"])
    return Reservation(**(data | {"recipes": recipes}))


def _settlement(data: dict[str, Any] | None) -> Settlement:
    return Settlement() if data is None else Settlement(**(data | {"standing": _units(data["standing"])}))


def _revision(row: Row) -> Revision:
    return Revision(
        units=_units(row.units.items()),
        destination=row.destination,
        fate=row.fate,
        cancelled=_units(row.cancelled.items()),
        asked_at=(row.asked_content, row.asked_voids, row.asked_address),
        written_off=_units(row.written_off.items()),
        recipes=_recipes(row.recipes),
        external_id=row.external_id,
        reason=row.reason,
        address=row.address,
    )


def _shipment(row: Row) -> Shipment:
    data = row.dispatch
    parcels = tuple(Parcel(**(parcel | {"units": _units(parcel["units"])})) for parcel in data["parcels"])
    at = datetime.fromisoformat(data["at"])
    return Shipment(row.shipment_id, row.revision, _units(data["units"].items()), at, parcels)


def _units(pairs: Iterable[Sequence[Any]]) -> Units:
    return tuple(sorted((line, n) for line, n in pairs))


def _recipes(data: dict[str, dict[str, int]] | None) -> Recipes:
    return tuple((line, tuple(sorted(recipe.items()))) for line, recipe in sorted((data or {}).items()))


def _document(recipes: Recipes) -> dict[str, dict[str, int]]:
    return {line: dict(recipe) for line, recipe in recipes}
