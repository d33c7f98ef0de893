"""Which SKUs the lines of an order are (pure).

Guards: a blank, unknown, ambiguous or once doubled SKU never passes as a match unless a person says what it is, and a
match once told stands for its content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

ProblemKind = Literal["blank", "unknown", "ambiguous", "doubled", "unheard"]
BY_CARRIERS: frozenset[ProblemKind] = frozenset({"unknown", "ambiguous", "unheard"})
"""Problems that end by themselves when another number of listings carries the SKU."""
Name = tuple[Literal["sku", "listing"], str]
"""What an order can wait for, in some channel."""

ANYWHERE = UUID(int=1)
"""Stands for the channel of orders whose own channel has no listings: there a SKU counts as listed once if the hub
knows it, from whatever channel or person."""


@dataclass(frozen=True, slots=True)
class Line:
    """What matching needs of an order line. `wanted` counts the units that still have to ship."""

    line_id: str
    position: int
    listing_id: str | None
    sku: str
    title: str
    wanted: int


@dataclass(frozen=True, slots=True)
class OrderState:
    """The newest state of an order that has arrived."""

    order_id: UUID
    channel_id: UUID
    placed_at: datetime
    order_version: int
    content_version: int
    cancelled: bool
    lines: tuple[Line, ...]
    listed: bool = True
    """Whether its channel has listings; where it has none, any SKU that the hub knows will do."""

    @property
    def shelf(self) -> UUID:
        """The channel among whose listings its SKUs are looked up."""
        return self.channel_id if self.listed else ANYWHERE


@dataclass(frozen=True, slots=True)
class Component:
    """`per_unit` units of `sku` for each unit of the line."""

    sku: str
    per_unit: int = 1


@dataclass(frozen=True, slots=True)
class MatchedLine:
    """A line that ships and the SKUs that it is made of; `sku` is the line's own."""

    line_id: str
    sku: str
    wanted: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line has no SKU of ours. `sku` is the one that was looked up, `carriers` how many listings carry it (for
    `doubled`: carried it when the order was placed)."""

    kind: ProblemKind
    line_id: str
    position: int
    title: str
    sku: str = ""
    carriers: int = 0
    listing_id: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome of a judgement: its lines, and its problems, of which a match that stands has none."""

    content_version: int
    match_version: int
    lines: tuple[MatchedLine, ...]
    problems: tuple[Problem, ...]

    @property
    def matched(self) -> bool:
        """Whether every line that ships is tied to SKUs."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Row:
    """One order as the matcher knows it: its newest state and its newest match, if any."""

    order: OrderState | None = None
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The SKU of a listing, and since when its channel says so."""

    sku: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of the SKUs and listings that some orders name.

    `carriers` counts, per channel and SKU, the listings that carry it; a SKU that was added by hand counts as one where
    no listing carries it. `carried_at` counts those that carried it when an order was placed. `given` holds the
    listings that have a SKU, `mapped` what a person tied a listing to.
    """

    carriers: Mapping[tuple[UUID, str], int] = field(default_factory=dict)
    carried_at: Mapping[tuple[UUID, str, datetime], int] = field(default_factory=dict)
    given: Mapping[tuple[UUID, str], Given] = field(default_factory=dict)
    mapped: Mapping[tuple[UUID, str], Component] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """An order goes on when the number of `carriers` of a SKU changes, when a listing is mapped to a SKU, or, for a
    `blank` line, when it is given one."""

    sku: str = ""
    listing_id: str = ""
    carriers: int = 0
    blank: bool = False

    @property
    def name(self) -> Name:
        """What is waited for."""
        return ("sku", self.sku) if self.sku else ("listing", self.listing_id)


def take_order(row: Row, order: OrderState, catalogue: Catalogue) -> tuple[Row, Match | None]:
    """A newer state replaces the older one and is judged; returns the match to tell, if it is another one."""
    if row.order is not None and order.order_version <= row.order.order_version:
        return row, None
    return _judge(replace(row, order=order), catalogue)


def rematch(row: Row, catalogue: Catalogue) -> tuple[Row, Match | None]:
    """The catalogue changed: judge an order again that waits for it. One that is matched is left alone: goods that were
    sold are shipped, though their listing is gone or its SKU was given to another one as well."""
    if row.order is None or row.match is None or row.match.matched:
        return row, None
    return _judge(row, catalogue)


def _judge(row: Row, catalogue: Catalogue) -> tuple[Row, Match | None]:
    order, old = row.order, row.match
    if order is None or order.cancelled:
        return row, None
    lines, problems = outcome(order, old, catalogue)
    same_content = old is not None and old.content_version == order.content_version
    if old is not None and same_content and (lines, problems) == (old.lines, old.problems):
        return row, None
    version = old.match_version + 1 if old is not None and same_content else 0
    match = Match(order.content_version, version, lines, problems)
    return replace(row, match=match), match


def outcome(
    order: OrderState, old: Match | None, catalogue: Catalogue
) -> tuple[tuple[MatchedLine, ...], tuple[Problem, ...]]:
    """Judge every line of which something is wanted. A line that was matched under the same SKU keeps what it was
    matched to: an edit of the order must not hold it because a listing is gone meanwhile."""
    kept = {(line.line_id, line.sku): line.components for line in old.lines} if old is not None else {}
    lines: list[MatchedLine] = []
    problems: list[Problem] = []
    for line in order.lines:
        if line.wanted <= 0:
            continue
        components = kept.get((line.line_id, line.sku))
        found = judge_line(order, line, catalogue) if components is None else components
        if isinstance(found, Problem):
            problems.append(found)
        else:
            lines.append(MatchedLine(line.line_id, line.sku, line.wanted, found))
    return tuple(lines), tuple(problems)


def judge_line(order: OrderState, line: Line, catalogue: Catalogue) -> tuple[Component, ...] | Problem:
    """A line is what a person mapped its listing to, or else the SKU that it carries, exactly, if one listing of its
    channel carries that SKU too, and no two did when the order was placed: which of them was sold, only a person
    knows. In a channel without listings it is any SKU that the hub knows."""
    mapped = catalogue.mapped.get((order.channel_id, line.listing_id or ""))
    if mapped is not None:
        return (mapped,)
    at_sale = catalogue.carried_at.get((order.channel_id, line.sku, order.placed_at), 0)
    if at_sale > 1:
        return Problem("doubled", line.line_id, line.position, line.title, line.sku, at_sale, line.listing_id)
    sku = line.sku or given_since(order, line, catalogue)
    if not sku:
        return Problem("blank", line.line_id, line.position, line.title, listing_id=line.listing_id)
    carriers = catalogue.carriers.get((order.shelf, sku), 0)
    if carriers == 1:
        return (Component(sku),)
    kind: ProblemKind = "ambiguous" if carriers else "unknown" if order.listed else "unheard"
    return Problem(kind, line.line_id, line.position, line.title, sku, carriers, line.listing_id)


def given_since(order: OrderState, line: Line, catalogue: Catalogue) -> str:
    """The SKU that a blank line's own listing was given after the sale, which answers the hold; blank if none. (A
    channel copies the SKU onto the line when it sells, so an older one does not belong to this line.)"""
    given = catalogue.given.get((order.channel_id, line.listing_id or ""))
    return given.sku if given is not None and given.since > order.placed_at else ""


def waits(row: Row) -> frozenset[Wait]:
    """What an order waits for; nothing when it is matched or cancelled."""
    if row.order is None or row.order.cancelled or row.match is None:
        return frozenset()
    problems = row.match.problems
    blank = {problem.listing_id for problem in problems if problem.kind == "blank"}
    named = {problem.listing_id for problem in problems if problem.listing_id}
    listings = (Wait(listing_id=listing_id, blank=listing_id in blank) for listing_id in named)
    skus = (Wait(problem.sku, carriers=problem.carriers) for problem in problems if problem.kind in BY_CARRIERS)
    return frozenset((*listings, *skus))


def assign(row: Row, line_id: str, component: Component, catalogue: Catalogue) -> tuple[Row, Match | None]:
    """A person says what a line is that has no SKU of ours. Returns the match to tell; None when the line is not there,
    or waits for nobody: a match stands."""
    order, old = row.order, row.match
    if order is None or old is None or line_id not in {problem.line_id for problem in old.problems}:
        return row, None
    line = next(line for line in order.lines if line.line_id == line_id)
    said = MatchedLine(line_id, line.sku, line.wanted, (component,))
    return _judge(replace(row, match=replace(old, lines=(*old.lines, said))), catalogue)
