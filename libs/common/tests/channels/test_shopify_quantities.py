"""How many units of a line are still ours to ship, whatever was edited, refunded or shipped, and in which order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.channels.shopify.quantities import LineCounts, LineUnits, RefundedUnits, ShippedUnits, settle_line


def hour(number: int) -> datetime:
    return datetime(2026, 11, 20, number, tzinfo=UTC)


def refund(quantity: int, kind: str, at: int = 12) -> RefundedUnits:
    return RefundedUnits("r", "l", quantity, kind, hour(at))


def shipped(quantity: int, at: int = 10, done: bool = True) -> ShippedUnits:
    return ShippedUnits("l", quantity, done, hour(at))


def settle(
    quantity: int,
    current: int | None,
    fulfillable: int | None,
    refunds: tuple[RefundedUnits, ...] = (),
    left: tuple[ShippedUnits, ...] = (),
    status: str = "",
) -> LineUnits:
    return settle_line(LineCounts(quantity, current, fulfillable, status), refunds, left)


@pytest.mark.parametrize(
    ("case", "outcome", "kept", "fulfilled", "after_shipping"),
    [
        ("untouched", settle(2, 2, 2), 2, 0, ()),
        ("an edit removed a unit", settle(2, 1, 1), 1, 0, ()),
        ("an edit removed the line", settle(2, 0, 0), 0, 0, ()),
        ("an unshipped unit refunded with cancel", settle(2, 1, 1, (refund(1, "cancel"),)), 1, 0, (0,)),
        ("a shipped unit refunded with return", settle(2, 1, 0, (refund(1, "return"),), (shipped(2),)), 2, 2, (1,)),
        ("one shipped and returned, one open", settle(2, 1, 1, (refund(1, "return"),), (shipped(1),)), 2, 1, (1,)),
        ("a shipped unit, no restock", settle(2, 1, 0, (refund(1, "no_restock"),), (shipped(2),)), 2, 2, (1,)),
        ("an unshipped unit, no restock, taken off", settle(2, 1, 1, (refund(1, "no_restock"),)), 1, 0, (0,)),
        ("an unshipped unit, no restock, still to ship", settle(2, 1, 2, (refund(1, "no_restock"),)), 2, 0, (0,)),
        (
            "no restock of the shipped of two",
            settle(2, 1, 1, (refund(1, "no_restock"),), (shipped(1),)),
            2,
            1,
            (1,),
        ),
        ("no restock of the open of two", settle(2, 1, 0, (refund(1, "no_restock"),), (shipped(1),)), 1, 1, (0,)),
        ("a return of what never shipped, taken off", settle(2, 1, 1, (refund(1, "return"),)), 1, 0, (0,)),
        ("a cancel of what had shipped", settle(2, 1, 0, (refund(1, "cancel"),), (shipped(2),)), 2, 2, (1,)),
        (
            "one taken off without restock, another returned",
            settle(3, 1, 1, (refund(1, "no_restock", 11), refund(1, "return", 12)), (shipped(1),)),
            2,
            1,
            (0, 1),
        ),
        ("legacy restock, nothing shipped", settle(1, 0, 0, (refund(1, "legacy_restock"),)), 0, 0, (0,)),
        ("old payload: cancel", settle(3, None, None, (refund(1, "cancel"),)), 2, 0, (0,)),
        ("old payload: no type, nothing shipped", settle(3, None, None, (refund(1, ""),)), 2, 0, (0,)),
        ("old payload: no type, all shipped", settle(3, None, None, (refund(1, ""),), (shipped(3),)), 3, 3, (1,)),
        ("old payload: return", settle(3, None, None, (refund(1, "return"),), (shipped(3),)), 3, 3, (1,)),
        ("a fulfillment that is not done yet", settle(2, 2, 1, (), (shipped(1, done=False),)), 2, 0, ()),
        ("status fulfilled without fulfillments", settle(1, 1, 0, status="fulfilled"), 1, 1, ()),
        ("status partial without fulfillments", settle(3, 3, 1, status="partial"), 3, 2, ()),
        ("refunds beyond what was ordered", settle(1, 0, 0, (refund(5, "cancel"),)), 0, 0, (0,)),
        ("more fulfilled than ordered", settle(1, 1, 0, (), (shipped(4),)), 1, 1, ()),
    ],
)
def test_each_case(case: str, outcome: LineUnits, kept: int, fulfilled: int, after_shipping: tuple[int, ...]) -> None:
    assert outcome == LineUnits(kept, fulfilled, after_shipping), case


def test_a_refund_made_before_the_shipment_was_of_an_unshipped_unit() -> None:
    before = settle(2, 1, 0, (refund(1, "no_restock", at=9),), (shipped(1, at=10),))
    assert before.refunded_after_shipping == (0,)


def test_one_refund_may_cover_shipped_and_unshipped_units() -> None:
    outcome = settle(3, 1, 1, (refund(1, "cancel"), refund(1, "return")), (shipped(1),))
    assert (outcome.kept, outcome.refunded_after_shipping) == (2, (0, 1))


KINDS = st.sampled_from(["cancel", "return", "no_restock", "legacy_restock", ""])


@given(
    ordered=st.integers(1, 8),
    edited=st.integers(0, 3),
    refunds=st.lists(st.tuples(st.integers(1, 3), KINDS), max_size=3),
    shipped_now=st.integers(0, 4),
    more=st.integers(0, 4),
)
def test_our_own_fulfillment_never_changes_what_is_kept(
    ordered: int, edited: int, refunds: list[tuple[int, str]], shipped_now: int, more: int
) -> None:
    """A store that takes every refunded unit off what is fulfillable as far as it can; then we ship `more`."""
    gone = min(ordered, edited + sum(quantity for quantity, _ in refunds))
    shipped_now = min(shipped_now, ordered - gone)
    more = min(more, ordered - gone - shipped_now)
    several = tuple(refund(quantity, kind) for quantity, kind in refunds)
    first = (shipped(shipped_now),) if shipped_now else ()
    before = settle(ordered, ordered - gone, ordered - gone - shipped_now, several, first)
    then = (*first, shipped(more, at=14)) if more else first
    after = settle(ordered, ordered - gone, ordered - gone - shipped_now - more, several, then)
    assert after.kept == before.kept
    assert after.fulfilled == before.fulfilled + more


@given(
    ordered=st.integers(1, 8),
    refunds=st.lists(st.tuples(st.integers(1, 3), KINDS), max_size=3),
    shipped_now=st.integers(0, 4),
    more=st.integers(0, 4),
)
def test_nor_does_it_in_an_old_payload_that_counts_nothing(
    ordered: int, refunds: list[tuple[int, str]], shipped_now: int, more: int
) -> None:
    several = tuple(refund(quantity, kind) for quantity, kind in refunds)
    first = (shipped(min(shipped_now, ordered)),) if shipped_now else ()
    before = settle(ordered, None, None, several, first)
    more = min(more, before.kept - before.fulfilled)
    then = (*first, shipped(more, at=14)) if more > 0 else first
    assert settle(ordered, None, None, several, then).kept == before.kept


@given(
    quantity=st.integers(0, 9),
    current=st.none() | st.integers(0, 12),
    fulfillable=st.none() | st.integers(0, 12),
    refunds=st.lists(st.tuples(st.integers(1, 9), KINDS, st.integers(0, 23)), max_size=4),
    left=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 23), st.booleans()), max_size=4),
    status=st.sampled_from(["", "fulfilled", "partial", "restocked"]),
)
def test_whatever_a_payload_claims_the_counts_stay_possible(
    quantity: int,
    current: int | None,
    fulfillable: int | None,
    refunds: list[tuple[int, str, int]],
    left: list[tuple[int, int, bool]],
    status: str,
) -> None:
    several = tuple(refund(*one) for one in refunds)
    outcome = settle(quantity, current, fulfillable, several, tuple(shipped(*one) for one in left), status)
    assert 0 <= outcome.kept <= quantity
    assert 0 <= outcome.fulfilled <= quantity
    assert all(0 <= count <= one.quantity for count, one in zip(outcome.refunded_after_shipping, several, strict=True))
