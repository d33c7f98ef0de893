"""Every message that order-ingest reacts to. Each handler loads, folds the events one by one, saves and publishes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID

from crossdock.channels.destinations import ROLE, destination_for
from crossdock.channels.model import (
    CanonicalOrder,
    Ignored,
    OrderCancelledNotice,
    OrderTouched,
    RequestsMade,
    RouteTouched,
    Unreadable,
)
from crossdock.contracts.base import OrderScoped
from crossdock.contracts.fulfillment import (
    ChannelRequestAnswered,
    ChannelRequestFailed,
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    FulfillmentRejected,
    FulfillmentRequested,
    OrderTagFailed,
    OrderTagged,
    RequestsRedacted,
    SettlementEvent,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentVoided,
    TrackingFailed,
    TrackingWritten,
)
from crossdock.contracts.gateway import (
    ChannelConfigured,
    ChannelDisconnected,
    ChannelWebhookReceived,
    DeliveriesRedacted,
    OrdersWebhookReceived,
)
from crossdock.contracts.inventory import ReservationEvent, StockReserved, StockShort
from crossdock.contracts.sku_matcher import MatchEvent, OrderMatched, OrderUnmatched
from crossdock.messaging import deliveries
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.failures import Poison
from crossdock.messaging.parked import ToPark, park
from crossdock.messaging.topology import queue_name
from crossdock.messaging.transaction import Tx
from order_ingest import privacy, reconcile, requested, translate
from order_ingest.book import Book, Cause
from order_ingest.domain import fold, milestones
from order_ingest.domain.channel import Channel, configure, disconnect, zone_of
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import Order, Recipient, Rejection, Request, Tracking, parcel_key, request_key
from order_ingest.domain.steps import Step
from order_ingest.intake import Word, take
from order_ingest.store import channels, feeds, orders, touches
from order_ingest.store.orders import Key, Row

consumer = Consumer()
MOST_NAMED = 5
"""Of a delivery that can be read only in part, this many problems are named."""
Told = CanonicalOrder | OrderCancelledNotice | OrderTouched


@consumer.on(OrdersWebhookReceived)
async def receive_orders(events: Sequence[OrdersWebhookReceived], tx: Tx) -> None:
    """Import orders and their changes from webhooks."""
    read = [(event, *orders_in(event)) for event in events]
    await set_aside(tx, [(event, problems) for event, _, problems in read if problems])
    named = [(event, told) for event, several, _ in read for told in several]
    await take(tx, [word_of(event, told) for event, told in named if not isinstance(told, RouteTouched | RequestsMade)])
    touched = [(event, told) for event, told in named if isinstance(told, RouteTouched)]
    await touches.note(tx, {(event.channel_id, told.route_id, event.channel_kind) for event, told in touched})
    if noticed := {event.channel_id for event, told in named if isinstance(told, RequestsMade)}:
        await requested.ask_now(tx, noticed)


@consumer.on(
    OrderMatched,
    OrderUnmatched,
    StockReserved,
    StockShort,
    FulfillmentRequested,
    FulfillmentAccepted,
    FulfillmentRejected,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    ShipmentDispatched,
    ShipmentVoided,
    ShipmentDelivered,
    TrackingWritten,
    TrackingFailed,
    OrderTagged,
    OrderTagFailed,
    ChannelRequestAnswered,
    ChannelRequestFailed,
    pace=0.1,
)
async def record_milestones(events: Sequence[OrderScoped], tx: Tx) -> None:
    """Record matches, reservations, requests, shipments and write-backs; hold the order while a line is not known,
    stock is short or a rejection is not answered."""
    book = Book(tx, (await orders.lock_by_ids(tx, (event.order_id for event in events))).values())
    for event in events:
        step = MILESTONES[type(event)](book.row(event.order_id, event).order, event)
        book.take(event.order_id, step, milestone(event), milestone=True)
    await book.save(whole=False)


@consumer.on(ChannelConfigured, ChannelDisconnected)
async def learn_channels(events: Sequence[ChannelConfigured | ChannelDisconnected], tx: Tx) -> None:
    """Learn names, modes and which warehouse ships for whom; where the mode of a channel or of its warehouse changed,
    the worker `reconsider` judges the channel's open orders again. From its first configuration on, a channel is asked
    which of its orders changed."""
    before = await channels.lock_all(tx, {event.channel_id for event in events})
    known, changed = before, set()
    for event in events:
        now = served({**known, event.channel_id: configured(known[event.channel_id], event)})
        changed |= {name for name, channel in now.items() if channel.restraint != known[name].restraint}
        known = now
    await channels.save(tx, {name: channel for name, channel in known.items() if channel != before[name]})
    if changed:
        await channels.reconsider(tx, changed)
    configurations = [event for event in events if isinstance(event, ChannelConfigured)]
    await feeds.add(tx, {event.channel_id: event.occurred_at for event in reversed(configurations)})
    configurations.sort(key=attrgetter("resets"))
    if idle := await feeds.restart(tx, {event.channel_id: event.resets for event in configurations}):
        await reconcile.read_now(tx, idle)


@consumer.on(ChannelWebhookReceived)
async def receive_privacy_requests(events: Sequence[ChannelWebhookReceived], tx: Tx) -> None:
    """Take what channels ask about people; workers carry it out. What else they tell of themselves is the gateway's."""
    told = [(event, privacy.requests_in(event, deliveries.read(event))) for event in events]
    await privacy.remember(tx, [(event, asked) for event, several in told for asked in several])


