"""Every message that fulfillment reacts to. Each handler locks the desks, lets them learn one by one, and saves."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from crossdock.channels.model import Ignored, ShipNotice, Unreadable
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected, FulfillmentWebhookReceived
from crossdock.contracts.inventory import StockReserved
from crossdock.contracts.order_ingest import (
    ChannelRequestDecided,
    OrderCancelled,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    OrderState,
    OrderUpdated,
    PolicyChanged,
    RecipientEvent,
    RecipientRecorded,
    RecipientRedacted,
    RedactionOrdered,
)
from crossdock.messaging import deliveries, redaction
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.failures import Poison
from crossdock.messaging.transaction import Tx
from fulfillment import facts
from fulfillment.desks import Desks
from fulfillment.domain.desk import Shipment
from fulfillment.domain.recipe import OddParcel
from fulfillment.store import channels, desks, writes

consumer = Consumer()


@consumer.on(
    OrderPlaced,
    OrderUpdated,
    OrderCancelled,
    OrderHeld,
    OrderReleased,
    RecipientRecorded,
    RecipientRedacted,
    StockReserved,
)
async def follow_orders(events: Sequence[OrderState | RecipientEvent | StockReserved], tx: Tx) -> None:
    """Request what is wanted, reserved and free to go; cancel what is wanted no more; settle every change. Keep the
    newest recipient of each order, and stop what still goes to an old address; forget one that was redacted."""
    held = await Desks.lock(tx, (event.order_id for event in events))
    kept: dict[UUID, tuple[int, dict[str, Any] | None]] = {}
    for event in events:
        match event:
            case RecipientRecorded() | RecipientRedacted():
                learn_recipient(held, event, kept)
            case StockReserved():
                held.learn(event.order_id, facts.reservation(event), event)
            case OrderState():
                held.learn(event.order_id, facts.order_state(event), event)
    if kept:
        await desks.save_recipients(tx, kept)
    await held.save()


@consumer.on(ChannelRequestDecided)
async def answer_requests(events: Sequence[ChannelRequestDecided], tx: Tx) -> None:
    """Commit the answers to requests that merchants made of our fulfillment service; a dispatcher gives them."""
    await writes.add_writes(tx, [facts.answer(event, tx.trace_of(event)) for event in events])


@consumer.on(RedactionOrdered)
async def keep_redactions(events: Sequence[RedactionOrdered], tx: Tx) -> None:
    """Remember whose personal data is to go from requests, writes and messages; a worker looks for it."""
    wanted = [event for event in events if event.order_ids or event.names or event.whole_channel]
    if wanted:
        await redaction.keep(tx, wanted)


@consumer.on(FulfillmentWebhookReceived)
async def receive_notices(events: Sequence[FulfillmentWebhookReceived], tx: Tx) -> None:
    """Take in what destinations say: accepted, rejected, cancelled, dispatched, voided, delivered."""
    notices = [(event, notice, facts.reference(event, notice)) for event in events for notice in notices_in(event)]
    orders = {order_id for _, _, (order_id, _) in notices}
    held = await Desks.lock(tx, orders, create=False)
    await held.protect(order_id for _, notice, (order_id, _) in notices if notice.reason)
    traces = await writes.request_traces(tx, orders)
    doubts = []
    for event, notice, (order_id, number) in notices:
        desk = held.held.get(order_id)
        revision = facts.revision_of(event, desk, number)
        try:
            fact = facts.of_notice(notice, order_id, number, revision)
        except OddParcel as odd:
            raise Poison(event, f"{odd}.") from None
        held.learn(order_id, fact, event, tx.trace_followed(traces.get((order_id, number)), event))
        if isinstance(fact, Shipment) and fact in held.held[order_id].doubted:
            doubts.append((order_id, fact.id, event))
    await held.save()
    if doubts:
        await writes.note_doubts(tx, doubts)


@consumer.on(ChannelConfigured, ChannelDisconnected)
async def learn_channels(events: Sequence[ChannelConfigured | ChannelDisconnected], tx: Tx) -> None:
    """Know the destinations, and which channel may be written to."""
    known = {row.channel_id: dict(row) for row in await channels.all_channels(tx)}
    changed = {}
    for event in events:
        channel = facts.channel(event, known.get(event.channel_id))
        if channel is not None:
            known[event.channel_id] = changed[event.channel_id] = channel
    if changed:
        await channels.save_channels(tx, [changed[key] for key in sorted(changed)])


@consumer.on(PolicyChanged)
async def learn_policies(events: Sequence[PolicyChanged], tx: Tx) -> None:
    """Know whether a channel is to tell customers of their parcels."""
    newest = {event.channel_id: event for event in sorted(events, key=attrgetter("policy_version"))}
    told = [(event.channel_id, event.policy_version, event.notify_customer) for event in newest.values()]
    await channels.save_policies(tx, told)


def learn_recipient(
    held: Desks, event: RecipientRecorded | RecipientRedacted, kept: dict[UUID, tuple[int, dict[str, Any] | None]]
) -> None:
    """Let a desk learn of its order's recipient; `kept` gets the data, or a tombstone, if it is news to the desk."""
    before = held.held[event.order_id]
    held.learn(event.order_id, facts.recipient(event), event)
    after = held.held[event.order_id]
    if after.recipient_version != before.recipient_version or after.redacted != before.redacted:
        data = None if isinstance(event, RecipientRedacted) else event.recipient.model_dump(mode="json")
        kept[event.order_id] = (after.recipient_version, data)


def notices_in(event: FulfillmentWebhookReceived) -> list[ShipNotice]:
    """The ship notices in a delivery. Raises Poison when it cannot be read."""
    found = []
    for parsed in deliveries.read(event):
        if isinstance(parsed, Unreadable):
            raise Poison(event, parsed.reason)
        if isinstance(parsed, ShipNotice):
            found.append(parsed)
        elif not isinstance(parsed, Ignored):
            raise Poison(event, f"The topic {event.topic!r} carries no ship notice; discard the message.")
    return found
