"""The Admin API's manners: tokens, versions, cost and throttling, search, paging, and faults."""

import time
from typing import Any

import httpx
import pytest

from sandbox.testing import Sandbox

ORDERS = """
query ($first: Int!, $after: String, $query: String, $reverse: Boolean) {
  orders(first: $first, after: $after, query: $query, reverse: $reverse, sortKey: UPDATED_AT) {
    nodes { id name updatedAt } pageInfo { hasNextPage endCursor } } }
"""
WORK = "query ($id: ID!) { order(id: $id) { fulfillmentOrders(first: 5) { nodes { id } } fulfillments { id } } }"
SHIP = """
mutation ($id: ID!) { fulfillmentCreate(fulfillment: {lineItemsByFulfillmentOrder: [{fulfillmentOrderId: $id}]}) {
  fulfillment { id } userErrors { field message } } }
"""


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    sandbox.store()
    sandbox.product("SHIRT-M")
    return sandbox


def change(sandbox: Sandbox, **body: Any) -> None:
    sandbox.control(f"shopify/{sandbox.shop}", body, "PATCH")


def fault(sandbox: Sandbox, kind: str, operation: str = "*", **more: Any) -> None:
    sandbox.control(f"shopify/{sandbox.shop}/faults", {"kind": kind, "operation": operation} | more)


def names(sandbox: Sandbox, query: str) -> list[str]:
    return [one["name"] for one in sandbox.graphql(ORDERS, {"first": 50, "query": query})["orders"]["nodes"]]


def test_a_wrong_token_is_refused_and_a_wrong_shop_is_not_found(shop: Sandbox) -> None:
    reply = shop.post("{ shop { id } }", token="wrong")
    assert reply.status_code == 401
    assert "Invalid API key or access token" in reply.json()["errors"]
    assert shop.http.post("/shopify/two.example.com/admin/api/2026-10/graphql.json").status_code == 404


@pytest.mark.parametrize(("asked", "served"), [("2026-07", "2026-07"), ("2025-01", "2026-01"), ("junk", "2026-01")])
def test_a_version_no_longer_served_falls_forward(shop: Sandbox, asked: str, served: str) -> None:
    assert shop.post("{ shop { id } }", version=asked).headers["X-Shopify-API-Version"] == served


def test_every_reply_tells_its_cost(shop: Sandbox) -> None:
    cost = shop.post(ORDERS, {"first": 250}).json()["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 2 + 11  # logarithm of the page, not 250
    assert cost["throttleStatus"]["maximumAvailable"] == 2000.0
    assert cost["throttleStatus"]["restoreRate"] == 100.0


def test_an_empty_bucket_throttles_until_it_is_refilled(shop: Sandbox) -> None:
    change(shop, bucket={"available": 5, "restore": 100})
    reply = shop.post(ORDERS, {"first": 250})
    assert reply.status_code == 200
    body = reply.json()
    assert "data" not in body
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = body["extensions"]["cost"]
    time.sleep((cost["requestedQueryCost"] - cost["throttleStatus"]["currentlyAvailable"]) / 100 + 0.02)
    assert "data" in shop.post(ORDERS, {"first": 250}).json()


def test_throttling_can_be_told_as_429(shop: Sandbox) -> None:
    change(shop, bucket={"available": 0, "restore": 0}, settings={"throttled_status": 429})
    reply = shop.post(ORDERS, {"first": 1})
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "2.0")


