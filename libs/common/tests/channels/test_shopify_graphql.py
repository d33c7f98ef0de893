"""What GraphQL words differently than REST still becomes the same order."""

import json
from datetime import UTC, datetime
from typing import Any

from crossdock.channels.model import CanonicalOrder
from crossdock.channels.shopify import connector
from crossdock.channels.shopify.graphql import order_from_node

SHIPPING = {"title": "Express", "code": "EXP-1", "source": "carrier"}


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def line(number: int, title: str, price: str, **more: Any) -> dict[str, Any]:
    """A line as GraphQL tells it: amounts without trailing zeros, ids as gid."""
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "title": title,
        "quantity": 1,
        "currentQuantity": 1,
        "unfulfilledQuantity": 1,
        "nonFulfillableQuantity": 0,
        "requiresShipping": True,
        "isGiftCard": False,
        "customAttributes": [],
        "variant": None,
        "product": None,
        "originalUnitPriceSet": money(price),
        "discountAllocations": [],
        "taxLines": [],
    } | more


def node(**more: Any) -> dict[str, Any]:
    """An OrderDetail node without its lines."""
    return {
        "id": "gid://shopify/Order/9223372036854775801",
        "name": "#1001",
        "createdAt": "2026-11-20T15:00:00Z",
        "updatedAt": "2026-11-20T15:00:05Z",
        "tags": ["b", "a"],
        "currencyCode": "USD",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "totalPriceSet": money("13.5"),
        "totalShippingPriceSet": money("0.0"),
        "shippingLines": {"nodes": [SHIPPING | {"originalPriceSet": money("0.0"), "isRemoved": False}]},
        "fulfillments": [],
        "refunds": [],
    } | more


REST = {
    "id": 9223372036854775801,
    "name": "#1001",
    "created_at": "2026-11-20T10:00:00-05:00",
    "updated_at": "2026-11-20T10:00:05-05:00",
    "tags": "b, a",
    "currency": "USD",
    "financial_status": "paid",
    "total_price": "13.50",
    "total_tip_received": "3.0",
    "total_shipping_price_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}},
    "shipping_lines": [SHIPPING | {"price": "0.00", "is_removed": False}],
    "line_items": [
        {
            "id": 1,
            "title": "Crate",
            "sku": None,
            "quantity": 1,
            "current_quantity": 1,
            "fulfillable_quantity": 1,
            "requires_shipping": True,
            "price": "10.50",
        },
        {
            "id": 2,
            "title": "Tip",
            "sku": None,
            "quantity": 1,
            "current_quantity": 1,
            "fulfillable_quantity": 0,
            "requires_shipping": False,
            "price": "3.00",
        },
    ],
}


def test_a_tip_that_graphql_does_not_mark_is_the_tip_that_rest_counts() -> None:
    tip = line(2, "Tip", "3.0", requiresShipping=False, unfulfilledQuantity=0, nonFulfillableQuantity=1)
    (rest,) = connector.parse("orders/updated", json.dumps(REST).encode())
    assert isinstance(rest, CanonicalOrder)
    assert repr(order_from_node(node(), [line(1, "Crate", "10.5"), tip])) == repr(rest)
    assert (rest.service, rest.service_code, rest.service_source) == ("Express", "EXP-1", "carrier")
    totals = rest.totals
    assert (str(totals.lines), str(totals.tips), str(totals.difference)) == ("10.50", "3.00", "0.00")


def test_a_digital_custom_line_is_no_tip() -> None:
    download = line(2, "Download", "3.0", requiresShipping=False)
    totals = order_from_node(node(), [line(1, "Crate", "10.5"), download]).totals
    assert (str(totals.lines), str(totals.tips)) == ("13.50", "0.00")


def test_fields_that_are_withheld_do_not_hurt() -> None:
    withheld = node(email=None, customer=None, shippingAddress=None, note=None)
    assert order_from_node(withheld, [line(1, "Crate", "13.5")]).recipient.address is None


def promised(
    status: str, ship_by: str | None, deliver_by: str | None = None, name: str | None = None
) -> dict[str, Any]:
    method = {"id": "gid://shopify/DeliveryMethod/1", "presentedName": name, "maxDeliveryDateTime": deliver_by}
    return {"status": status, "fulfillBy": ship_by, "deliveryMethod": method}


def test_the_earliest_promise_of_what_is_left_to_ship_is_the_orders() -> None:
    parts = [
        promised("CLOSED", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "Gone"),
        promised("OPEN", "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z", "Next day"),
        promised("SCHEDULED", "2026-11-22T00:00:00Z"),
        {"status": "OPEN", "fulfillBy": None, "deliveryMethod": None},
    ]
    order = order_from_node(node(shippingLines=None, fulfillmentOrders={"nodes": parts}), [line(1, "Crate", "13.5")])
    assert order.ship_by == datetime(2026, 11, 22, tzinfo=UTC)
    assert order.deliver_by == datetime(2026, 11, 25, tzinfo=UTC)
    assert order.service == "Next day"


def test_the_parts_of_a_bundle_name_it_whether_a_webhook_or_a_read_tells_them() -> None:
    group = {"id": "gid://shopify/LineItemGroup/77", "title": "Gift set"}
    read = order_from_node(node(), [line(1, "Crate", "10.5", lineItemGroup=group), line(2, "Tip", "3.0")])
    assert [one.bundle for one in read.lines] == ["Gift set", ""]
    items: Any = REST["line_items"]
    crate, tip = items
    grouped = REST | {
        "line_items": [crate | {"sales_line_item_group_id": 77}, tip | {"sales_line_item_group_id": None}],
        "line_item_groups": [{"id": 77, "title": "Gift set", "quantity": 1}],
    }
    (heard,) = connector.parse("orders/updated", json.dumps(grouped).encode())
    assert isinstance(heard, CanonicalOrder)
    assert [one.bundle for one in heard.lines] == ["Gift set", ""]
