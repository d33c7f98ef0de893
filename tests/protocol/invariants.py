"""What must hold in every state, what must hold once nothing is under way, and when the 3PL may be asked at all."""

from collections.abc import Mapping
from typing import NamedTuple

from protocol.outside import Book, Shop, recipient_at
from protocol.services import IngestRow
from protocol.shapes import Shape, Vec, index_of, minus, most, order_id, plus
from protocol.world import Model, World

from crossdock.contracts.order_ingest import Recipient, RecipientRecorded
from fulfillment import facts
from fulfillment.domain.desk import Desk
from fulfillment.domain.protocol import committed
from inventory.domain.claims import Claim
from order_ingest.domain.order import shipped_net
from order_ingest.domain.status import status
from sku_matcher.domain.matching import Row


class Sides(NamedTuple):
    """One order as everybody knows it."""

    shop: Shop
    row: IngestRow
    matched: Row
    claim: Claim
    desk: Desk
    book: Book


class Judge:
    """Judges the worlds of one model, and remembers what it said of the parts that stay the same."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._shape = model.shape
        self._said: dict[object, str | None] = {}

    def broken(self, world: World) -> str | None:
        """The first invariant that this state breaks; in a quiet state also those of the end."""
        key = (world.shops, world.rows, world.stock, world.desks, world.books, world.goods)
        if key not in self._said:
            self._said[key] = self._broken(world)
        return self._said[key] or (None if world.net else self.unfinished(world))

    def _broken(self, world: World) -> str | None:
        stock, shape = world.stock.value, self._shape
        promised = shape.total(book.value.outstanding for book in world.books)
        if min(minus(world.goods, shape.parts(promised))) < 0:
            return f"oversold: the 3PL was promised {shape.parts(promised)}, {world.goods} lie there"
        for level in stock.levels:
            held = sum(item.held for claim in stock.claims for item in claim.items if item.sku == level.sku)
            if level.reserved != held:
                return f"{level.reserved} of {level.sku} reserved, but the claims hold {held}"
        for index in range(len(world.shops)):
            fault = self._order_broken(self._sides(world, index))
            if fault:
                return f"order {index}: {fault}"
        return self._overdrawn(world)

    def _overdrawn(self, world: World) -> str | None:
        """Reserved exceeds what is on hand only by what left the house before a count and is not consumed yet."""
        stock, shape = world.stock.value, self._shape
        left = shape.parts(shape.total(parcel.units for book in world.books for parcel in book.value.parcels))
        for level, gone in zip(stock.levels, left, strict=True):
            consumed = sum(item.consumed for claim in stock.claims for item in claim.items if item.sku == level.sku)
            if level.reserved > level.on_hand + max(gone - consumed, 0):
                return f"{level.reserved} of {level.sku} reserved, {level.on_hand} on hand"
        return None

    def _order_broken(self, sides: Sides) -> str | None:
        shape, desk, book, claim = self._shape, sides.desk, sides.book, sides.claim
        firm = plus(book.outstanding, book.left_house)
        if any(item.held < 0 or item.consumed < 0 for item in claim.items):
            return f"a negative reservation: {claim.items}"
        if not _covers(shape, claim, firm):
            return f"the 3PL has {firm}, reserved or consumed less: {_holding(claim)}"
        settled = desk.settlement
        standing = shape.vec(dict(settled.standing))
        if settled.content_version == desk.order.content_version > 0 and min(minus(standing, firm)) < 0:
            return f"settled at {standing}, the 3PL has {firm}"
        if sides.row.order.cancelled and status(sides.row.order) == "cancelled" and any(firm):
            return f"says cancelled, the 3PL has {firm}"
        if any(job.odd for _, job in book.jobs):
            return f"the 3PL was asked for parts that make no whole units: {book.jobs}"
        if len(desk.revisions) > 8:
            return "requested again and again"
        return None

    def _sides(self, world: World, index: int) -> Sides:
        stock, matcher = world.stock.value, world.matcher.value
        return Sides(
            world.shops[index].value,
            world.rows[index].value,
            matcher.rows[index],
            stock.claims[index],
            world.desks[index].value,
            world.books[index].value,
        )

    # -------------------------------------------------------------- the end
    def unfinished(self, world: World) -> str | None:
        """Nothing is under way: everybody must agree, and nothing may wait without a reason."""
        stock, skus = world.stock.value, self._shape.skus
        counted = not world.counts or any(level.on_hand for level in stock.levels) or not any(world.goods)
        for level, lie_there in zip(stock.levels, world.goods, strict=True):
            if counted and level.on_hand != lie_there:
                return f"{level.on_hand} of {level.sku} on hand, {lie_there} lie there"
        free = {sku: stock.level(sku).available for sku in skus}
        for index in range(len(world.shops)):
            sides = self._sides(world, index)
            if sides.shop.exists:
                fault = self._disagreement(sides) or self._stuck(sides, free) or self._misnamed(sides)
                if fault:
                    return f"order {index}: {fault}"
        return None

    def _wanted(self, shop: Shop) -> Vec:
        return self._shape.zero if shop.cancelled else shop.wanted

    def _disagreement(self, sides: Sides) -> str | None:
        shape, desk, book = self._shape, sides.desk, sides.book
        order, seen = sides.row.order, sides.matched.order
        wanted, left, coming = self._wanted(sides.shop), book.left_house, book.outstanding
        if desk.address != (
            "" if sides.shop.redacted else fingerprint(index_of(sides.claim.order_id), sides.shop.moves)
        ):
            return "fulfillment has another address than the shop"
        told = [shape.vec(order.wanted), shape.vec(dict(desk.order.wanted))]
        if seen is not None and not sides.shop.cancelled:
            told.append(shape.vec({line.line_id: line.wanted for line in seen.lines}))
        if any(one != wanted for one in told):
            return f"wanted is {wanted}, but the services believe {told}"
        gone = {void.id for void in desk.voids}
        sent = shape.total(shape.vec(dict(one.units)) for one in desk.shipments if one.id not in gone)
        if not left == sent == shape.vec(shipped_net(order)):
            return f"{left} left, order-ingest believes {shipped_net(order)}, fulfillment {sent}"
        if desk.doubted:
            return f"doubts {desk.doubted} for ever"
        for item in sides.claim.items:
            if item.consumed != left[int(item.line_id) - 1] * item.per_unit:
                return f"{left} left, inventory consumed {item}"
        if shape.vec(dict(committed(desk))) != plus(left, coming):
            return f"fulfillment believes {committed(desk)} firm, the 3PL {plus(left, coming)}"
        return None

    def _stuck(self, sides: Sides, free: Mapping[str, int]) -> str | None:
        shape, claim, book, order, desk = self._shape, sides.claim, sides.book, sides.row.order, sides.desk
        wanted, left, coming = self._wanted(sides.shop), book.left_house, book.outstanding
        standing = most(wanted, plus(left, coming))
        to_go = minus(standing, left)
        for item in claim.items:
            if item.held > to_go[int(item.line_id) - 1] * item.per_unit:
                return f"{item} reserved for ever, {to_go} to go"
        over = minus(plus(left, coming), wanted)
        for revision, job in book.jobs:
            moved = job.address not in ("", desk.address) and not desk.redacted and not sides.shop.cancelled
            if moved and job.state == "accepted" and any(job.left):
                if not job.refused or desk.revisions[revision - 1].asked_at[2] != desk.address:
                    return "the 3PL will ship to an old address, and nobody asked it not to"
                if desk.settlement.refused_address != desk.address:
                    return f"revision {revision} ships to an old address, and nobody is told"
            unasked = job.state == "accepted" and not job.refused
            if unasked and any(x > 0 and y > 0 for x, y in zip(over, job.left, strict=True)):
                return "the 3PL will ship what nobody wants, and nobody asked it not to"
        content = order.published.content_version
        current = _is_current(sides, content)
        answered = claim.answered == claim.match and claim.match[0] == content and claim.reserved
        if current and answered and not _holds_exactly(shape, claim, to_go):
            return f"holds {_holding(claim)}, {to_go} to go"
        if current and not sides.shop.cancelled and not answered and _would_fit(shape, claim, to_go, free):
            return f"short although stock is free: {free}"
        if any(minus(standing, plus(left, coming))) and not order.published.holds:
            return "stuck without a hold"
        return None

    def _misnamed(self, sides: Sides) -> str | None:
        """Are the holds those that the truth asks for, and the status too?"""
        shop, order, claim, desk = sides.shop, sides.row.order, sides.claim, sides.desk
        wanted, content = self._wanted(shop), order.published.content_version
        current = _is_current(sides, content)
        rejected = [number for number, one in enumerate(desk.revisions, 1) if one.fate == "rejected"]
        expected = {
            "payment": not shop.paid,
            "sku": not current,
            "address": shop.redacted,
            "stock": current and claim.answered == claim.match and not claim.reserved,
            "rejected": max(rejected, default=0) > order.answered,
        }
        told = {hold.split()[0].split("_")[0] for hold in order.published.holds}
        due = {hold for hold, holds_now in expected.items() if holds_now and any(wanted)}
        if told != due:
            return f"holds are {told}, should be {due}"
        truth = self._truth(sides, wanted, bool(told))
        if status(order) not in truth:
            return f"says {status(order)}, is {truth}"
        return None

    def _truth(self, sides: Sides, wanted: Vec, held: bool) -> tuple[str, ...]:
        left, coming = sides.book.left_house, sides.book.outstanding
        if not any(wanted):
            if any(coming):
                return ("cancel_requested",)
            if any(left):
                return ("cancelled_shipped_anyway" if sides.shop.cancelled else "shipped",)
            return ("cancelled",) if sides.row.order.ever_wanted or sides.shop.cancelled else ("record_only",)
        if left == most(wanted, plus(left, coming)):
            return ("shipped",)
        if any(left):
            return ("partially_shipped",)
        if not held:
            return ("outstanding",)
        # Order-ingest is not told which revisions were stopped, and a rejection nobody answered holds what is asked.
        unsure = any(one.fate in ("closed", "rejected") for one in sides.desk.revisions)
        covered = min(minus(coming, wanted)) >= 0
        return ("on_hold", "outstanding") if unsure else ("outstanding",) if covered else ("on_hold",)


def fingerprint(index: int, moves: int) -> str:
    """What fulfillment keeps of a world's address."""
    recipient = Recipient.model_validate(recipient_at(moves))
    event = RecipientRecorded(order_id=order_id(index), recipient_version=1, recipient=recipient)
    return facts.recipient(event).address


