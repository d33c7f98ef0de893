"""The store's own stock follows its orders, and says so."""

import json

import pytest

from sandbox.testing import Receiver, Sandbox


@pytest.fixture
def shop(sandbox: Sandbox, receiver: Receiver) -> Sandbox:
    sandbox.store(subscriptions=[{"uri": receiver.url, "topics": ["inventory_levels/update"]}])
    sandbox.control(
        f"shopify/{sandbox.shop}/products", {"title": "Shirt", "variants": [{"sku": "SHIRT-M", "available": 10}]}
    )
    return sandbox


def quantities(shop: Sandbox) -> tuple[int, int]:
    """Available and on hand."""
    nodes = shop.graphql(
        "{ productVariants(first: 1) { nodes { inventoryItem { inventoryLevels(first: 1) { nodes {"
        ' quantities(names: ["available", "on_hand"]) { name quantity } } } } } } }'
    )["productVariants"]["nodes"]
    level = nodes[0]["inventoryItem"]["inventoryLevels"]["nodes"][0]
    have = {one["name"]: one["quantity"] for one in level["quantities"]}
    return have["available"], have["on_hand"]


def test_a_sale_commits_units_and_a_shipment_takes_them_off_hand(shop: Sandbox, receiver: Receiver) -> None:
    shop.order({"sku": "SHIRT-M", "quantity": 4})
    assert quantities(shop) == (6, 10)
    shop.control(f"shopify/{shop.shop}/orders/1001/fulfill", {"quantities": {"SHIRT-M": 3}})
    assert quantities(shop) == (6, 7)
    shop.control(
        f"shopify/{shop.shop}/orders/1001/refund",
        {"lines": [{"line": "SHIRT-M", "quantity": 1, "restock_type": "return"}]},
    )
    assert quantities(shop) == (7, 8)
    shop.settle()
    assert sorted(json.loads(one.body)["available"] for one in receiver.received) == [6, 7]


def test_a_cancelled_order_gives_its_units_back_when_restocked(shop: Sandbox) -> None:
    shop.order({"sku": "SHIRT-M", "quantity": 4})
    shop.order({"sku": "SHIRT-M", "quantity": 1})
    shop.control(f"shopify/{shop.shop}/orders/1001/cancel", {"restock": True})
    shop.control(f"shopify/{shop.shop}/orders/1002/cancel", {"restock": False})
    assert quantities(shop) == (9, 9)


def test_an_order_made_by_an_app_leaves_stock_alone_unless_it_says_otherwise(shop: Sandbox) -> None:
    variant = shop.graphql("{ productVariants(first: 1) { nodes { id } } }")["productVariants"]["nodes"][0]["id"]
    create = """
    mutation ($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
      orderCreate(order: $order, options: $options) { order { id } userErrors { code } } }
    """
    order = {"lineItems": [{"variantId": variant, "quantity": 6}]}
    shop.graphql(create, {"order": order})
    assert quantities(shop) == (10, 10)
    obeying = {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY"}
    shop.graphql(create, {"order": order, "options": obeying})
    assert quantities(shop) == (4, 10)
    refused = shop.graphql(create, {"order": order, "options": obeying})["orderCreate"]
    assert refused == {"order": None, "userErrors": [{"code": "INVENTORY_CLAIM_FAILED"}]}
