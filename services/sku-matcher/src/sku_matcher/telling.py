"""What the matcher tells others: domain values as events."""

from crossdock.contracts.holds import Hold, HoldCode, hold
from crossdock.contracts.sku_matcher import (
    Component,
    ListingChanged,
    MatchedLine,
    MatchEvent,
    OrderMatched,
    OrderUnmatched,
)
from sku_matcher.domain.listings import Change
from sku_matcher.domain.matching import Match, OrderState, Problem

HOLDS_TOLD = 100
"""Lines that one event names at most: an order of 10,000 lines without SKUs must stay a message that others can bear.
The API tells all of them, and the rest follow when the first are solved."""

CODES = {
    "blank": HoldCode.SKU_BLANK,
    "unknown": HoldCode.SKU_UNKNOWN,
    "ambiguous": HoldCode.SKU_AMBIGUOUS,
    "unheard": HoldCode.SKU_UNHEARD,
    "doubled": HoldCode.SKU_DOUBLED,
}


def match_event(order: OrderState, match: Match, decision: str = "") -> MatchEvent:
    """The outcome of a judgement; `decision` is what a person decided that led to it."""
    about = {
        "order_id": order.order_id,
        "channel_id": order.channel_id,
        "content_version": match.content_version,
        "match_version": match.match_version,
        "placed_at": order.placed_at,
        "decision": decision,
    }
    if not match.matched:
        return OrderUnmatched(holds=tuple(hold_of(problem) for problem in match.problems[:HOLDS_TOLD]), **about)
    return OrderMatched(lines=lines_of(match), **about)


def lines_of(match: Match) -> tuple[MatchedLine, ...]:
    """The lines of a match."""
    return tuple(
        MatchedLine(
            line_id=line.line_id,
            wanted=line.wanted,
            components=tuple(Component(sku=part.sku, per_unit=part.per_unit) for part in line.components),
        )
        for line in match.lines
    )


def hold_of(problem: Problem) -> Hold:
    """A problem as the operator reads it."""
    return hold(
        CODES[problem.kind],
        (problem.line_id,),
        line=problem.position,
        title=problem.title,
        sku=problem.sku,
        count=problem.carriers,
    )


def listing_event(change: Change) -> ListingChanged:
    """A listing that changed."""
    listing = change.listing
    return ListingChanged(
        channel_id=listing.channel_id,
        listing_id=listing.listing_id,
        listing_version=listing.listing_version,
        sku=listing.sku,
        previous_sku=change.previous_sku,
        title=listing.title,
        removed=listing.removed,
    )
