"""How many units of an order line are kept and fulfilled, and which refunded units had shipped (pure).

Rules, from the descriptions of Shopify's restock types and of `fulfillable_quantity`:

- *gone for certain*: units refunded with `cancel` ("not yet fulfilled") as far as that many had not shipped, and units
  that an edit removed, which is what `current_quantity` lacks beyond the refunds.
- *unclear*: all other refunded units (`return`, `no_restock`, `legacy_restock`, no type). `fulfillable_quantity`
  decides, since whatever is neither shipped nor fulfillable is gone: `quantity - shipped - fulfillable - gone for
  certain`. Where the payload lacks it, units of a `return` ("already delivered") are kept as far as that many had
  shipped by then, and of the rest those that had not shipped count as gone first.
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
    if not refunds and not shipped:
        kept = counts.quantity if counts.current is None else min(counts.quantity, max(counts.current, 0))
        return LineUnits(kept, _fulfilled(counts, kept, ()), ())
    left = min(sum(units.quantity for units in shipped), counts.quantity)
    refunded = sum(units.quantity for units in refunds)
    cancelled = min(_claimed(refunds, "cancel"), counts.quantity - left)
    edited = 0 if counts.current is None else max(0, counts.quantity - counts.current - refunded)
    certain = min(cancelled + edited, counts.quantity)
    unclear = refunded - cancelled
    if counts.fulfillable is None:
        missing = counts.quantity - left - certain
        unclear_gone = max(0, min(unclear - _returned(refunds, shipped, left), missing))
    else:
        unclear_gone = max(0, min(unclear, counts.quantity - left - counts.fulfillable - certain))
    kept = counts.quantity - certain - unclear_gone
    return LineUnits(
        kept=max(0, kept),
        fulfilled=_fulfilled(counts, max(0, kept), shipped),
        refunded_after_shipping=_after_shipping(refunds, shipped, cancelled, unclear - unclear_gone),
    )


def _returned(refunds: Sequence[RefundedUnits], shipped: Sequence[ShippedUnits], left: int) -> int:
    by_then = [_shipped_by(shipped, units.at) for units in refunds if units.restock_type == "return"]
    return min(_claimed(refunds, "return"), left, max(by_then, default=0))


def _claimed(refunds: Sequence[RefundedUnits], restock_type: str) -> int:
    return sum(units.quantity for units in refunds if units.restock_type == restock_type)


def _fulfilled(counts: LineCounts, kept: int, shipped: Sequence[ShippedUnits]) -> int:
    if shipped:
        return min(sum(units.quantity for units in shipped if units.done), counts.quantity)
    if counts.status not in ("fulfilled", "partial"):
        return 0
    if counts.fulfillable is None:
        return kept if counts.status == "fulfilled" else 0
    return max(0, kept - counts.fulfillable)


def _after_shipping(
    refunds: Sequence[RefundedUnits], shipped: Sequence[ShippedUnits], cancelled: int, still_there: int
) -> tuple[int, ...]:
    """Units of each refund that had shipped when it was made, returns first: none of the `cancelled` ones, and at most
    `still_there`, which are the refunded units that are not gone."""
    order = sorted(
        range(len(refunds)),
        key=lambda i: (refunds[i].restock_type != "return", refunds[i].at is not None, refunds[i].at or 0, i),
    )
    outcome = [0] * len(refunds)
    taken = 0
    for index in order:
        units = refunds[index]
        candidates = units.quantity
        if units.restock_type == "cancel":
            candidates = max(0, units.quantity - cancelled)
            cancelled -= units.quantity - candidates
        outcome[index] = min(candidates, max(0, _shipped_by(shipped, units.at) - taken), still_there - taken)
        taken += outcome[index]
    return tuple(outcome)


def _shipped_by(shipped: Sequence[ShippedUnits], at: datetime | None) -> int:
    return sum(units.quantity for units in shipped if at is None or units.at is None or units.at <= at)
