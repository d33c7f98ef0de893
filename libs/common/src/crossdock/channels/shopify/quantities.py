"""How many units of an order line are kept and fulfilled, and which refunded units had shipped (pure).

Rules, from the descriptions of Shopify's restock types and of `fulfillable_quantity`:

- *gone for certain*: units refunded with `cancel` ("not yet fulfilled"), and units that an edit removed, which is what
  `current_quantity` lacks beyond the refunds.
- *returned*: units refunded with `return` ("already delivered") as far as that many had shipped. They stay kept.
- *unclear*: `no_restock`, `legacy_restock`, no type, and `return` beyond what had shipped. `fulfillable_quantity`
  decides, since whatever is neither shipped nor fulfillable is gone:
  `quantity - shipped - fulfillable - gone for certain`. Without it, units that had not shipped count as gone first.
- `kept = quantity - gone`. A fulfillment moves a unit from fulfillable to shipped, so our own write changes nothing.
- *fulfilled* is what fulfillments of status `success` hold; where the payload has none for the line but its status
  says fulfilled or partial, it is what is kept and no longer fulfillable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RefundedUnits:
    """Units of one line in one refund, with the channel's word for where they went."""

    refund_id: str
    line_id: str
    quantity: int
    restock_type: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ShippedUnits:
    """Units of one line in one fulfillment that was not cancelled; `done` when its status is `success`."""

    line_id: str
    quantity: int
    done: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What the payload says of one line; None where it is silent. `status` is the line's or the order's word."""

    quantity: int
    current: int | None
    fulfillable: int | None
    status: str


@dataclass(frozen=True, slots=True)
class LineUnits:
    """The outcome for one line. `refunded_after_shipping` runs parallel to the refunds that were given."""

    kept: int
    fulfilled: int
    refunded_after_shipping: tuple[int, ...]


def settle_line(counts: LineCounts, refunds: Sequence[RefundedUnits], shipped: Sequence[ShippedUnits]) -> LineUnits:
    """Apply the rules of this module to one line; `refunds` and `shipped` are those of the line."""
    left = min(sum(units.quantity for units in shipped), counts.quantity)
    cancelled = sum(units.quantity for units in refunds if units.restock_type == "cancel")
    returned = min(sum(units.quantity for units in refunds if units.restock_type == "return"), left)
    unclear = sum(units.quantity for units in refunds) - cancelled - returned
    current = counts.quantity - cancelled - returned - unclear if counts.current is None else counts.current
    edited = max(0, counts.quantity - current - cancelled - returned - unclear)
    certain = min(cancelled + edited, counts.quantity)
    open_units = 0 if counts.fulfillable is None else counts.fulfillable
    gone_unclear = max(0, min(unclear, counts.quantity - left - open_units - certain))
    kept = counts.quantity - certain - gone_unclear
    return LineUnits(
        kept=max(0, kept),
        fulfilled=_fulfilled(counts, max(0, kept), shipped),
        refunded_after_shipping=_after_shipping(refunds, shipped, unclear - gone_unclear),
    )


def _fulfilled(counts: LineCounts, kept: int, shipped: Sequence[ShippedUnits]) -> int:
    if shipped:
        return min(sum(units.quantity for units in shipped if units.done), counts.quantity)
    if counts.status not in ("fulfilled", "partial"):
        return 0
    if counts.fulfillable is None:
        return kept if counts.status == "fulfilled" else 0
    return max(0, kept - counts.fulfillable)


def _after_shipping(refunds: Sequence[RefundedUnits], shipped: Sequence[ShippedUnits], unclear: int) -> tuple[int, ...]:
    """Units of each refund that had shipped when it was made; at most `unclear` of those not typed `return`."""
    order = sorted(range(len(refunds)), key=lambda i: (refunds[i].at is not None, refunds[i].at or 0, i))
    outcome = [0] * len(refunds)
    taken = 0
    for index in order:
        units = refunds[index]
        if units.restock_type == "cancel":
            continue
        limit = min(units.quantity, max(0, _shipped_by(shipped, units.at) - taken))
        if units.restock_type != "return":
            limit = min(limit, unclear)
            unclear -= limit
        outcome[index] = limit
        taken += limit
    return tuple(outcome)


def _shipped_by(shipped: Sequence[ShippedUnits], at: datetime | None) -> int:
    return sum(units.quantity for units in shipped if at is None or units.at is None or units.at <= at)
