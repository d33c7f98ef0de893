"""Webhooks arrive as real ones do: signed over raw bytes, retried with the same id, sometimes twice or in reverse."""

import base64
import hashlib
import hmac
import json

import pytest

from sandbox.testing import Received, Receiver, Sandbox, eventually

TOPICS = ["orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/edited", "refunds/create"]


def shop_with(sandbox: Sandbox, receiver: Receiver, *topics: str, **more: object) -> None:
    sandbox.store(subscriptions=[{"uri": receiver.url, "topics": list(topics or TOPICS)}], **more)
    sandbox.product("SHIRT-M")


def signed(webhook: Received, secret: bytes) -> bool:
    digest = hmac.new(secret, webhook.body, hashlib.sha256).digest()
    return webhook.headers["X-Shopify-Hmac-Sha256"] == base64.b64encode(digest).decode()


def test_a_webhook_carries_the_real_headers(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create", "orders/paid")
    order = sandbox.order({"sku": "SHIRT-M"}, note="Grüße, 東京")
    sandbox.settle()
    first, second = receiver.received
    assert first.headers["X-Shopify-Shop-Domain"] == "one.example.com"
    assert first.headers["X-Shopify-API-Version"] == "2026-10"
    assert first.headers["X-Shopify-Triggered-At"].endswith("Z")
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["X-Shopify-Event-Id"] == second.headers["X-Shopify-Event-Id"]
    assert first.headers["X-Shopify-Webhook-Id"] != second.headers["X-Shopify-Webhook-Id"]
    assert signed(first, b"secret")
    assert "Grüße, 東京".encode() in first.body
    assert json.loads(first.body)["id"] == order["id"]


def test_a_refused_webhook_is_sent_again_with_the_same_id_and_body(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    receiver.reply = lambda count: 500 if count < 2 else 200
    sandbox.control("clock", {"speed": 3600})
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    assert len(receiver.received) == 3
    assert len({(one.headers["X-Shopify-Webhook-Id"], one.body) for one in receiver.received}) == 1
    (delivery,) = sandbox.look("deliveries?topic=orders/create")["deliveries"]
    assert delivery["state"] == "delivered"
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == [500, 500, 200]


def test_after_eight_failed_retries_a_subscription_made_by_the_api_is_deleted(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    shop_with(sandbox, receiver, "orders/create")
    sandbox.control(
        f"shopify/{sandbox.shop}/subscriptions", {"uri": receiver.url, "topics": ["orders/paid"], "by_api": False}
    )
    receiver.reply = lambda _count: 302
    sandbox.control("clock", {"speed": 36_000})
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    assert len(receiver.received) == 18
    assert {one["state"] for one in sandbox.look("deliveries")["deliveries"]} == {"failed"}
    left = sandbox.look(f"shopify/{sandbox.shop}")["subscriptions"]
    assert [one["topic"] for one in left] == ["ORDERS_PAID"]


def test_a_retry_waits_on_the_sandbox_clock(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    receiver.reply = lambda count: 500 if count < 1 else 200
    sandbox.order({"sku": "SHIRT-M"})
    eventually(lambda: len(receiver.received) == 1)
    assert not sandbox.look("quiet")["quiet"]
    sandbox.control("clock", {"advance": 57})
    sandbox.settle()
    assert len(receiver.received) == 2


def test_duplicates_keep_id_and_body(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    sandbox.control(f"misbehaviour/shopify:{sandbox.shop}", {"duplicate_next": 1}, "PUT")
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    ids = [one.headers["X-Shopify-Webhook-Id"] for one in receiver.received]
    assert (len(ids), len(set(ids))) == (3, 2)


def test_webhooks_held_for_reordering_arrive_in_reverse(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    source = f"misbehaviour/shopify:{sandbox.shop}"
    sandbox.control(source, {"reorder": 100}, "PUT")
    names = [sandbox.order({"sku": "SHIRT-M"})["name"] for _ in range(3)]
    assert receiver.received == []
    sandbox.control(source, {"reorder": 0}, "PUT")
    sandbox.settle()
    shown = sandbox.look("deliveries")["deliveries"]
    by_time = sorted(shown, key=lambda one: one["attempts"][0]["at"])
    assert [one["subject"] for one in by_time] == names[::-1]


def test_dropped_webhooks_never_arrive(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    sandbox.control(f"misbehaviour/shopify:{sandbox.shop}", {"drop_next": 1}, "PUT")
    sandbox.order({"sku": "SHIRT-M"})
    second = sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    assert [json.loads(one.body)["id"] for one in receiver.received] == [second["id"]]
    assert sandbox.look("deliveries?state=dropped")["count"] == 1


def test_paused_webhooks_go_out_when_deliveries_resume(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    sandbox.control("pause")
    sandbox.order({"sku": "SHIRT-M"})
    assert sandbox.look("quiet") == {"quiet": False, "in_flight": 0, "held": 0, "paused": 1, "planned": 0}
    sandbox.control("resume")
    sandbox.settle()
    assert len(receiver.received) == 1


def test_after_a_rotation_the_old_secret_may_still_sign(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create", old_secret="before")
    sandbox.control(f"misbehaviour/shopify:{sandbox.shop}", {"sign_with": "old"}, "PUT")
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    assert signed(receiver.received[0], b"before")


def test_a_stored_delivery_can_be_sent_again(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/create")
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    (delivery,) = sandbox.look("deliveries")["deliveries"]
    sandbox.control(f"deliveries/{delivery['number']}/again")
    sandbox.settle()
    first, second = receiver.received
    assert (first.body, first.headers["X-Shopify-Webhook-Id"]) == (second.body, second.headers["X-Shopify-Webhook-Id"])


def test_any_body_can_be_sent_as_a_webhook(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "orders/updated")
    order = sandbox.order({"sku": "SHIRT-M"}, webhooks=[])
    sandbox.control(f"shopify/{sandbox.shop}/webhooks", {"topic": "orders/updated", "order": order["name"]})
    sandbox.control(f"shopify/{sandbox.shop}/webhooks", {"topic": "orders/updated", "body": {"id": 2**60}})
    sandbox.settle()
    assert {json.loads(one.body)["id"] for one in receiver.received} == {order["id"], 2**60}


def test_a_subscription_with_chosen_fields_gets_only_these(sandbox: Sandbox, receiver: Receiver) -> None:
    fields = ["id", "updated_at", "line_items.sku"]
    subscription = {"uri": receiver.url, "topics": ["orders/create"], "include_fields": fields}
    sandbox.store(subscriptions=[subscription])
    sandbox.product("SHIRT-M")
    order = sandbox.order({"sku": "SHIRT-M"})
    sandbox.settle()
    wanted = {"id": order["id"], "updated_at": order["updated_at"], "line_items": [{"sku": "SHIRT-M"}]}
    assert json.loads(receiver.received[0].body) == wanted


def test_every_change_of_an_order_sends_its_usual_topics(sandbox: Sandbox, receiver: Receiver) -> None:
    topics = [*TOPICS, "fulfillments/create", "orders/partially_fulfilled", "fulfillment_orders/order_routing_complete"]
    shop_with(sandbox, receiver, *topics)
    name = sandbox.order({"sku": "SHIRT-M", "quantity": 4}, financial_status="PENDING")["name"].lstrip("#")
    path = f"shopify/{sandbox.shop}/orders/{name}"
    for call, body, usual in [
        ("pay", {}, ["orders/paid", "orders/updated"]),
        ("edit", {"quantities": {"SHIRT-M": 3}}, ["orders/edited", "orders/updated"]),
        ("refund", {"lines": [{"line": "SHIRT-M", "quantity": 1}]}, ["orders/updated", "refunds/create"]),
        (
            "fulfill",
            {"quantities": {"SHIRT-M": 1}},
            ["fulfillments/create", "orders/partially_fulfilled", "orders/updated"],
        ),
        ("change", {"note": "x"}, ["orders/updated"]),
    ]:
        sandbox.settle()
        receiver.received.clear()
        sandbox.control(f"{path}/{call}", body)
        sandbox.settle()
        assert sorted(receiver.topics()) == usual, call


def test_an_uninstalled_app_hears_it_and_is_refused(sandbox: Sandbox, receiver: Receiver) -> None:
    shop_with(sandbox, receiver, "app/uninstalled")
    sandbox.control(f"shopify/{sandbox.shop}/uninstall")
    sandbox.settle()
    assert receiver.topics() == ["app/uninstalled"]
    assert sandbox.post("{ shop { id } }").status_code == 401


CREATE = """
mutation ($sub: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: $sub) {
    webhookSubscription { id } userErrors { field message } } }
"""


@pytest.mark.parametrize(
    ("filter_text", "names"),
    [
        ("line_items.sku:SHIRT-M", ["#1001", "#1003"]),
        ("line_items.sku:shirt-m", []),
        ("total_price:>=20 AND financial_status:paid", ["#1002", "#1003"]),
        ("-line_items.sku:SHIRT*", ["#1002"]),
        ("(note:x OR line_items.sku:HAT)", ["#1002", "#1003"]),
        ("no_such_field:x", []),
    ],
)
def test_a_subscription_with_a_filter_gets_what_passes_it(
    sandbox: Sandbox, receiver: Receiver, filter_text: str, names: list[str]
) -> None:
    sandbox.store()
    sandbox.product("SHIRT-M", "HAT")
    made = sandbox.graphql(CREATE, {"sub": {"uri": receiver.url, "filter": filter_text}})["webhookSubscriptionCreate"]
    assert made["userErrors"] == []
    sandbox.order({"sku": "SHIRT-M"})
    sandbox.order({"sku": "HAT", "quantity": 3})
    sandbox.order({"sku": "HAT"}, {"sku": "SHIRT-M"}, note="x")
    sandbox.settle()
    assert sorted(json.loads(one.body)["name"] for one in receiver.received) == names


@pytest.mark.parametrize(
    ("sub", "message"),
    [
        ({}, "Address can't be blank"),
        ({"uri": "http://hub.example.com/x"}, "Address protocol http:// is not supported"),
        ({"uri": "https://hub.example.com/x", "name": "a b"}, "Name name field can only contain alphanumeric"),
        ({"uri": "https://hub.example.com/x", "filter": "justaword"}, "The specified filter is invalid"),
        ({"uri": "https://hub.example.com/taken"}, "Address for this topic has already been taken"),
    ],
)
def test_a_bad_subscription_is_refused_in_shopifys_words(sandbox: Sandbox, sub: dict[str, str], message: str) -> None:
    sandbox.store(subscriptions=[{"uri": "https://hub.example.com/taken", "topics": ["orders/create"]}])
    answer = sandbox.graphql(CREATE, {"sub": sub})["webhookSubscriptionCreate"]
    assert answer["webhookSubscription"] is None
    assert answer["userErrors"][0]["message"].startswith(message)
