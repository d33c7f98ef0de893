"""The rules of a claim, without a database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.domain import claims
from inventory.domain.claims import Claim, Item, Match, Settlement, Step
from inventory.domain.stock import Level, Movement, count, move

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMPTY = Claim(UUID(int=1))


def match(content: int = 1, version: int = 0, **wanted: int) -> Match:
    return Match((content, version), NOON, tuple(Item(sku, sku, 1, units) for sku, units in wanted.items()))


def advance(claim: Claim, **available: int) -> Step:
    levels = {sku: Level(sku, available.get(sku, 0)) for sku in claim.skus()}
    return claims.advance(claim, levels, NOON, "test")


def reserved(content: int = 1, **wanted: int) -> Claim:
    """A claim that holds all it wants."""
    return advance(claims.learn_match(EMPTY, match(content, **wanted)), **dict.fromkeys(wanted, 99)).claim


def held(claim: Claim) -> dict[str, int]:
    return {item.sku: item.held for item in claim.items}


def test_every_newer_match_is_answered_changed_or_not() -> None:
    again = claims.learn_match(reserved(SHIRT=1), match(1, 1, SHIRT=1))
    step = advance(again, SHIRT=0)
    assert step.answer is not None
    assert not step.answer.lacks
    assert (step.claim.answered, step.movements) == ((1, 1), ())


def test_a_lower_match_gives_nothing_back_before_the_settlement() -> None:
    lower = advance(claims.learn_match(reserved(SHIRT=3), match(2, SHIRT=1)), SHIRT=0).claim
    assert held(lower) == {"SHIRT": 3}
    settled = advance(claims.learn_settlement(lower, Settlement(1, 2, {"SHIRT": 1})))
    assert held(settled.claim) == {"SHIRT": 1}
    assert [item.held for item in settled.given_back] == [2]


def test_a_settlement_older_than_the_newest_match_gives_nothing_back() -> None:
    claim = claims.learn_match(reserved(2, SHIRT=3), match(3, SHIRT=3))
    assert held(advance(claims.learn_settlement(claim, Settlement(1, 2, {"SHIRT": 1}))).claim) == {"SHIRT": 3}


def test_a_match_older_than_the_settlement_takes_nothing_beyond_it() -> None:
    claim = claims.learn_settlement(EMPTY, Settlement(1, 3, {}))
    step = advance(claims.learn_match(claim, match(2, SHIRT=1)), SHIRT=9)
    assert (step.answer, step.movements) == (None, ())


def test_settlements_are_ordered_by_their_own_version() -> None:
    claim = claims.learn_settlement(reserved(2, SHIRT=3), Settlement(5, 2, {"SHIRT": 0}))
    assert claims.learn_settlement(claim, Settlement(4, 2, {"SHIRT": 3})) == claim


def test_shipments_and_voids_only_move_units_inside_the_claim() -> None:
    claim = claims.learn_dispatch(reserved(SHIRT=2), "S1", {"SHIRT": 5})
    step = advance(claim)
    assert [(i.held, i.consumed) for i in step.claim.items] == [(0, 2)]
    back = advance(claims.learn_void(step.claim, "S1"))
    assert [(i.held, i.consumed) for i in back.claim.items] == [(2, 0)]
    assert [m.on_hand for m in back.movements] == [2]


def test_a_void_that_comes_first_cancels_its_shipment_when_that_comes() -> None:
    claim = claims.learn_void(reserved(SHIRT=2), "S1")
    assert advance(claims.learn_dispatch(claim, "S1", {"SHIRT": 2})).movements == ()


def test_a_bundle_takes_its_components_in_their_numbers() -> None:
    kit = (Item("L1", "CUP", 2, 6), Item("L1", "SAUCER", 1, 3))
    step = advance(claims.learn_match(EMPTY, Match((1, 0), NOON, kit)), CUP=6, SAUCER=3)
    assert held(step.claim) == {"CUP": 6, "SAUCER": 3}
    shipped = advance(claims.learn_dispatch(step.claim, "S1", {"L1": 1}))
    assert {m.sku: m.on_hand for m in shipped.movements} == {"CUP": -2, "SAUCER": -1}


def test_a_refund_waits_until_the_sku_of_its_line_is_known() -> None:
    early = advance(claims.learn_refund(EMPTY, "R1", {"SHIRT": 1}))
    assert early.movements == ()
    later = advance(claims.learn_match(early.claim, match(SHIRT=1)), SHIRT=1)
    assert [(m.kind, m.on_hand) for m in later.movements] == [("returned", 1), ("reserved", 0)]


def test_a_movement_from_before_a_count_is_in_the_count_already() -> None:
    level = Level("SHIRT", on_hand=5, reserved=2, counted_at=NOON)
    early = Movement("SHIRT", "shipped", "S1", NOON - timedelta(minutes=1), on_hand=-2, reserved=-2)
    assert move(level, early) == level._replace(reserved=0)
    late = early._replace(at=NOON + timedelta(minutes=1))
    assert move(level, late) == level._replace(on_hand=3, reserved=0)


@pytest.mark.parametrize(("as_of", "on_hand"), [(NOON, 8), (NOON + timedelta(hours=1), 8)])
def test_a_count_adds_what_moved_since_it_was_made(as_of: datetime, on_hand: int) -> None:
    counted = count(Level("SHIRT", counted_at=NOON), 10, as_of, [-3, 1])
    assert counted is not None
    assert counted.on_hand == on_hand


def test_returned_units_that_the_count_had_seen_already_are_not_promised_on_top_of_it() -> None:
    shipped = advance(claims.learn_dispatch(reserved(SHIRT=1), "S1", {"SHIRT": 1})).claim
    raised = claims.learn_match(shipped, match(2, SHIRT=2))
    refunded = claims.learn_refund(raised, "R1", {"SHIRT": 1})
    counted = Level("SHIRT", on_hand=0, counted_at=NOON + timedelta(minutes=1))
    assert held(claims.advance(refunded, {"SHIRT": counted}, NOON, "R1").claim) == {"SHIRT": 0}


def test_an_older_count_is_refused() -> None:
    assert count(Level("SHIRT", counted_at=NOON), 10, NOON - timedelta(seconds=1), []) is None


Fact = Callable[[Claim], Claim]
UNITS = st.integers(0, 4)


def facts() -> st.SearchStrategy[list[tuple[int, Fact]]]:
    """Facts of one order with the stock that arrives with each: matches, settlements, shipments, voids."""
    one = st.one_of(
        st.tuples(st.integers(1, 4), st.integers(0, 2), UNITS).map(
            lambda t: lambda claim: claims.learn_match(claim, match(t[0], t[1], SHIRT=t[2]))
        ),
        st.tuples(st.integers(1, 5), st.integers(1, 4), UNITS).map(
            lambda t: lambda claim: claims.learn_settlement(claim, Settlement(t[0], t[1], {"SHIRT": t[2]}))
        ),
        st.tuples(st.integers(1, 3), UNITS).map(
            lambda t: lambda claim: claims.learn_dispatch(claim, f"S{t[0]}", {"SHIRT": t[1]})
        ),
        st.integers(1, 3).map(lambda n: lambda claim: claims.learn_void(claim, f"S{n}")),
    )
    return st.lists(st.tuples(st.integers(0, 3), one), max_size=12)


@settings(max_examples=300, deadline=None)
@given(facts())
def test_whatever_happens_nothing_is_oversold_and_stock_adds_up(story: list[tuple[int, Fact]]) -> None:
    level, claim, received = Level("SHIRT"), EMPTY, 0
    for arrived, fact in story:
        received += arrived
        level = level._replace(on_hand=level.on_hand + arrived)
        step = claims.advance(fact(claim), {"SHIRT": level}, NOON, "test")
        for movement in step.movements:
            level = move(level, movement)
        claim = step.claim
        holding = sum(item.held for item in claim.items)
        consumed = sum(item.consumed for item in claim.items)
        assert min([item.held for item in claim.items] + [item.consumed for item in claim.items], default=0) >= 0
        assert level.reserved == holding
        assert level.available >= 0
        assert level.on_hand == received - consumed
