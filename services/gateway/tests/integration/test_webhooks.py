"""Webhooks over real HTTP into a real Postgres: what is let in, what is refused, and what is left in the tables."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from crossdock.contracts.gateway import OrdersWebhookReceived

pytestmark = pytest.mark.asyncio(loop_scope="module")
alone = pytest.mark.asyncio(loop_scope="function")
"""For tests that start a gateway of their own: two in one loop would wait for each other's workers at their end."""

MIB = 2**20


async def counts(gateway: Any) -> tuple[int, int, int]:
    [row] = await gateway.rows(
        "SELECT (SELECT count(*) FROM delivery) AS d, (SELECT count(*) FROM delivery_body) AS b,"
        " (SELECT count(*) FROM outbox WHERE type LIKE 'webhook.%') AS o"
    )
    return row["d"], row["b"], row["o"]


async def test_a_signed_webhook_is_stored_whole_and_published_once(gateway: Any) -> None:
    channel = await gateway.connect()
    body = '{"id":9007199254740993,"note":"naïve \\ud800 \\u0000","total":"10.00"}'.encode()

    reply = await gateway.deliver(body, delivery_id="d-1")

    assert reply.status_code == 200
    [stored] = await gateway.rows("SELECT * FROM delivery")
    assert (stored["external_delivery_id"], stored["topic"], stored["event_id"]) == ("d-1", "orders/create", "event-1")
    assert (stored["category"], stored["size"]) == ("orders", len(body))
    assert [row["body"] for row in await gateway.rows("SELECT body FROM delivery_body")] == [body]
    _, received = await gateway.published()
    assert received["type"] == "webhook.orders.received.v1"
    event = OrdersWebhookReceived.model_validate(received)
    assert (event.body, str(event.channel_id), event.delivery_id) == (body, channel["id"], stored["id"])
    assert event.triggered_at == stored["triggered_at"]


async def test_a_webhook_that_comes_again_is_answered_200_and_changes_nothing(gateway: Any) -> None:
    await gateway.connect()
    replies = await asyncio.gather(*(gateway.deliver(delivery_id="same") for _ in range(20)))
    replies.append(await gateway.deliver(delivery_id="same"))

    assert {reply.status_code for reply in replies} == {200}
    assert await counts(gateway) == (1, 1, 1)


async def test_two_channels_may_use_the_same_delivery_id(gateway: Any) -> None:
    await gateway.connect()
    await gateway.connect(shop="other-shop.myshopify.com")
    for shop in ("test-shop.myshopify.com", "other-shop.myshopify.com"):
        assert (await gateway.deliver(delivery_id="same", x_shopify_shop_domain=shop)).status_code == 200
    assert await counts(gateway) == (2, 2, 2)


async def test_a_wrong_or_missing_signature_is_401_counted_and_nothing_is_stored(
    gateway: Any, counters: Callable[..., float]
) -> None:
    await gateway.connect()
    before = counters("webhook_refused_total", reason="bad_signature")
    usual = {b"x-shopify-topic": b"orders/create", b"x-shopify-shop-domain": b"test-shop.myshopify.com"}
    for wrong in (
        {},
        {b"x-shopify-hmac-sha256": b""},
        {b"x-shopify-hmac-sha256": b"bm90IGl0"},
        {b"x-shopify-hmac-sha256": b"\xe9\xff"},
    ):
        headers = list((usual | wrong).items())
        reply = await gateway.client.post("/webhooks/shopify", content=b"{}", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (401, "bad_signature")

    assert await counts(gateway) == (0, 0, 0)
    assert counters("webhook_refused_total", reason="bad_signature") == before + 4


async def test_a_body_changed_by_one_byte_is_refused(gateway: Any) -> None:
    await gateway.connect()
    signed_for = base64.b64encode(hmac.digest(b"webhook-secret-of-the-shop", b'{"id":1}', "sha256")).decode()
    assert (await gateway.deliver(b'{"id":2}', x_shopify_hmac_sha256=signed_for)).status_code == 401


@alone
async def test_while_a_secret_is_replaced_both_are_accepted_and_later_only_the_new_one(start: Any) -> None:
    async with start(secret_overlap_hours=2) as gateway:
        channel = await gateway.connect()
        changed = {"secrets": {"webhook_secret": "the-new-secret"}}
        assert (await gateway.client.patch(f"/v1/channels/{channel['id']}", json=changed)).status_code == 200

        assert (await gateway.deliver()).status_code == 200
        assert (await gateway.deliver(secret="the-new-secret")).status_code == 200
        assert (await gateway.deliver(secret="another")).status_code == 401

    async with start(secret_overlap_hours=0) as gateway:
        changed = {"secrets": {"webhook_secret": "the-third-secret"}}
        assert (await gateway.client.patch(f"/v1/channels/{channel['id']}", json=changed)).status_code == 200
        assert (await gateway.deliver(secret="the-new-secret")).status_code == 401
        assert (await gateway.deliver(secret="the-third-secret")).status_code == 200


async def test_an_unknown_shop_or_channel_is_404(gateway: Any) -> None:
    channel = await gateway.connect()
    assert (await gateway.deliver(x_shopify_shop_domain="nobody.myshopify.com")).status_code == 404
    for path in (f"generic/{uuid4()}", "generic/not-an-id", f"generic/{channel['id']}"):
        assert (await gateway.client.post(f"/webhooks/{path}", content=b"{}")).status_code == 404
    assert await counts(gateway) == (0, 0, 0)


async def test_a_disconnected_shop_is_unknown(gateway: Any) -> None:
    channel = await gateway.connect()
    await gateway.client.delete(f"/v1/channels/{channel['id']}")
    assert (await gateway.deliver()).status_code == 404


async def test_a_body_of_two_megabytes_is_taken_and_one_byte_more_is_413(gateway: Any) -> None:
    await gateway.connect()
    assert (await gateway.deliver(b"x" * (2 * MIB))).status_code == 200
    reply = await gateway.deliver(b"x" * (2 * MIB + 1))
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert await counts(gateway) == (1, 1, 1)


async def test_reading_stops_soon_after_the_limit_when_no_length_was_announced(gateway: Any) -> None:
    await gateway.connect()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.process.settings.port)
    writer.write(
        b"POST /webhooks/shopify HTTP/1.1\r\nHost: x\r\nX-Shopify-Shop-Domain: test-shop.myshopify.com\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while not answer.done() and sent < 500 * MIB:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        sent += 65536
        with suppress(ConnectionError):
            await writer.drain()
        # The answer is read before the next write: one that meets a closed connection would take it along.
        await asyncio.wait({answer}, timeout=0.005)
    head = (await answer).decode().lower()
    assert " 413 " in head
    assert "connection: close" in head
    assert 2 * MIB < sent < 40 * MIB
    writer.close()


@alone
async def test_more_bodies_than_fit_into_memory_are_sent_back_for_later(start: Any) -> None:
    async with start(webhook_memory_bytes=3 * MIB) as gateway:
        await gateway.connect()
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.process.settings.port)
        writer.write(
            b"POST /webhooks/shopify HTTP/1.1\r\nHost: x\r\nX-Shopify-Shop-Domain: test-shop.myshopify.com\r\n"
            b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_900_000
        )
        await writer.drain()
        await asyncio.sleep(0.3)
        reply = await gateway.deliver(b"x" * (2 * MIB))
        assert (reply.status_code, reply.json()["code"]) == (503, "too_many_at_once")
        writer.close()
        await asyncio.sleep(0.3)
        assert (await gateway.deliver(b"x" * (2 * MIB))).status_code == 200


