"""Every operation of the published collection that the sandbox plays runs unchanged, fragments included."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse, print_ast

from sandbox.testing import Receiver, Sandbox

REFERENCE = Path(os.environ.get("CROSSDOCK_REFERENCE", Path(__file__).parents[4] / "shared"))
OPERATIONS = REFERENCE / "shopify" / "operations.graphql"
pytestmark = pytest.mark.skipif(not OPERATIONS.exists(), reason=f"{OPERATIONS} is not there; set CROSSDOCK_REFERENCE.")


def document(name: str) -> str:
    """One operation and the fragments it uses, as text."""
    everything = parse(OPERATIONS.read_text()).definitions
    fragments = {one.name.value: one for one in everything if isinstance(one, FragmentDefinitionNode)}
    chosen = [
        print_ast(one)
        for one in everything
        if isinstance(one, OperationDefinitionNode) and one.name is not None and one.name.value == name
    ]
    text, added = chosen[0], set[str]()
    while missing := set(re.findall(r"\.\.\.(\w+)", text)) - added:
        for fragment in missing:
            text += "\n" + print_ast(fragments[fragment])
            added.add(fragment)
    return text


class Shop:
    """A store with a product and an order, and every operation at hand."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.location = sandbox.store(settings={"cancel_delay": 0})["locations"][0]["id"]
        self.product = sandbox.product("SHIRT-M", "", "SHIRT-M")
        self.order = sandbox.order(
            {"sku": "SHIRT-M", "quantity": 3, "price": "13.50", "discount": "1.50"},
            discount={"code": "TEN", "percentage": "10"},
            taxes=[{"title": "VAT", "rate": "0.2"}],
        )

    def run(self, name: str, **variables: Any) -> Any:
        """The data of one operation; user errors are none."""
        data = self.sandbox.graphql(document(name), variables, operationName=name)
        (answer,) = data.values() if len(data) == 1 else (data,)
        for key in ("userErrors", "orderCancelUserErrors"):
            assert not (answer or {}).get(key), answer
        return answer

    @property
    def order_id(self) -> str:
        return str(self.order["admin_graphql_api_id"])

    @property
    def item(self) -> str:
        return f"gid://shopify/InventoryItem/{self.product['variants'][0]['inventory_item_id']}"

    def ship(self, quantity: int) -> str:
        work = self.run("OrderFulfillmentOrders", id=self.order_id, first=10)["fulfillmentOrders"]["nodes"][-1]
        line = {"id": work["lineItems"]["nodes"][0]["id"], "quantity": quantity}
        group = {"fulfillmentOrderId": work["id"], "fulfillmentOrderLineItems": [line]}
        fulfillment = {"lineItemsByFulfillmentOrder": [group], "trackingInfo": {"number": "1Z1", "company": "UPS"}}
        return str(self.run("FulfillmentCreate", fulfillment=fulfillment)["fulfillment"]["id"])


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return Shop(sandbox)


def test_the_shop_and_its_locations_are_read(shop: Shop) -> None:
    assert shop.run("ShopInfo")["shop"]["myshopifyDomain"] == "one.example.com"
    assert [one["name"] for one in shop.run("Locations", first=50)["nodes"]] == ["Main"]


def test_orders_are_read_with_money_in_graphql_form(shop: Shop) -> None:
    (order,) = shop.run("OrdersUpdatedSince", first=10, query="updated_at:>='2020-01-01T00:00:00Z'")["nodes"]
    assert order["id"] == shop.order_id
    detail = shop.run("OrderDetail", id=shop.order_id, liFirst=25)
    (line,) = detail["lineItems"]["nodes"]
    assert line["originalUnitPriceSet"]["shopMoney"]["amount"] == "13.5"
    # 3 × 13.50 - 1.50 = 39.00, less 10 % = 35.10, shipping 5.00, 20 % tax on both
    assert detail["subtotalPriceSet"]["shopMoney"]["amount"] == "35.1"
    assert detail["totalPriceSet"]["shopMoney"]["amount"] == "48.12"
    assert [one["allocatedAmountSet"]["shopMoney"]["amount"] for one in line["discountAllocations"]] == ["1.5", "3.9"]


