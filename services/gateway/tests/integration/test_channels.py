"""Channels, their secrets and who may get at them, over real HTTP."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected, OrdersWebhookReceived
from crossdock.testing.waiting import until
from gateway import channels, store, workers
from gateway.domain.deliveries import first_id_at
from gateway.sealing import SealingBox

pytestmark = pytest.mark.asyncio(loop_scope="module")
alone = pytest.mark.asyncio(loop_scope="function")
"""For tests that start a gateway of their own: two in one loop would wait for each other's workers at their end."""

SECRETS = {"webhook_secret": "webhook-secret-of-the-shop", "access_token": "token-of-the-shop"}


async def test_a_channel_is_connected_and_its_settings_published_without_a_secret(gateway: Any) -> None:
    channel = await gateway.connect(settings={"role": "source", "buffer": 2})

    assert channel["secrets"] == ["access_token", "webhook_secret"]
    assert channel["webhook_path"] == "/webhooks/shopify"
    [event] = [ChannelConfigured.model_validate(one) for one in await gateway.published()]
    assert (str(event.channel_id), event.channel_version, event.mode) == (channel["id"], 1, "observe")
    assert dict(event.settings) == {"role": "source", "buffer": 2}


async def test_no_secret_leaves_by_api_event_log_or_table(gateway: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = await gateway.connect()
    listed = await gateway.client.get("/v1/channels")
    shown = await gateway.client.get(f"/v1/channels/{channel['id']}")
    wrong = {"kind": "shopify", "name": "x", "shop": "x.myshopify.com", "secrets": {"access_tokn": "hush-hush"}}
    refused = await gateway.client.post("/v1/channels", json=wrong)
    stored = await gateway.rows("SELECT * FROM credential")

    assert refused.status_code == 422
    everything = " ".join(
        [listed.text, shown.text, refused.text, caplog.text, str(await gateway.published()), str(stored)]
    )
    for secret in (*SECRETS.values(), "hush-hush"):
        assert secret not in everything
    assert listed.json() == [shown.json()] == [channel]


async def test_a_channel_that_cannot_be_is_refused_in_a_sentence_without_its_value(gateway: Any) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"kind": "teleport"}, "no such connector is installed"),
        ({"shop": "example.com"}, "must be the store's own domain"),
        ({"base_url": "ftp://example.com"}, "must be a plain http(s) address"),
        ({"settings": {"api_token": "hush"}}, "looks like a secret"),
        ({"mode": "loud"}, "mode"),
        ({"name": ""}, "name"),
        ({"webhook_secret": "hush"}, "webhook_secret"),
        ({"name": "a\0b"}, "name"),
        ({"settings": {"note": "hush\0"}}, "nul character"),
        ({"settings": {"n": 10**30}}, "cannot be stored"),
        ({"secrets": {"access_token": "hush\0"}}, "access_token"),
    )
    for changes, said in wrong:
        body = {"kind": "shopify", "name": "Shop", "shop": "x.myshopify.com"} | changes
        reply = await gateway.client.post("/v1/channels", json=body)
        assert reply.status_code == 422
        assert said in reply.json()["message"].lower()
        assert "hush" not in reply.text
    assert await gateway.rows("SELECT id FROM channel") == []


async def test_a_new_channel_of_orders_never_starts_live_and_a_destination_may(gateway: Any) -> None:
    store = {"kind": "shopify", "name": "Shop", "shop": "x.myshopify.com", "mode": "live"}
    for more in ({}, {"settings": {"role": "source"}}, {"kind": "manual", "shop": None}):
        refused = await gateway.client.post("/v1/channels", json=store | more)
        assert (refused.status_code, refused.json()["code"]) == (422, "starts_in_observe")
        assert "go-live" in refused.json()["next"]
    assert await gateway.rows("SELECT id FROM channel") == []
    depot = {"kind": "generic", "name": "Depot", "mode": "live", "settings": {"role": "destination"}}
    made = await gateway.client.post("/v1/channels", json=depot)
    assert (made.status_code, made.json()["mode"]) == (201, "live")


