"""Order payloads look and add up like real ones."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import Receiver, Sandbox

REFERENCE = Path(os.environ.get("CROSSDOCK_REFERENCE", Path(__file__).parents[4] / "shared"))
SAMPLES = REFERENCE / "samples" / "shopify" / "webhooks"


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    sandbox.store()
    sandbox.product("SHIRT-M", "SHIRT-L")
    return sandbox


def amount(order: Any, side: str, name: str) -> Decimal:
    return Decimal(order[f"{name}_set"][side]["amount"])


def adds_up(order: Any, side: str) -> bool:
    """Whether lines, discounts, tax and shipping make the total, in one currency."""

    def of(one: Any, name: str) -> Decimal:
        return Decimal(one[f"{name}_set"][side]["amount"])

    holders = [*order["line_items"], *order["shipping_lines"]]
    gross = sum(of(one, "price") * one.get("quantity", 1) for one in holders)
    off = sum(of(part, "amount") for one in holders for part in one["discount_allocations"])
    tax = sum(of(part, "price") for one in holders for part in one["tax_lines"])
    whole = gross - off + (Decimal(0) if order["taxes_included"] else tax)
    return bool(whole == amount(order, side, "total_price") and tax == amount(order, side, "total_tax"))


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"discount": {"code": "TEN", "percentage": "10"}, "taxes": [{"title": "VAT", "rate": "0.19"}]},
        {"discount": {"amount": "10.02"}, "taxes": [{"rate": "0.07"}, {"title": "City", "rate": "0.0125"}]},
        {"discount": {"code": "FREE", "free_shipping": True}, "taxes": [{"rate": "0.2"}], "taxes_included": True},
        {"presentment_currency": "EUR", "presentment_rate": "0.9137", "discount": {"percentage": "33"}},
        {"presentment_currency": "JPY", "presentment_rate": "151.3", "taxes": [{"rate": "0.1"}]},
    ],
)
def test_lines_discounts_tax_and_shipping_make_the_total_in_both_currencies(shop: Sandbox, order: Any) -> None:
    first = {"sku": "SHIRT-M", "quantity": 3, "price": "9.99", "discount": "1.00"}
    body = shop.order(first, {"sku": "SHIRT-L", "price": "7.53"}, **order)
    assert adds_up(body, "shop_money")
    assert adds_up(body, "presentment_money")


def test_an_order_discount_is_spread_to_the_cent(shop: Sandbox) -> None:
    lines = [{"sku": "SHIRT-M", "price": "9.99"} for _ in range(3)]
    body = shop.order(*lines, discount={"code": "TEN", "amount": "10.00"})
    parts = [line["discount_allocations"][0]["amount"] for line in body["line_items"]]
    assert sorted(parts) == ["3.33", "3.33", "3.34"]
    assert body["discount_codes"] == [{"code": "TEN", "amount": "10.00", "type": "fixed_amount"}]
    assert {line["total_discount"] for line in body["line_items"]} == {"0.00"}


def test_yen_have_no_decimals(sandbox: Sandbox) -> None:
    sandbox.store(currency="JPY", utc_offset="+09:00")
    sandbox.product("SHIRT-M")
    body = sandbox.order({"sku": "SHIRT-M", "price": "5900"}, shipping=[{"price": "500"}])
    assert (body["line_items"][0]["price"], body["total_price"]) == ("5900", "6400")
    assert body["created_at"].endswith("+09:00")


def test_rest_amounts_keep_their_zeros(shop: Sandbox) -> None:
    assert shop.order({"sku": "SHIRT-M", "price": "13.5"})["line_items"][0]["price"] == "13.50"


def test_lines_may_be_custom_digital_blank_or_ambiguous(shop: Sandbox) -> None:
    shop.product("", "TWIN", "TWIN")
    body = shop.order(
        {"sku": ""},
        {"sku": "TWIN"},
        {"custom": True, "title": "Tip", "price": "3.00", "requires_shipping": False},
        {"sku": "SHIRT-M", "quantity": 2, "properties": {"engraving": "x"}},
    )
    blank, twin, tip, shirt = body["line_items"]
    assert (blank["sku"], twin["sku"]) == ("", "TWIN")
    assert (tip["variant_id"], tip["requires_shipping"]) == (None, False)
    assert (shirt["properties"], shirt["fulfillable_quantity"]) == ([{"name": "engraving", "value": "x"}], 2)


def test_some_ids_are_beyond_what_a_double_holds(shop: Sandbox) -> None:
    orders = [shop.order({"sku": "SHIRT-M"}) for _ in range(6)]
    big = [one["id"] > 2**53 for one in orders]
    assert any(big)
    assert not all(big)
    assert len({one["id"] for one in orders}) == 6
    assert all(one["admin_graphql_api_id"] == f"gid://shopify/Order/{one['id']}" for one in orders)


def test_an_unpaid_order_is_paid_later(shop: Sandbox) -> None:
    unpaid = shop.order({"sku": "SHIRT-M"}, financial_status="PENDING")
    assert (unpaid["financial_status"], unpaid["total_outstanding"]) == ("pending", unpaid["total_price"])
    paid = shop.control(f"shopify/{shop.shop}/orders/1001/pay", {})
    assert (paid["financial_status"], paid["total_outstanding"]) == ("paid", "0.00")


def test_a_customer_or_address_may_be_absent(shop: Sandbox) -> None:
    body = shop.order({"sku": "SHIRT-M"}, customer=None, shipping_address=None, billing_address={"city": "Nowhere"})
    assert (body["customer"], body["shipping_address"]) == (None, None)
    assert body["billing_address"]["city"] == "Nowhere"


def test_a_typo_in_a_description_is_refused(shop: Sandbox) -> None:
    reply = shop.http.post(f"/_control/shopify/{shop.shop}/orders", json={"lines": [], "currrency": "EUR"})
    assert reply.status_code == 422
    unknown = shop.http.post(f"/_control/shopify/{shop.shop}/orders", json={"lines": [{"sku": "NONE"}]})
    assert unknown.status_code == 404
    assert "no variant with SKU NONE" in unknown.json()["detail"]


def keys(body: Any, path: str = "") -> set[str]:
    """The dot paths of all keys; of a list, those of its first element."""
    if isinstance(body, list):
        return keys(body[0], path) if body else set()
    if not isinstance(body, dict):
        return set()
    return {f"{path}{key}" for key in body} | {
        one for key, value in body.items() for one in keys(value, f"{path}{key}.")
    }


@pytest.mark.parametrize(
    ("sample", "topic"),
    [
        ("orders__create.json", "orders/create"),
        ("products__create.json", "products/create"),
        ("fulfillments__create.json", "fulfillments/create"),
        ("refunds__create.json", "refunds/create"),
        ("inventory_levels__update.json", "inventory_levels/update"),
        ("fulfillment_orders__order_routing_complete.json", "fulfillment_orders/order_routing_complete"),
    ],
)
def test_payloads_have_the_keys_of_published_samples(
    sandbox: Sandbox, receiver: Receiver, sample: str, topic: str
) -> None:
    if not (SAMPLES / sample).exists():
        pytest.skip(f"There is no {SAMPLES / sample}; set CROSSDOCK_REFERENCE.")
    sandbox.store(subscriptions=[{"uri": receiver.url, "topics": [topic]}])
    sandbox.product("SHIRT-M")
    sandbox.order({"sku": "SHIRT-M", "quantity": 2})
    sandbox.control(f"shopify/{sandbox.shop}/orders/1001/refund", {"lines": [{"line": "SHIRT-M", "quantity": 1}]})
    sandbox.control(f"shopify/{sandbox.shop}/orders/1001/fulfill")
    sandbox.control(f"shopify/{sandbox.shop}/stock", {"sku": "SHIRT-M", "available": 5})
    sandbox.settle()
    ours = keys(json.loads(receiver.received[0].body))
    missing = keys(json.loads((SAMPLES / sample).read_bytes())) - ours
    filled = {""} | {one.rpartition(".")[0] for one in ours}  # below these ours holds something, too
    assert {one for one in missing if one.rpartition(".")[0] in filled} == set()


def test_many_orders_placed_at_once_are_orders_like_any_other(shop: Sandbox) -> None:
    wanted = [{"lines": [{"sku": "SHIRT-M", "quantity": count}], "webhooks": []} for count in (1, 2, 3)]
    made = shop.control(f"shopify/{shop.shop}/orders/bulk", {"orders": wanted})["orders"]
    assert [one["line_items"][0]["quantity"] for one in made] == [1, 2, 3]
    assert [one["name"] for one in made] == [one["name"] for one in shop.look(f"shopify/{shop.shop}/orders")["orders"]]
