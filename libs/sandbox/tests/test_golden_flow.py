"""One order as the hub sees it: webhook, fulfillment orders, 3PL, ship notice, fulfillment."""

import base64
import hashlib
import hmac
import json

from sandbox.testing import Receiver, Sandbox

FULFILLMENT_ORDERS = """
query ($id: ID!) { order(id: $id) { displayFulfillmentStatus fulfillmentOrders(first: 5) { nodes {
  id status supportedActions { action } lineItems(first: 10) { nodes { id remainingQuantity sku } } } } } }
"""
SHIP = """
mutation ($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {
  fulfillment { id name status trackingInfo(first: 5) { number url company } } userErrors { field message } } }
"""
SECRET = "whsec_" + base64.b64encode(b"a secret of the 3PL").decode()


def test_an_order_travels_from_signed_webhook_to_fulfilled(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.store(
        subscriptions=[{"uri": receiver.url, "topics": ["orders/create", "orders/fulfilled", "products/create"]}]
    )
    sandbox.product("SHIRT-M")
    order = sandbox.order({"sku": "SHIRT-M", "quantity": 2})
    sandbox.settle()
    assert sorted(receiver.topics()) == ["orders/create", "products/create"]
    webhook = next(one for one in receiver.received if one.headers["X-Shopify-Topic"] == "orders/create")
    digest = hmac.new(b"secret", webhook.body, hashlib.sha256).digest()
    assert webhook.headers["X-Shopify-Hmac-Sha256"] == base64.b64encode(digest).decode()
    assert json.loads(webhook.body)["line_items"][0]["sku"] == "SHIRT-M"

    found = sandbox.graphql(FULFILLMENT_ORDERS, {"id": order["admin_graphql_api_id"]})["order"]
    (work,) = found["fulfillmentOrders"]["nodes"]
    assert (work["status"], work["lineItems"]["nodes"][0]["remainingQuantity"]) == ("OPEN", 2)
    made = sandbox.graphql(
        SHIP,
        {
            "fulfillment": {
                "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": work["id"]}],
                "trackingInfo": {"numbers": ["1Z1", "1Z2"], "company": "UPS"},
            }
        },
    )["fulfillmentCreate"]
    assert made["userErrors"] == []
    assert [info["number"] for info in made["fulfillment"]["trackingInfo"]] == ["1Z1", "1Z2"]
    after = sandbox.graphql(FULFILLMENT_ORDERS, {"id": order["admin_graphql_api_id"]})["order"]
    assert after["displayFulfillmentStatus"] == "FULFILLED"
    assert after["fulfillmentOrders"]["nodes"][0]["status"] == "CLOSED"
    sandbox.settle()
    assert "orders/fulfilled" in receiver.topics()


def test_the_3pl_accepts_a_request_ships_it_and_says_so_in_a_signed_notice(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.control(
        "3pl/accounts",
        {
            "name": "main",
            "token": "3pl-token",
            "secret": SECRET,
            "callback_url": receiver.url,
            "behaviour": {"ship_after": 0.05, "packages": 2},
        },
    )
    request = {
        "reference": "REF-1",
        "order_number": "#1001",
        "recipient": {"name": "Test Person"},
        "lines": [{"line_id": "1", "sku": "SHIRT-M", "quantity": 3}],
    }
    bearer = {"Authorization": "Bearer 3pl-token"}
    reply = sandbox.http.post("/3pl/v1/requests", json=request, headers=bearer)
    assert (reply.status_code, reply.json()["state"]) == (201, "accepted")
    sandbox.settle()
    (notice,) = receiver.received
    body = json.loads(notice.body)
    assert body["type"] == "shipment.dispatched"
    assert [slot["quantity"] for package in body["packages"] for slot in package["lines"]] == [2, 1]
    signed = f"{notice.headers['webhook-id']}.{notice.headers['webhook-timestamp']}.".encode() + notice.body
    digest = hmac.new(b"a secret of the 3PL", signed, hashlib.sha256).digest()
    assert notice.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    (found,) = sandbox.http.get("/3pl/v1/requests?reference=REF-1", headers=bearer).json()["requests"]
    assert found["lines"][0]["shipped"] == 3
