"""Every message that the matcher reacts to. Each handler loads, folds the events one by one, saves and publishes."""

from collections.abc import Sequence
from operator import attrgetter

from crossdock.channels.model import ListingSet, Unreadable
from crossdock.channels.protocols import KeptHere
from crossdock.channels.registry import can
from crossdock.contracts.base import Event
from crossdock.contracts.gateway import CatalogWebhookReceived, ChannelConfigured, ChannelDisconnected
from crossdock.contracts.order_ingest import OrderCancelled, OrderPlaced, OrderState, OrderUpdated
from crossdock.contracts.sku_matcher import ListingChanged, ListingMapped, SkuChanged
from crossdock.messaging import deliveries
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.envelope import again
from crossdock.messaging.failures import Poison
from crossdock.messaging.topology import queue_name
from crossdock.messaging.transaction import Tx
from sku_matcher import runs, telling
from sku_matcher.assortment import Assortment, state_of
from sku_matcher.domain import matching
from sku_matcher.domain.channels import Channel, newest
from sku_matcher.domain.listings import ProductState
from sku_matcher.domain.matching import Row, waits
from sku_matcher.store import catalogue, orders, presence

PAGE = 500
"""Waiting orders that one batch judges again at most; where there are more, the same events come once more."""

consumer = Consumer()
CatalogueEvent = ListingChanged | ListingMapped | SkuChanged


@consumer.on(OrderPlaced, OrderUpdated, OrderCancelled)
async def match_orders(events: Sequence[OrderState], tx: Tx) -> None:
    """Tie every line that ships to a SKU, or say which line has none and why."""
    rows = await orders.lock_orders(tx, (event.order_id for event in events), add=True)
    before = dict(rows)
    states = [order_of(event) for event in events]
    known = await presence.catalogue_for(tx, (state for state in states if not state.cancelled))
    for event, state in zip(events, states, strict=True):
        rows[state.order_id], match = matching.take_order(rows[state.order_id], state, known)
        if match is not None:
            tx.publish(telling.match_event(state, match), cause=event)
    await orders.save_orders(tx, before, rows)


@consumer.on(CatalogWebhookReceived)
async def learn_listings(events: Sequence[CatalogWebhookReceived], tx: Tx) -> None:
    """Keep a channel's listings as it tells them; of one product the newest state wins."""
    told = [(event, state) for event in events for state in products_of(event)]
    assortment = await Assortment.lock(tx, [state for _, state in told])
    for event, state in told:
        assortment.learn(state, event)
    await assortment.save()


@consumer.on(ListingChanged, ListingMapped, SkuChanged)
async def rematch_orders(events: Sequence[CatalogueEvent], tx: Tx) -> None:
    """Judge the orders again that waited for what changed, oldest first."""
    causes = {name: event for event in reversed(events) for name in names_of(event)}
    due = await orders.due_orders(tx, causes, PAGE + 1)
    rows = await orders.lock_orders(tx, due[:PAGE])
    before = dict(rows)
    known = await presence.catalogue_for(tx, (row.order for row in rows.values() if row.order is not None))
    for order_id in due[:PAGE]:
        rows[order_id], match = matching.rematch(rows[order_id], known)
        order = rows[order_id].order
        if order is not None and match is not None:
            tx.publish(telling.match_event(order, match), cause=cause_of(before[order_id], causes))
    await orders.save_orders(tx, before, rows)
    if len(due) > PAGE:
        for event in events:
            once_more(event, tx)


@consumer.on(ChannelConfigured, ChannelDisconnected)
async def learn_channels(events: Sequence[ChannelConfigured | ChannelDisconnected], tx: Tx) -> None:
    """Remember which channels there are, so that a person who names one is understood; the catalogue of one that was
    reset is read whole again."""
    known: dict[object, Channel] = {}
    for event in events:
        known[event.channel_id] = newest(known.get(event.channel_id), channel_of(event))
    await catalogue.learn_channels(tx, known.values())
    configurations = sorted(
        (event for event in events if isinstance(event, ChannelConfigured)), key=attrgetter("channel_id", "resets")
    )
    idle = await catalogue.restart(tx, {event.channel_id: event.resets for event in configurations})
    if idle:
        await runs.read_now(tx, idle)


def order_of(event: OrderState) -> matching.OrderState:
    """What matching needs of an order."""
    return matching.OrderState(
        order_id=event.order_id,
        channel_id=event.channel_id,
        placed_at=event.placed_at,
        order_version=event.order_version,
        content_version=event.content_version,
        cancelled=event.cancelled,
        lines=tuple(
            matching.Line(line.line_id, line.position, line.listing_id, line.sku, line.title, line.wanted)
            for line in event.lines
        ),
        listed=not can(event.channel_kind, KeptHere),
    )


def products_of(event: CatalogWebhookReceived) -> list[ProductState]:
    """What a delivery tells of products. Raises Poison when it cannot be read."""
    states = []
    for parsed in deliveries.read(event):
        if isinstance(parsed, Unreadable):
            raise Poison(event, f"{event.topic} from {event.channel_kind} cannot be read: {parsed.reason}.")
        if isinstance(parsed, ListingSet):
            told_at = event.triggered_at or event.received_at
            states.append(state_of(event.channel_id, told_at, parsed))
    return states


def channel_of(event: ChannelConfigured | ChannelDisconnected) -> Channel:
    """A channel as an event tells it."""
    if isinstance(event, ChannelConfigured):
        return Channel(event.channel_id, event.channel_version, event.kind, event.name, connected=True)
    return Channel(event.channel_id, event.channel_version)


def names_of(event: CatalogueEvent) -> list[matching.Name]:
    """What orders may wait for that an event touches."""
    if isinstance(event, SkuChanged):
        return [("sku", event.sku)]
    if isinstance(event, ListingMapped):
        return [("listing", event.listing_id)]
    named: list[matching.Name] = [("sku", sku) for sku in (event.sku, event.previous_sku) if sku]
    return [*named, ("listing", event.listing_id)] if event.sku else named


def cause_of(row: Row, causes: dict[matching.Name, CatalogueEvent]) -> Event:
    """The first event that touched what the order waited for."""
    return next((causes[wait.name] for wait in waits(row) if wait.name in causes), next(iter(causes.values())))


def once_more(event: Event, tx: Tx) -> None:
    """Send an event to this handler's own queue again, for the orders behind the page that was judged."""
    received = tx.received(event)
    queue = queue_name("sku-matcher", rematch_orders.__name__)
    tx.send(again(received.raw, queue=queue, attempt=0, origin_id=received.origin_id))