@consumer.on(DeliveriesRedacted, RequestsRedacted)
async def record_redactions(events: Sequence[DeliveriesRedacted | RequestsRedacted], tx: Tx) -> None:
    """Keep what other services found when they looked for copies of redacted people."""
    await privacy.keep_reports(tx, events)


def orders_in(event: OrdersWebhookReceived) -> tuple[list[Told | RouteTouched | RequestsMade], list[str]]:
    """What a delivery says of orders, and why some of it cannot be read. Raises Poison when nothing of it can."""
    told: list[Told | RouteTouched | RequestsMade] = []
    problems: list[str] = []
    for parsed in deliveries.read(event):
        match parsed:
            case CanonicalOrder() | OrderCancelledNotice() | OrderTouched() | RouteTouched() | RequestsMade():
                told.append(parsed)
            case Unreadable(reason):
                problems.append(reason)
            case Ignored():
                continue
            case _:
                raise Poison(event, f"The topic {event.topic} carries {type(parsed).__name__}, which is no order")
    if problems and not told:
        raise Poison(event, f"The {event.topic} webhook cannot be read: {problems[0]}")
    return told, problems


async def set_aside(tx: Tx, unread: Sequence[tuple[OrdersWebhookReceived, list[str]]]) -> None:
    """Park deliveries of several orders of which only some can be read. Those are applied at once: when the corrected
    message is replayed, they are as old as what is stored."""
    if not unread:
        return
    parked = []
    for event, problems in unread:
        message = tx.received(event)
        reason = f"The {event.topic} webhook can be read only in part: {'; '.join(problems[:MOST_NAMED])}"
        parked.append(ToPark(message.raw, reason, origin_id=message.origin_id, attempt=message.attempt))
    await park(tx, receive_orders.__name__, queue_name("order-ingest", receive_orders.__name__), parked)


def key_of(event: OrdersWebhookReceived, order: Told) -> Key:
    """What names the order. One that is told without its content first gets its id from the time of that notice."""
    placed_at = order.placed_at if isinstance(order, CanonicalOrder) else order.updated_at or event.received_at
    order_id = order_id_of(event.channel_id, order.external_id, placed_at)
    return Key(order_id, event.channel_id, event.channel_kind, order.external_id)


def word_of(event: OrdersWebhookReceived, told: Told) -> Word:
    """What a delivery says of one order."""
    cause = Cause(event.received_at, event.channel_kind, event)
    return Word(key_of(event, told), cause, partial(step_of, told))


def step_of(told: Told, row: Row, recipient: Recipient | None) -> Step:
    """What a channel's word does to an order."""
    if isinstance(told, OrderCancelledNotice):
        return fold.take_cancel(row.order)
    if isinstance(told, OrderTouched):
        return fold.take_pointer(row.order, row.source, told.updated_at, routes=told.routes)
    return fold.take_snapshot(row.order, row.source, recipient, translate.arrival_of(told))


