"""How the lines of an order get their SKUs, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sku_matcher.domain.matching import (
    ANYWHERE,
    Catalogue,
    Component,
    Given,
    Line,
    OrderState,
    Row,
    Wait,
    assign,
    rematch,
    take_order,
    waits,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = UUID(int=7)


def line(number: int, sku: str, wanted: int = 1, listing_id: str | None = None) -> Line:
    return Line(f"L{number}", number, listing_id, sku, f"Thing {number}", wanted)


def state(*lines: Line, version: int = 1, content: int | None = None, cancelled: bool = False) -> OrderState:
    return OrderState(UUID(int=1), SHOP, NOON, version, content or version, cancelled, lines)


def carried(**carriers: int) -> Catalogue:
    return Catalogue({(SHOP, sku): count for sku, count in carriers.items()})


def kinds(row: Row) -> list[str]:
    assert row.match is not None
    return [problem.kind for problem in row.match.problems]


def test_a_line_is_the_sku_that_it_carries() -> None:
    _, match = take_order(Row(), state(line(1, "SHIRT", 3)), carried(SHIRT=1))
    assert match is not None
    assert match.matched
    assert [(one.line_id, one.wanted, one.components) for one in match.lines] == [("L1", 3, (Component("SHIRT", 1),))]


def test_where_a_channel_has_no_listings_a_sku_that_the_hub_knows_will_do() -> None:
    typed = replace(state(line(1, "SHIRT"), line(2, "NOBODY")), listed=False)
    row, _ = take_order(Row(), typed, Catalogue({(ANYWHERE, "SHIRT"): 1}))
    assert row.match is not None
    assert [one.line_id for one in row.match.lines] == ["L1"]
    assert kinds(row) == ["unheard"]
    unknown, _ = take_order(Row(), typed, carried(SHIRT=1))  # its own channel is not where its SKUs are looked up
    assert kinds(unknown) == ["unheard", "unheard"]


def test_a_blank_an_unknown_and_an_ambiguous_sku_never_pass() -> None:
    order = state(line(1, ""), line(2, "NOBODY"), line(3, "TWICE"), line(4, "SHIRT"))
    row, match = take_order(Row(), order, carried(SHIRT=1, TWICE=2))
    assert match is not None
    assert not match.matched
    assert [(p.kind, p.line_id, p.position, p.sku, p.carriers) for p in match.problems] == [
        ("blank", "L1", 1, "", 0),
        ("unknown", "L2", 2, "NOBODY", 0),
        ("ambiguous", "L3", 3, "TWICE", 2),
    ]
    assert waits(row) == {Wait("NOBODY"), Wait("TWICE", carriers=2)}


def test_case_and_likeness_are_no_identity() -> None:
    row, _ = take_order(Row(), state(line(1, "shirt")), carried(SHIRT=1))
    assert kinds(row) == ["unknown"]


def test_a_listing_of_another_channel_does_not_count() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT")), Catalogue({(UUID(int=8), "SHIRT"): 1}))
    assert kinds(row) == ["unknown"]


def test_a_line_of_which_nothing_is_wanted_is_left_out() -> None:
    _, match = take_order(Row(), state(line(1, "SHIRT"), line(2, "", wanted=0)), carried(SHIRT=1))
    assert match is not None
    assert [one.line_id for one in match.lines] == ["L1"]


def test_an_order_that_wants_nothing_is_matched_to_nothing() -> None:
    _, match = take_order(Row(), state(line(1, "", wanted=0)), Catalogue())
    assert match is not None
    assert match.matched
    assert match.lines == ()


def test_an_older_state_or_the_same_again_is_skipped() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT"), version=2), carried(SHIRT=1))
    for version in (1, 2):
        assert take_order(row, state(line(1, "NOBODY"), version=version), carried()) == (row, None)


def test_a_cancelled_order_is_not_matched_again() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT")), carried())
    row, match = take_order(row, state(line(1, "SHIRT", wanted=0), version=2, cancelled=True), carried(SHIRT=1))
    assert match is None
    assert waits(row) == frozenset()
    assert rematch(row, carried(SHIRT=1)) == (row, None)


def test_the_match_version_starts_at_0_for_each_content_and_rises_with_the_outcome() -> None:
    row, first = take_order(Row(), state(line(1, "SHIRT")), carried())
    row, second = rematch(row, carried(SHIRT=2))
    row, third = rematch(row, carried(SHIRT=1))
    row, fourth = take_order(row, state(line(1, "SHIRT", 2), version=2), carried(SHIRT=1))
    told = [(m.content_version, m.match_version, m.matched) for m in (first, second, third, fourth) if m]
    assert told == [(1, 0, False), (1, 1, False), (1, 2, True), (2, 0, True)]


def test_a_judgement_with_the_same_outcome_says_nothing() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT"), line(2, "MUG")), carried())
    assert rematch(row, carried()) == (row, None)


def test_a_newer_state_with_the_same_content_and_outcome_says_nothing() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT")), carried(SHIRT=1))
    after, match = take_order(row, state(line(1, "SHIRT"), version=2, content=1), carried(SHIRT=1))
    assert match is None
    assert after.order is not None
    assert after.order.order_version == 2


def test_a_matched_order_is_left_alone_when_its_listing_goes_or_its_sku_is_given_twice() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT")), carried(SHIRT=1))
    assert rematch(row, carried()) == (row, None)
    assert rematch(row, carried(SHIRT=2)) == (row, None)


def test_an_edit_keeps_what_a_line_was_matched_to() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT", 2)), carried(SHIRT=1))
    row, match = take_order(row, state(line(1, "SHIRT", 1), line(2, "SHIRT"), version=2), carried())
    assert match is not None
    assert [(one.line_id, one.wanted) for one in match.lines] == [("L1", 1)]
    assert kinds(row) == ["unknown"]


def test_an_edit_that_changes_the_sku_of_a_line_judges_it_anew() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT")), carried(SHIRT=1))
    row, _ = take_order(row, state(line(1, "MUG"), version=2), carried(SHIRT=1))
    assert kinds(row) == ["unknown"]


def given_sku(sku: str, since: datetime, **carriers: int) -> Catalogue:
    return replace(carried(**carriers), given={(SHOP, "V1"): Given(sku, since)})


def test_a_blank_line_takes_the_sku_that_its_own_variant_is_given_after_the_sale() -> None:
    row, _ = take_order(Row(), state(line(1, "", listing_id="V1")), Catalogue())
    assert waits(row) == {Wait(listing_id="V1", blank=True)}
    row, match = rematch(row, given_sku("SHIRT", NOON + timedelta(hours=1), SHIRT=1))
    assert match is not None
    assert [part.sku for one in match.lines for part in one.components] == ["SHIRT"]


def test_a_blank_line_never_takes_a_sku_from_before_the_sale_or_of_another_variant() -> None:
    before = given_sku("SHIRT", NOON, SHIRT=1)
    after = given_sku("SHIRT", NOON + timedelta(hours=1), SHIRT=1)
    for known, listing_id in ((before, "V1"), (after, "V2"), (after, None)):
        row, _ = take_order(Row(), state(line(1, "", listing_id=listing_id)), known)
        assert kinds(row) == ["blank"]


def test_a_blank_line_whose_variant_got_a_sku_that_two_carry_waits_for_that_sku() -> None:
    row, _ = take_order(Row(), state(line(1, "", listing_id="V1")), given_sku("SHIRT", NOON + timedelta(1), SHIRT=2))
    assert kinds(row) == ["ambiguous"]
    assert waits(row) == {Wait("SHIRT", carriers=2), Wait(listing_id="V1")}


def test_a_mapped_listing_is_what_a_person_said_whatever_its_sku_says() -> None:
    known = Catalogue({(SHOP, "PACK"): 2}, mapped={(SHOP, "V1"): Component("SHIRT", 6)})
    for sku in ("PACK", "NOBODY", ""):
        _, match = take_order(Row(), state(line(1, sku, listing_id="V1")), known)
        assert match is not None
        assert [one.components for one in match.lines] == [(Component("SHIRT", 6),)]


def test_what_a_person_says_of_a_line_stands_when_the_order_is_edited() -> None:
    row, _ = take_order(Row(), state(line(1, "NOBODY"), line(2, "NOBODY")), carried())
    row, match = assign(row, "L1", Component("SHIRT", 2), carried())
    assert match is not None
    assert (match.match_version, match.matched, [one.line_id for one in match.lines]) == (1, False, ["L1"])
    row, match = assign(row, "L2", Component("MUG"), carried())
    assert match is not None
    assert (match.match_version, match.matched) == (2, True)
    assert waits(row) == frozenset()
    row, match = take_order(row, state(line(1, "NOBODY", 3), version=2), carried())
    assert match is not None
    assert [(one.wanted, one.components) for one in match.lines] == [(3, (Component("SHIRT", 2),))]


def test_a_line_that_is_matched_or_not_there_cannot_be_assigned() -> None:
    row, _ = take_order(Row(), state(line(1, "SHIRT"), line(2, "NOBODY")), carried(SHIRT=1))
    for line_id in ("L1", "L9"):
        assert assign(row, line_id, Component("MUG"), carried(SHIRT=1)) == (row, None)


SKUS = st.sampled_from(["", "A", "B", "C"])
LINES = st.lists(st.tuples(SKUS, st.integers(0, 2)), max_size=4)
CATALOGUES = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.integers(0, 2))
STEPS = st.lists(st.one_of(st.integers(0, 4), CATALOGUES), max_size=12)


@given(contents=st.lists(LINES, min_size=1, max_size=5), steps=STEPS)
def test_versions_only_rise_and_matched_means_every_wanted_line(
    contents: list[list[tuple[str, int]]], steps: list[int | dict[str, int]]
) -> None:
    known, row, last = carried(), Row(), (0, 0)
    for step in steps:
        if isinstance(step, dict):
            known = carried(**step)
            row, match = rematch(row, known)
        else:
            version = step % len(contents) + 1
            lines = [line(i, sku, wanted) for i, (sku, wanted) in enumerate(contents[version - 1], 1)]
            row, match = take_order(row, state(*lines, version=version), known)
        if match is None:
            continue
        assert row.order is not None
        assert (match.content_version, match.match_version) > last
        last = (match.content_version, match.match_version)
        told = {one.line_id for one in match.lines} | {problem.line_id for problem in match.problems}
        assert told == {one.line_id for one in row.order.lines if one.wanted}
        assert all(part.sku for one in match.lines for part in one.components)
        assert bool(waits(row)) <= (not match.matched)