def _holding(claim: Claim) -> list[tuple[str, str, int, int]]:
    return [(item.line_id, item.sku, item.held, item.consumed) for item in claim.items]


def _of_parts(shape: Shape, units: Vec) -> dict[tuple[str, str], int]:
    """Quantities by line as quantities by line and SKU."""
    return {
        (str(n), sku): count * per_unit
        for n, (line, count) in enumerate(zip(shape.lines, units, strict=True), 1)
        for sku, per_unit in line.parts
    }


def _covers(shape: Shape, claim: Claim, firm: Vec) -> bool:
    has = {(item.line_id, item.sku): item.held + item.consumed for item in claim.items}
    return all(has.get(key, 0) >= units for key, units in _of_parts(shape, firm).items())


def _holds_exactly(shape: Shape, claim: Claim, to_go: Vec) -> bool:
    has = {(item.line_id, item.sku): item.held for item in claim.items}
    return all(has.get(key, 0) == units for key, units in _of_parts(shape, to_go).items())


def _would_fit(shape: Shape, claim: Claim, to_go: Vec, free: Mapping[str, int]) -> bool:
    has = {(item.line_id, item.sku): item.held for item in claim.items}
    lacks = dict.fromkeys(shape.skus, 0)
    for (line, sku), units in _of_parts(shape, to_go).items():
        lacks[sku] += max(units - has.get((line, sku), 0), 0)
    return all(units <= free[sku] for sku, units in lacks.items())


