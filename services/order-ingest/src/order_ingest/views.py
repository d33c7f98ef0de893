"""One order as the API shows it: state, lines, totals, holds with their next actions, parcels, timeline."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crossdock.channels.protocols import KeptHere
from crossdock.channels.registry import can
from order_ingest.domain.holds import shown_holds
from order_ingest.domain.order import Order, Snapshot, parcel_key, shipped_net
from order_ingest.domain.tabs import EVERY_TAB, counts_of
from order_ingest.store.orders import Row, whole_row_of
from order_ingest.translate import told_hold, told_refusal


def timeline_view(entries: Sequence[Any], limit: int) -> tuple[list[dict[str, Any]], UUID | None]:
    """The entries of a page of a timeline, and the `after` of the next page, if there may be one."""
    return [dict(entry) for entry in entries], entries[-1].id if len(entries) == limit else None


def order_view(row: Row, status: str, timeline: Sequence[Any], limit: int) -> dict[str, Any]:
    """Everything about one order but its recipient; of its timeline the first page, of `limit` entries."""
    entries, further = timeline_view(timeline, limit)
    order, source = row.order, row.source
    return {
        "order_id": row.order_id,
        "channel_id": row.channel_id,
        "channel_kind": row.channel_kind,
        "external_id": row.external_id,
        "number": row.external_id if source is None else source.number,
        "status": status,
        "placed_at": source and source.placed_at,
        "updated_at": source and source.updated_at,
        "ship_by": source and source.ship_by,
        "deliver_by": source and source.deliver_by,
        "service": source and source.service,
        "paid": bool(source and source.paid),
        "financial_status": source and source.financial_status,
        "fulfillment_status": source and source.fulfillment_status,
        "cancelled": order.called_off,
        "test": order.test,
        "order_version": order.published.order_version,
        "content_version": order.published.content_version,
        "totals": source and source.totals,
        "lines": _lines(order, source),
        "holds": [told_hold(hold).model_dump(mode="json") for hold in shown_holds(order, status)],
        "rejection": _rejection(order),
        "approved": order.approved,
        "brought_in": order.brought_in,
        "tag": _tag(order),
        "routes": _routes(source),
        "requests": _requests(order),
        "channel_requests": _channel_requests(order),
        "shipments": _shipments(order, told=not can(row.channel_kind, KeptHere)),
        "timeline": entries,
        "timeline_next": further,
    }


def listed(row: Any) -> dict[str, Any]:
    """One order in a list: what it is, where it stands, and why it waits."""
    found = whole_row_of(row)
    names = ("order_id", "channel_id", "channel", "channel_kind", "external_id", "number", "placed_at", "status")
    return {name: getattr(row, name) for name in names} | {
        "total": found.source and found.source.total,
        "currency": found.source and found.source.currency,
        "ship_by": found.source and found.source.ship_by,
        "service": found.source and found.source.service,
        "holds": [told_hold(hold).model_dump(mode="json") for hold in shown_holds(found.order, row.status)],
        "rejection": _rejection(found.order),
    }


def counts_view(by_status: Sequence[Any], by_clock: Sequence[Any], channel_id: UUID | None) -> dict[str, Any]:
    """Orders by tab and by status, in all and for every channel; for one channel alone where it is given."""
    told: dict[UUID, dict[str, int]] = defaultdict(dict)
    for row in by_status:
        told[row.channel_id][row.status] = row.orders
    shown = [
        {
            "channel_id": row.channel_id,
            "channel": row.name,
            "time_zone": row.time_zone,
            "tabs": _tabs(told[row.channel_id], row.late, row.due_today),
        }
        for row in by_clock
        if channel_id in (None, row.channel_id)
    ]
    statuses: Counter[str] = Counter()
    for one in shown:
        statuses.update(told[one["channel_id"]])
    late, due_today = (sum(one["tabs"][name] for one in shown) for name in ("late", "due_today"))
    return {"tabs": _tabs(statuses, late, due_today), "statuses": +statuses, "channels": shown}


def _tabs(by_status: Mapping[str, int], late: int, due_today: int) -> dict[str, int]:
    found = counts_of(by_status) | {"late": late, "due_today": due_today}
    return {tab: found[tab] for tab in EVERY_TAB}


def _rejection(order: Order) -> dict[str, Any] | None:
    refusal = order.verdict.refusal
    return None if refusal is None else told_refusal(refusal).model_dump(mode="json")


def _routes(source: Snapshot | None) -> list[dict[str, Any]] | None:
    """What of the order the channel assigned to which of its locations; None when it was not asked."""
    if source is None or source.routing is None:
        return None
    return [
        {
            "route_id": route.route_id,
            "location": route.location,
            "state": route.state,
            "request": route.request,
            "due_at": route.due_at,
            "ship_by": route.ship_by,
            "deliver_by": route.deliver_by,
            "reasons": list(route.reasons),
            "units": dict(route.units),
        }
        for route in source.routing.routes
    ]


def _channel_requests(order: Order) -> list[dict[str, Any]]:
    """What the merchant asked of our fulfillment service and waits for, and every answer that was given."""
    asked = {one.key: one for one in order.asked}
    return [
        {
            "request": key,
            "asked": None if key not in asked else "cancel" if asked[key].cancel else "ship",
            "units": None if key not in asked else dict(asked[key].units),
            "answer": order.replies[key].answer if key in order.replies else None,
            "state": order.replies[key].state if key in order.replies else "waiting",
        }
        for key in dict.fromkeys([*order.replies, *asked])
    ]


def _lines(order: Order, source: Snapshot | None) -> list[dict[str, Any]]:
    left = shipped_net(order)
    return [
        {
            "line_id": line.line_id,
            "position": line.position,
            "listing_id": line.listing_id,
            "sku": line.sku,
            "title": line.title,
            "bundle": line.bundle,
            "quantity": line.quantity,
            "kept": line.kept,
            "wanted": order.wanted.get(line.line_id, 0),
            "shipped": left.get(line.line_id, 0),
            "requires_shipping": line.requires_shipping,
            "unit_price": str(line.unit_price),
            "discount": str(line.discount),
            "tax": str(line.tax),
        }
        for line in (source.lines if source else ())
    ]


def _requests(order: Order) -> list[dict[str, Any]]:
    """What destinations were asked; a rejection may have come before the request that it answers."""
    shown = []
    for revision in sorted(order.requested.keys() | order.rejected.keys() | set(order.accepted)):
        request, rejection = order.requested.get(revision), order.rejected.get(revision)
        state = "rejected" if rejection else "accepted" if revision in order.accepted else "requested"
        who = request or rejection
        shown.append(
            {
                "revision": revision,
                "destination": who.destination if who else "",
                "units": dict(request.units) if request else {},
                "state": state,
                "reason": rejection.reason if rejection else "",
                "answered": rejection is not None and revision <= order.answered,
            }
        )
    return shown


def _shipments(order: Order, *, told: bool) -> list[dict[str, Any]]:
    return [
        {
            "shipment_id": shipment_id,
            "revision": shipment.revision,
            "dispatched_at": shipment.dispatched_at,
            "voided": shipment_id in order.voids,
            "delivered": shipment_id in order.delivered,
            "packages": [
                {
                    "package_ref": package.package_ref,
                    "carrier": package.carrier,
                    "tracking_number": package.tracking_number,
                    "tracking_url": package.tracking_url,
                    "units": dict(package.units),
                    "write_back": _write_back(order, parcel_key(shipment_id, package.package_ref), told),
                }
                for package in shipment.packages
            ],
        }
        for shipment_id, shipment in order.shipments.items()
    ]


def _tag(order: Order) -> dict[str, Any] | None:
    """What the order is tagged with in its channel, and whether it is by now; None where the policy wants no tag."""
    if not order.tag:
        return None
    told = order.tagging
    return {"text": order.tag, "state": told.state if told else "pending", "reason": told.reason if told else ""}


def _write_back(order: Order, parcel: str, told: bool) -> dict[str, Any]:
    """Whether the channel knows of a parcel; `pending` until fulfillment says what came of it, `not_needed` where
    nobody outside keeps the channel."""
    tracking = order.tracking.get(parcel)
    if tracking is None:
        return {"state": "pending" if told else "not_needed"}
    return {
        "state": tracking.state,
        "external_id": tracking.external_id,
        "adopted": tracking.adopted,
        "reason": tracking.reason,
    }
