"""The four services as reducers over their own code: (what one knows, one message) -> (what it knows then, messages).

Everything decided here is decided by the services' domain functions, and every event goes through the functions that
their handlers translate with; what is left out is SQL. Each adapter is its handlers' bodies for a batch of one.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from protocol.messages import (
    Came,
    CancelNotice,
    Counted,
    Inspected,
    PersonRetries,
    Refetch,
    Told,
    Write,
    index_in,
)
from protocol.outside import Book, Depot
from protocol.shapes import CHANNEL, DEPOT, MAIN, NOON, Line, Shape, index_of, order_id

import inventory.handlers
import sku_matcher.handlers
from crossdock.channels.model import ShipNotice
from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import SettlementEvent, ShipmentDispatched, ShipmentVoided
from crossdock.contracts.inventory import ReservationEvent, StockChanged, StockReserved
from crossdock.contracts.order_ingest import OrderState, RecipientEvent, RefundRecorded
from crossdock.contracts.sku_matcher import ListingChanged, MatchEvent, OrderMatched
from fulfillment import facts, outside, recording
from fulfillment.desks import Desks
from fulfillment.directory import Directory
from fulfillment.domain.desk import Desk, Dismissed, Fact
from fulfillment.domain.protocol import is_elsewhere, is_wanted
from fulfillment.domain.writes import Failed, Outcome, Withdrawn, after_look
from inventory.domain import claims, stock
from inventory.domain.claims import Claim
from inventory.domain.stock import Level
from inventory.shelf import Shelf
from order_ingest import translate
from order_ingest.domain import fold, milestones, rulings
from order_ingest.domain.order import Order, Recipient, Snapshot
from order_ingest.domain.steps import Step
from order_ingest.handlers import MILESTONES
from sku_matcher import telling
from sku_matcher.domain import listings, matching
from sku_matcher.domain.listings import Listing, Product, ProductState
from sku_matcher.domain.matching import Catalogue, Component, Given, Match


class Collected:
    """What a transaction is to the code that runs here: it collects what is published."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, event: Event, *, cause: Event | None = None, trace: str = "") -> None:
        """Keep the event."""
        self.events.append(event)

    def trace_of(self, cause: Event | None) -> str:
        """Nothing is traced here."""
        return ""


# ------------------------------------------------------------------ order-ingest
@dataclass(frozen=True, slots=True)
class IngestRow:
    """One order with what is kept beside it."""

    order: Order
    source: Snapshot | None = None
    recipient: Recipient | None = None


def order_ingest(row: IngestRow, message: Any, now: datetime) -> tuple[IngestRow, list[Any]]:
    """One message at order-ingest, as `handlers` and the worker `refetch` take it."""
    step = step_of_ingest(row, message)
    if not step.taken:
        return row, []
    recipient = row.recipient if step.recipient is None else step.recipient
    row = IngestRow(step.order, step.source or row.source, recipient)
    index = index_in(message)
    name = SimpleNamespace(order_id=order_id(index), channel_id=CHANNEL, channel_kind="shopify", external_id=str(index))
    events: list[Any] = list(translate.events_of(cast(Any, name), step, row.source))
    asks = row.order.refetching and (isinstance(message, Told) and (message.fetched or _is_tie(step)))
    return row, [*events, *([Refetch(index)] if asks else [])]


def _is_tie(step: Step) -> bool:
    return any(note.kind == "tie" for note in step.notes)


def step_of_ingest(row: IngestRow, message: Any) -> Step:
    """The step that a message makes."""
    order = row.order
    match message:
        case Told(_, arrival, True):
            return fold.take_answer(order, row.source, row.recipient, arrival)
        case Told(_, arrival, False):
            return fold.take_snapshot(order, row.source, row.recipient, arrival)
        case CancelNotice():
            return fold.take_cancel(order)
        case PersonRetries():
            return rulings.answer_rejection(order)
        case MatchEvent():
            return milestones.take_match(order, translate.match_of(message))
        case ReservationEvent():
            # How much lacks is a text for people; without it, states that differ in nothing else are one.
            return milestones.take_reservation(order, replace(translate.reservation_of(message), shortages=()))
        case _:
            return MILESTONES[type(message)](order, message)


# ------------------------------------------------------------------ sku-matcher
@dataclass(frozen=True, slots=True)
class Matcher:
    """The catalogue of one channel with one product, and the orders."""

    shape: Shape
    product: Product
    listings: tuple[Listing, ...]
    rows: tuple[matching.Row, ...]

    @property
    def catalogue(self) -> Catalogue:
        """What an order is judged by."""
        carriers: dict[Any, int] = {}
        for one in self.listings:
            if one.sku:
                carriers[CHANNEL, one.sku] = carriers.get((CHANNEL, one.sku), 0) + 1
        given = {(CHANNEL, one.listing_id): Given(one.sku, one.sku_since) for one in self.listings if one.sku}
        return Catalogue(carriers, given=given)