def test_products_variants_and_listings_are_read(shop: Shop) -> None:
    (product,) = shop.run("ProductsUpdatedSince", first=5, query="updated_at:>='2020-01-01T00:00:00Z'")["nodes"]
    assert [one["sku"] for one in product["variants"]["nodes"]] == ["SHIRT-M", None, "SHIRT-M"]
    assert len(shop.run("ProductVariantsBySku", query="sku:'SHIRT-M'", first=10)["nodes"]) == 2


def test_a_fulfillment_is_made_retracked_reported_and_undone(shop: Shop) -> None:
    first = shop.ship(1)
    tracking = {"numbers": ["A", "B"], "urls": ["https://a.example.com", "https://b.example.com"], "company": "DHL"}
    told = shop.run("FulfillmentTrackingInfoUpdate", fulfillmentId=first, trackingInfoInput=tracking)["fulfillment"]
    assert [one["number"] for one in told["trackingInfo"]] == ["A", "B"]
    event = shop.run("FulfillmentEventCreate", fulfillmentEvent={"fulfillmentId": first, "status": "DELIVERED"})
    assert event["fulfillmentEvent"]["status"] == "DELIVERED"
    second = shop.ship(2)
    assert shop.run("FulfillmentCancel", id=second)["fulfillment"]["status"] == "CANCELLED"
    work = shop.run("OrderFulfillmentOrders", id=shop.order_id, first=10)
    assert [one["status"] for one in work["fulfillmentOrders"]["nodes"]] == ["CLOSED", "OPEN"]
    assert [one["displayStatus"] for one in work["fulfillments"]] == ["DELIVERED", "CANCELED"]
    new = work["fulfillmentOrders"]["nodes"][1]
    assert new["lineItems"]["nodes"][0]["remainingQuantity"] == 2
    assert shop.run("FulfillmentOrder", id=new["id"])["status"] == "OPEN"


def test_an_order_is_cancelled_by_a_job(shop: Shop) -> None:
    job = shop.run("OrderCancel", orderId=shop.order_id, reason="CUSTOMER", restock=True)["job"]
    assert job["done"] is False
    assert shop.run("JobStatus", id=job["id"])["done"] is True
    detail = shop.run("OrderDetail", id=shop.order_id, liFirst=5)
    assert (detail["cancelReason"], detail["lineItems"]["nodes"][0]["currentQuantity"]) == ("CUSTOMER", 0)
    assert detail["currentTotalPriceSet"]["shopMoney"]["amount"] == "0.0"


def test_tags_come_back_trimmed_unique_and_sorted(shop: Shop) -> None:
    shop.run("TagsAdd", id=shop.order_id, tags=[" b ", "a", "b"])
    assert shop.run("OrderDetail", id=shop.order_id, liFirst=1)["tags"] == ["a", "b"]
    shop.run("TagsRemove", id=shop.order_id, tags=["a"])
    assert shop.run("OrderDetail", id=shop.order_id, liFirst=1)["tags"] == ["b"]


def test_a_tag_in_other_capitals_is_the_same_tag_and_a_long_one_is_refused_with_a_user_error(shop: Shop) -> None:
    shop.run("TagsAdd", id=shop.order_id, tags=["Crossdock"])
    shop.run("TagsAdd", id=shop.order_id, tags=["crossdock", "x" * 40])
    variables = {"id": shop.order_id, "tags": ["x" * 41]}
    refused = shop.sandbox.graphql(document("TagsAdd"), variables, operationName="TagsAdd")["tagsAdd"]
    assert refused["userErrors"][0]["field"] == ["tags"]
    assert shop.run("OrderDetail", id=shop.order_id, liFirst=1)["tags"] == ["Crossdock", "x" * 40]


