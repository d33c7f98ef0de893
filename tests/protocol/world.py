"""The world that is explored: the four services, the shop, the 3PL, and a network that delivers in any order.

A redelivery with a known message id is stopped by the inbox in the same transaction, so it cannot change anything; what
is modelled are repeats under a *new* id. Guards: every step is a pure function of the world, remembered by its inputs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from protocol.kept import Keep, Kept
from protocol.messages import (
    Came,
    CancelNotice,
    Counted,
    Inspected,
    Look,
    PersonRetries,
    Refetch,
    Told,
    Write,
    index_in,
)
from protocol.outside import Book, Job, Shop, reading
from protocol.services import (
    IngestRow,
    Matcher,
    Stockroom,
    call,
    fulfillment_,
    inventory_,
    look,
    matcher_with,
    order_ingest,
    put,
    sku_matcher_,
)
from protocol.shapes import CHANNEL, Shape, Vec, minus, moment, order_id, plus

from crossdock.channels.model import ShipNotice
from crossdock.contracts.base import Event
from crossdock.contracts.inventory import StockChanged
from crossdock.contracts.order_ingest import RecipientRedacted
from fulfillment.domain.desk import Desk
from fulfillment.domain.units import units_of
from fulfillment.domain.writes import Again, Done
from inventory.domain.claims import Claim
from inventory.domain.stock import Level
from order_ingest.domain.order import Order
from sku_matcher.domain.listings import ProductState, Variant

Action = tuple[Any, ...]
Delivery = tuple[str, Kept[Any]]
SERVICES = {"order-ingest": "O", "sku-matcher": "M", "inventory": "I", "fulfillment": "F"}
HANDS = ("no", "lost", "gone")
"""What may go wrong with a call of the 3PL: it says no, its reply is lost, or the call never reached it."""
REPEATED = (Told, CancelNotice, PersonRetries, Came, Write, Look)
"""What may matter later although it changes nothing now. All else that changes nothing never will: knowledge grows."""


class World(NamedTuple):
    """Everything there is. `net`: deliveries in flight, sorted; `todo`: what the outside may still do; `goods`: what
    physically lies in the warehouse, by SKU; `counts`: how many counts were made, which is all the time there is."""

    shops: tuple[Kept[Shop], ...]
    rows: tuple[Kept[IngestRow], ...]
    matcher: Kept[Matcher]
    stock: Kept[Stockroom]
    desks: tuple[Kept[Desk], ...]
    books: tuple[Kept[Book], ...]
    goods: Vec
    net: tuple[Delivery, ...] = ()
    todo: tuple[Action, ...] = ()
    counts: int = 0


class Model:
    """The rules by which worlds of one shape change."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.keep = Keep()
        self._known: dict[Any, Any] = {}

    def start(self, actions: Iterable[Action], orders: int = 1, mapped: Vec | None = None) -> World:
        """A world in which nothing has happened; `mapped` says which lines' listings are known."""
        shape, keep = self.shape, self.keep
        claims = tuple(Claim(order_id(index)) for index in range(orders))
        levels = tuple(Level(sku) for sku in shape.skus)
        return World(
            shops=(keep(Shop(shape.zero)),) * orders,
            rows=(keep(IngestRow(Order())),) * orders,
            matcher=keep(matcher_with(shape, orders, mapped or (1,) * len(shape.lines))),
            stock=keep(Stockroom(levels, claims)),
            desks=(keep(Desk()),) * orders,
            books=tuple(keep(Book(shape, index)) for index in range(orders)),
            goods=(0,) * len(shape.skus),
            todo=tuple(sorted(actions)),
        )

    # -------------------------------------------------------------- deliveries
    def deliver(self, world: World, position: int, hand: str = "") -> World:
        """Hand over one delivery; `hand` says what goes wrong with a call of the 3PL."""
        to, kept = world.net[position]
        world = world._replace(net=world.net[:position] + world.net[position + 1 :])
        message = kept.value
        if to in "WL":
            return self._call(world, to, message, hand)
        if to == "S":
            return self.send(world, [self._told(world, message.order)._replace(fetched=True)])
        if to == "M":
            matcher, told = self._react(sku_matcher_, world.matcher, kept, world.counts)
            return self._sent(world._replace(matcher=matcher), told)
        if to == "I":
            stock, told = self._react(inventory_, world.stock, kept, world.counts)
            return self._sent(world._replace(stock=stock), told)
        index = index_in(message)
        if to == "O":
            row, told = self._react(order_ingest, world.rows[index], kept, world.counts)
            return self._sent(world._replace(rows=put(world.rows, index, row)), told)
        desk, told = self._react(fulfillment_, world.desks[index], kept, world.counts)
        return self._sent(world._replace(desks=put(world.desks, index, desk)), told)

    def _react(self, reducer: Any, row: Kept[Any], message: Kept[Any], counts: int) -> tuple[Kept[Any], list[Delivery]]:
        key = reducer, row, message, counts
        found = self._known.get(key)
        if found is None:
            now = moment(2 * counts + 1)
            after, told = reducer(row.value, message.value, now)
            found = self._known[key] = self.keep(after), [one for event in told for one in self._routed(event, now)]
        return found

    def _routed(self, event: Any, now: Any) -> list[Delivery]:
        if isinstance(event, Event):
            if isinstance(event, StockChanged) and not event.rose:
                return []
            kept = self.keep(event.model_copy(update={"occurred_at": now}))
            return [(SERVICES[name], kept) for name in event.consumers]
        to = {Write: "W", Look: "L", Refetch: "S", Came: "F", ShipNotice: "F", Inspected: "F", Counted: "I",
              ProductState: "M"}.get(type(event), "O")  # fmt: skip
        return [(to, self.keep(event))]

    def send(self, world: World, events: Iterable[Any]) -> World:
        """Put messages on the network."""
        now = moment(2 * world.counts + 1)
        return self._sent(world, [one for event in events for one in self._routed(event, now)])

    @staticmethod
    def _sent(world: World, deliveries: list[Delivery]) -> World:
        if not deliveries:
            return world
        net = sorted((*world.net, *deliveries), key=lambda one: (one[0], one[1].number))
        return world._replace(net=tuple(net))

    def _call(self, world: World, to: str, message: Any, hand: str) -> World:
        """A call of the 3PL, or a look at what became of one."""
        write = message.write if to == "L" else message
        desk, book = world.desks[write.order].value, world.books[write.order].value
        if to == "L":
            outcome = look(desk, book, write)
            return self.send(world, [write if isinstance(outcome, Again) else Came(write, outcome)])
        if hand == "gone":
            return self.send(world, [Look(write)])
        book, outcome = call(desk, book, write, willing=hand != "no")
        world = world._replace(books=put(world.books, write.order, self.keep(book)))
        return self.send(world, [Look(write) if hand == "lost" else Came(write, outcome)])

    # -------------------------------------------------------------- the outside
    def outside(self, world: World, action: Action) -> World | None:
        """What the shop, a person or the stock room do of their own accord; None where it makes no sense now."""
        kind, index, *rest = action
        if kind in ("stock", "count"):
            return self._count(world, index, *rest)
        if kind in ("mapping", "unmapping"):
            return self._map(world, kind == "mapping", rest[0])
        if kind in ("void", "scrap"):
            return self._void(world, index, reship=kind == "void")
        if kind in ("repeat ship", "give up", "late no", "inspect"):
            return self._three_pl(world, kind, index)
        return self._shop(world, kind, index, *rest)

    def _shop(self, world: World, kind: str, index: int, *rest: Any) -> World | None:
        shop, shape = world.shops[index].value, self.shape
        if kind != "create" and not shop.exists:
            return None
        line = rest[0] if rest and kind != "create" else 0
        known = self.known_shipped(world, index)
        match kind:
            case "create" if not shop.exists:
                units, paid = rest
                shop = shop._replace(exists=True, wanted=shape.vec(dict(enumerate_units(units))), paid=bool(paid))
            case "pay" if not shop.paid:
                shop = shop._replace(paid=True)
            case "reduce" | "tie" if shop.wanted[line] > known[line] and not shop.cancelled:
                shop = shop._replace(wanted=minus(shop.wanted, shape.one(line)))
            case "raise" if not shop.cancelled:
                shop = shop._replace(wanted=plus(shop.wanted, shape.one(line)))
            case "cancel" if not shop.cancelled:
                shop = shop._replace(cancelled=True, updated_at=shop.updated_at + 1)
                world = world._replace(shops=put(world.shops, index, self.keep(shop)))
                return self.send(world, [CancelNotice(index)])
            case "return" if self._may_return(world, index, line):
                shop = shop._replace(refunds=(*shop.refunds, shape.one(line)))
                world = world._replace(goods=plus(world.goods, shape.parts(shape.one(line))))
            case "redact" if not shop.redacted:
                shop = shop._replace(redacted=True)
                world = self.send(world, [RecipientRedacted(order_id=order_id(index), recipient_version=9)])
            case "move" if not shop.redacted:
                shop = shop._replace(moves=shop.moves + 1)
            case "move back" if not shop.redacted and shop.moves:
                shop = shop._replace(moves=shop.moves - 1)
            case "repeat":
                pass
            case "retry" if "rejected" in world.rows[index].value.order.published.holds:
                return self.send(world, [PersonRetries(index)])
            case _:
                return None
        shop = shop._replace(updated_at=shop.updated_at + (kind not in ("tie", "repeat")))
        world = world._replace(shops=put(world.shops, index, self.keep(shop)))
        return self.send(world, [self._told(world, index)])

    def _told(self, world: World, index: int) -> Told:
        return Told(index, reading(self.shape, world.shops[index].value, self.known_shipped(world, index)))

    def known_shipped(self, world: World, index: int) -> Vec:
        """What fulfillment, and so the shop, knows to have left."""
        desk = world.desks[index].value
        gone = {void.id for void in desk.voids}
        return self.shape.vec(dict(units_of(pair for s in desk.shipments if s.id not in gone for pair in s.units)))

    def _may_return(self, world: World, index: int, line: int) -> bool:
        back = self.shape.total(world.shops[index].value.refunds)[line]
        left = world.books[index].value.left_house[line]
        return self.known_shipped(world, index)[line] > back and left > back

    def _count(self, world: World, sku: int, more: int = 0) -> World | None:
        """Goods come in, and somebody counts what lies there. Not while something came back that inventory has not
        heard of: in a count it looks like free goods, and no rule could keep the hub from selling it."""
        if any(self._came_back_unheard(world, index) for index in range(len(world.shops))):
            return None
        goods = (*world.goods[:sku], world.goods[sku] + more, *world.goods[sku + 1 :])
        counted = Counted(self.shape.skus[sku], goods[sku], moment(2 * world.counts + 2))
        return self.send(world._replace(goods=goods, counts=world.counts + 1), [counted])

    def _came_back_unheard(self, world: World, index: int) -> bool:
        claim, book = world.stock.value.claims[index], world.books[index].value
        restocked = [one for one in (claim.refunds or {}).values() if one.applied]
        voided = [number for number, parcel in enumerate(book.parcels) if parcel.voided]
        unheard = any(not self._heard(world, index, number, void=True) for number in voided)
        return unheard or len(restocked) < len(world.shops[index].value.refunds)

    @staticmethod
    def _heard(world: World, index: int, number: int, *, void: bool = False) -> bool:
        """Has inventory heard that a parcel left, or that it came back?"""
        known = world.stock.value.claims[index].shipments or {}
        heard = [one for name, one in known.items() if name.endswith(f":S{number + 1}")]
        return any(one.voided if void else one.dispatched for one in heard)

    def _map(self, world: World, there: bool, tick: int) -> World:
        lines = enumerate(self.shape.lines, 1)
        variants = tuple(Variant(str(n), line.sku, "") for n, line in lines) if there else ()
        at = moment(tick)
        return self.send(world, [ProductState(CHANNEL, "1", at, at, variants, complete=True)])

    def _void(self, world: World, index: int, *, reship: bool) -> World | None:
        """A shipment comes back, to be shipped again if the job is open and `reship` says so."""
        book: Book = world.books[index].value
        number = next((n for n, parcel in enumerate(book.parcels) if not parcel.voided), None)
        if number is None or any(world.shops[index].value.refunds):
            return None
        parcel = book.parcels[number]
        if parcel.tick < 2 * world.counts and not self._heard(world, index, number):
            return None  # inventory moves only what a shipment and its void leave over, and so forgets both
        job = dict(book.jobs)[parcel.revision]
        reship = reship and job.state == "accepted"
        if not reship and not self._plain_loss(world, index, parcel.revision, job):
            return None
        after = book.void(number, reship)
        world = world._replace(
            books=put(world.books, index, self.keep(after)),
            goods=plus(world.goods, self.shape.parts(parcel.units)),
        )
        return self.send(world, [after.notice("voided", parcel.revision, self._tick(world), number, reship=reship)])

    @staticmethod
    def _plain_loss(world: World, index: int, revision: int, job: Job) -> bool:
        """Can fulfillment tell what a cancellation stopped from what came back for good? A destination tells only their
        sum: a status read or a notice that overtakes the void, or is overtaken by it, cannot be taken apart."""
        if job.state == "accepted":
            return not any(job.left)
        told = [kept.value for to, kept in world.net if to == "F" and isinstance(kept.value, Came)]
        replies = [one.outcome.answer for one in told if one.order == index and isinstance(one.outcome, Done)]
        if any(one and one.kind == "cancelled" and one.revision == revision and not one.in_all for one in replies):
            return True
        return world.desks[index].value.revisions[revision - 1].fate in ("closed", "rejected")

    def _three_pl(self, world: World, kind: str, index: int) -> World | None:
        """What the 3PL tells again, gives up, or rejects after it had accepted; and what a person finds out there."""
        book: Book = world.books[index].value
        tick, opened = self._tick(world), [(n, job) for n, job in book.jobs if job.state == "accepted"]
        if kind == "repeat ship" and book.parcels:
            return self.send(world, [self._dispatch(book, len(book.parcels) - 1)])
        if kind == "give up" and opened and any(opened[-1][1].left):
            number = opened[-1][0]
            book = book.give_up(number)
            notice = book.notice("cancelled", number, tick, reason="damaged", cancelled=book.stopped(number))
        elif kind == "late no" and opened and not any(parcel.revision == opened[-1][0] for parcel in book.parcels):
            number, job = opened[-1]
            book = book.with_job(number, job._replace(state="rejected"))
            notice = book.notice("rejected", number, tick, reason="no")
        elif kind == "inspect" and world.desks[index].value.doubted:
            doubted = world.desks[index].value.doubted[0]
            number = int(doubted.id.rpartition("S")[2]) - 1
            return self.send(world, [Inspected(index, doubted.id, self._dispatch(book, number))])
        else:
            return None
        return self.send(world._replace(books=put(world.books, index, self.keep(book))), [notice])

    def ship(self, world: World, index: int, revision: int, units: Vec) -> World:
        """The 3PL ships some of a job."""
        book: Book = world.books[index].value.ship(revision, units, self._tick(world))
        world = world._replace(
            books=put(world.books, index, self.keep(book)),
            goods=minus(world.goods, self.shape.parts(units)),
        )
        return self.send(world, [self._dispatch(book, len(book.parcels) - 1)])

    @staticmethod
    def _dispatch(book: Book, number: int) -> ShipNotice:
        parcel = book.parcels[number]
        return book.notice("dispatched", parcel.revision, parcel.tick, number)

    @staticmethod
    def _tick(world: World) -> int:
        return 2 * world.counts + 1


def enumerate_units(units: int | Vec) -> Iterator[tuple[str, int]]:
    """(line id, units) of what an order is created with; a number means units of the first line."""
    yield from ((str(n), count) for n, count in enumerate((units,) if isinstance(units, int) else units, 1))
