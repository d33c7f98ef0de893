"""The checker itself: it finds nothing wrong with sound books, and says in the right number what is wrong with others.

Each case would fail if the checker stopped looking at that book.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from crossdock.testing.checker import Books, judge
from crossdock.testing.market import Sold, Traffic

KEY = "7001"
UNITS = {"SHIRT-M": 2}


def sold() -> Traffic:
    return Traffic([Sold("store", KEY, "#1001", UNITS, b"", {})], {KEY: 0.0})


def shipped_once() -> Books:
    """One order of two shirts, of ten that were counted, that everybody did their part for."""
    return Books(
        status={KEY: "shipped"},
        held={KEY: Counter(UNITS)},
        ledger={KEY: Counter(UNITS)},
        asked={KEY: [Counter(UNITS)]},
        shipped={KEY: Counter(UNITS)},
        parcels=Counter({KEY: 1}),
        told={KEY: Counter(UNITS)},
        fulfillments=Counter({KEY: 1}),
        stock=[stock()],
    )


def stock(**other: int) -> dict[str, Any]:
    return {"sku": "SHIRT-M", "on_hand": 8, "reserved": 0, "moved": 8} | other


def test_an_order_with_every_effect_once_is_applied() -> None:
    verdict = judge(shipped_once(), sold())
    assert verdict.ok, verdict
    assert (verdict.sent, verdict.accepted, verdict.applied) == (1, 1, 1)


def gone(books: Books) -> None:
    books.status.clear()


def stuck(books: Books) -> None:
    """The warehouse shipped, and the hub has not heard of it."""
    books.status[KEY] = "outstanding"


def not_asked(books: Books) -> None:
    books.asked.clear()


def not_told(books: Books) -> None:
    books.told.clear()


@pytest.mark.parametrize("wrong", [gone, stuck, not_asked, not_told])
def test_an_order_that_lacks_an_effect_is_lost_and_not_duplicated(wrong: Callable[[Books], None]) -> None:
    books = shipped_once()
    wrong(books)
    verdict = judge(books, sold())
    assert (verdict.applied, verdict.lost, verdict.duplicated) == (0, 1, 0), verdict
    assert not verdict.ok


def asked_again(books: Books) -> None:
    books.asked[KEY] *= 2


def shipped_again(books: Books) -> None:
    books.shipped[KEY] += Counter(UNITS)


def booked_again(books: Books) -> None:
    books.ledger[KEY] += Counter(UNITS)


def told_again(books: Books) -> None:
    books.fulfillments[KEY] += 2


def on_the_timeline_again(books: Books) -> None:
    books.told_again[KEY] = Counter({"shipment.dispatched": 2})


@pytest.mark.parametrize("wrong", [asked_again, shipped_again, booked_again, told_again, on_the_timeline_again])
def test_what_is_beyond_what_was_ordered_is_duplicated_and_nothing_is_lost(wrong: Callable[[Books], None]) -> None:
    books = shipped_once()
    wrong(books)
    verdict = judge(books, sold())
    assert (verdict.applied, verdict.lost, verdict.duplicated) == (0, 0, 2), verdict
    assert not verdict.ok


@pytest.mark.parametrize(
    ("row", "promised"),
    [(stock(reserved=9), 9), (stock(reserved=0), 9), (stock(on_hand=8, moved=5, reserved=6), 6)],
    ids=["stock promises more than it has", "orders hold more than stock knows", "the ledger has less than stock says"],
)
def test_units_promised_beyond_what_is_there_are_oversold(row: dict[str, Any], promised: int) -> None:
    books = shipped_once()
    books.stock, books.reserved = [row], Counter({"SHIRT-M": promised})
    assert judge(books, sold()).oversold == 1


def test_a_tab_that_shows_another_number_than_there_are_orders_is_wrong() -> None:
    books = shipped_once()
    books.tabs = [{"status": "shipped", "counted": 2, "orders": 1}]
    assert judge(books, sold()).wrong == ("the tab shipped shows 2 orders, but there are 1",)


def test_an_order_that_no_answer_promised_may_be_missing_but_not_half_there() -> None:
    nobody_was_told = Traffic(sold().sold)
    assert judge(Books(), nobody_was_told).ok
    books = shipped_once()
    stuck(books)
    assert judge(books, nobody_was_told).lost == 1