def test_a_query_that_costs_too_much_is_refused_not_throttled(shop: Sandbox) -> None:
    lines = "lineItems(first: 250) { nodes { variant { product { id } inventoryItem { id } } product { id } } }"
    work = "fulfillmentOrders(first: 50) { nodes { lineItems(first: 50) { nodes { variant { product { id } } } } } }"
    reply = shop.post(f"{{ orders(first: 250) {{ nodes {{ {lines} {work} }} }} }}").json()
    assert reply["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_an_unknown_filter_is_dropped_with_only_a_warning(shop: Sandbox) -> None:
    shop.order({"sku": "SHIRT-M"})
    reply = shop.post(ORDERS, {"first": 5, "query": "updatd_at:>='2999-01-01T00:00:00Z'"}).json()
    assert len(reply["data"]["orders"]["nodes"]) == 1
    (warning,) = reply["extensions"]["search"][0]["warnings"]
    assert (warning["field"], warning["code"]) == ("updatd_at", "invalid_field")


def test_a_time_without_quotes_is_cut_at_its_colon(shop: Sandbox) -> None:
    shop.order({"sku": "SHIRT-M"})
    reply = shop.post(ORDERS, {"first": 5, "query": "updated_at:>=2020-01-01T00:00:00Z"}).json()
    assert [one["field"] for one in reply["extensions"]["search"][0]["warnings"]] == ["00"]


def test_searches_combine(shop: Sandbox) -> None:
    shop.order({"sku": "SHIRT-M"}, tags=["a"], financial_status="PENDING")
    shop.order({"sku": "SHIRT-M"}, tags=["a", "b"])
    shop.order({"sku": "SHIRT-M"}, tags=["c"])
    assert names(shop, "tag:a") == ["#1001", "#1002"]
    assert names(shop, "tag:a AND NOT tag:b") == ["#1001"]
    assert names(shop, "tag:a -tag:b") == ["#1001"]
    assert names(shop, "(tag:b OR tag:c) financial_status:paid") == ["#1002", "#1003"]
    assert names(shop, "name:'#1002'") == ["#1002"]
    assert names(shop, "updated_at:>'2999-01-01T00:00:00Z'") == []


def test_pages_follow_the_cursor_while_orders_change(shop: Sandbox) -> None:
    for _ in range(5):
        shop.order({"sku": "SHIRT-M"})
    page = shop.graphql(ORDERS, {"first": 2})["orders"]
    assert ([one["name"] for one in page["nodes"]], page["pageInfo"]["hasNextPage"]) == (["#1001", "#1002"], True)
    time.sleep(1.1)  # times have whole seconds
    shop.control(f"shopify/{shop.shop}/orders/1003/change", {"note": "x"})
    rest = shop.graphql(ORDERS, {"first": 10, "after": page["pageInfo"]["endCursor"]})["orders"]
    assert [one["name"] for one in rest["nodes"]] == ["#1004", "#1005", "#1003"]
    assert rest["pageInfo"]["hasNextPage"] is False


def test_paging_needs_first_or_last(shop: Sandbox) -> None:
    reply = shop.post("{ orders { nodes { id } } }").json()
    assert "first or last" in reply["errors"][0]["message"]


def test_the_search_index_lags_behind_new_orders(shop: Sandbox) -> None:
    change(shop, settings={"search_lag": 60})
    shop.order({"sku": "SHIRT-M"}, source_identifier="EXT-1")
    assert names(shop, "source_identifier:'EXT-1'") == []
    assert names(shop, "updated_at:>='2020-01-01T00:00:00Z'") == ["#1001"]
    shop.control("clock", {"advance": 61})
    assert names(shop, "source_identifier:'EXT-1'") == ["#1001"]


def test_an_id_that_cannot_be_is_a_top_level_error(shop: Sandbox) -> None:
    reply = shop.post(SHIP, {"id": "gid://shopify/FulfillmentOrder/0"}).json()
    assert (reply["errors"][0]["message"], reply["errors"][0]["extensions"]["code"]) == (
        "invalid id",
        "RESOURCE_NOT_FOUND",
    )


def test_a_lost_reply_really_shipped_and_a_second_call_is_told_so(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M"})["admin_graphql_api_id"]
    work = shop.graphql(WORK, {"id": order})["order"]["fulfillmentOrders"]["nodes"][0]["id"]
    fault(shop, "lose_reply", "fulfillmentCreate")
    with pytest.raises(httpx.RemoteProtocolError):
        shop.post(SHIP, {"id": work})
    assert len(shop.graphql(WORK, {"id": order})["order"]["fulfillments"]) == 1
    (error,) = shop.graphql(SHIP, {"id": work})["fulfillmentCreate"]["userErrors"]
    assert error["message"].endswith("has an unfulfillable status= closed.")


def test_a_call_that_times_out_or_fails_before_acting_did_nothing(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M"})["admin_graphql_api_id"]
    work = shop.graphql(WORK, {"id": order})["order"]["fulfillmentOrders"]["nodes"][0]["id"]
    fault(shop, "error_500", "fulfillmentCreate")
    fault(shop, "timeout", "fulfillmentCreate")
    assert shop.post(SHIP, {"id": work}).status_code == 500
    with httpx.Client(base_url=shop.url, timeout=0.2) as hasty, pytest.raises(httpx.ReadTimeout):
        Sandbox(shop.url, hasty).post(SHIP, {"id": work})
    assert shop.graphql(WORK, {"id": order})["order"]["fulfillments"] == []


def test_a_call_may_act_long_after_the_caller_gave_up(shop: Sandbox) -> None:
    order = shop.order({"sku": "SHIRT-M"})["admin_graphql_api_id"]
    work = shop.graphql(WORK, {"id": order})["order"]["fulfillmentOrders"]["nodes"][0]["id"]
    fault(shop, "act_late", "fulfillmentCreate", seconds=0.5)
    with httpx.Client(base_url=shop.url, timeout=0.1) as hasty, pytest.raises(httpx.ReadTimeout):
        Sandbox(shop.url, hasty).post(SHIP, {"id": work})
    assert shop.graphql(WORK, {"id": order})["order"]["fulfillments"] == []
    assert not shop.look("quiet")["quiet"]
    shop.settle()
    assert len(shop.graphql(WORK, {"id": order})["order"]["fulfillments"]) == 1


def test_faults_strike_as_often_as_told_and_only_their_operation(shop: Sandbox) -> None:
    fault(shop, "throttle", "orders", times=2)
    fault(shop, "token_expired", "shop")
    assert shop.post("{ shop { id } }").status_code == 401
    codes = [shop.post(ORDERS, {"first": 1}).json().get("errors") for _ in range(3)]
    assert [bool(errors) for errors in codes] == [True, True, False]
    assert shop.post("{ shop { id } }").status_code == 200


def test_inventory_is_not_set_without_a_key_and_what_it_was(shop: Sandbox) -> None:
    row = '{inventoryItemId: "gid://shopify/InventoryItem/1", locationId: "gid://shopify/Location/1", quantity: 1}'
    call = f'inventorySetQuantities(input: {{name: "available", reason: "correction", quantities: [{row}]}})'
    assert shop.post(f"mutation {{ {call} {{ userErrors {{ code }} }} }}").json()["errors"][0]["extensions"] == {
        "code": "BAD_REQUEST"
    }
    keyed = f'{call} @idempotent(key: "k")'
    assert shop.post(f"mutation {{ {keyed} {{ userErrors {{ code }} }} }}").json()["errors"][0]["extensions"] == {
        "code": "INVALID_FIELD_ARGUMENTS"
    }