def matcher_with(shape: Shape, orders: int, mapped: tuple[int, ...]) -> Matcher:
    """A matcher that knows the listings of some lines."""
    known = [_listing(n, line, there) for n, (line, there) in enumerate(zip(shape.lines, mapped, strict=True), 1)]
    return Matcher(shape, Product(CHANNEL, "1"), tuple(known), (matching.Row(),) * orders)


def _listing(number: int, line: Line, there: int) -> Listing:
    if not there:
        return Listing(CHANNEL, str(number), "1")
    return Listing(CHANNEL, str(number), "1", 1, line.sku, "", NOON, removed=False)


def sku_matcher_(state: Matcher, message: Any, now: datetime) -> tuple[Matcher, list[Any]]:
    """One message at sku-matcher."""
    match message:
        case OrderState():
            order = sku_matcher.handlers.order_of(message)
            known = state.catalogue
            return _judged(state, index_of(order.order_id), lambda row: matching.take_order(row, order, known))
        case ProductState():
            known_listings = {one.listing_id: one for one in state.listings}
            product, changes = listings.learn_product(state.product, known_listings, message)
            changed = known_listings | {change.listing.listing_id: change.listing for change in changes}
            state = replace(state, product=product, listings=tuple(changed.values()))
            return state, [telling.listing_event(change) for change in changes]
        case ListingChanged():
            return _woken(state, message)
    raise TypeError(message)


def _woken(state: Matcher, event: ListingChanged) -> tuple[Matcher, list[Any]]:
    names, known, told = set(sku_matcher.handlers.names_of(event)), state.catalogue, []
    for index, row in enumerate(state.rows):
        if any(wait.name in names for wait in matching.waits(row)):
            state, more = _judged(state, index, lambda row: matching.rematch(row, known))
            told += more
    return state, told


Judge = Callable[[matching.Row], tuple[matching.Row, Match | None]]


def _judged(state: Matcher, index: int, judge: Judge) -> tuple[Matcher, list[Any]]:
    row, match = judge(state.rows[index])
    state = replace(state, rows=put(state.rows, index, row))
    if match is None or row.order is None:
        return state, []
    return state, [telling.match_event(row.order, with_parts(state.shape, match))]


def with_parts(shape: Shape, match: Match) -> Match:
    """A match whose SKUs are taken apart. The matcher knows no bundles: here the world says what a SKU is made of."""
    parts = {line.sku: tuple(Component(sku, per_unit) for sku, per_unit in line.parts) for line in shape.lines}
    return replace(match, lines=tuple(replace(line, components=parts[line.sku]) for line in match.lines))


# ------------------------------------------------------------------ inventory
@dataclass(frozen=True, slots=True)
class Stockroom:
    """Stock at the one location that inventory knows. `ledger`: what moved of each SKU at each time, summed up."""

    levels: tuple[Level, ...]
    claims: tuple[Claim, ...]
    ledger: tuple[tuple[str, datetime, int], ...] = ()

    def level(self, sku: str) -> Level:
        """Stock of a SKU."""
        return next(level for level in self.levels if level.sku == sku)


def inventory_(state: Stockroom, message: Any, now: datetime) -> tuple[Stockroom, list[Any]]:
    """One message at inventory."""
    match message:
        case Counted():
            return _counted(state, message)
        case StockChanged():
            waiting = inventory.handlers.oldest_first(state.claims, message.sku)
            steps = [(claim.order_id, lambda claim: claim, message.as_of, message.subject) for claim in waiting]
            return _advanced(state, message, steps)
        case OrderMatched():
            learnt = inventory.handlers.match_of(message)
            step = lambda claim: claims.learn_match(claim, learnt)  # noqa: E731
            return _advanced(state, message, [(message.order_id, step, message.occurred_at, "")])
        case RefundRecorded():
            back = inventory.handlers.units_of((line.line_id, line.quantity) for line in message.lines if line.restock)
            step = lambda claim: claims.learn_refund(claim, message.refund_id, back)  # noqa: E731
            return _advanced(state, message, [(message.order_id, step, message.occurred_at, message.refund_id)])
        case SettlementEvent() | ShipmentDispatched() | ShipmentVoided():
            at = message.dispatched_at if isinstance(message, ShipmentDispatched) else message.occurred_at
            step = lambda claim: inventory.handlers.learn(claim, message)[0]  # noqa: E731
            return _advanced(state, message, [(message.order_id, step, at, "")])
    raise TypeError(message)


def _counted(state: Stockroom, counted: Counted) -> tuple[Stockroom, list[Any]]:
    """A count, as the API takes it."""
    level = state.level(counted.sku)
    since = [quantity for sku, at, quantity in state.ledger if sku == counted.sku and at > counted.as_of]
    after = stock.count(level, counted.quantity, counted.as_of, since)
    if after is None:
        return state, []
    levels = tuple(after if one.sku == counted.sku else one for one in state.levels)
    event = StockChanged(
        sku=after.sku, location_id=MAIN, on_hand=after.on_hand, reserved=after.reserved,
        rose=after.available > level.available, as_of=counted.as_of,
    )  # fmt: skip
    return replace(state, levels=levels), [event]