def matched(order: Order, event: MatchEvent) -> Step:
    return milestones.take_match(order, translate.match_of(event))


def reserved(order: Order, event: ReservationEvent) -> Step:
    return milestones.take_reservation(order, translate.reservation_of(event))


def was_requested(order: Order, event: FulfillmentRequested) -> Step:
    units = translate.units_of((line.line_id, line.quantity) for line in event.lines)
    return milestones.take_request(order, event.revision, Request(event.destination, units))


def was_rejected(order: Order, event: FulfillmentRejected) -> Step:
    return milestones.take_rejection(order, event.revision, Rejection(event.destination, event.reason))


def settled(order: Order, event: SettlementEvent) -> Step:
    refused = isinstance(event, FulfillmentCancelRefused)
    return milestones.take_settlement(order, translate.settlement_of(event, refused=refused))


def written(order: Order, event: TrackingWritten) -> Step:
    tracking = Tracking("done", external_id=event.external_fulfillment_id, adopted=event.adopted)
    return milestones.take_tracking(order, parcel_key(event.shipment_id, event.package_ref), tracking)


def not_written(order: Order, event: TrackingFailed) -> Step:
    tracking = Tracking("failed", reason=event.reason)
    return milestones.take_tracking(order, parcel_key(event.shipment_id, event.package_ref), tracking)


def answered(order: Order, event: ChannelRequestAnswered) -> Step:
    state: Literal["overtaken", "done"] = "overtaken" if event.overtaken else "done"
    return milestones.take_answered(order, request_key(event.route_id, event.request_id), state)


def not_answered(order: Order, event: ChannelRequestFailed) -> Step:
    return milestones.take_answered(order, request_key(event.route_id, event.request_id), "failed")


MILESTONES: dict[type[OrderScoped], Callable[[Order, Any], Step]] = {
    OrderMatched: matched,
    OrderUnmatched: matched,
    StockReserved: reserved,
    StockShort: reserved,
    FulfillmentRequested: was_requested,
    FulfillmentAccepted: lambda order, e: milestones.take_acceptance(order, e.revision),
    FulfillmentRejected: was_rejected,
    FulfillmentCancelled: settled,
    FulfillmentCancelRefused: settled,
    ShipmentDispatched: lambda order, e: milestones.take_shipment(order, e.shipment_id, translate.shipment_of(e)),
    ShipmentVoided: lambda order, e: milestones.take_void(order, e.shipment_id, e.reship),
    ShipmentDelivered: lambda order, e: milestones.take_delivery(order, e.shipment_id),
    TrackingWritten: written,
    TrackingFailed: not_written,
    OrderTagged: lambda order, e: milestones.take_tagging(order, Tracking("done", adopted=e.adopted)),
    OrderTagFailed: lambda order, e: milestones.take_tagging(order, Tracking("failed", reason=e.reason)),
    ChannelRequestAnswered: answered,
    ChannelRequestFailed: not_answered,
}
"""What each event of another service does to an order."""


def milestone(event: OrderScoped) -> Cause:
    """An event of another service as a cause."""
    return Cause(event.occurred_at, event.publisher, event)


def configured(channel: Channel, event: ChannelConfigured | ChannelDisconnected) -> Channel:
    """What a configuration event makes of a channel."""
    if isinstance(event, ChannelDisconnected):
        return disconnect(channel, event.channel_version)
    told = event.settings
    new = Channel(
        event.channel_id,
        event.channel_version,
        event.kind,
        event.name,
        event.mode,
        connected=True,
        time_zone=zone_of(told.get("time_zone")),
        role=str(told.get("role") or ""),
        destination=str(told.get("destination") or ""),
    )
    return configure(channel, new)


def served(channels: Mapping[UUID, Channel]) -> dict[UUID, Channel]:
    """Channels with the names of their warehouses that only observe."""
    places = {str(one.channel_id): one.name for one in channels.values() if one.connected and one.role == ROLE}
    quiet = {str(one.channel_id): one.observing for one in channels.values()}
    return {
        name: replace(one, warehouse_observing=quiet.get(destination_for(one.destination, places), ""))
        for name, one in channels.items()
    }
