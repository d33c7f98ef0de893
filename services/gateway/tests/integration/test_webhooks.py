"""Webhooks over real HTTP into a real Postgres."""

import asyncio
import base64

from crossdock.contracts.gateway import OrdersWebhookReceived


async def test_a_signed_webhook_is_stored_whole_and_published_once(gateway):
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


async def test_a_webhook_that_comes_again_is_answered_200_and_changes_nothing(gateway):
    await gateway.connect()
    replies = await asyncio.gather(*(gateway.deliver(delivery_id="same") for _ in range(20)))
    replies.append(await gateway.deliver(delivery_id="same"))

    assert {reply.status_code for reply in replies} == {200}
    assert len(await gateway.rows("SELECT id FROM delivery")) == 1
    types = [event["type"] for event in await gateway.published()]
    assert types == ["channel.configured.v1", "webhook.orders.received.v1"]
    assert base64.b64decode((await gateway.published())[1]["body"]) == b'{"id":1}'
