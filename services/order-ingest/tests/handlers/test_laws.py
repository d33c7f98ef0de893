"""Grouping, repetition and constancy for every handler of order-ingest."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from ingest_examples import (
    CHANNEL,
    NOON,
    accepted,
    answered,
    at,
    configured,
    delivered,
    dispatched,
    line,
    live,
    matched,
    moved,
    not_answered,
    noticed,
    order_id,
    placed,
    rejected,
    requested,
    reserved,
    settled,
    short,
    tag_failed,
    tagged,
    touched,
    unmatched,
    voided,
    webhook,
    write_failed,
    written,
)

from crossdock.channels.model import RequestsMade, RouteTouched
from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import RequestsRedacted
from crossdock.contracts.gateway import ChannelDisconnected, ChannelWebhookReceived, DeliveriesRedacted
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.laws import Scenario, check_laws
from order_ingest import handlers
from order_ingest.book import Cause
from order_ingest.domain.order import Reply
from order_ingest.intake import take
from order_ingest.store import orders

NUMBERS = range(1, 5)


def webhooks(n: int) -> Sequence[Event]:
    """Orders that are placed, edited, paid, tied, cancelled, out of order, named without their content, and some
    cancelled before it."""
    events: list[Event] = [webhook({"id": 3}, topic="orders/delete"), touched(5), moved(7), noticed()]
    for i in range(n - 4):
        if i % 4 == 3:
            events.append(touched(i % 5 + 1, minutes=(i * 7) % 10 // 2 if i % 3 else None))
            continue
        changes: dict[str, Any] = {"cancelled_at": at(1).isoformat()} if i % 11 == 10 else {}
        changes |= {"financial_status": "pending"} if i % 3 == 0 else {}
        changes |= {"note": f"note {i}"} if i % 5 == 0 else {}
        changes |= {"shipping_lines": [{"title": f"Express {i % 2}"}]} if i % 3 == 1 else {}
        minutes = (i * 7) % 10 // 2
        events.append(placed(i % 4 + 1, minutes=minutes, lines=[line(quantity=1 + i % 3)], **changes))
    return events


def matches(n: int) -> Sequence[Event]:
    return [(unmatched if i % 3 else matched)(i % 4 + 1, content=1, version=(i * 5) % 7) for i in range(n)]


def reservations(n: int) -> Sequence[Event]:
    return [(short if i % 3 else reserved)(i % 4 + 1, match=(i * 5) % 7, version=i % 2) for i in range(n)]


def milestones(n: int) -> Sequence[Event]:
    """Everything that other services say, of the same few orders."""
    return [event for three in zip(matches(n), reservations(n), fulfillments(n), strict=True) for event in three]


def fulfillments(n: int) -> Sequence[Event]:
    """Everything that fulfillment says, of the same few orders."""
    makers = (
        lambda number, i: requested(number, revision=i),
        lambda number, i: dispatched(number, f"S{i % 3}", l11=1),
        lambda number, i: rejected(number, revision=i),
        lambda number, i: accepted(number, revision=i - 1),
        lambda number, i: written(number, f"S{i % 3}"),
        lambda number, i: voided(number, f"S{i % 3}"),
        lambda number, i: write_failed(number, f"S{i % 3}"),
        lambda number, i: settled(number, content=1, version=i, l11=i % 3),
        lambda number, i: delivered(number, f"S{i % 3}"),
        lambda number, i: tagged(number, adopted=i % 2 == 0),
        lambda number, _: tag_failed(number),
        lambda number, i: answered(number, str(i % 3), ("accept", "reject_cancellation")[i % 2]),
        lambda number, i: not_answered(number, str(i % 3)),
    )
    return [makers[i % len(makers)](i % 4 + 1, i) for i in range(n)]


def configurations(n: int) -> Sequence[Event]:
    events: list[Event] = []
    for i in range(n):
        channel = UUID(int=i % 3 + 1)
        if i % 5 == 4:
            gone = ChannelDisconnected(channel_id=channel, channel_version=i, occurred_at=NOON)
            events.append(gone)
        else:
            mode = "live" if i % 2 else "observe"
            ships = {"role": "destination"} if i % 3 == 2 else {"destination": ("", "Shop 2")[i % 4 // 2]}
            told = configured(mode, version=(i * 5) % 7, name=f"Shop {i % 3}", channel=channel, **ships)
            events.append(told.model_copy(update={"resets": (i * 3) % 4}))
    return events


def privacy_requests(n: int) -> Sequence[Event]:
    """Requests of every kind, by order and by person, and what is no such request."""
    topics = ("customers/redact", "customers/data_request", "shop/redact", "app/uninstalled")
    return [
        ChannelWebhookReceived.model_construct(
            delivery_id=UUID(int=100 + i % 9),
            channel_id=CHANNEL,
            channel_kind="shopify",
            topic=topics[i % 9 % 4],
            external_delivery_id=str(i % 9),
            received_at=NOON,
            occurred_at=NOON,
            body=b'{"customer": {"id": 5, "email": "person@example.com"}, "orders_to_redact": [%d]}' % (i % 9),
        )
        for i in range(n)
    ]


def redaction_reports(n: int) -> Sequence[Event]:
    """What two services found, some of it for requests of nobody."""
    kinds = (DeliveriesRedacted, RequestsRedacted)
    return [
        kinds[i % 2](
            request_id=UUID(int=i % 3),
            page_ids=(UUID(int=i), UUID(int=i + 1000)),
            searched={"deliveries": i},
            removed={"deliveries": 1},
            occurred_at=NOON,
        )
        for i in range(n)
    ]


async def four_orders(tx: Tx) -> None:
    """Orders 1 to 4 of a live channel are placed."""
    await live()(tx)
    named = [(event, told) for event in map(placed, NUMBERS) for told in handlers.orders_in(event)[0]]
    whole = [(event, told) for event, told in named if not isinstance(told, RouteTouched | RequestsMade)]
    words = [handlers.word_of(event, told) for event, told in whole]
    await take(tx, [word._replace(cause=Cause(NOON, "test")) for word in words])


async def asked_orders(tx: Tx) -> None:
    """Orders 1 to 4, of which each was requested of our fulfillment service three times, and answered."""
    await four_orders(tx)
    held = await orders.lock_by_ids(tx, map(order_id, NUMBERS))
    replies = {f"7/{i}": Reply(("accept", "reject_cancellation")[i % 2]) for i in range(3)}
    await orders.save_progress(tx, [row._replace(order=row.order._replace(replies=replies)) for row in held.values()])


SCENARIOS = {
    "receive_orders": Scenario("receive_orders", webhooks, (live(),)),
    "record_milestones": Scenario("record_milestones", milestones, (asked_orders,)),
    "learn_channels": Scenario("learn_channels", configurations),
    "receive_privacy_requests": Scenario("receive_privacy_requests", privacy_requests, (four_orders,)),
    "record_redactions": Scenario("record_redactions", redaction_reports),
}


@pytest.mark.parametrize("handler", [handler.name for handler in handlers.consumer.handlers])
async def test_every_handler_keeps_the_three_laws(bench: HandlerBench, handler: str) -> None:
    await check_laws(bench, SCENARIOS[handler])
