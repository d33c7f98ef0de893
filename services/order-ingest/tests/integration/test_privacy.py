"""Requests about people: what they reach, what they leave alone, what they refuse afterwards, and how it is proven."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from ingest_examples import (
    CHANNEL,
    NOON,
    at,
    dispatched,
    line,
    live,
    order_id,
    payload,
    placed,
    receive,
    rejected,
    requested,
    settled,
    status_of,
    webhook,
)
from sqlalchemy import text

from crossdock.contracts.fulfillment import RequestsRedacted
from crossdock.contracts.gateway import ChannelWebhookReceived, DeliveriesRedacted
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging.transaction import transaction
from crossdock.service import tokens
from crossdock.service.app import Context
from crossdock.testing import planted
from crossdock.testing.bench import HandlerBench, event_of, message_of
from order_ingest.privacy import redact, retain, search_messages

KEY = "a key that only tests use, long enough"
PLANTED = (
    "Zoe Planted",
    "zoe.planted@example.com",
    "+1 555 010 7777",
    "7 Planted Street",
    "planted note",
    "planted engraving",
)
CUSTOMER = {"id": 4711, "email": PLANTED[1], "phone": PLANTED[2]}


def personal(number: int, *, minutes: int = 0, **changes: Any) -> Any:
    """An order full of planted values."""
    address = {"name": PLANTED[0], "address1": PLANTED[3], "phone": PLANTED[2], "zip": "99999", "city": "Planted"}
    item = line(properties=[{"name": "engraving", "value": PLANTED[5]}])
    body = payload(number, minutes=minutes, lines=changes.pop("lines", [item]))
    return body | {"shipping_address": address, "email": PLANTED[1], "note": PLANTED[4], "customer": CUSTOMER} | changes


def asked(topic: str, delivery: int = 900, **body: Any) -> ChannelWebhookReceived:
    return ChannelWebhookReceived.model_construct(
        delivery_id=UUID(int=delivery),
        channel_id=CHANNEL,
        channel_kind="shopify",
        topic=topic,
        external_delivery_id=str(delivery),
        received_at=NOON,
        occurred_at=NOON,
        body=json.dumps({"shop_domain": "one.example.com"} | body).encode(),
    )


async def planted_in(bench: HandlerBench) -> dict[str, str]:
    """Every table in which a planted value or a search term of one stands."""
    return await planted.planted_in(bench.database, (*PLANTED, "ezoe.planted", "nplanted"))


async def done(context: Context) -> None:
    """Let the workers finish what was asked."""
    while await redact(context) or await search_messages(context):
        pass


@pytest.fixture
async def shop(bench: HandlerBench) -> None:
    """Orders 1 and 2 of the customer, one shipped and one on its way, and order 3 of somebody else."""
    await bench.given(live())
    await receive(bench, webhook(personal(1)), webhook(personal(2)), placed(3))
    await bench.handle("record_milestones", [requested(1), dispatched(1), requested(2)])


@pytest.mark.usefixtures("shop")
async def test_a_customers_redaction_removes_every_trace_and_leaves_others_alone(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    assert set(await planted_in(bench)) >= {"recipient"}, "the net must hold what it is meant to catch"
    request = asked("customers/redact", customer=CUSTOMER, orders_to_redact=[1])
    await bench.handle("receive_privacy_requests", [request, request])
    await done(context)
    async with transaction(bench.database) as tx:
        await tx.run(text("DELETE FROM outbox"))
    assert await planted_in(bench) == {}
    shown = (await api.get(f"/privacy/requests/{request.delivery_id}")).json()
    assert shown["orders"] == 2, "order 2 was not named, but is the customer's too"
    assert shown["remaining"] == {"orders": 2, "not_redacted": 0, "recipients": 0}
    assert shown["services"]["order-ingest"]["removed"]["recipients"] == 2
    assert (await api.get(f"/orders/{order_id(3)}/recipient")).json()["recipient"]["email"] == "person@example.com"
    assert await status_of(bench, 1) == "shipped"
    assert (await api.get(f"/orders/{order_id(1)}")).json()["holds"] == []


@pytest.mark.usefixtures("shop")
async def test_redaction_is_told_to_every_service_and_done_when_each_has_reported(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    request = asked("customers/redact", customer=CUSTOMER, orders_to_redact=[1, 2, 555])
    await bench.handle("receive_privacy_requests", [request])
    bench.published.clear()
    await done(context)
    told: list[Any] = [event_of(row) for row in bench.published]
    redacted = [event for event in told if event.type == "recipient.redacted.v1"]
    assert {event.order_id for event in redacted} == {order_id(1), order_id(2)}
    assert all(event.recipient_version == 2 for event in redacted)
    [order] = [event for event in told if isinstance(event, RedactionOrdered)]
    assert set(order.names) == {"1", "2", "555", "4711"}
    assert order.delivery_ids == (request.delivery_id,)
    url = f"/privacy/requests/{request.delivery_id}"
    assert (await api.get(url)).json()["state"] == "searching"
    about = {"request_id": order.request_id, "page_ids": (order.page_id,), "searched": {"deliveries": 9}}
    await bench.handle("record_redactions", [DeliveriesRedacted(removed={"deliveries": 3}, **about)])
    await bench.handle("record_redactions", [RequestsRedacted(removed={"recipients": 2}, **about)])
    shown = (await api.get(url)).json()
    assert shown["state"] == "done"
    assert shown["done_at"]
    assert shown["services"]["gateway"]["removed"] == {"deliveries": 3}


@pytest.mark.usefixtures("shop")
async def test_after_a_redaction_nothing_personal_comes_back_and_everything_else_still_applies(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    await bench.handle("receive_privacy_requests", [asked("customers/redact", orders_to_redact=[1, 2, 77])])
    await done(context)
    bench.published.clear()
    again = webhook(personal(2))
    await receive(bench, again)
    assert [type(event_of(row)) for row in bench.published] == [RedactionOrdered], "only the copy is to go"
    [order] = [event_of(row) for row in bench.published]
    assert order.delivery_ids == (again.delivery_id,)  # type: ignore[attr-defined]
    edited = personal(2, minutes=5, lines=[line(quantity=1), line(12, sku="MUG", quantity=1)])
    await receive(bench, webhook(edited), webhook(personal(77, minutes=6)))
    async with transaction(bench.database) as tx:
        await tx.run(text("DELETE FROM outbox"))
    assert await planted_in(bench) == {}, "not even of an order that came after its redaction"
    shown = (await api.get(f"/orders/{order_id(2)}")).json()
    assert [one["wanted"] for one in shown["lines"]] == [1, 1]
    assert [hold["code"] for hold in shown["holds"]] == ["address_missing"]
    await receive(bench, webhook(personal(2, minutes=9, cancelled_at=at(9).isoformat())))
    await bench.handle("record_milestones", [settled(2, content=3)])
    assert await status_of(bench, 2) == "cancelled"


async def test_a_redacted_shop_keeps_orders_and_loses_people_and_may_come_back(
    bench: HandlerBench, context: Context
) -> None:
    await bench.given(live())
    await receive(bench, *(webhook(personal(n)) for n in range(1, 6)))
    await bench.handle("receive_privacy_requests", [asked("shop/redact")])
    await done(context)
    await receive(bench, webhook(personal(6)))
    async with transaction(bench.database) as tx:
        await tx.run(text("DELETE FROM outbox"))
    assert await planted_in(bench) == {}
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    await receive(bench, webhook(payload(7) | {"created_at": later, "updated_at": later}))
    kept = {row["order_id"]: row["recipient"] for row in await bench.table("recipient")}
    assert sum(1 for recipient in kept.values() if recipient) == 1
    assert len(await bench.table("orders")) == 7


@pytest.mark.usefixtures("shop")
async def test_an_export_holds_all_of_the_customer_and_is_stored_nowhere(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    request = asked("customers/data_request", customer=CUSTOMER, orders_requested=[1], data_request={"id": 1})
    await bench.handle("receive_privacy_requests", [request])
    await done(context)
    url = f"/privacy/requests/{request.delivery_id}"
    assert (await api.get(url)).json()["state"] == "ready"
    found = (await api.get(f"{url}/export")).json()
    assert [order["number"] for order in found["orders"]] == ["#1001", "#1002"] or len(found["orders"]) == 2
    for value in PLANTED:
        assert value in json.dumps(found["orders"][0])
    assert "privacy_request" not in await planted_in(bench)
    await bench.handle("receive_privacy_requests", [asked("customers/redact", 901, orders_to_redact=[1, 2])])
    await done(context)
    assert PLANTED[1] not in (await api.get(f"{url}/export")).text


@pytest.mark.usefixtures("shop")
async def test_only_admins_ask_about_people(api: httpx.AsyncClient, context: Context) -> None:
    new = {"kind": "redact_customer", "channel": str(CHANNEL), "email": PLANTED[1].upper()}
    for role, expected in (("viewer", 403), ("operator", 403), ("admin", 202)):
        token = tokens.issue(KEY, issuer="gateway", audience="order-ingest", role=role)
        reply = await api.post("/privacy/requests", json=new, headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == expected, reply.text
    await done(context)
    assert (await api.get(f"/privacy/requests/{reply.json()['request_id']}")).json()["orders"] == 2
    nobody = await api.post("/privacy/requests", json=new | {"email": ""})
    assert nobody.status_code == 422
    assert "email" in nobody.json()["next"]


@pytest.mark.usefixtures("shop")
async def test_parked_messages_lose_people_and_can_still_be_replayed(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    broken = personal(1, minutes=5)
    broken["line_items"][0]["quantity"] = "many"
    await bench.deliver(
        "receive_orders",
        [message_of(webhook(broken)), message_of(webhook(b'{"id": 1, "email": "' + PLANTED[1].encode()))],
    )
    assert len(await bench.table("parked_message")) == 2
    await bench.handle(
        "receive_privacy_requests", [asked("customers/redact", customer=CUSTOMER, orders_to_redact=[1, 2])]
    )
    await done(context)
    rows = await bench.table("parked_message")
    for row in rows:
        event: Any = None if not row["body"] else json.loads(row["body"])
        inner = base64.b64decode(event["body"]) if event else b""
        assert not any(value.encode() in inner for value in PLANTED)
    parsed = [json.loads(base64.b64decode(json.loads(row["body"])["body"]) or b"{}") for row in rows]
    assert {"id": 1, "name": "#1001"}.items() <= max(parsed, key=len).items(), (
        "what happened to the order is still there"
    )


async def test_the_clock_redacts_what_was_shipped_long_enough_ago(
    bench: HandlerBench, context: Context, api: httpx.AsyncClient
) -> None:
    await bench.given(live())
    await receive(bench, webhook(personal(1)), webhook(personal(2)))
    await bench.handle("record_milestones", [requested(1), dispatched(1)])
    await retain(context)
    await done(context)
    assert len([row for row in await bench.table("orders") if row["redacted"]]) == 0, "kept indefinitely by default"
    async with transaction(bench.database) as tx:
        await tx.run(text("""UPDATE channel SET policy = '{"retention_days": 30}'"""))
        await tx.run(text("UPDATE orders SET ended_at = now() - interval '29 days' WHERE ended_at IS NOT NULL"))
    await retain(context)
    await done(context)
    assert len([row for row in await bench.table("orders") if row["redacted"]]) == 0
    async with transaction(bench.database) as tx:
        await tx.run(text("UPDATE orders SET ended_at = now() - interval '31 days' WHERE ended_at IS NOT NULL"))
    await retain(context)
    await retain(context)
    await done(context)
    assert [row["external_id"] for row in await bench.table("orders") if row["redacted"]] == ["1"]
    [request] = (await api.get("/privacy/requests")).json()["requests"]
    assert (request["kind"], request["orders"]) == ("retention", 1)


@pytest.mark.usefixtures("shop")
async def test_words_of_a_destination_that_may_quote_the_recipient_go_too(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    quoting = rejected(2).model_copy(update={"reason": f"No service to {PLANTED[3]}"})
    await bench.handle("record_milestones", [quoting])
    assert "timeline" in await planted_in(bench)
    await bench.handle("receive_privacy_requests", [asked("customers/redact", orders_to_redact=[2])])
    await done(context)
    shown = await api.get(f"/orders/{order_id(2)}")
    assert PLANTED[3] not in shown.text
    assert "removed with the recipient" in shown.text
