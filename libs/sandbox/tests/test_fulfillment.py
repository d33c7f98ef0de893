"""Fulfillment orders and fulfillments: late, per location, without idempotency, with Shopify's refusals."""

from typing import Any

import pytest

from sandbox.testing import Sandbox, eventually

WORK = """
query ($id: ID!) { order(id: $id) { displayFulfillmentStatus updatedAt fulfillmentOrders(first: 10) { nodes {
  id status supportedActions { action } assignedLocation { name } deliveryMethod { methodType }
  lineItems(first: 10) { nodes { id sku totalQuantity remainingQuantity } } } } fulfillments { name totalQuantity } } }
"""
SHIP = """
mutation ($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {
  fulfillment { id name } userErrors { field message } } }
"""


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    sandbox.store(locations=[{"name": "Main"}, {"name": "North"}])
    sandbox.product("SHIRT-M")
    sandbox.control(
        f"shopify/{sandbox.shop}/products", {"title": "Hat", "variants": [{"sku": "HAT", "location": "North"}]}
    )
    return sandbox


def work(shop: Sandbox, order: Any) -> Any:
    return shop.graphql(WORK, {"id": order["admin_graphql_api_id"]})["order"]


def ship(shop: Sandbox, *groups: tuple[Any, int | None]) -> Any:
    """Ship (fulfillment order, quantity of its first line or None for all)."""
    asked = []
    for one, quantity in groups:
        line = {"id": one["lineItems"]["nodes"][0]["id"], "quantity": quantity}
        group = {"fulfillmentOrderId": one["id"]}
        asked.append(group if quantity is None else group | {"fulfillmentOrderLineItems": [line]})
    return shop.graphql(SHIP, {"fulfillment": {"lineItemsByFulfillmentOrder": asked}})["fulfillmentCreate"]


def test_fulfillment_orders_appear_late(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M"}, fulfillment_order_delay=30)
    assert work(shop, order)["fulfillmentOrders"]["nodes"] == []
    shop.control("clock", {"advance": 31})
    eventually(lambda: work(shop, order)["fulfillmentOrders"]["nodes"])


def test_there_is_one_fulfillment_order_per_location_and_delivery_method(shop: Sandbox) -> None:
    digital = {"custom": True, "title": "Gift card", "requires_shipping": False}
    found = work(shop, shop.order({"sku": "SHIRT-M"}, {"sku": "HAT"}, digital))["fulfillmentOrders"]["nodes"]
    have = {(one["assignedLocation"]["name"], one["deliveryMethod"]["methodType"]) for one in found}
    assert have == {("Main", "SHIPPING"), ("North", "SHIPPING"), ("Main", "NONE")}


def test_a_digital_order_needs_no_fulfillment(shop: Sandbox) -> None:
    found = work(shop, shop.order({"custom": True, "title": "E-book", "requires_shipping": False}))
    assert (found["displayFulfillmentStatus"], found["fulfillmentOrders"]["nodes"]) == ("FULFILLMENT_NOT_REQUIRED", [])


def test_the_same_call_twice_ships_twice_while_quantity_remains(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 3})
    (one,) = work(shop, order)["fulfillmentOrders"]["nodes"]
    assert [ship(shop, (one, 1))["fulfillment"]["name"] for _ in range(2)] == ["#1001-F1", "#1001-F2"]
    after = work(shop, order)
    assert after["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    (left,) = after["fulfillmentOrders"]["nodes"]
    assert (left["status"], left["lineItems"]["nodes"][0]["remainingQuantity"]) == ("IN_PROGRESS", 1)
    assert "CREATE_FULFILLMENT" in [action["action"] for action in left["supportedActions"]]
    ship(shop, (one, None))
    done = work(shop, order)
    assert (done["displayFulfillmentStatus"], done["fulfillmentOrders"]["nodes"][0]["supportedActions"]) == (
        "FULFILLED",
        [],
    )


def test_what_cannot_be_shipped_is_refused_in_shopifys_words(shop: Sandbox) -> None:
    first = work(shop, shop.order({"sku": "SHIRT-M"}, {"sku": "HAT"}))["fulfillmentOrders"]["nodes"]
    (other,) = work(shop, shop.order({"sku": "SHIRT-M"}))["fulfillmentOrders"]["nodes"]

    def refusal(*groups: tuple[Any, int | None]) -> tuple[list[str], str]:
        answer = ship(shop, *groups)
        assert answer["fulfillment"] is None
        (error,) = answer["userErrors"]
        return error["field"], error["message"]

    assert refusal((first[0], 2)) == (["fulfillment"], "Invalid fulfillment order line item quantity requested.")
    field, message = refusal((first[0], 0))
    assert (field[-1], message) == ("quantity", "Quantity must be greater than 0")
    assert "must be assigned to a single location" in refusal((first[0], None), (first[1], None))[1]
    assert "must belong to the same order" in refusal((first[0], None), (other, None))[1]
    number = other["id"].rsplit("/", 1)[1]
    ship(shop, (other, None))
    assert refusal((other, None))[1] == f"Fulfillment order {number} has an unfulfillable status= closed."
    unknown = other | {"id": "gid://shopify/FulfillmentOrder/99"}
    assert refusal((unknown, None))[1] == "Fulfillment order does not exist."


def test_an_order_with_shipped_units_cannot_be_cancelled(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 2})
    (one,) = work(shop, order)["fulfillmentOrders"]["nodes"]
    ship(shop, (one, 1))
    reply = shop.graphql(
        "mutation ($id: ID!) { orderCancel(orderId: $id, reason: OTHER, restock: true) {"
        " job { id } orderCancelUserErrors { field message code } } }",
        {"id": order["admin_graphql_api_id"]},
    )["orderCancel"]
    assert reply["job"] is None
    assert reply["orderCancelUserErrors"] == [
        {
            "field": ["orderId"],
            "message": "Cannot cancel an order that has outstanding fulfillments",
            "code": "INVALID",
        }
    ]


