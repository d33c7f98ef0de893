"""Which location of a store ships what of an order: its fulfillment orders, read and mapped to canonical routes.

A fulfillment order's id changes when it is moved, held in part, split or cancelled: every read starts from the order.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.channels.errors import Permanent
from crossdock.channels.model import CanonicalRoute, CanonicalRouting, CanonicalShipped
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.reading import identifier, moment
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient
from crossdock.channels.shopify.promises import promise_of
from crossdock.channels.shopify.serving import request_of, status_of
from crossdock.channels.shopify.shipments import with_all_lines
from crossdock.channels.shopify.shipping import GONE

STATES = {"OPEN": "open", "IN_PROGRESS": "open", "SCHEDULED": "scheduled", "ON_HOLD": "held"}
"""Every other status (CLOSED, CANCELLED, INCOMPLETE) leaves nothing to be shipped."""
_PAGE = 10


async def read(client: ShopifyClient, access: ChannelAccess, gid: str) -> CanonicalRouting | None:
    """The routes of an order, or None when Shopify does not know it. Raises ChannelError."""
    nodes: list[Mapping[str, Any]] = []
    after: str | None = None
    while True:
        variables = {"id": gid, "first": _PAGE, "after": after}
        order = (await client.execute(access, "OrderRoutes", variables, Purpose.ORDER)).get("order")
        if order is None:
            return None
        page = order["fulfillmentOrders"]
        nodes += [await with_all_lines(client, access, node) for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        if after is None:
            break
    if any(one["fulfillmentLineItems"]["pageInfo"]["hasNextPage"] for one in order["fulfillments"]):
        raise Permanent(
            f"Shopify's order {identifier(gid, 'id')} has a fulfillment of more than 100 lines: "
            "which location shipped what cannot be read",
            "too_many_lines",
        )
    return routing_of(nodes, order["fulfillments"])


async def owner(client: ShopifyClient, access: ChannelAccess, route_id: str) -> str | None:
    """The id of the order that a fulfillment order belongs to, or None when Shopify does not know it. Raises
    ChannelError."""
    variables = {"id": f"gid://shopify/FulfillmentOrder/{route_id}"}
    data = await client.execute(access, "FulfillmentOrderOwner", variables, Purpose.ORDER)
    found = data.get("fulfillmentOrder")
    return None if found is None else identifier(found["orderId"], "orderId")


def routing_of(nodes: Sequence[Mapping[str, Any]], fulfillments: Sequence[Mapping[str, Any]]) -> CanonicalRouting:
    """Fulfillment orders, whole, and the order's fulfillments as canonical routes (pure)."""
    shipped: dict[tuple[str, bool], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in fulfillments:
        if one["status"] not in GONE:
            for line in one["fulfillmentLineItems"]["nodes"]:
                shipped[_place(one.get("location"))][_line(line)] += line["quantity"] or 0
    return CanonicalRouting(
        routes=tuple(_route(node) for node in nodes),
        shipped=tuple(
            CanonicalShipped(location, serviced, tuple(units.items()))
            for (location, serviced), units in shipped.items()
        ),
    )


def _route(node: Mapping[str, Any]) -> CanonicalRoute:
    location, serviced = _place((node.get("assignedLocation") or {}).get("location"))
    reasons = {str(hold["reason"]).lower().replace("_", " ") for hold in node.get("fulfillmentHolds") or ()}
    promise = promise_of([node])
    return CanonicalRoute(
        route_id=identifier(node["id"], "id") or "",
        location=location,
        serviced=serviced,
        state=STATES.get(node["status"], "closed"),
        units=_units(node),
        request=status_of(node),
        request_id=request_of(node),
        due_at=moment(node.get("fulfillAt"), "fulfillAt"),
        reasons=tuple(sorted(reasons)),
        ship_by=moment(promise.ship_by, "fulfillBy"),
        deliver_by=moment(promise.deliver_by, "maxDeliveryDateTime"),
    )


def _units(node: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """What is left to ship; of what was called back from a service, what it was about."""
    count = "totalQuantity" if status_of(node) == "cancellation_accepted" else "remainingQuantity"
    return tuple((_line(line), line[count]) for line in node["lineItems"]["nodes"] if line[count])


def _line(line: Mapping[str, Any]) -> str:
    return identifier(line["lineItem"]["id"], "lineItem.id") or ""


def _place(location: Mapping[str, Any] | None) -> tuple[str, bool]:
    """A location's id, blank when it is gone, and whether it belongs to a fulfillment service."""
    if not location:
        return "", False
    return identifier(location["id"], "location.id") or "", bool(location.get("isFulfillmentService"))
