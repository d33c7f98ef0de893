"""Against a real HTTP store: what we read is what the webhook says, and trouble is told by type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from parcel_examples import notice

from crossdock.channels.errors import AuthExpired, Permanent, RateLimited, Retryable
from crossdock.channels.model import CanonicalOrder
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import ShopifyConnector
from crossdock.channels.shopify.budget import Purpose
from sandbox.testing import Sandbox, eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def from_rest(shopify: ShopifyConnector, payload: dict[str, Any]) -> CanonicalOrder:
    (found,) = shopify.parse("orders/updated", orjson.dumps(payload))
    assert isinstance(found, CanonicalOrder), found
    return found


async def both_ways(sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, which: Any) -> CanonicalOrder:
    """The order read by GraphQL, after checking that its REST payload gives the very same, to the last digit."""
    payload = sandbox.look(f"shopify/{sandbox.shop}/orders/{which}")
    read = await shopify.fetch_order(store, str(payload["id"]))
    assert repr(read) == repr(from_rest(shopify, payload))
    assert read is not None
    return read


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"financial_status": "PENDING", "note": "ring twice", "note_attributes": {"wrap": "blue"}, "tags": ["b", "a"]},
        {"discount": {"code": "TEN", "percentage": "10"}, "taxes": [{"title": "VAT", "rate": "0.19"}]},
        {"taxes": [{"title": "VAT", "rate": "0.07"}], "taxes_included": True},
        {"discount": {"title": "free", "free_shipping": True}},
        {"presentment_currency": "JPY", "presentment_rate": "150.5"},
        {"shipping": [], "test": True},
    ],
)
async def test_graphql_and_rest_give_the_same_order(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, more: dict[str, Any]
) -> None:
    sandbox.product("SKU-A", "SKU-B", None)
    order = sandbox.order(
        {"sku": "SKU-A", "quantity": 3, "price": "19.90", "discount": "1.00", "properties": {"engraving": "x"}},
        {"sku": "SKU-B", "price": "0.50"},
        {"title": "Crate", "custom": True, "price": "7", "requires_shipping": True},
        {"title": "Voucher", "custom": True, "price": "9.99", "gift_card": True, "requires_shipping": False},
        **more,
    )
    found = await both_ways(sandbox, store, shopify, order["id"])
    assert found.totals.difference == 0


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD"])
async def test_amounts_are_written_alike_in_every_currency(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, currency: str
) -> None:
    sandbox.control("reset")
    sandbox.store(currency=currency)
    order = sandbox.order({"title": "Thing", "custom": True, "price": "1200", "quantity": 2})
    found = await both_ways(sandbox, store, shopify, order["id"])
    assert str(found.totals.lines) == {"JPY": "2400", "USD": "2400.00", "KWD": "2400.000"}[currency]


async def test_kept_and_fulfilled_agree_both_ways_through_an_orders_whole_life(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 6})
    which, line = order["id"], str(order["line_items"][0]["id"])
    base = f"shopify/{sandbox.shop}/orders/{which}"

    async def units() -> tuple[int, int]:
        found = (await both_ways(sandbox, store, shopify, which)).lines[0]
        return found.kept, found.fulfilled

    assert await units() == (6, 0)
    sandbox.control(f"{base}/edit", {"quantities": {line: 5}})
    assert await units() == (5, 0)
    sandbox.control(f"{base}/refund", {"lines": [{"line": line, "quantity": 1, "restock_type": "cancel"}]})
    assert await units() == (4, 0)
    eventually(lambda: sandbox.look(base)["fulfillment_orders"])
    await shopify.push_shipment(store, notice(order, {"SKU-A": 2}))
    assert await units() == (4, 2)
    sandbox.control(f"{base}/refund", {"lines": [{"line": line, "quantity": 1, "restock_type": "return"}]})
    assert await units() == (4, 2)
    refunded = (await both_ways(sandbox, store, shopify, which)).refunds
    assert [(one.shipped, one.restock) for refund in refunded for one in refund.lines] == [(False, True), (True, True)]
    assert [refund.paid_back == refund.worth > 0 for refund in refunded] == [True, True]
    sandbox.control(f"{base}/refund", {"lines": [], "amount": "1.50"})
    goodwill = (await both_ways(sandbox, store, shopify, which)).refunds[-1]
    assert (goodwill.lines, goodwill.paid_back, goodwill.worth) == ((), Decimal("1.50"), Decimal(0))


@pytest.mark.parametrize("shipped", [0, 1, 3])
@pytest.mark.parametrize("kind", ["no_restock", "cancel", "return"])
async def test_a_refund_of_every_kind_reads_the_same_both_ways(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, kind: str, shipped: int
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 3})
    base, line = f"shopify/{sandbox.shop}/orders/{order['id']}", str(order["line_items"][0]["id"])
    sandbox.settle()
    if shipped:
        await shopify.push_shipment(store, notice(order, {"SKU-A": shipped}))
    sandbox.control(f"{base}/refund", {"lines": [{"line": line, "quantity": 1, "restock_type": kind}]})
    found = (await both_ways(sandbox, store, shopify, order["id"])).lines[0]
    still_open = sandbox.look(base)["line_items"][0]["fulfillable_quantity"]
    assert (found.fulfilled, found.kept) == (shipped, shipped + still_open)


async def test_a_cancelled_order_reads_the_same_both_ways(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    order = sandbox.order(
        {"title": "Thing", "custom": True, "quantity": 2},
        {"title": "Download", "custom": True, "requires_shipping": False, "price": "4.00"},
    )
    await both_ways(sandbox, store, shopify, order["id"])
    sandbox.control(f"shopify/{sandbox.shop}/orders/{order['id']}/cancel", {})
    found = await both_ways(sandbox, store, shopify, order["id"])
    assert found.cancelled
    assert [line.kept for line in found.lines] == [0, 0]


async def test_an_order_with_more_lines_than_a_page_is_read_whole(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    order = sandbox.order(*({"title": f"Thing {i}", "custom": True, "price": "1.00"} for i in range(230)))
    assert len((await both_ways(sandbox, store, shopify, order["id"])).lines) == 230


async def test_an_order_that_shopify_does_not_know_is_none(store: ChannelAccess, shopify: ShopifyConnector) -> None:
    assert await shopify.fetch_order(store, "404404") is None


async def test_the_poll_tells_changed_orders_oldest_first_and_pages(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    made = [sandbox.order({"title": "Thing", "custom": True}, webhooks=[]) for _ in range(3)]
    page = await shopify.poll_orders(store, NOW)
    assert {one.external_id for one in page.orders} == {str(order["id"]) for order in made}
    assert [one.updated_at for one in page.orders] == sorted(one.updated_at for one in page.orders)
    assert page.cursor is None
    assert (await shopify.poll_orders(store, datetime.now(UTC) + timedelta(hours=1))).orders == ()


async def test_the_poll_tells_what_tells_states_of_one_second_apart(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    made = sandbox.order({"title": "Thing", "custom": True, "price": "7.50"}, financial_status="PENDING", webhooks=[])
    [told] = (await shopify.poll_orders(store, NOW)).orders
    assert (told.financial_status, told.cancelled, told.total) == ("pending", False, Decimal(made["total_price"]))
    read = await shopify.fetch_order(store, told.external_id)
    assert read is not None
    assert (read.financial_status, read.cancelled, read.totals.total) == ("pending", False, told.total)
    for action in ("pay", "cancel"):
        sandbox.control(f"shopify/{sandbox.shop}/orders/{made['id']}/{action}", {"webhooks": []})
        sandbox.settle()
    [told] = (await shopify.poll_orders(store, NOW)).orders
    assert (told.financial_status, told.cancelled) == ("refunded", True)


async def test_a_filter_that_shopify_drops_is_an_error_and_no_full_sync(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.order({"title": "Thing", "custom": True})
    variables = {"first": 5, "after": None, "query": "updated_when:>='2026-01-01'"}
    with pytest.raises(Permanent) as refused:
        await shopify.client.execute(store, "OrdersUpdatedSince", variables, Purpose.IMPORT)
    assert refused.value.code == "search_warning"


async def test_locations_and_products_are_listed(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product(*(f"SKU-{i}" for i in range(130)))
    sandbox.product(None, variants=[{"sku": "ONE", "title": "Default Title"}], title="Mug")
    assert {one.name for one in await shopify.list_locations(store)} == {"Main", "East"}
    page = await shopify.list_products(store)
    shirt, mug = sorted(page.products, key=lambda one: -len(one.listings))
    assert len(shirt.listings) == 130
    assert shirt.complete
    assert (shirt.listings[0].sku, shirt.listings[0].title) == ("SKU-0", "Shirt / Size 0")
    assert [(one.sku, one.title) for one in mug.listings] == [("ONE", "Mug")]


async def test_a_product_reads_the_same_from_its_webhook(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    payload = sandbox.product("SKU-A", None)
    (read,) = (await shopify.list_products(store)).products
    assert shopify.parse("products/update", orjson.dumps(payload)) == (read,)


async def test_webhooks_are_subscribed_once_and_removed(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    topics = ["orders/create", "orders/updated"]
    assert await shopify.ensure_webhooks(store, "https://hub.example.com/in", topics) == tuple(topics)
    assert await shopify.ensure_webhooks(store, "https://hub.example.com/in", [*topics, "products/update"]) == (
        "products/update",
    )
    assert await shopify.remove_webhooks(store, "https://hub.example.com/in") == 3
    assert sandbox.look(f"shopify/{sandbox.shop}")["subscriptions"] == []


async def test_an_old_token_is_told_apart(sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector) -> None:
    with pytest.raises(AuthExpired):
        await shopify.fetch_order(ChannelAccess(store.base_url, "old", {}), "1")


@pytest.mark.parametrize("status", [200, 429])
async def test_a_throttle_says_how_long_to_wait_whatever_its_http_status(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, status: int
) -> None:
    sandbox.control(f"shopify/{sandbox.shop}", {"settings": {"throttled_status": status}}, method="PATCH")
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"operation": "order", "kind": "throttle"})
    with pytest.raises(RateLimited) as limited:
        await shopify.fetch_order(store, "1")
    assert limited.value.after >= 1
    assert await shopify.fetch_order(store, "1") is None


async def test_imports_leave_half_of_the_bucket_to_what_is_urgent(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.control(f"shopify/{sandbox.shop}", {"bucket": {"available": 900, "restore": 1}}, method="PATCH")
    await shopify.fetch_order(store, "1")
    with pytest.raises(RateLimited) as limited:
        await shopify.poll_orders(store, NOW)
    assert limited.value.after > 50
    assert await shopify.fetch_order(store, "1") is None


async def test_a_shop_that_cannot_be_reached_is_retryable_even_for_a_write(
    store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    nowhere = ChannelAccess("http://127.0.0.1:9", "token", {})
    with pytest.raises(Retryable):
        await shopify.client.execute(nowhere, "FulfillmentCreate", {"fulfillment": {}}, Purpose.TRACKING)


async def test_another_api_version_than_asked_is_noted(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    await shopify.fetch_order(store, "1")
    assert shopify.client.state(store).version_note == ""
    sandbox.control(f"shopify/{sandbox.shop}", {"settings": {"served_versions": ["2027-01"]}}, method="PATCH")
    await shopify.fetch_order(store, "1")
    assert "2027-01 instead of 2026-10" in shopify.client.state(store).version_note