def _is_current(sides: Sides, content: int) -> bool:
    """Is the newest content matched, every line of it?"""
    match = sides.matched.match
    return match is not None and match.content_version == content and match.matched


def bad_request(before: World, after: World, shape: Shape) -> str | None:
    """Judged when fulfillment asks the 3PL: what it knows, and what is true."""
    if before.desks == after.desks:
        return None
    for index, (old, kept) in enumerate(zip(before.desks, after.desks, strict=True)):
        new = kept.value
        if len(new.revisions) == len(old.value.revisions):
            continue
        order, asked = new.order, shape.vec(dict(new.revisions[-1].units))
        if order.holds or order.cancelled or not new.recipient or not after.shops[index].value.paid:
            return f"order {index}: requested while held, cancelled, unpaid or without recipient"
        book: Book = after.books[index].value
        firm, wanted = plus(book.outstanding, book.left_house), shape.vec(dict(order.wanted))
        if any(n and n + stands > most_wanted for n, stands, most_wanted in zip(asked, firm, wanted, strict=True)):
            return f"order {index}: the 3PL is asked for {asked}, has {firm}, wanted is {wanted}"
        if new.revisions[-2:-1] and new.revisions[-2].fate == "rejected" and order.answered < len(new.revisions) - 1:
            return f"order {index}: asked again after a rejection that nobody answered"
    return None
