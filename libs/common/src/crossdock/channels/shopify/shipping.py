"""Which units of which fulfillment orders a parcel takes, and whether the parcel is there already (pure)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from crossdock.channels.protocols import ShipmentLine, ShipmentNotice
from crossdock.channels.reading import identifier

SHIPPABLE = frozenset({"OPEN", "IN_PROGRESS"})
WAITING = frozenset({"SCHEDULED", "ON_HOLD"})
GONE = frozenset({"CANCELLED", "ERROR", "FAILURE"})
"""Statuses of fulfillments that ship nothing."""


@dataclass(frozen=True, slots=True)
class OpenLine:
    """Units of an order line that a fulfillment order still has to ship; ids are `gid://…`."""

    line_id: str
    fulfillment_order: str
    fulfillment_order_line: str
    location: str
    remaining: int
    shippable: bool


@dataclass(frozen=True, slots=True)
class KnownFulfillment:
    """A fulfillment that the order has; cancelled and failed ones are not known."""

    fulfillment_id: str
    tracking_numbers: frozenset[str]
    quantities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OrderShipping:
    """What a read of the order told. `routed` is False while Shopify has made no fulfillment order."""

    routed: bool
    open_lines: tuple[OpenLine, ...]
    fulfillments: tuple[KnownFulfillment, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What one `fulfillmentCreate` takes: fulfillment orders of one location, with units by their line ids."""

    location: str
    units: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls to make, and per order line the units that nothing open is left for."""

    groups: tuple[Group, ...]
    missing: Mapping[str, int]
    waiting: bool


def open_lines_of(fulfillment_orders: Sequence[Mapping[str, Any]]) -> tuple[OpenLine, ...]:
    """The units that an order's fulfillment orders still have to ship."""
    found = []
    for node in fulfillment_orders:
        status = node["status"]
        if status not in SHIPPABLE | WAITING:
            continue
        location = ((node.get("assignedLocation") or {}).get("location") or {}).get("id") or ""
        for line in node["lineItems"]["nodes"]:
            line_id = identifier(line["lineItem"]["id"], "lineItem.id") or ""
            remaining = line["remainingQuantity"]
            if remaining > 0:
                found.append(OpenLine(line_id, node["id"], line["id"], location, remaining, status in SHIPPABLE))
    return tuple(found)


def fulfillments_of(order: Mapping[str, Any]) -> tuple[KnownFulfillment, ...]:
    """The fulfillments of the order that count, oldest first."""
    found = []
    for node in sorted(order["fulfillments"], key=lambda one: (one["createdAt"], one["id"])):
        if node["status"] in GONE:
            continue
        quantities: dict[str, int] = defaultdict(int)
        for line in node["fulfillmentLineItems"]["nodes"]:
            quantities[identifier(line["lineItem"]["id"], "lineItem.id") or ""] += line["quantity"] or 0
        numbers = frozenset(info["number"] for info in node["trackingInfo"] if info.get("number"))
        found.append(KnownFulfillment(node["id"], numbers, dict(quantities)))
    return tuple(found)


def units_of(lines: Sequence[ShipmentLine]) -> dict[str, int]:
    """Units by order line."""
    found: dict[str, int] = defaultdict(int)
    for line in lines:
        found[line.line_id] += line.quantity
    return dict(found)


def same_parcel(known: Sequence[KnownFulfillment], notice: ShipmentNotice) -> tuple[KnownFulfillment, ...]:
    """The fulfillments that may be this parcel: those with its tracking number, or, for a parcel without one, those
    without one that hold exactly its lines and quantities."""
    if notice.tracking_number:
        return tuple(one for one in known if notice.tracking_number in one.tracking_numbers)
    asked = units_of(notice.lines)
    return tuple(one for one in known if not one.tracking_numbers and dict(one.quantities) == asked)


def still_to_write(parcels: Sequence[KnownFulfillment], notice: ShipmentNotice) -> dict[str, int]:
    """Units of the parcel that none of its fulfillments holds (one was written for each location)."""
    asked = units_of(notice.lines)
    for one in parcels:
        for line_id, quantity in one.quantities.items():
            if line_id in asked:
                asked[line_id] -= quantity
    return {line_id: quantity for line_id, quantity in asked.items() if quantity > 0}


def plan_groups(open_lines: Sequence[OpenLine], asked: Mapping[str, int]) -> Plan:
    """Take the asked units from shippable fulfillment orders, from as few locations as possible.

    Locations that can give more of the parcel come first; ties keep Shopify's order.
    """
    left = dict(asked)
    coverage: dict[str, int] = defaultdict(int)
    for line in open_lines:
        if line.shippable:
            coverage[line.location] += min(line.remaining, asked.get(line.line_id, 0))
    groups = []
    for location in sorted(coverage, key=lambda one: -coverage[one]):
        units: dict[str, dict[str, int]] = defaultdict(dict)
        for line in open_lines:
            if line.shippable and line.location == location and left.get(line.line_id, 0) > 0:
                taken = min(line.remaining, left[line.line_id])
                units[line.fulfillment_order][line.fulfillment_order_line] = taken
                left[line.line_id] -= taken
        if units:
            groups.append(Group(location, dict(units)))
    missing = {line_id: quantity for line_id, quantity in left.items() if quantity > 0}
    waiting = any(not line.shippable and line.line_id in missing for line in open_lines)
    return Plan(tuple(groups), missing, waiting)


def fulfillment_input(group: Group, notice: ShipmentNotice) -> dict[str, Any]:
    """The `FulfillmentInput` of one call; a blank tracking field is left out, and so is a URL that is not http(s)."""
    given: dict[str, Any] = {
        "notifyCustomer": notice.notify_customer,
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": fulfillment_order,
                "fulfillmentOrderLineItems": [{"id": line, "quantity": quantity} for line, quantity in units.items()],
            }
            for fulfillment_order, units in group.units.items()
        ],
    }
    tracking = {"company": notice.carrier, "number": notice.tracking_number, "url": web_address(notice.tracking_url)}
    if any(tracking.values()):
        given["trackingInfo"] = {key: value for key, value in tracking.items() if value}
    return given


def web_address(url: str) -> str:
    """The URL when it is a plain http(s) one, else a blank: it comes from a third party and is shown to customers."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname and not any(c.isspace() for c in url) else ""
