"""Registering as a fulfillment service of a store: found again, missing scopes named, nothing made ours or taken."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request

from sandbox.testing import Sandbox, serve

SHOP = "test-shop.myshopify.com"
SCOPES = ["read_orders", "read_products", "read_customers", "write_merchant_managed_fulfillment_orders",
          "read_locations", "write_fulfillments", "write_assigned_fulfillment_orders"]  # fmt: skip


@dataclass
class Orders:
    """Stands in for order-ingest: it keeps one policy, and who changed it."""

    url: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def orders() -> Iterator[Orders]:
    kept, app = Orders(policy={"locations": [], "service_location": ""}), FastAPI()

    @app.api_route("/channels/{channel_id}/policy", methods=["GET", "PATCH"])
    async def policy(channel_id: str, request: Request) -> dict[str, Any]:
        if request.method == "PATCH":
            change = await request.json()
            kept.policy |= change
            kept.changes.append((request.headers["x-crossdock-actor"], change))
        return {"policy": kept.policy}

    for url in serve(app):
        kept.url = url
        yield kept


@dataclass
class Registrar:
    """A gateway with the test shop connected, and its store."""

    gateway: Any
    shopify: Sandbox
    orders: Orders
    channel: str

    async def register(self, **body: Any) -> Any:
        return await self.gateway.client.post(f"/v1/channels/{self.channel}/service", json=body)

    async def unregister(self, **how: str) -> Any:
        return await self.gateway.client.delete(f"/v1/channels/{self.channel}/service", params=how)

    async def disconnect(self) -> Any:
        return await self.gateway.client.delete(f"/v1/channels/{self.channel}")

    async def setting(self) -> Any:
        return (await self.gateway.client.get(f"/v1/channels/{self.channel}")).json()["settings"]

    def store(self) -> Any:
        return self.shopify.look(f"shopify/{SHOP}")

    def place(self, name: str) -> str:
        return str(next(one["id"] for one in self.store()["locations"] if one["name"] == name))


@pytest.fixture
async def shop(start: Any, shopify: Sandbox, orders: Orders) -> AsyncIterator[Registrar]:
    shopify.control(f"shopify/{SHOP}", {"settings": {"scopes": SCOPES}}, "PATCH")
    async with start(order_ingest_url=orders.url) as gateway:
        base_url = f"{shopify.url}/shopify/{SHOP}"
        secrets = {"webhook_secret": "webhook-secret-of-the-shop", "access_token": "token"}
        made = await gateway.connect(mode="observe", base_url=base_url, secrets=secrets)
        yield Registrar(gateway, shopify, orders, made["id"])


async def test_a_service_is_registered_once_and_what_was_ours_stays_ours(shop: Registrar) -> None:
    done = await shop.register(name="Hub")
    assert done.status_code == 200, done.text
    hub, main = shop.place("Hub"), shop.place("Main")
    assert (done.json()["location"], done.json()["locations"]) == (hub, [main])
    [service] = shop.store()["services"]
    assert service["callback_url"] == f"{shop.gateway.url}/webhooks/shopify/{shop.channel}"
    assert shop.orders.changes == [("bootstrap", {"service_location": hub, "locations": [main]})]

    again = await shop.register()
    assert again.json() == done.json()
    assert len(shop.store()["services"]) == 1
    assert (await shop.setting())["fulfillment_service"] == {
        "name": "Hub",
        "id": done.json()["service_id"],
        "location": hub,
    }


async def test_with_only_nothing_else_of_the_store_is_ours(shop: Registrar) -> None:
    done = await shop.register(only=True)
    assert (done.json()["name"], done.json()["locations"]) == ("Crossdock", [])
    assert shop.orders.policy == {"service_location": done.json()["location"], "locations": []}


async def test_missing_scopes_are_named_and_asked_for_with_the_next_approval(shop: Registrar) -> None:
    shop.shopify.control(f"shopify/{SHOP}", {"settings": {"scopes": SCOPES[:-2]}}, "PATCH")
    refused = await shop.register(name="Hub")
    said = refused.json()
    assert (refused.status_code, said["code"]) == (409, "scopes_missing")
    assert "write_fulfillments" in said["message"]
    assert "write_assigned_fulfillment_orders" in said["message"]
    assert "channel authorize" in said["next"]
    assert (shop.store()["services"], shop.orders.changes) == ([], [])
    assert (await shop.setting())["fulfillment_service"] == {"name": "Hub"}


async def test_a_service_whose_reply_was_lost_is_adopted(shop: Registrar) -> None:
    fault = {"operation": "fulfillmentServiceCreate", "kind": "lose_reply"}
    shop.shopify.control(f"shopify/{SHOP}/faults", fault)
    done = await shop.register(name="Hub")
    assert (done.status_code, done.json()["location"]) == (200, shop.place("Hub"))
    assert len(shop.store()["services"]) == 1


async def test_a_name_that_is_taken_is_told_in_the_stores_words(shop: Registrar) -> None:
    query = 'mutation { fulfillmentServiceCreate(name: "Hub") { userErrors { message } } }'
    shop.shopify.graphql(query)
    refused = await shop.register(name="Hub")
    assert (refused.status_code, "already been taken" in refused.json()["message"]) == (409, True)


async def test_a_check_says_whether_the_service_is_there_and_calls_us(shop: Registrar) -> None:
    await shop.register(name="Hub")

    async def said() -> tuple[bool, str]:
        while (reply := await shop.gateway.client.post(f"/v1/channels/{shop.channel}/test")).status_code == 409:
            pass
        [step] = [one for one in reply.json()["steps"] if one["what"] == "service"]
        return step["ok"], step["says"]

    assert await said() == (True, "The fulfillment service Hub is registered")
    [service] = shop.store()["services"]
    query = 'mutation ($id: ID!) { fulfillmentServiceUpdate(id: $id, callbackUrl: "https://other.example.com") {'
    gid = f"gid://shopify/FulfillmentService/{service['id']}"
    shop.shopify.graphql(f"{query} userErrors {{ message }} }} }}", {"id": gid})
    ok, sentence = await said()
    assert (ok, "another address" in sentence) == (False, True)
    await shop.register()
    assert (await said())[0]


async def test_a_kept_location_stays_ours_and_a_deleted_one_makes_nothing_ours(shop: Registrar) -> None:
    await shop.register(only=True)
    hub = shop.place("Crossdock")
    assert (await shop.unregister()).status_code == 200
    assert shop.orders.policy == {"service_location": "", "locations": [hub]}
    assert (shop.store()["services"], (await shop.setting()).get("fulfillment_service")) == ([], None)
    assert (await shop.unregister()).json()["code"] == "no_service"

    shop.orders.policy = {"locations": [], "service_location": ""}
    await shop.register(name="Other", only=True)
    main = shop.place("Main")
    assert (await shop.unregister(stock="transfer")).status_code == 409
    assert (await shop.unregister(stock="transfer", to=main)).status_code == 200
    assert shop.orders.policy["service_location"] == shop.place("Other")
    assert shop.store()["services"] == []


async def test_a_channel_that_is_disconnected_leaves_no_service_behind(shop: Registrar) -> None:
    await shop.register(name="Hub", only=True)
    gone = await shop.disconnect()
    assert (gone.status_code, gone.json()) == (200, {"channel_id": shop.channel, "left": ""})
    assert shop.store()["services"] == []
    assert shop.orders.policy == {"service_location": "", "locations": [shop.place("Hub")]}
    assert [one["type"] for one in await shop.gateway.published()][-1] == "channel.disconnected.v1"


@pytest.mark.parametrize("fault", ["error_500", "lose_reply", "token_expired"])
async def test_a_store_that_keeps_our_service_is_disconnected_and_the_reply_says_what_to_do(
    shop: Registrar, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.register(name="Hub")
    of_it = {"operation": "fulfillmentServiceDelete", "kind": fault}
    shop.shopify.control(f"shopify/{SHOP}/faults", of_it)
    gone = await shop.disconnect()
    left = gone.json()["left"]
    assert (gone.status_code, "fulfillment service Hub may stay in Test shop" in left) == (200, True)
    assert "may stay in the store" in caplog.text
    assert (await shop.gateway.client.get(f"/v1/channels/{shop.channel}")).json()["state"] == "disconnected"

    base_url = f"{shop.shopify.url}/shopify/{SHOP}"
    back = await shop.gateway.connect(base_url=base_url, secrets={"access_token": "token"})
    assert (back["id"], "crossdock channel service unregister" in left) == (shop.channel, True)
    assert (await shop.unregister()).status_code == (409 if fault == "lose_reply" else 200)
    assert shop.store()["services"] == []


async def test_a_notification_is_stored_like_any_delivery_and_only_when_it_is_signed(shop: Registrar) -> None:
    await shop.register(name="Hub")
    shop.shopify.product("SHIRT")
    made = shop.shopify.order({"sku": "SHIRT", "location": "Hub"}, webhooks=[])
    shop.shopify.control("clock", {"advance": 1})
    shop.shopify.control(f"shopify/{SHOP}/orders/{made['id']}/request")
    await asyncio.to_thread(shop.shopify.settle)
    [told] = [one for one in await shop.gateway.published() if one["type"] == "webhook.orders.received.v1"]
    assert told["topic"] == "fulfillment_order_notification"
    path = f"/webhooks/shopify/{shop.channel}/fulfillment_order_notification"
    forged = await shop.gateway.client.post(path, content=json.dumps({"kind": "FULFILLMENT_REQUEST"}))
    assert forged.status_code == 401
    elsewhere = await shop.gateway.client.post(f"/webhooks/shopify/{shop.channel}/fetch_stock", content=b"{}")
    assert elsewhere.status_code == 404
