"""How a desk and its writes are shown; no personal data."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fulfillment.domain.desk import Desk, Shipment, reference_of
from fulfillment.domain.protocol import is_writing, lacks

WRITE_FIELDS = (
    "id", "kind", "order_id", "channel_id", "channel", "revision", "shipment_id", "package_ref", "state", "attempt",
    "look_count", "needs_person", "external_id", "reason", "evidence", "created_at", "next_at", "first_doubt_at",
    "settled_at",
)  # fmt: skip


def desk(order_id: UUID, held: Desk, names: Mapping[str, str], rows: Sequence[Any]) -> dict[str, Any]:
    """One order: what is wanted, what was asked of whom, what left, and what the outside was told."""
    shipments, sale = [*held.shipments, *held.doubted], held.order.sale
    return {
        "order_id": order_id,
        "number": sale.number if sale else "",
        "service": sale.service if sale else "",
        "ship_by": sale.ship_by if sale else None,
        "deliver_by": sale.deliver_by if sale else None,
        "wanted": dict(held.order.wanted),
        "content_version": held.order.content_version,
        "cancelled": held.order.cancelled,
        "destination": names.get(held.destination, held.destination),
        "waits_for": waits_for(held),
        "requests": [
            {
                "revision": number,
                "reference": reference_of(order_id, number),
                "destination": names.get(revision.destination, revision.destination),
                "fate": revision.fate,
                "lines": dict(revision.units),
                "cancelled": dict(revision.cancelled),
                "external_id": revision.external_id,
                "reason": revision.reason,
            }
            for number, revision in enumerate(held.revisions, 1)
        ],
        "shipments": [shipment(held, one) for one in shipments],
        "settlement": {
            "settlement_version": held.settlement.settlement_version,
            "content_version": held.settlement.content_version,
            "standing": dict(held.settlement.standing),
        },
        "write_backs": [write_back(row) for row in rows],
    }


def shipment(held: Desk, one: Shipment) -> dict[str, Any]:
    """One shipment with its parcels."""
    return {
        "shipment_id": one.id,
        "revision": one.revision,
        "dispatched_at": one.at,
        "doubted": one in held.doubted,
        "voided": any(void.id == one.id for void in held.voids),
        "delivered_at": next((delivery.at for delivery in held.deliveries if delivery.id == one.id), None),
        "packages": [
            {
                "package_ref": parcel.package_ref,
                "carrier": parcel.carrier,
                "tracking_number": parcel.tracking_number,
                "tracking_url": parcel.tracking_url,
                "lines": dict(parcel.units),
            }
            for parcel in one.parcels
        ],
    }


def waits_for(held: Desk) -> str:
    """What the next request waits for, in words; blank when it waits for nothing."""
    if is_writing(held):
        return "the answer of its destination"
    if not lacks(held) and not held.destination:
        return "a destination: connect one, or name it in the settings of the sales channel"
    return lacks(held)


def write_back(row: Any) -> dict[str, Any]:
    """One write to the outside with its evidence."""
    return {name: getattr(row, name) for name in WRITE_FIELDS}
