"""Writes parcels into Shopify: reads the order, looks for the parcel, then creates what is missing.

Guards: `fulfillmentCreate` has no idempotency key, so every write starts with a read of the order by its id, and the
units of fulfillments that carry the parcel's tracking number are never written a second time. Two parcels of one order
that share a tracking number and lines are therefore taken for one; a parcel without a number is only looked for by
exact lines and quantities, which another parcel may have too.
"""

from collections.abc import Mapping
from typing import Any

from crossdock.channels.errors import ChannelError, Permanent, Retryable, Unknown
from crossdock.channels.protocols import ChannelAccess, Evidence, Receipt, ShipmentNotice
from crossdock.channels.reading import identifier
from crossdock.channels.shopify import shipping
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, raise_for_user_errors
from crossdock.channels.shopify.shipping import OrderShipping

ROUTING_SECONDS = 2.0
HOLD_SECONDS = 300.0


async def push(client: ShopifyClient, access: ChannelAccess, notice: ShipmentNotice) -> Receipt:
    """Write one parcel; the receipt names the last fulfillment made. Raises ChannelError.

    A parcel without tracking number is never adopted here, since another one may look the same; after Unknown the
    caller looks with `find` first.
    """
    order = await _read(client, access, notice.order_external_id)
    parcels = shipping.same_parcel(order.fulfillments, notice) if notice.tracking_number else ()
    asked = shipping.still_to_write(parcels, notice)
    if not asked:
        if not parcels:
            raise Permanent(f"the parcel {notice.package_ref} holds no units: nothing to tell Shopify", "empty_parcel")
        return _receipt(parcels[-1].fulfillment_id, adopted=True)
    if not order.routed:
        raise Retryable(
            f"Shopify has not made the fulfillment orders of order {notice.order_external_id} yet "
            "(or the app lacks the scope to see them)",
            ROUTING_SECONDS,
        )
    plan = shipping.plan_groups(order.open_lines, asked)
    if plan.missing:
        raise _too_few(plan, notice)
    made = ""
    for group in plan.groups:
        try:
            made = await _create(client, access, {"fulfillment": shipping.fulfillment_input(group, notice)})
        except ChannelError as error:
            if made and not notice.tracking_number:
                raise _half_written(made, error, notice) from error
            raise
    return _receipt(made)


async def find(client: ShopifyClient, access: ChannelAccess, notice: ShipmentNotice) -> Evidence:
    """Look for the parcel among the order's fulfillments. Raises ChannelError."""
    order = await _read(client, access, notice.order_external_id)
    parcels = shipping.same_parcel(order.fulfillments, notice)
    where = f"among {len(order.fulfillments)} fulfillments of the order"
    if not notice.tracking_number:
        if not parcels:
            return Evidence(None, True, f"no fulfillment without tracking has the parcel's lines {where}")
        note = f"{len(parcels)} without tracking with exactly the parcel's lines {where}; it may be another parcel's"
        return Evidence(_receipt(parcels[-1].fulfillment_id, adopted=True), False, note)
    if not parcels:
        return Evidence(None, True, f"the parcel's tracking number is not {where}")
    left = shipping.still_to_write(parcels, notice)
    if left:
        note = f"the parcel's tracking number is {where}, but {sum(left.values())} of its units are missing"
        return Evidence(None, True, note)
    receipt = _receipt(parcels[-1].fulfillment_id, adopted=True)
    return Evidence(receipt, True, f"the parcel's tracking number is {where}")


def _half_written(made: str, error: ChannelError, notice: ShipmentNotice) -> Permanent:
    """A parcel from two locations that has no tracking number: what was written could not be told from what was not,
    so asking again might write it twice."""
    return Permanent(
        f"Shopify took a part of the parcel {notice.package_ref} (fulfillment {_receipt(made).external_id}), "
        f"then: {error.sentence}. Add the rest in Shopify by hand",
        "half_written",
    )


def _too_few(plan: shipping.Plan, notice: ShipmentNotice) -> Permanent | Retryable:
    lines = ", ".join(f"{quantity} of line {line_id}" for line_id, quantity in plan.missing.items())
    if plan.waiting:
        return Retryable(
            f"Shopify holds back the fulfillment order of {lines} (order {notice.order_external_id}): release it there",
            HOLD_SECONDS,
        )
    return Permanent(
        f"Shopify has nothing left to fulfill for {lines} (order {notice.order_external_id}): "
        "they were fulfilled, refunded or removed there",
        "nothing_left",
    )


async def _create(client: ShopifyClient, access: ChannelAccess, variables: Mapping[str, Any]) -> str:
    data = await client.execute(access, "FulfillmentCreate", variables, Purpose.TRACKING)
    result = raise_for_user_errors(data.get("fulfillmentCreate"), "FulfillmentCreate")
    fulfillment = result.get("fulfillment")
    if not isinstance(fulfillment, Mapping) or not isinstance(fulfillment.get("id"), str):
        raise Unknown("Shopify answered FulfillmentCreate without a fulfillment: it may have happened")
    return str(fulfillment["id"])


async def _read(client: ShopifyClient, access: ChannelAccess, external_id: str) -> OrderShipping:
    """The order's open lines and fulfillments, all pages of them. Raises Permanent when the order is gone."""
    if not (external_id.isascii() and external_id.isdigit()):
        raise Permanent("the order's id is none that Shopify gave", "bad_id")
    nodes: list[Mapping[str, Any]] = []
    after: str | None = None
    while True:
        variables = {"id": f"gid://shopify/Order/{external_id}", "first": 10, "after": after}
        data = await client.execute(access, "OrderFulfillmentOrders", variables, Purpose.TRACKING)
        order = data.get("order")
        if order is None:
            raise Permanent(f"Shopify does not know the order {external_id}", "order_not_found")
        nodes += [await with_all_lines(client, access, node) for node in order["fulfillmentOrders"]["nodes"]]
        page = order["fulfillmentOrders"]["pageInfo"]
        after = page["endCursor"] if page["hasNextPage"] else None
        if after is None:
            break
    return OrderShipping(
        routed=bool(nodes),
        open_lines=shipping.open_lines_of(nodes),
        fulfillments=shipping.fulfillments_of(order),
    )


async def with_all_lines(client: ShopifyClient, access: ChannelAccess, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """A fulfillment order with the lines of all its pages. Raises ChannelError."""
    lines = list(node["lineItems"]["nodes"])
    page = node["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        variables = {"id": node["id"], "after": page["endCursor"]}
        data = await client.execute(access, "FulfillmentOrderLines", variables, Purpose.TRACKING)
        more = (data.get("fulfillmentOrder") or {}).get("lineItems")
        if more is None:
            raise Retryable("Shopify replaced a fulfillment order while we read it", ROUTING_SECONDS)
        lines += more["nodes"]
        page = more["pageInfo"]
    return {**node, "lineItems": {"nodes": lines}}


def _receipt(gid: str, *, adopted: bool = False) -> Receipt:
    return Receipt(identifier(gid, "fulfillment.id") or gid, adopted)
