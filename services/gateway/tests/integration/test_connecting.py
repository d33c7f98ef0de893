"""Connecting a store, and noticing what changes at its side: against a simulated Shopify."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest
from connecting_examples import (
    SECRET,
    SHOP,
    access,
    app_of,
    approve,
    approved,
    begin,
    checked,
    configure,
    connection,
    fault,
    said,
    works,
)

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.testing.waiting import until
from gateway import channels, workers
from sandbox.testing import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
alone = pytest.mark.asyncio(loop_scope="function")
OTHER = "second-shop.myshopify.com"
TOPICS = 22


async def test_a_merchants_approval_connects_a_store_that_observes(gateway: Any, shopify: Sandbox) -> None:
    link = await begin(gateway, shopify)
    assert link["redirect_uri"] == f"{gateway.url}/oauth/shopify/callback"
    page = await gateway.client.get(approve(shopify, link), headers={"authorization": ""})

    assert (page.status_code, "is connected" in page.text) == (200, True)
    [channel] = (await gateway.client.get("/v1/channels")).json()
    assert (channel["name"], channel["mode"], channel["state"]) == ("test-shop", "observe", "connected")
    assert channel["secrets"] == ["access_token", "client_secret", "refresh_token", "webhook_secret"]
    assert works(shopify, (await access(gateway, channel)).json()["token"])
    assert (await gateway.deliver()).status_code == 200

    report = await checked(gateway, channel, "repair")
    assert report["ok"], report
    assert len(shopify.look(f"shopify/{SHOP}")["subscriptions"]) == TOPICS
    event = ChannelConfigured.model_validate(
        next(one for one in await gateway.published() if one["type"] == "channel.configured.v1")
    )
    assert (event.mode, event.resets) == ("observe", 0)
    stored = str(await gateway.rows("SELECT * FROM credential")) + str(await gateway.rows("SELECT * FROM connection"))
    assert SECRET not in stored + page.text + str(await gateway.published())


async def test_a_link_works_once_and_only_with_the_stores_signature(gateway: Any, shopify: Sandbox) -> None:
    back = approve(shopify, await begin(gateway, shopify))
    base, query = back.split("?")[0], dict(parse_qsl(urlsplit(back).query))
    forged = (
        query | {"hmac": "0" * 64},
        {key: value for key, value in query.items() if key != "hmac"},
        query | {"shop": "evil.example.com"},
        query | {"code": "another"},
        query | {"timestamp": "1"},
    )
    for one in forged:
        assert (await gateway.client.get(f"{base}?{urlencode(one)}")).status_code == 401
    assert (await gateway.client.get(f"{base}?{urlencode(query | {'state': 'never-given'})}")).status_code == 400
    assert (await gateway.client.get(base)).status_code == 400
    assert (await gateway.client.get("/oauth/generic/callback")).status_code == 422
    assert await gateway.rows("SELECT id FROM channel") == []
    assert shopify.look(f"shopify/{SHOP}/oauth")["calls"] == []

    answers = await asyncio.gather(*(gateway.client.get(back) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400, 400]
    assert len(shopify.look(f"shopify/{SHOP}/oauth")["calls"]) == 1


async def test_an_approval_that_came_too_late_or_for_another_shop_changes_nothing(
    gateway: Any, shopify: Sandbox
) -> None:
    late = approve(shopify, await begin(gateway, shopify))
    await gateway.rows("UPDATE approval SET expires_at = now() RETURNING 1")
    assert (await gateway.client.get(late)).status_code == 400

    other = await begin(gateway, shopify)
    await gateway.rows(f"UPDATE approval SET shop = '{OTHER}' WHERE expires_at > now() RETURNING 1")
    reply = await gateway.client.get(approve(shopify, other))
    assert (reply.status_code, "Another shop" in reply.text) == (401, True)

    lost = await begin(gateway, shopify)
    fault(shopify, "authorization_code", "lose_reply")
    page = await gateway.client.get(approve(shopify, lost))
    assert (page.status_code, "Start again" in page.text) == (502, True)
    assert await gateway.rows("SELECT id FROM channel") == []


async def test_what_cannot_be_connected_is_said_before_anybody_approves(gateway: Any, shopify: Sandbox) -> None:
    for shop in ("evil.example.com", f"{SHOP}\n.example.com", f"x@{SHOP}", "test-shop.myshopify.com.evil.example", ""):
        reply = await gateway.client.post("/v1/channels/authorize", json=app_of(shopify) | {"shop": shop})
        assert (reply.status_code, "myshopify.com" in reply.json()["message"]) == (422, True)
    kind = await gateway.client.post("/v1/channels/authorize", json=app_of(shopify) | {"kind": "generic"})
    assert kind.status_code == 422
    assert await gateway.rows("SELECT id FROM approval") == []


async def test_a_connected_store_that_is_approved_again_goes_on_as_it_was(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify, settings={"buffer": 2})
    async with gateway.process.context.transaction() as tx:
        await channels.go_live(tx, UUID(channel["id"]))
    link = (await gateway.client.post(f"/v1/channels/{channel['id']}/authorize")).json()
    assert (await gateway.client.get(approve(shopify, link))).status_code == 200

    [after] = (await gateway.client.get("/v1/channels")).json()
    assert (after["id"], after["mode"], after["settings"]) == (channel["id"], "live", {"buffer": 2})
    assert works(shopify, (await access(gateway, channel)).json()["token"])
    pasted = await gateway.connect(shop=OTHER)
    assert (await gateway.client.post(f"/v1/channels/{pasted['id']}/authorize")).status_code == 409


async def test_missing_scopes_and_an_old_version_are_named_with_what_does_not_work(
    gateway: Any, shopify: Sandbox
) -> None:
    configure(shopify, withheld_scopes=["read_products", "write_merchant_managed_fulfillment_orders"])
    channel = await approved(gateway, shopify)
    configure(shopify, served_versions=["2027-01"])
    report = await checked(gateway, channel)

    ok, sentence = said(report, "scopes")
    assert not ok
    assert "without read_products, listings are not known" in sentence
    assert "tracking is not written back" in sentence
    assert said(report, "version") == (
        False,
        "API version 2026-10 is no longer served, 2027-01 answers instead: update Crossdock",
    )
    assert said(report, "account") == (True, f"{SHOP} answers")
    [shown] = (await gateway.client.get("/v1/channels")).json()
    assert set(shown["problems"]) == {one["says"] for one in report["steps"] if not one["ok"]}
    repaired = await checked(gateway, channel, "repair")
    assert "products/update" not in repaired["webhooks"]["wanted"]


async def test_subscriptions_that_the_store_deleted_are_found_and_made_anew(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify)
    await checked(gateway, channel, "repair")
    shopify.control(f"shopify/{SHOP}/subscriptions", method="DELETE")

    ok, sentence = said(await checked(gateway, channel), "webhooks")
    assert (ok, sentence.startswith("Not subscribed to orders/create")) == (False, True)
    await gateway.rows("UPDATE connection SET check_due_at = now() RETURNING 1")
    await workers.check_connections(gateway.process.context)
    shown = await connection(gateway, channel)
    while not shown["repairs"] or shown["problems"]:
        await asyncio.sleep(0.1)
        shown = await connection(gateway, channel)
    assert len(shown["repairs"][0]["topics"]) == TOPICS
    assert shown["checked_at"] >= shown["repairs"][0]["at"][:19]
    assert len(shopify.look(f"shopify/{SHOP}")["subscriptions"]) == TOPICS


async def test_a_store_that_cannot_be_asked_is_told_truthfully(gateway: Any, shopify: Sandbox) -> None:
    away = await gateway.connect()
    assert said(await checked(gateway, away), "access") == (False, "Shopify could not be reached")
    dumb = await gateway.connect(shop=OTHER, secrets={"webhook_secret": SECRET})
    assert "No access token is stored" in said(await checked(gateway, dumb), "access")[1]
    wrong = f"{shopify.url}/shopify/{SHOP}"
    await gateway.client.patch(f"/v1/channels/{away['id']}", json={"base_url": wrong})
    assert "does not accept the access token" in said(await checked(gateway, away), "access")[1]
    await gateway.client.patch(
        f"/v1/channels/{dumb['id']}", json={"base_url": wrong, "secrets": {"access_token": "token"}}
    )
    assert said(await checked(gateway, dumb), "account")[1].startswith(f"{SHOP} answers at this address, not {OTHER}")
    generic = await gateway.connect(kind="generic", name="3PL", shop=None, secrets={})
    reply = await gateway.client.post(f"/v1/channels/{generic['id']}/test")
    assert (reply.status_code, reply.json()["code"]) == (409, "cannot_be_checked")


async def test_a_reset_renews_tokens_and_subscriptions_and_says_so_to_the_services(
    gateway: Any, shopify: Sandbox
) -> None:
    channel = await approved(gateway, shopify)
    await checked(gateway, channel, "repair")
    before = (await access(gateway, channel)).json()["token"]
    while (reply := await gateway.client.post(f"/v1/channels/{channel['id']}/reset")).status_code == 409:
        await asyncio.sleep(0.05)

    assert (reply.json()["resets"] >= 1, reply.json()["report"]["ok"]) == (True, True)
    assert len(shopify.look(f"shopify/{SHOP}")["subscriptions"]) == TOPICS
    assert (await access(gateway, channel)).json()["token"] != before
    configured = [one for one in await gateway.published() if one["type"] == "channel.configured.v1"]
    assert (configured[0]["resets"], configured[-1]["resets"] >= 1) == (0, True)


async def test_disconnecting_unsubscribes_and_still_hears_of_privacy(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify)
    await checked(gateway, channel, "repair")
    assert (await gateway.client.delete(f"/v1/channels/{channel['id']}")).status_code == 200
    assert shopify.look(f"shopify/{SHOP}")["subscriptions"] == []

    assert (await gateway.deliver()).status_code == 404
    for topic in ("shop/redact", "customers/redact", "customers/data_request", "app/uninstalled"):
        assert (await gateway.deliver(x_shopify_topic=topic)).status_code == 200
        assert (await gateway.published())[-1]["type"] == "webhook.channel.received.v1"
    assert (await gateway.deliver(x_shopify_topic="shop/redact", secret="wrong")).status_code == 401
    assert (await access(gateway, channel)).status_code == 404


@alone
async def test_an_uninstalled_store_is_disconnected_by_its_own_word_and_comes_back(
    start: Any, shopify: Sandbox, vhost: str
) -> None:
    async with start(broker_url=vhost, wait_for="/readyz") as gateway:
        channel = await approved(gateway, shopify)
        await checked(gateway, channel, "repair")

        async def state() -> str:
            return str((await gateway.client.get(f"/v1/channels/{channel['id']}")).json()["state"])

        async def gone() -> bool:
            return await state() == "disconnected"

        shopify.control(f"shopify/{SHOP}/uninstall")
        await until(gone, 20.0)
        assert (await access(gateway, channel)).status_code == 404

        back = await approved(gateway, shopify)
        assert (back["id"], back["state"], back["mode"]) == (channel["id"], "connected", "observe")
        [old] = shopify.look("deliveries?topic=app/uninstalled")["deliveries"]
        shopify.control(f"deliveries/{old['number']}/again")
        assert (await gateway.deliver(b"{}", x_shopify_topic="app/uninstalled")).status_code == 200

        async def looked() -> bool:
            rows = await gateway.rows("SELECT uninstall_told_at FROM connection")
            return bool(rows[0]["uninstall_told_at"] is None)

        await asyncio.sleep(1.0)
        await until(looked, 20.0)
        assert await state() == "connected", "a notice of an uninstall that is over must not end what came later"


async def test_two_stores_share_one_installation_and_never_each_others_secrets(gateway: Any, shopify: Sandbox) -> None:
    first = await approved(gateway, shopify)
    second_secret = "secret-of-the-second-shop"
    shopify.control("shopify/stores", {"domain": OTHER, "token": "t-2", "secret": second_secret, "client_id": "app-2"})
    app = app_of(shopify, OTHER) | {"client_id": "app-2", "client_secret": second_secret}
    page = await gateway.client.get(approve(shopify, await begin(gateway, shopify, **app)))
    assert page.status_code == 200
    second = (await gateway.client.get("/v1/channels")).json()[-1]

    tokens_of = [(await access(gateway, one)).json()["token"] for one in (first, second)]
    assert works(shopify, tokens_of[0])
    assert not works(shopify, tokens_of[1])
    for channel, shop, secret, status in (
        (first, SHOP, SECRET, 200),
        (second, OTHER, second_secret, 200),
        (second, OTHER, SECRET, 401),
        (first, SHOP, second_secret, 401),
    ):
        reply = await gateway.deliver(secret=secret, x_shopify_shop_domain=shop)
        assert reply.status_code == status
        if status == 200:
            assert (await gateway.published())[-1]["channel_id"] == channel["id"]
