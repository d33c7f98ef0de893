"""Against a real HTTP store: a parcel is written once whatever happens."""

import pytest
from parcel_examples import fulfillments, notice

from crossdock.channels.errors import Permanent, Retryable, Unknown
from crossdock.channels.protocols import ChannelAccess, Receipt, ShipmentNotice
from crossdock.channels.shopify import ShopifyConnector
from sandbox.testing import Sandbox


async def test_a_parcel_is_written_with_its_tracking(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A", "SKU-B")
    order = sandbox.order({"sku": "SKU-A", "quantity": 2}, {"sku": "SKU-B"})
    sandbox.settle()
    receipt = await shopify.push_shipment(store, notice(order, {"SKU-A": 1}))
    (made,) = fulfillments(sandbox, order)
    assert receipt == Receipt(str(made["id"]))
    assert (made["tracking_company"], made["tracking_number"]) == ("UPS", "1ZTEST0001")
    assert made["tracking_url"] == "https://track.example.com/1ZTEST0001"
    assert [(line["sku"], line["quantity"]) for line in made["line_items"]] == [("SKU-A", 1)]


async def test_the_same_parcel_twice_has_one_effect(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 2})
    sandbox.settle()
    parcel = notice(order, {"SKU-A": 1})
    first = await shopify.push_shipment(store, parcel)
    second = await shopify.push_shipment(store, parcel)
    assert second == Receipt(first.external_id, adopted=True)
    assert len(fulfillments(sandbox, order)) == 1


async def test_a_lost_reply_is_unknown_and_the_look_finds_the_parcel(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 2})
    sandbox.settle()
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"operation": "fulfillmentCreate", "kind": "lose_reply"})
    parcel = notice(order, {"SKU-A": 1})
    with pytest.raises(Unknown):
        await shopify.push_shipment(store, parcel)
    evidence = await shopify.find_shipment(store, parcel)
    (made,) = fulfillments(sandbox, order)
    assert evidence.strong
    assert evidence.found == Receipt(str(made["id"]), adopted=True)


async def test_a_server_error_before_acting_is_unknown_and_the_look_finds_nothing(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A"})
    sandbox.settle()
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"operation": "fulfillmentCreate", "kind": "error_500"})
    with pytest.raises(Unknown):
        await shopify.push_shipment(store, notice(order))
    evidence = await shopify.find_shipment(store, notice(order))
    assert (evidence.found, evidence.strong) == (None, True)


async def test_a_write_that_is_not_answered_in_time_is_unknown(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A"})
    sandbox.settle()
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"operation": "fulfillmentCreate", "kind": "timeout"})
    hasty = ChannelAccess(store.base_url, store.token, {"timeout_seconds": 0.5})
    with pytest.raises(Unknown, match=r"did not answer within 0\.5 seconds: it may have happened"):
        await shopify.push_shipment(hasty, notice(order))


async def test_two_parcels_without_tracking_are_two_fulfillments(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 2})
    sandbox.settle()
    bare = notice(order, {"SKU-A": 1}, tracking="")
    first = await shopify.push_shipment(store, bare)
    second = await shopify.push_shipment(store, bare)
    assert first.external_id != second.external_id
    evidence = await shopify.find_shipment(store, bare)
    assert not evidence.strong
    assert "it may be another parcel's" in evidence.note


async def test_fulfillment_orders_that_are_not_made_yet_are_waited_for(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A"}, fulfillment_order_delay=3600)
    with pytest.raises(Retryable, match="has not made the fulfillment orders"):
        await shopify.push_shipment(store, notice(order))


async def test_units_at_two_locations_are_two_fulfillments_of_one_parcel(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A", "SKU-B")
    order = sandbox.order(
        {"sku": "SKU-A", "quantity": 2, "location": "Main"}, {"sku": "SKU-B", "quantity": 1, "location": "East"}
    )
    sandbox.settle()
    await shopify.push_shipment(store, notice(order))
    assert len(fulfillments(sandbox, order)) == 2
    again = await shopify.push_shipment(store, notice(order))
    assert again.adopted
    assert len(fulfillments(sandbox, order)) == 2


async def test_a_parcel_interrupted_between_two_locations_is_completed_and_not_repeated(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A", "SKU-B")
    order = sandbox.order({"sku": "SKU-A", "location": "Main"}, {"sku": "SKU-B", "location": "East"})
    sandbox.settle()
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"operation": "fulfillmentCreate", "kind": "lose_reply"})
    with pytest.raises(Unknown):
        await shopify.push_shipment(store, notice(order))
    evidence = await shopify.find_shipment(store, notice(order))
    assert evidence.found is None
    assert "1 of its units are missing" in evidence.note
    await shopify.push_shipment(store, notice(order))
    assert sorted(line["sku"] for one in fulfillments(sandbox, order) for line in one["line_items"]) == [
        "SKU-A",
        "SKU-B",
    ]


async def cost_of_a_look(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector, parcel: ShipmentNotice
) -> float:
    """What reading the order costs, in a bucket that no longer fills (orders and tracking leave 200 of its 2000)."""
    sandbox.control(f"shopify/{sandbox.shop}", {"bucket": {"available": 2000, "restore": 0.001}}, method="PATCH")
    await shopify.find_shipment(store, parcel)
    bucket = shopify.client.state(store).bucket
    assert bucket is not None
    return 2000 - bucket.available


async def test_a_parcel_without_tracking_from_two_locations_is_not_written_twice_after_a_failure(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A", "SKU-B")
    order = sandbox.order(
        {"sku": "SKU-A", "quantity": 5, "location": "Main"}, {"sku": "SKU-B", "quantity": 1, "location": "East"}
    )
    sandbox.settle()
    bare = notice(order, {"SKU-A": 2, "SKU-B": 1}, tracking="")
    left_after_the_read = await cost_of_a_look(sandbox, store, shopify, bare) + 215
    shopify.client.state(store).costs["FulfillmentCreate"] = 10.0
    sandbox.control(f"shopify/{sandbox.shop}", {"bucket": {"available": left_after_the_read}}, method="PATCH")
    with pytest.raises(Permanent) as half:
        await shopify.push_shipment(store, bare)
    assert half.value.code == "half_written"
    assert len(fulfillments(sandbox, order)) == 1


async def test_more_than_is_left_is_refused_and_nothing_is_written(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    sandbox.product("SKU-A")
    order = sandbox.order({"sku": "SKU-A", "quantity": 1})
    sandbox.settle()
    sandbox.control(f"shopify/{sandbox.shop}/orders/{order['id']}/fulfill", {})
    with pytest.raises(Permanent) as refused:
        await shopify.push_shipment(store, notice(order))
    assert refused.value.code == "nothing_left"
    assert len(fulfillments(sandbox, order)) == 1
