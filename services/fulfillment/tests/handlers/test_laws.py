"""Grouping, repetition and constancy for every handler of fulfillment."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from crossdock.contracts.base import Event, Money
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected, FulfillmentWebhookReceived
from crossdock.contracts.holds import HoldCode, hold
from crossdock.contracts.inventory import ReservedItem, StockReserved
from crossdock.contracts.order_ingest import (
    ChannelRequestDecided,
    OrderCancelled,
    OrderHeld,
    OrderLine,
    OrderPlaced,
    OrderReleased,
    OrderState,
    OrderUpdated,
    PolicyChanged,
    Recipient,
    RecipientRecorded,
    RecipientRedacted,
    RedactionOrdered,
)
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.laws import Scenario, check_laws
from fulfillment import facts, handlers
from fulfillment.desks import Desks
from fulfillment.domain.desk import Answer, RecipientKnown
from fulfillment.store import channels

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE, DEPOT = UUID(int=7), UUID(int=8)


def order(number: int) -> UUID:
    return UUID(int=number)


def state(number: int, version: int, wanted: int, kind: type[OrderState] = OrderPlaced, content: int = 1) -> OrderState:
    line = OrderLine(
        line_id="1",
        position=1,
        listing_id="9",
        sku="SHIRT",
        title="Shirt",
        quantity=3,
        wanted=wanted,
        requires_shipping=True,
        unit_price=Money(amount="9.50", currency="EUR"),
    )
    return kind(
        order_id=order(number),
        channel_id=STORE,
        channel_kind="shopify",
        external_id=str(number),
        number=f"#{number}",
        placed_at=NOON,
        order_version=version,
        content_version=content,
        total=Money(amount="28.50", currency="EUR"),
        lines=(line,),
        holds=(hold(HoldCode.PAYMENT),) if kind is OrderHeld else (),
        cancelled=kind is OrderCancelled,
        tag="Crossdock" if version > 1 else "",
        occurred_at=NOON,
    )


def reserved(number: int, content: int = 1, units: int = 3) -> StockReserved:
    item = ReservedItem(line_id="1", sku="SHIRT", location_id=UUID(int=5), quantity=units)
    return StockReserved(
        order_id=order(number), content_version=content, match_version=0, reservation_version=0, items=(item,)
    )


def notice(number: int, kind: str, shipment: str, units: int = 1, revision: int = 1) -> FulfillmentWebhookReceived:
    line = {"line_id": "1", "sku": "SHIRT", "quantity": units}
    package = {"package_ref": "P1", "carrier": "DHL", "tracking_number": f"T{shipment}", "lines": [line]}
    body = {
        "type": kind,
        "occurred_at": NOON.isoformat(),
        "reference": f"{order(number)}:{revision}",
        "request_id": f"R{number}",
        "shipment_id": shipment,
        "packages": [package],
        "cancelled": [line],
        "reason": "out of boxes",
        "reship": False,
    }
    return FulfillmentWebhookReceived(
        delivery_id=UUID(int=1),
        channel_id=DEPOT,
        channel_kind="generic",
        topic=kind,
        external_delivery_id="1",
        received_at=NOON,
        body=b64encode(orjson.dumps(body)),
    )


def order_states(n: int) -> Sequence[Event]:
    """Orders that are placed, held, released, reduced and cancelled, told out of order."""
    events: list[Event] = []
    for i in range(n):
        number, turn = i % (n // 3) + 1, i // (n // 3) + 1
        kind = (OrderPlaced, OrderHeld, OrderReleased, OrderUpdated, OrderCancelled)[min(turn, 5) - 1]
        content = {OrderUpdated: 2, OrderCancelled: 3}.get(kind, 1)
        wanted = {OrderUpdated: 1, OrderCancelled: 0}.get(kind, 3)
        events.append(state(number, turn, wanted, kind, content))
    return [*events[n // 2 :], *events[: n // 2]]


def reservations(n: int) -> Sequence[Event]:
    return [reserved(i % 5 + 1, content=i // 5 % 2 + 1) for i in range(n)]


def recipients(n: int) -> Sequence[Event]:
    events: list[Event] = []
    for i in range(n):
        about = {"order_id": order(i % 4 + 1), "recipient_version": i // 4 + 1, "occurred_at": NOON}
        if i % 7 == 6:
            events.append(RecipientRedacted(**about))
        else:
            events.append(RecipientRecorded(recipient=Recipient(note=f"Test note {i}"), **about))
    return events


def told_of_orders(n: int) -> Sequence[Event]:
    """States, recipients and reservations of the same orders, in turns."""
    return [event for three in zip(order_states(n), recipients(n), reservations(n), strict=True) for event in three]


def notices(n: int) -> Sequence[Event]:
    """Answers, shipments in parts, too much, voids before and after, deliveries."""
    events: list[Event] = []
    for i in range(n):
        number = i % 4 + 1
        match i % 6:
            case 0:
                events.append(notice(number, "request.accepted", ""))
            case 1 | 2:
                events.append(notice(number, "shipment.dispatched", f"S{i % 12}", units=i % 3 + 1))
            case 3:
                events.append(notice(number, "shipment.voided", f"S{(i - 4) % 12}"))
            case 4:
                events.append(notice(number, "shipment.delivered", f"S{i % 12}"))
            case _:
                events.append(notice(number, "request.cancelled" if i % 4 else "request.rejected", ""))
    return events


def channel_events(n: int) -> Sequence[Event]:
    events: list[Event] = []
    for i in range(n):
        about = {"channel_id": UUID(int=i % 3 + 1), "channel_version": i // 3 + 1, "occurred_at": NOON}
        if i % 5 == 4:
            events.append(ChannelDisconnected(**about))
        else:
            settings = {"role": "destination"} if i % 2 else {}
            events.append(ChannelConfigured(kind="generic", name=f"C{i}", mode="live", settings=settings, **about))
    return [*events[n // 2 :], *events[: n // 2]]


async def two_channels(tx: Tx) -> None:
    """A store and the only destination."""
    rows = [
        {"channel_id": STORE, "kind": "shopify", "name": "Store", "settings": {}},
        {"channel_id": DEPOT, "kind": "generic", "name": "Depot", "settings": {"role": "destination"}},
    ]
    await channels.save_channels(tx, [row | {"channel_version": 1, "mode": "live", "connected": True} for row in rows])


async def placed_orders(tx: Tx) -> None:
    """Orders 1 to 5 are placed; their recipients are known."""
    held = await Desks.lock(tx, [order(i) for i in range(1, 6)])
    for i in range(1, 6):
        held.learn(order(i), RecipientKnown(1))
        held.learn(order(i), facts.order_state(state(i, 1, 3)))
    await held.save()


async def requested(tx: Tx) -> None:
    """Orders 1 to 4 were requested; the destination took those of 1 and 2."""
    held = await Desks.lock(tx, [order(i) for i in range(1, 5)])
    for i in range(1, 5):
        held.learn(order(i), RecipientKnown(1))
        held.learn(order(i), facts.order_state(state(i, 1, 3)))
        held.learn(order(i), facts.reservation(reserved(i)))
    for i in (1, 2):
        held.learn(order(i), Answer("accepted", 1))
    await held.save()


def redactions(n: int) -> Sequence[Event]:
    """Searches that were ordered, and copies that are the gateway's alone."""
    return [
        RedactionOrdered(
            page_id=UUID(int=i),
            request_id=UUID(int=i // 3),
            channel_id=UUID(int=7),
            channel_kind="shopify",
            whole_channel=i % 4 == 0,
            order_ids=tuple(UUID(int=k) for k in range(i % 3)),
            names=tuple(str(k) for k in range(i % 3)),
            delivery_ids=(UUID(int=i),),
            occurred_at=NOON,
        )
        for i in range(n)
    ]


def policies(n: int) -> Sequence[Event]:
    """Policies of three channels, of which the newest is told before older ones."""
    events = [
        PolicyChanged(
            channel_id=UUID(int=i % 3), policy_version=i // 3 + 1, notify_customer=i // 3 % 2 == 0, occurred_at=NOON
        )
        for i in range(n)
    ]
    return [*events[n // 2 :], *events[: n // 2]]


def decided(n: int) -> Sequence[Event]:
    """Answers to requests of a few routes, some of them told again under another message."""
    answers = ("accept", "reject", "accept_cancellation", "reject_cancellation")
    return [
        ChannelRequestDecided.model_validate(
            {
                "order_id": order(i % 3),
                "channel_id": STORE,
                "route_id": str(i % 3),
                "request_id": str(i % 5),
                "answer": answers[i % 15 % 4],
                "occurred_at": NOON,
            }
        )
        for i in range(n)
    ]


SCENARIOS = {
    "follow_orders": Scenario("follow_orders", told_of_orders, (two_channels, placed_orders)),
    "receive_notices": Scenario("receive_notices", notices, (two_channels, requested)),
    "learn_channels": Scenario("learn_channels", channel_events),
    "answer_requests": Scenario("answer_requests", decided, (two_channels,)),
    "keep_redactions": Scenario("keep_redactions", redactions),
    "learn_policies": Scenario("learn_policies", policies),
}


@pytest.mark.parametrize("handler", [handler.name for handler in handlers.consumer.handlers])
async def test_every_handler_keeps_the_three_laws(bench: HandlerBench, handler: str) -> None:
    await check_laws(bench, SCENARIOS[handler])
