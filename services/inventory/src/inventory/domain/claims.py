"""One order's claim on stock: what it holds, what has shipped, and what a settlement leaves standing.

The rules and their names are those of the order protocol: `consume`, `give_back`, `take`. Units are SKU units.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from inventory.domain.stock import Level, Movement, move

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Item:
    """One SKU of one line: `per_unit` of it for each unit of the line, `wanted` by the newest match."""

    line_id: str
    sku: str
    per_unit: int
    wanted: int
    held: int = 0
    consumed: int = 0

    def holding(self, more: int) -> "Item":
        """The item with so many more units held. For every line of every order, where `replace` takes twice as long."""
        return Item(self.line_id, self.sku, self.per_unit, self.wanted, self.held + more, self.consumed)


@dataclass(frozen=True, slots=True)
class Shipment:
    """What left, by line, in order-line units; `voided` when it did not after all."""

    lines: Mapping[str, int]
    dispatched: bool
    voided: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    """Shipped units that came back to stock, by line; `applied` once the line's SKU is known."""

    lines: Mapping[str, int]
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """At most so many units of each line have left or may yet leave; a line not named stands at 0."""

    settlement_version: int = 0
    content_version: int = 0
    standing: Mapping[str, int] | None = None


class Match(NamedTuple):
    """What the newest match asks for."""

    version: Version
    placed_at: datetime
    items: tuple[Item, ...]


class Claim(NamedTuple):
    """Everything inventory knows of one order. `answered` is the match that `reservation_version` answers."""

    order_id: UUID
    placed_at: datetime | None = None
    match: Version = (0, 0)
    answered: Version = (0, 0)
    reservation_version: int = 0
    reserved: bool = False
    items: tuple[Item, ...] = ()
    shipments: Mapping[str, Shipment] | None = None
    refunds: Mapping[str, Refund] | None = None
    settlement: Settlement = Settlement()

    @property
    def waiting(self) -> bool:
        """Whether it could not be reserved and more stock would help."""
        return self.match != (0, 0) and self.answered == self.match and not self.reserved

    def skus(self) -> set[str]:
        """Every SKU whose stock this claim may touch."""
        return {item.sku for item in self.items}


class Lack(NamedTuple):
    """`wanted` more units of a SKU are needed, `available` can be had."""

    sku: str
    wanted: int
    available: int


class Answer(NamedTuple):
    """What the order is told of its newest match: reserved when nothing lacks."""

    lacks: tuple[Lack, ...] = ()


class Step(NamedTuple):
    """What one fact did to a claim: the claim after it, how stock moved, what was given back, what is to be told."""

    claim: Claim
    movements: tuple[Movement, ...] = ()
    given_back: tuple[Item, ...] = ()
    answer: Answer | None = None


def learn_match(claim: Claim, match: Match) -> Claim:
    """A newer match replaces what is wanted; what is held of SKUs that it no longer names stays until a settlement."""
    if match.version <= claim.match:
        return claim
    before = {(item.line_id, item.sku): item for item in claim.items}
    items = []
    for item in match.items:
        old = before.pop((item.line_id, item.sku), None)
        items.append(item if old is None else replace(item, held=old.held, consumed=old.consumed))
    items += [replace(old, wanted=0) for old in before.values() if old.held or old.consumed]
    return claim._replace(match=match.version, placed_at=match.placed_at, items=tuple(items))


def learn_settlement(claim: Claim, settlement: Settlement) -> Claim:
    """Settlements are ordered by their own version; one that arrives before its match is remembered."""
    if settlement.settlement_version <= claim.settlement.settlement_version:
        return claim
    return claim._replace(settlement=settlement)


def learn_dispatch(claim: Claim, shipment_id: str, lines: Mapping[str, int]) -> Claim:
    """A fact, told any number of times; its void may have come first."""
    known = dict(claim.shipments or {})
    if shipment_id in known and known[shipment_id].dispatched:
        return claim
    voided = shipment_id in known and known[shipment_id].voided
    known[shipment_id] = Shipment(lines, dispatched=True, voided=voided)
    return claim._replace(shipments=known)


def learn_void(claim: Claim, shipment_id: str) -> Claim:
    """A fact; it may come before its shipment."""
    known = dict(claim.shipments or {})
    old = known.get(shipment_id, Shipment({}, dispatched=False))
    if old.voided:
        return claim
    known[shipment_id] = replace(old, voided=True)
    return claim._replace(shipments=known)


def learn_refund(claim: Claim, refund_id: str, lines: Mapping[str, int]) -> Claim:
    """A fact: shipped units that go back to stock."""
    known = dict(claim.refunds or {})
    if refund_id in known:
        return claim
    known[refund_id] = Refund(lines)
    return claim._replace(refunds=known)


def advance(claim: Claim, levels: Mapping[str, Level], at: datetime, cause: str) -> Step:
    """Do what the claim's facts ask for: consume what shipped, give back what nobody will ship, restock refunds,
    answer the newest match. `levels` is the stock of each of its SKUs, `at` when the fact happened."""
    claim, consumed = consume(claim, at, cause)
    claim, given_back, released = give_back(claim, at, cause)
    claim, restocked = restock(claim, at, cause)
    moves = consumed + released + restocked
    stock = dict(levels)
    for movement in moves:
        stock[movement.sku] = move(stock[movement.sku], movement)
    claim, answer, taken = take(claim, {sku: level.available for sku, level in stock.items()}, at, cause)
    return Step(claim, moves + taken, given_back, answer)