async def test_an_observed_channel_of_orders_is_not_set_live_and_a_destination_may(gateway: Any) -> None:
    live: dict[str, Any] = {"mode": "live"}
    shop = await gateway.connect()
    depot = await gateway.connect(kind="generic", shop=None, settings={"role": "destination"})
    for changed in (live, live | {"name": "New"}, live | {"settings": {"role": "source"}}):
        refused = await gateway.client.patch(f"/v1/channels/{shop['id']}", json=changed)
        assert (refused.status_code, refused.json()["code"]) == (422, "needs_go_live")
        assert "go-live" in refused.json()["next"]
    assert (await gateway.client.get(f"/v1/channels/{shop['id']}")).json() == shop
    assert (await gateway.client.patch(f"/v1/channels/{depot['id']}", json=live)).json()["mode"] == "live"

    turned = await gateway.client.patch(f"/v1/channels/{depot['id']}", json={"settings": {"role": None}})
    assert turned.json()["code"] == "needs_go_live", "or a live destination would become a live channel of orders"
    async with gateway.process.context.transaction() as tx:
        await channels.go_live(tx, UUID(shop["id"]))
    named = await gateway.client.patch(f"/v1/channels/{shop['id']}", json=live | {"name": "Known"})
    assert (named.json()["mode"], named.json()["name"]) == ("live", "Known")


async def test_a_shop_is_connected_once_and_comes_back_under_its_id(gateway: Any) -> None:
    channel = await gateway.connect(settings={"destination": "Depot", "buffer": 2})
    again = {"kind": "shopify", "name": "Again", "shop": "Test-Shop.myshopify.com", "settings": {"buffer": 3}}
    assert (await gateway.client.post("/v1/channels", json=again)).status_code == 409

    assert (await gateway.client.delete(f"/v1/channels/{channel['id']}")).status_code == 200
    assert (await gateway.client.delete(f"/v1/channels/{channel['id']}")).status_code == 409
    [kept] = await gateway.rows("SELECT kind, expires_at - now() AS life FROM credential")
    assert (kept["kind"], kept["life"] < timedelta(days=31)) == ("webhook_secret", True)
    # A service of ours that could not be ended there is not ours any more.
    ours = "UPDATE channel SET settings = settings || '{\"fulfillment_service\" : {}}' RETURNING id"
    await gateway.rows(ours)
    back = await gateway.client.post("/v1/channels", json=again)

    assert (back.status_code, back.json()["id"], back.json()["version"]) == (201, channel["id"], 3)
    assert back.json()["settings"] == {"destination": "Depot", "buffer": 3}
    gone = ChannelDisconnected.model_validate((await gateway.published())[1])
    assert (str(gone.channel_id), gone.channel_version) == (channel["id"], 2)


async def test_a_change_raises_the_version_and_keeps_what_is_not_named(gateway: Any) -> None:
    channel = await gateway.connect(settings={"buffer": 2, "role": "source"})
    changed = {"mode": "observe", "settings": {"buffer": None, "destination": "Warehouse"}}
    reply = await gateway.client.patch(f"/v1/channels/{channel['id']}", json=changed)

    after = reply.json()
    assert (after["version"], after["mode"], after["name"]) == (2, "observe", "Test shop")
    assert after["settings"] == {"role": "source", "destination": "Warehouse"}
    assert after["secrets"] == ["access_token", "webhook_secret"]
    event = ChannelConfigured.model_validate((await gateway.published())[1])
    assert (event.channel_version, event.mode, dict(event.settings)) == (2, "observe", after["settings"])


async def test_what_is_not_there_is_404(gateway: Any) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body: Any = {} if method == "PATCH" else None
        assert (await gateway.client.request(method, f"/v1/channels/{uuid4()}", json=body)).status_code == 404


async def test_another_service_gets_the_token_and_the_newest_one_after_a_change(gateway: Any) -> None:
    channel = await gateway.connect(base_url="http://127.0.0.1:9", settings={"allow": 1})
    path = f"/internal/channels/{channel['id']}/access"
    first = (await gateway.client.get(path, headers=gateway.service_token())).json()
    assert (first["base_url"], first["token"], first["settings"]) == (
        "http://127.0.0.1:9",
        "token-of-the-shop",
        {"allow": 1},
    )
    assert first["seconds"] == 60

    changed = {"secrets": {"access_token": "newer-token"}}
    await gateway.client.patch(f"/v1/channels/{channel['id']}", json=changed)
    assert (await gateway.client.get(path, headers=gateway.service_token())).json()["token"] == "newer-token"

    removed = {"secrets": {"access_token": None}}
    await gateway.client.patch(f"/v1/channels/{channel['id']}", json=removed)
    assert (await gateway.client.get(path, headers=gateway.service_token())).json()["token"] == ""


async def test_people_and_strangers_do_not_get_at_tokens(gateway: Any) -> None:
    channel = await gateway.connect()
    path = f"/internal/channels/{channel['id']}/access"
    assert (await gateway.client.get(path)).status_code == 401
    assert (await gateway.client.get(path, headers={"authorization": ""})).status_code == 401
    assert (
        await gateway.client.get(f"/internal/channels/{uuid4()}/access", headers=gateway.service_token())
    ).status_code == 404
    await gateway.client.delete(f"/v1/channels/{channel['id']}")
    assert (await gateway.client.get(path, headers=gateway.service_token())).status_code == 404


