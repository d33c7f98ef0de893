"""Every message that inventory reacts to. Each handler loads, folds the events one by one, saves and publishes."""

from collections.abc import Iterable, Sequence

from crossdock.contracts.fulfillment import (
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    SettlementEvent,
    ShipmentDispatched,
    ShipmentVoided,
)
from crossdock.contracts.inventory import StockChanged
from crossdock.contracts.order_ingest import RefundRecorded
from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.transaction import Tx
from inventory import store
from inventory.domain import claims
from inventory.domain.claims import Claim, Item, Match, Settlement
from inventory.shelf import Shelf

consumer = Consumer()


@consumer.on(OrderMatched)
async def reserve_stock(events: Sequence[OrderMatched], tx: Tx) -> None:
    """Reserve stock for matched orders; an order is reserved whole or not at all."""
    held = await store.lock_claims(tx, (event.order_id for event in events))
    matches = [match_of(event) for event in events]
    shelf = await Shelf.lock(tx, held.values(), {item.sku for match in matches for item in match.items})
    for event, match in zip(events, matches, strict=True):
        claim = claims.learn_match(held[event.order_id], match)
        held[event.order_id] = shelf.advance(claim, event, at=event.occurred_at, cause=str(event.match_version))
    await store.save_claims(tx, held)
    await shelf.save(tx)


@consumer.on(FulfillmentCancelled, FulfillmentCancelRefused, ShipmentDispatched, ShipmentVoided)
async def follow_fulfillment(events: Sequence[SettlementEvent | ShipmentDispatched | ShipmentVoided], tx: Tx) -> None:
    """Consume what shipped, and give back what nobody will ship."""
    held = await store.lock_claims(tx, (event.order_id for event in events))
    shelf = await Shelf.lock(tx, held.values())
    for event in events:
        claim, cause = learn(held[event.order_id], event)
        at = event.dispatched_at if isinstance(event, ShipmentDispatched) else event.occurred_at
        held[event.order_id] = shelf.advance(claim, event, at=at, cause=cause)
    await store.save_claims(tx, held)
    await shelf.save(tx)


@consumer.on(RefundRecorded)
async def restock_refunds(events: Sequence[RefundRecorded], tx: Tx) -> None:
    """Put returned goods back on hand, once for each refund."""
    held = await store.lock_claims(tx, (event.order_id for event in events))
    shelf = await Shelf.lock(tx, held.values())
    for event in events:
        back = units_of((line.line_id, line.quantity) for line in event.lines if line.restock)
        claim = claims.learn_refund(held[event.order_id], event.refund_id, back)
        held[event.order_id] = shelf.advance(claim, event, at=event.occurred_at, cause=event.refund_id)
    await store.save_claims(tx, held)
    await shelf.save(tx)


@consumer.on(StockChanged)
async def serve_waiting_orders(events: Sequence[StockChanged], tx: Tx) -> None:
    """Stock rose: serve the orders that wait for it, oldest first; a short one does not block those behind it."""
    rose = [event for event in events if event.rose]
    held = await store.lock_claims(tx, await store.waiting_for(tx, {event.sku for event in rose}))
    shelf = await Shelf.lock(tx, held.values())
    for event in rose:
        for claim in oldest_first(held.values(), event.sku):
            held[claim.order_id] = shelf.advance(claim, event, at=event.as_of, cause=event.subject)
    await store.save_claims(tx, held)
    await shelf.save(tx)


def match_of(event: OrderMatched) -> Match:
    """What a match asks for, in SKU units."""
    items = tuple(
        Item(line.line_id, component.sku, component.per_unit, line.wanted * component.per_unit)
        for line in event.lines
        for component in line.components
    )
    return Match((event.content_version, event.match_version), event.placed_at, items)


def learn(claim: Claim, event: SettlementEvent | ShipmentDispatched | ShipmentVoided) -> tuple[Claim, str]:
    """What fulfillment says, put into the claim; and the id that the ledger shows as its cause."""
    match event:
        case ShipmentDispatched():
            packed = ((line.line_id, line.quantity) for package in event.packages for line in package.lines)
            return claims.learn_dispatch(claim, event.shipment_id, units_of(packed)), event.shipment_id
        case ShipmentVoided():
            return claims.learn_void(claim, event.shipment_id), event.shipment_id
        case _:
            standing = units_of((line.line_id, line.quantity) for line in event.standing)
            settlement = Settlement(event.settlement_version, event.content_version, standing)
            return claims.learn_settlement(claim, settlement), str(event.settlement_version)


def units_of(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sum units by line."""
    total: dict[str, int] = {}
    for line, units in pairs:
        total[line] = total.get(line, 0) + units
    return total


def oldest_first(held: Iterable[Claim], sku: str) -> list[Claim]:
    """The waiting claims on a SKU, by when their orders were placed."""
    waiting = [c for c in held if c.waiting and sku in c.skus()]
    return sorted(waiting, key=lambda c: (c.placed_at, c.order_id))
