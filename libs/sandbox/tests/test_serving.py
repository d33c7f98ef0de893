"""Fulfillment services of the app: registered, asked, told of it, answering; with Shopify's refusals."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from sandbox.testing import Receiver, Sandbox

SERVE = ["read_assigned_fulfillment_orders", "write_assigned_fulfillment_orders", "write_fulfillments",
         "read_orders", "read_products", "read_locations"]  # fmt: skip
REGISTER = """
mutation ($name: String!, $url: URL) { fulfillmentServiceCreate(name: $name, callbackUrl: $url) {
  fulfillmentService { id callbackUrl location { id isFulfillmentService } } userErrors { field message } } }
"""
DELETE = """
mutation ($id: ID!, $action: FulfillmentServiceDeleteInventoryAction, $to: ID) {
  fulfillmentServiceDelete(id: $id, inventoryAction: $action, destinationLocationId: $to) {
    deletedId userErrors { field message } } }
"""
ASSIGNED = """
query ($status: FulfillmentOrderAssignmentStatus) {
  assignedFulfillmentOrders(first: 10, assignmentStatus: $status) { nodes {
    id orderId status requestStatus merchantRequests(first: 1, reverse: true) { nodes { id kind message } } } } }
"""


def answer(shop: Sandbox, what: str, given: str) -> Any:
    field = f"fulfillmentOrder{what}"
    query = f"mutation ($id: ID!) {{ {field}(id: $id) {{ fulfillmentOrder {{ status requestStatus }}"
    return shop.graphql(f"{query} userErrors {{ message }} }} }}", {"id": given})[field]


@pytest.fixture
def shop(sandbox: Sandbox, receiver: Receiver) -> Sandbox:
    sandbox.store(locations=[{"name": "Main"}], settings={"scopes": SERVE})
    url = f"{receiver.url}/hub"
    made = sandbox.graphql(REGISTER, {"name": "Hub", "url": url})["fulfillmentServiceCreate"]["fulfillmentService"]
    assert made["location"]["isFulfillmentService"]
    sandbox.product("SHIRT")
    return sandbox


def place(shop: Sandbox, where: str = "Hub") -> Any:
    made = shop.order({"sku": "SHIRT", "quantity": 2, "location": where})
    shop.settle()
    return made


def steer(shop: Sandbox, order: Any, what: str) -> Any:
    return shop.control(f"shopify/{shop.shop}/orders/{order['name'].lstrip('#')}/{what}")


def assigned(shop: Sandbox, status: str | None = None) -> Any:
    return shop.graphql(ASSIGNED, {"status": status})["assignedFulfillmentOrders"]["nodes"]


def test_a_request_is_listed_and_told_without_its_order_once_a_minute(shop: Sandbox, receiver: Receiver) -> None:
    place(shop, "Main")
    first, second = place(shop), place(shop)
    assert [one["requestStatus"] for one in assigned(shop)] == ["UNSUBMITTED"] * 2
    for order in (first, second):
        steer(shop, order, "request")
    shop.settle()
    listed = assigned(shop, "FULFILLMENT_REQUESTED")
    assert [one["orderId"] for one in listed] == [one["admin_graphql_api_id"] for one in (first, second)]
    assert [one["merchantRequests"]["nodes"][0]["kind"] for one in listed] == ["FULFILLMENT_REQUEST"] * 2
    [notice] = receiver.received
    assert json.loads(notice.body) == {"kind": "FULFILLMENT_REQUEST"}
    expected = base64.b64encode(hmac.new(b"secret", notice.body, hashlib.sha256).digest()).decode()
    assert notice.headers["X-Shopify-Hmac-Sha256"] == expected
    assert "X-Shopify-Topic" not in notice.headers


def test_answers_follow_what_was_asked_and_nothing_else(shop: Sandbox) -> None:
    order = place(shop)
    [one] = assigned(shop)
    assert "unsubmitted" in answer(shop, "AcceptFulfillmentRequest", one["id"])["userErrors"][0]["message"]
    steer(shop, order, "request")
    said = answer(shop, "AcceptFulfillmentRequest", one["id"])
    assert said["fulfillmentOrder"] == {"status": "IN_PROGRESS", "requestStatus": "ACCEPTED"}
    assert "accepted" in answer(shop, "RejectFulfillmentRequest", one["id"])["userErrors"][0]["message"]
    steer(shop, order, "request-cancellation")
    said = answer(shop, "RejectCancellationRequest", one["id"])
    assert said["fulfillmentOrder"] == {"status": "IN_PROGRESS", "requestStatus": "CANCELLATION_REJECTED"}
    steer(shop, order, "request-cancellation")
    said = answer(shop, "AcceptCancellationRequest", one["id"])
    assert said["fulfillmentOrder"] == {"status": "CLOSED", "requestStatus": "CANCELLATION_ACCEPTED"}


def test_a_rejected_request_can_be_made_again_and_is_another_request(shop: Sandbox) -> None:
    order = place(shop)
    steer(shop, order, "request")
    [first] = assigned(shop)
    said = answer(shop, "RejectFulfillmentRequest", first["id"])
    assert said["fulfillmentOrder"] == {"status": "OPEN", "requestStatus": "REJECTED"}
    steer(shop, order, "request")
    [again] = assigned(shop, "FULFILLMENT_REQUESTED")
    assert again["id"] == first["id"]
    assert again["merchantRequests"]["nodes"] != first["merchantRequests"]["nodes"]


def test_a_request_that_nobody_answered_is_taken_back_at_once(shop: Sandbox) -> None:
    order = place(shop)
    steer(shop, order, "request")
    [old] = assigned(shop)
    steer(shop, order, "request-cancellation")
    [new] = assigned(shop)
    assert (new["id"] != old["id"], new["requestStatus"]) == (True, "UNSUBMITTED")


def test_names_are_taken_once_and_a_location_stays_when_its_service_goes(shop: Sandbox) -> None:
    again = shop.graphql(REGISTER, {"name": "Hub", "url": None})["fulfillmentServiceCreate"]
    assert again["userErrors"][0]["message"] == "Name has already been taken"
    services = "{ shop { fulfillmentServices { id serviceName } } }"
    [service] = shop.graphql(services)["shop"]["fulfillmentServices"]
    lost = shop.graphql(DELETE, {"id": service["id"], "action": "TRANSFER", "to": None})["fulfillmentServiceDelete"]
    assert lost["userErrors"][0]["field"] == ["destinationLocationId"]
    kept = shop.graphql(DELETE, {"id": service["id"], "action": "KEEP", "to": None})["fulfillmentServiceDelete"]
    assert kept == {"deletedId": service["id"], "userErrors": []}
    assert shop.graphql(services)["shop"]["fulfillmentServices"] == []
    names = shop.graphql("{ locations(first: 9) { nodes { name isFulfillmentService } } }")["locations"]["nodes"]
    assert {"name": "Hub", "isFulfillmentService": False} in names


def test_what_the_app_was_not_granted_is_refused_by_name(shop: Sandbox) -> None:
    shop.control(f"shopify/{shop.shop}", {"settings": {"scopes": ["read_orders"]}}, method="PATCH")
    for query in (ASSIGNED, REGISTER):
        errors = shop.post(query, {"name": "Other"}).json()["errors"]
        assert errors[0]["extensions"]["code"] == "ACCESS_DENIED"