@alone
async def test_after_a_new_sealing_key_every_secret_is_sealed_with_it_and_still_works(
    start: Any, sealing_key: Callable[..., str]
) -> None:
    async with start() as gateway:
        channel = await gateway.connect()
    async with start(sealing_keys=f"{sealing_key('k2')},{sealing_key('k1')}") as gateway:
        while any(row["key_id"] != "k2" for row in await gateway.rows("SELECT key_id FROM credential")):
            await workers.tend_secrets(gateway.process.context)
    async with start(sealing_keys=sealing_key("k2")) as gateway:
        assert (await gateway.deliver()).status_code == 200
        path = f"/internal/channels/{channel['id']}/access"
        assert (await gateway.client.get(path, headers=gateway.service_token())).json()["token"] == "token-of-the-shop"


@alone
async def test_a_secret_whose_key_is_gone_is_told_and_other_channels_go_on(
    start: Any, sealing_key: Callable[..., str]
) -> None:
    async with start() as gateway:
        channel = await gateway.connect()
    async with start(sealing_keys=sealing_key("k2")) as gateway:
        await gateway.connect(shop="other-shop.myshopify.com")
        path = f"/internal/channels/{channel['id']}/access"
        reply = await gateway.client.get(path, headers=gateway.service_token())
        assert (reply.status_code, reply.json()["code"]) == (500, "unsealable")
        assert (await gateway.deliver()).status_code == 401
        assert (await gateway.deliver(x_shopify_shop_domain="other-shop.myshopify.com")).status_code == 200


@alone
async def test_a_channel_that_another_process_connects_is_known_within_seconds(start: Any) -> None:
    async with start() as one, start() as two:
        await one.connect()

        async def known() -> bool:
            return bool((await two.deliver()).status_code == 200)

        await until(known, 5.0)


@alone
async def test_a_replaced_secret_is_deleted_when_its_time_is_over(start: Any) -> None:
    async with start(secret_overlap_hours=0) as gateway:
        channel = await gateway.connect()
        changed = {"secrets": {"webhook_secret": "the-new-secret"}}
        await gateway.client.patch(f"/v1/channels/{channel['id']}", json=changed)
        await workers.tend_secrets(gateway.process.context)
        assert len(await gateway.rows("SELECT id FROM credential WHERE kind = 'webhook_secret'")) == 1


async def test_old_bodies_are_purged_and_their_keys_stay(gateway: Any) -> None:
    await gateway.connect()
    for number in range(3):
        await gateway.deliver(delivery_id=f"d-{number}")
    [row] = await gateway.rows("SELECT id, received_at FROM delivery WHERE external_delivery_id = 'd-0'")
    old = UUID(int=first_id_at(row["received_at"] - timedelta(days=31)).int + 1)
    await gateway.rows(f"UPDATE delivery_body SET delivery_id = '{old}' WHERE delivery_id = '{row['id']}' RETURNING 1")

    await workers.purge_bodies(gateway.process.context)

    assert len(await gateway.rows("SELECT delivery_id FROM delivery_body")) == 2
    assert (await gateway.deliver(delivery_id="d-0")).status_code == 200
    assert len(await gateway.rows("SELECT id FROM delivery")) == 3


async def test_an_old_body_that_is_still_to_be_told_is_not_purged(gateway: Any) -> None:
    await gateway.connect()
    await gateway.deliver(b'{"id":5}')
    [row] = await gateway.rows("SELECT id, received_at FROM delivery")
    old = UUID(int=first_id_at(row["received_at"] - timedelta(days=31)).int + 1)
    for table, key in (("delivery", "id"), ("delivery_body", "delivery_id"), ("outbox", "id")):
        await gateway.rows(f"UPDATE {table} SET {key} = '{old}' WHERE {key} = '{row['id']}' RETURNING 1")

    await workers.purge_bodies(gateway.process.context)
    [told] = [one for one in await gateway.published() if one["type"] == OrdersWebhookReceived.type]
    assert OrdersWebhookReceived.model_validate(told).body == b'{"id":5}'

    await gateway.rows(f"DELETE FROM outbox WHERE id = '{old}' RETURNING 1")
    await workers.purge_bodies(gateway.process.context)
    assert await gateway.rows("SELECT delivery_id FROM delivery_body") == []


async def test_resealing_with_nothing_to_do_says_so(gateway: Any) -> None:
    box = SealingBox({"k": b"k" * 32})
    async with gateway.process.context.transaction() as tx:
        assert await channels.reseal(tx, box, 10) == 0
        assert await store.sealed_with_others(tx, "k1", 10) == []
