"""Quantities by line."""

from fulfillment.domain.units import NONE, minus, most, over, plus, total, units_of


def test_equal_quantities_are_equal_values_however_they_were_made() -> None:
    assert units_of({"b": 1, "a": 2, "c": 0}) == units_of([("a", 1), ("b", 1), ("a", 1)]) == (("a", 2), ("b", 1))


def test_a_difference_may_fall_below_zero_and_zeros_vanish() -> None:
    assert minus(units_of({"a": 1, "b": 2}), units_of({"a": 3, "b": 2})) == (("a", -2),)
    assert over(minus(units_of({"a": 1}), units_of({"a": 3}))) == frozenset()


def test_the_larger_counts_line_by_line() -> None:
    assert most(units_of({"a": 1, "b": 5}), units_of({"a": 3})) == (("a", 3), ("b", 5))


def test_sums() -> None:
    assert total([]) == NONE
    assert total([plus(units_of({"a": 1}), units_of({"a": 1})), units_of({"b": 1})]) == (("a", 2), ("b", 1))