def test_an_order_is_created_once_per_call_and_found_by_its_source_identifier(shop: Shop) -> None:
    order = {
        "sourceIdentifier": "EXT-1001",
        "financialStatus": "PAID",
        "tags": ["imported"],
        "lineItems": [{"variantId": shop.product["variants"][0]["admin_graphql_api_id"], "quantity": 2}],
        "shippingAddress": {"firstName": "Test", "lastName": "Person", "countryCode": "CA"},
    }
    made = [shop.run("OrderCreate", order=order)["order"]["id"] for _ in range(2)]
    found = shop.run("OrderBySourceIdentifier", query="source_identifier:'EXT-1001'")["nodes"]
    assert {one["id"] for one in found} == set(made)
    assert shop.run("OrdersCountUpdated", query="source_identifier:'EXT-1001'")["count"] == 2
    work = shop.run("OrderFulfillmentOrders", id=made[0], first=5)["fulfillmentOrders"]["nodes"]
    assert work[0]["lineItems"]["nodes"][0]["remainingQuantity"] == 2


def test_webhook_subscriptions_are_made_listed_moved_and_deleted(shop: Shop, receiver: Receiver) -> None:
    made = shop.run("WebhookSubscriptionCreate", topic="ORDERS_CREATE", sub={"uri": receiver.url})
    number = made["webhookSubscription"]["id"]
    (listed,) = shop.run("WebhookSubscriptions", first=50)["nodes"]
    assert (listed["id"], listed["topic"], listed["uri"]) == (number, "ORDERS_CREATE", receiver.url)
    moved = shop.run("WebhookSubscriptionUpdate", id=number, sub={"uri": "https://hub.example.com/x"})
    assert moved["webhookSubscription"]["uri"] == "https://hub.example.com/x"
    assert shop.run("WebhookSubscriptionDelete", id=number)["deletedWebhookSubscriptionId"] == number
    assert shop.run("WebhookSubscriptions", first=50)["nodes"] == []


def test_stock_levels_are_read_and_set(shop: Shop) -> None:
    # The order of three has already made the available quantity -3.
    place = f"gid://shopify/Location/{shop.location}"
    row = {"inventoryItemId": shop.item, "locationId": place, "quantity": 7, "changeFromQuantity": -3}
    given = {"name": "available", "reason": "correction", "quantities": [row]}
    changes = shop.run("InventorySetQuantities", input=given, key="k1")["inventoryAdjustmentGroup"]["changes"]
    assert {one["name"]: one["delta"] for one in changes} == {"available": 10, "on_hand": 10}
    level = shop.run("InventoryLevelAtLocation", itemId=shop.item, locationId=place)["inventoryLevel"]
    assert {one["name"]: one["quantity"] for one in level["quantities"]} == {"available": 7, "on_hand": 10}
    assert len(shop.run("InventoryItemsBySku", query="sku:'SHIRT-M'", first=5)["nodes"]) == 2
    assert shop.run("InventoryLevelsForItem", id=shop.item, first=5)["inventoryLevels"]["nodes"]


def test_refunds_payment_closing_and_holds_are_played(shop: Shop) -> None:
    line = str(shop.order["line_items"][0]["id"])
    name = shop.order["name"].lstrip("#")
    shop.sandbox.control(
        f"shopify/{shop.sandbox.shop}/orders/{name}/refund",
        {"lines": [{"line": line, "quantity": 1, "restock_type": "cancel"}]},
    )
    (refund,) = shop.run("OrderRefunds", id=shop.order_id)["refunds"]
    assert refund["refundLineItems"]["nodes"][0]["restockType"] == "CANCEL"
    work = shop.run("OrderFulfillmentOrders", id=shop.order_id, first=5)["fulfillmentOrders"]["nodes"][0]
    assert work["lineItems"]["nodes"][0]["remainingQuantity"] == 2
    held = shop.run("FulfillmentOrderHold", id=work["id"], hold={"reason": "OTHER", "handle": "x"})
    assert held["fulfillmentOrder"]["status"] == "ON_HOLD"
    assert shop.run("FulfillmentOrderReleaseHold", id=work["id"])["fulfillmentOrder"]["status"] == "OPEN"
    unpaid = shop.sandbox.order({"sku": "SHIRT-M"}, financial_status="PENDING")["admin_graphql_api_id"]
    assert shop.run("OrderMarkAsPaid", input={"id": unpaid})["order"]["displayFinancialStatus"] == "PAID"
    assert shop.run("OrderClose", input={"id": unpaid})["order"]["closed"] is True