def shipped_units(claim: Claim) -> dict[str, int]:
    """What has left and was not voided, by line, in order-line units."""
    total: dict[str, int] = {}
    for shipment in (claim.shipments or {}).values():
        if shipment.dispatched and not shipment.voided:
            for line, units in shipment.lines.items():
                total[line] = total.get(line, 0) + units
    return total


def consume(claim: Claim, at: datetime, cause: str) -> tuple[Claim, tuple[Movement, ...]]:
    """Shipments and voids only move units between held and consumed, whose sum they never change; what does not fit
    yet (its void or its reservation is on the way) waits in the stored facts."""
    if not claim.shipments:
        return claim, ()
    shipped = shipped_units(claim)
    items, moves = [], []
    for item in claim.items:
        consumed = min(shipped.get(item.line_id, 0) * item.per_unit, item.held + item.consumed)
        moved = consumed - item.consumed
        if moved:
            kind = "shipped" if moved > 0 else "voided"
            moves.append(Movement(item.sku, kind, cause, at, on_hand=-moved, reserved=-moved))
        items.append(replace(item, held=item.held - moved, consumed=consumed) if moved else item)
    return claim._replace(items=tuple(items)), tuple(moves)


def give_back(claim: Claim, at: datetime, cause: str) -> tuple[Claim, tuple[Item, ...], tuple[Movement, ...]]:
    """Release down to what the newest settlement leaves standing, unless a newer match still wants it."""
    settlement = claim.settlement
    if settlement.settlement_version == 0 or settlement.content_version < claim.match[0]:
        return claim, (), ()
    named = {(item.line_id, item.sku) for item in claim.items if item.wanted}
    standing = settlement.standing or {}
    items, given, moves = [], [], []
    for item in claim.items:
        # A SKU that the newest match no longer names for its line: only what already shipped of it stands.
        stale = not item.wanted and any(line == item.line_id for line, _ in named)
        stands = 0 if stale else standing.get(item.line_id, 0) * item.per_unit
        over = item.held - max(stands - item.consumed, 0)
        if over > 0:
            given.append(replace(item, held=over))
            moves.append(Movement(item.sku, "released", cause, at, on_hand=0, reserved=-over))
            item = replace(item, held=item.held - over)
        items.append(item)
    return claim._replace(items=tuple(items)), tuple(given), tuple(moves)


def restock(claim: Claim, at: datetime, cause: str) -> tuple[Claim, tuple[Movement, ...]]:
    """Returned units go back on hand once, as soon as the SKU of their line is known."""
    if not claim.refunds:
        return claim, ()
    refunds = dict(claim.refunds)
    moves: list[Movement] = []
    per_line: dict[str, list[Item]] = {}
    for item in claim.items:
        per_line.setdefault(item.line_id, []).append(item)
    for refund_id, refund in refunds.items():
        if refund.applied or not all(line in per_line for line in refund.lines):
            continue
        refunds[refund_id] = replace(refund, applied=True)
        for line, units in refund.lines.items():
            moves += [
                Movement(item.sku, "returned", refund_id, at, on_hand=units * item.per_unit, reserved=0)
                for item in per_line[line]
            ]
    return (claim._replace(refunds=refunds), tuple(moves)) if moves else (claim, ())


def take(
    claim: Claim, available: Mapping[str, int], at: datetime, cause: str
) -> tuple[Claim, Answer | None, tuple[Movement, ...]]:
    """Answer the newest match: reserve the whole order, or take nothing more and keep what is held."""
    answered = claim.answered == claim.match
    if claim.match == (0, 0) or (answered and claim.reserved):
        return claim, None, ()
    if claim.settlement.content_version > claim.match[0]:
        return claim, None, ()  # an older match: a newer one is on its way, or none is needed
    missing = [(item, max(item.wanted - item.held - item.consumed, 0)) for item in claim.items]
    lacks = _lacks(missing, available)
    if lacks and answered:
        return claim, None, ()
    version = claim.reservation_version + 1 if answered else 0
    items = claim.items
    moves: tuple[Movement, ...] = ()
    if not lacks:
        items = tuple(item.holding(units) if units else item for item, units in missing)
        moves = tuple(Movement(i.sku, "reserved", cause, at, 0, units) for i, units in missing if units)
    claim = claim._replace(answered=claim.match, reservation_version=version, reserved=not lacks, items=items)
    return claim, Answer(lacks), moves


def _lacks(missing: Iterable[tuple[Item, int]], available: Mapping[str, int]) -> tuple[Lack, ...]:
    """Two lines may ask for the same SKU: their sum must fit."""
    wanted: dict[str, int] = {}
    for item, units in missing:
        if units:
            wanted[item.sku] = wanted.get(item.sku, 0) + units
    short = ((sku, units, max(available.get(sku, 0), 0)) for sku, units in wanted.items())
    return tuple(Lack(sku, units, there) for sku, units, there in short if units > there)
