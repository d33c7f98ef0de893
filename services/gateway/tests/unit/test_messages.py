"""The message that tells of a delivery is written by hand; it must be what the event's model would write."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.channels.model import Verified
from crossdock.channels.shopify import connector as shopify
from crossdock.contracts.gateway import WEBHOOK_OF_CATEGORY, OrdersWebhookReceived
from crossdock.messaging.envelope import Incoming, decode, made_at, outgoing
from gateway.directory import Entry
from gateway.telling import message_of
from gateway.webhooks import arrival

ENTRY = Entry(UUID(int=1), "shopify", shopify, ())
TEXT = st.text(max_size=30)
TIME = st.datetimes(timezones=st.just(UTC))


@given(TEXT, TEXT, st.none() | TEXT, st.none() | TIME, st.binary(max_size=200))
def test_a_consumer_reads_what_the_sender_sent(
    topic: str, delivery_id: str, event_id: str | None, triggered_at: datetime | None, body: bytes
) -> None:
    delivery, _ = arrival(ENTRY, Verified(topic, delivery_id, event_id, triggered_at), body)
    message = message_of(delivery, WEBHOOK_OF_CATEGORY["orders"], "shopify")

    sent = Incoming(str(message.message_id), message.type, message.correlation_id, message.headers, message.body)
    event = decode(sent).event
    assert event.model_dump() == {
        "occurred_at": delivery.received_at,
        "delivery_id": delivery.id,
        "channel_id": ENTRY.channel_id,
        "channel_kind": "shopify",
        "topic": delivery.topic,
        "external_delivery_id": delivery.external_delivery_id,
        "external_event_id": delivery.event_id,
        "triggered_at": triggered_at,
        "received_at": delivery.received_at,
        "body": event.model_dump()["body"],
    }
    assert isinstance(event, OrdersWebhookReceived)
    assert event.body == body


@pytest.mark.parametrize("category", list(WEBHOOK_OF_CATEGORY))
def test_its_envelope_is_that_of_any_other_event(category: str) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    delivery, _ = arrival(ENTRY, Verified("orders/create", "d", "e", at), b"{}")
    message = message_of(delivery, WEBHOOK_OF_CATEGORY[category], "shopify")
    event = WEBHOOK_OF_CATEGORY[category].model_validate_json(message.body)
    usual = outgoing(event, source="gateway", cause=None, traceparent=str(message.headers["traceparent"]))

    assert message.message_id == delivery.id
    own = {"cloudEvents_id": str(delivery.id)}
    assert message.headers == {**usual.headers, **own}
    for name in ("type", "exchange", "routing_key", "correlation_id"):
        assert getattr(message, name) == getattr(usual, name)


def test_the_id_of_a_delivery_tells_when_it_came() -> None:
    delivery, _ = arrival(ENTRY, Verified("orders/create", "d", None, None), b"{}")
    assert abs(made_at(delivery.id) - delivery.received_at.timestamp()) < 1