async def test_what_is_no_order_is_taken_and_published_for_its_consumer_to_park(gateway: Any) -> None:
    await gateway.connect()
    for body in (b"", b"this is no JSON", b"\x00\xff\x00", b"[]", b'{"unknown":true}'):
        assert (await gateway.deliver(body)).status_code == 200
        assert OrdersWebhookReceived.model_validate((await gateway.published())[-1]).body == body


async def test_a_topic_that_nobody_needs_is_stored_as_ignored_and_not_published(gateway: Any) -> None:
    await gateway.connect()
    assert (await gateway.deliver(x_shopify_topic="carts/update")).status_code == 200
    assert [row["category"] for row in await gateway.rows("SELECT category FROM delivery")] == ["ignored"]
    assert await counts(gateway) == (1, 1, 0)


async def test_each_kind_of_topic_is_published_as_its_own_event(gateway: Any) -> None:
    await gateway.connect()
    for topic, event in (
        ("orders/paid", "webhook.orders.received.v1"),
        ("refunds/create", "webhook.orders.received.v1"),
        ("products/update", "webhook.catalog.received.v1"),
        ("inventory_levels/update", "webhook.stock.received.v1"),
        ("app/uninstalled", "webhook.channel.received.v1"),
    ):
        await gateway.deliver(x_shopify_topic=topic)
        assert (await gateway.published())[-1]["type"] == event


async def test_a_3pl_signs_its_notices_the_standard_way(gateway: Any) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    channel = await gateway.connect(
        kind="generic", name="Warehouse", shop=None, base_url="http://127.0.0.1:9", secrets={"webhook_secret": secret}
    )
    body = json.dumps({"type": "shipment.dispatched", "reference": "7:1"}).encode()
    stamp = str(int(time.time()))
    signed = base64.b64encode(hmac.digest(b"k" * 24, b"m-1." + stamp.encode() + b"." + body, "sha256")).decode()
    headers = {"webhook-id": "m-1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signed}"}

    assert channel["webhook_path"] == f"/webhooks/generic/{channel['id']}"
    for _ in range(2):
        assert (await gateway.client.post(channel["webhook_path"], content=body, headers=headers)).status_code == 200
    assert (await gateway.published())[1]["type"] == "webhook.fulfillment.received.v1"
    assert await counts(gateway) == (1, 1, 1)


async def test_text_that_postgres_cannot_store_is_cleaned_on_the_way_in(gateway: Any) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    channel = await gateway.connect(kind="generic", name="Warehouse", shop=None, secrets={"webhook_secret": secret})
    body = b'{"type": "order.\\u0000 \\ud800 made"}'
    stamp = str(int(time.time()))
    signed = base64.b64encode(hmac.digest(b"k" * 24, b"m-1." + stamp.encode() + b"." + body, "sha256")).decode()
    headers = {"webhook-id": "m-1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signed}"}
    assert (await gateway.client.post(channel["webhook_path"], content=body, headers=headers)).status_code == 200
    assert [row["topic"] for row in await gateway.rows("SELECT topic FROM delivery")] == ["order. \ufffd made"]


async def test_a_burst_is_taken_whole(gateway: Any) -> None:
    await gateway.connect()

    async def sender(number: int) -> set[int]:
        return {(await gateway.deliver(b"x" * 6000, delivery_id=f"{number}-{n}")).status_code for n in range(10)}

    assert set().union(*await asyncio.gather(*(sender(number) for number in range(30)))) == {200}
    assert await counts(gateway) == (300, 300, 300)
