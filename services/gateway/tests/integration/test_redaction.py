"""Bodies of deliveries lose redacted people: theirs, wherever they stand, and nobody else's."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from crossdock.contracts.gateway import DeliveriesRedacted, OrdersWebhookReceived
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging.transaction import transaction
from crossdock.testing.bench import HandlerBench, event_of
from gateway import handlers, tables
from gateway.redacting import redact_deliveries

EMAIL = "planted@example.com"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def bodies(gateway: Any) -> list[str]:
    async with transaction(gateway.process.database) as tx:
        rows = await tx.rows(text("SELECT body FROM delivery_body ORDER BY delivery_id"))
    return [row.body.decode() for row in rows]


def ordered(channel_id: str, **about: Any) -> RedactionOrdered:
    return RedactionOrdered(
        page_id=uuid4(), request_id=uuid4(), channel_id=UUID(channel_id), channel_kind="shopify", **about
    )


async def told(bench: HandlerBench, gateway: Any, event: RedactionOrdered) -> list[Any]:
    bench.published.clear()
    await bench.handle("keep_redactions", [event, event])
    while await redact_deliveries(gateway.process.context):
        pass
    return [event_of(row) for row in bench.published]


async def test_a_redaction_deletes_the_bodies_that_name_the_order_or_its_customer_and_says_so(gateway: Any) -> None:
    channel = await gateway.connect()
    bench = HandlerBench(gateway.process.database, handlers.consumer, tables.metadata)
    order, other = str(uuid4()), {"id": 1001, "email": "other@example.com", "line_items": [{"id": 501, "quantity": 77}]}
    mine = [
        {"id": 501, "email": EMAIL},
        {"order_id": 501, "note": EMAIL},
        {"id": 9, "customer": {"id": 77, "email": EMAIL}},
        {"orders_to_redact": [501], "customer": {"email": EMAIL}},
        {"reference": f"{order}:1", "ship_to": EMAIL},
    ]
    for body in (*mine, other):
        assert (await gateway.deliver(json.dumps(body).encode(), topic="orders/updated")).status_code == 200
    broken = b'{"id": 501, "email": "' + EMAIL.encode()
    await gateway.deliver(broken, topic="orders/updated")
    assert len(await bodies(gateway)) == 7
    event = ordered(channel["id"], order_ids=(UUID(order),), names=("501", "77"))
    [report] = await told(bench, gateway, event)
    assert isinstance(report, DeliveriesRedacted)
    assert (report.request_id, report.page_ids) == (event.request_id, (event.page_id,))
    assert report.searched["deliveries"] == 7
    assert report.removed["deliveries"] == 6
    assert await bodies(gateway) == [json.dumps(other)], "a line or a quantity with the same number is another thing"
    assert await told(bench, gateway, ordered(channel["id"], names=("501",))) != [], "searched again: told again"


async def test_a_delivery_that_came_again_after_its_redaction_is_removed_without_a_search(gateway: Any) -> None:
    channel = await gateway.connect()
    bench = HandlerBench(gateway.process.database, handlers.consumer, tables.metadata)
    await gateway.deliver(json.dumps({"id": 501, "email": EMAIL}).encode(), topic="orders/updated")
    async with transaction(gateway.process.database) as tx:
        [row] = await tx.rows(text("SELECT id FROM delivery"))
    again = ordered(channel["id"], delivery_ids=(row.id,)).model_copy(update={"request_id": UUID(int=0)})
    assert await told(bench, gateway, again) == [], "nobody waits for a report"
    assert await bodies(gateway) == []


@pytest.mark.parametrize("named", ["by the order", "by the delivery"])
async def test_what_was_not_told_yet_of_a_redacted_order_is_told_without_the_person(gateway: Any, named: str) -> None:
    channel = await gateway.connect()
    bench = HandlerBench(gateway.process.database, handlers.consumer, tables.metadata)
    order = {"id": 501, "email": EMAIL, "line_items": [{"id": 9, "quantity": 2}]}
    await gateway.deliver(json.dumps(order).encode(), topic="orders/updated")
    [delivery] = await gateway.rows("SELECT id FROM delivery")
    about: dict[str, Any] = {"names": ("501",)} if named == "by the order" else {"delivery_ids": (delivery["id"],)}
    await told(bench, gateway, ordered(channel["id"], **about))
    assert await bodies(gateway) == []
    [event] = [one for one in await gateway.published() if one["type"] == "webhook.orders.received.v1"]
    payload = json.loads(OrdersWebhookReceived.model_validate(event).body)
    assert (payload["id"], payload["line_items"][0]["quantity"]) == (501, 2)
    assert EMAIL not in str(payload)


async def test_a_shops_redaction_deletes_every_body_of_its_channel(gateway: Any) -> None:
    channel = await gateway.connect()
    bench = HandlerBench(gateway.process.database, handlers.consumer, tables.metadata)
    for number in range(60):
        await gateway.deliver(json.dumps({"id": number, "email": EMAIL}).encode(), topic="orders/updated")
    [report] = await told(bench, gateway, ordered(channel["id"], whole_channel=True))
    assert report.removed["deliveries"] == 60
    assert await bodies(gateway) == []