def _advanced(state: Stockroom, event: Event, steps: Iterable[Any]) -> tuple[Stockroom, list[Any]]:
    tx, held = Collected(), {claim.order_id: claim for claim in state.claims}
    shelf = Shelf(cast(Any, tx), MAIN, "Main", {level.sku: level for level in state.levels})
    for order, learn, at, cause in steps:
        held[order] = shelf.advance(learn(held[order]), event, at=at, cause=cause)
    moved = {(sku, at): quantity for sku, at, quantity in state.ledger}
    for entry in shelf._entries:
        key = entry["sku"], entry["at"]
        moved[key] = moved.get(key, 0) + entry["quantity"]
    ledger = tuple((sku, at, quantity) for (sku, at), quantity in sorted(moved.items()) if quantity)
    return Stockroom(tuple(shelf._levels.values()), tuple(held.values()), ledger), list(tx.events)


# ------------------------------------------------------------------ fulfillment
DIRECTORY = Directory.of(
    [SimpleNamespace(channel_id=DEPOT, name="Depot", kind="generic", settings={"role": "destination"}, connected=True)]
)


def fulfillment_(desk: Desk, message: Any, now: datetime) -> tuple[Desk, list[Any]]:
    """One message at fulfillment."""
    tx, index = Collected(), index_in(message)
    desks = Desks(cast(Any, tx), DIRECTORY, {order_id(index): desk})
    if isinstance(message, Came):
        recording.tell(cast(Any, tx), desks, _claimed(desk, message.write), message.outcome, trace="")
    else:
        desks.learn(order_id(index), _fact(desk, message))
    told: list[Any] = list(tx.events)
    told += [Write(one.kind, index, one.revision) for one in desks._writes if one.kind != "tracking"]
    told += [message.notice] if isinstance(message, Inspected) else []
    return in_order(desks.held[order_id(index)]), told


def _fact(desk: Desk, message: Any) -> Fact:
    match message:
        case OrderState():
            return facts.order_state(message)
        case StockReserved():
            return facts.reservation(message)
        case RecipientEvent():
            return facts.recipient(message)
        case Inspected():
            return Dismissed(message.shipment_id)
        case ShipNotice():
            number = int(message.reference.rpartition(":")[2])
            return facts.of_notice(message, order_id(index_in(message)), number, desk.revisions[number - 1])
    raise TypeError(message)


def in_order(desk: Desk) -> Desk:
    """The same desk, whatever the order in which its facts arrived."""
    return replace(
        desk,
        shipments=tuple(sorted(desk.shipments, key=lambda one: one.id)),
        voids=tuple(sorted(desk.voids, key=lambda one: one.id)),
    )


# ------------------------------------------------------------------ the dispatcher of fulfillment
def call(desk: Desk, book: Book, write: Write, willing: bool) -> tuple[Book, Outcome]:
    """Carry out a write at the 3PL, by the dispatcher's own calls, unless it is not to be sent any more."""
    depot, revision = Depot(book, willing), desk.revisions[write.revision - 1]
    if write.kind == "cancel":
        outcome: Outcome = _run(outside._cancel(cast(Any, None), depot, _claimed(desk, write)))
    elif not is_wanted(desk.order, revision.units) or is_elsewhere(revision.address, desk.address):
        outcome = Withdrawn("")
    elif not desk.recipient:
        outcome = Failed("The recipient was redacted before the request was sent.")
    else:
        outcome = _run(outside._submit(cast(Any, None), depot, _claimed(desk, write)))
    return depot.book, outcome


def look(desk: Desk, book: Book, write: Write) -> Outcome:
    """Look what became of a write, by the dispatcher's own look: a read by id."""
    made = outside._look_for_request if write.kind == "submit" else outside._look_for_cancellation
    found, strong, note = _run(made(cast(Any, None), Depot(book), _claimed(desk, write)))
    return after_look(found, strong=strong, note=note, looks=1, doubted_for=0.0, patience=900.0)


def _claimed(desk: Desk, write: Write) -> Any:
    """A write as the store reads it back."""
    revision = desk.revisions[write.revision - 1]
    lines = [
        {"line_id": line, "sku": sku, "quantity": n * per_unit, "title": ""}
        for line, n in revision.units
        for sku, per_unit in dict(revision.recipes).get(line, ())
    ]
    return SimpleNamespace(
        kind=write.kind, order_id=order_id(write.order), revision=write.revision, channel_name="Depot",
        channel_kind="generic", payload={"number": "#1", "lines": lines}, request_id=revision.external_id,
        recipient={"address": {"address": desk.address}},
        recipes={line: dict(recipe) for line, recipe in revision.recipes}, units=dict(revision.units),
    )  # fmt: skip


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a call of the model waited for something")


def put(rows: tuple[Any, ...], index: int, row: Any) -> tuple[Any, ...]:
    """The rows with one replaced."""
    return (*rows[:index], row, *rows[index + 1 :])