def test_a_cancelled_order_closes_its_fulfillment_orders(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 2})
    body = shop.control(f"shopify/{shop.shop}/orders/1001/cancel", {"reason": "INVENTORY"})
    assert (body["cancel_reason"], body["financial_status"]) == ("inventory", "refunded")
    assert body["line_items"][0]["current_quantity"] == 0
    (one,) = work(shop, order)["fulfillmentOrders"]["nodes"]
    assert (one["status"], one["lineItems"]["nodes"][0]["remainingQuantity"]) == ("CLOSED", 0)


def test_edits_and_refunds_change_what_remains_to_be_shipped(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 4})
    path = f"shopify/{shop.shop}/orders/1001"

    def remaining() -> int:
        (one,) = work(shop, order)["fulfillmentOrders"]["nodes"]
        return int(one["lineItems"]["nodes"][0]["remainingQuantity"])

    shop.control(f"{path}/edit", {"quantities": {"SHIRT-M": 3}})
    assert remaining() == 3
    shop.control(f"{path}/refund", {"lines": [{"line": "SHIRT-M", "quantity": 1, "restock_type": "cancel"}]})
    assert remaining() == 2
    shop.control(f"{path}/edit", {"quantities": {"SHIRT-M": 5}})
    assert remaining() == 5
    shop.control(f"{path}/fulfill", {"quantities": {"SHIRT-M": 2}})
    body = shop.control(f"{path}/refund", {"lines": [{"line": "SHIRT-M", "quantity": 1, "restock_type": "return"}]})
    assert body["refund_line_items"][0]["restock_type"] == "return"
    assert remaining() == 3
    line = shop.look(path)["line_items"][0]
    assert (line["quantity"], line["current_quantity"], line["fulfillable_quantity"]) == (5, 4, 3)


def test_an_added_line_is_work_to_do_and_waits_to_be_paid(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 1})
    path = f"shopify/{shop.shop}/orders/1001"
    shop.product("CAP")
    body = shop.control(f"{path}/edit", {"add": [{"sku": "CAP", "quantity": 2}]})
    assert [(line["sku"], line["current_quantity"]) for line in body["line_items"]] == [("SHIRT-M", 1), ("CAP", 2)]
    assert body["financial_status"] == "partially_paid"
    left = [
        one["lineItems"]["nodes"][0]["remainingQuantity"] for one in work(shop, order)["fulfillmentOrders"]["nodes"]
    ]
    assert left == [1, 2]
    assert shop.control(f"{path}/pay", {})["financial_status"] == "paid"


def test_moved_work_has_new_ids_and_the_old_ones_are_closed(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M", "quantity": 3})
    (old,) = work(shop, order)["fulfillmentOrders"]["nodes"]
    ship(shop, (old, 1))
    shop.control(f"shopify/{shop.shop}/orders/1001/move", {"location": "North"})
    closed, new = work(shop, order)["fulfillmentOrders"]["nodes"]
    assert (closed["id"], closed["status"]) == (old["id"], "CLOSED")
    assert (new["assignedLocation"]["name"], new["lineItems"]["nodes"][0]["remainingQuantity"]) == ("North", 2)
    assert ship(shop, (old, None))["userErrors"][0]["message"].endswith("has an unfulfillable status= closed.")
    assert ship(shop, (new, None))["userErrors"] == []
