"""Which SKUs the lines of an order are (pure).

Guards: a blank, unknown or ambiguous SKU never passes as a match, and a match once told stands for its content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

ProblemKind = Literal["blank", "unknown", "ambiguous", "unheard"]
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
    """Why a line has no SKU of ours. `sku` is the one that was looked up, `carriers` how many listings carry it."""

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
    no listing carries it. `given` holds the listings that have a SKU.
    """

    carriers: Mapping[tuple[UUID, str], int] = field(default_factory=dict)
    given: Mapping[tuple[UUID, str], Given] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """An order goes on when the number of `carriers` of a SKU changes, or when a listing is given a SKU."""

    sku: str = ""
    listing_id: str = ""
    carriers: int = 0

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
    """A line is the SKU that it carries, exactly, if one listing of its channel carries that SKU too; in a channel
    without listings, if the hub knows the SKU."""
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
    return frozenset(
        Wait(listing_id=problem.listing_id or "")
        if problem.kind == "blank"
        else Wait(problem.sku, "", problem.carriers)
        for problem in row.match.problems
        if problem.sku or problem.listing_id
    )
