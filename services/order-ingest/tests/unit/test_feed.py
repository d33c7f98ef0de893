"""Which mentions of orders are news, and how far a list of changes counts as read."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from ingest_examples import at

from order_ingest.domain.feed import Known, Mention, Position, advance, due, news, start_over

START = at(0)
KNOWN = Known(at(5), "paid", cancelled=False, total=Decimal("10.00"))


def mention(minutes: int = 5, name: str = "1", **more: Any) -> Mention:
    return Mention(name, at(minutes), **more)


def position(reached: int = 0, *, since: int = 0, page: str | None = None) -> Position:
    return Position(START, at(since), at(reached), page)


@pytest.mark.parametrize(("minutes", "is_news"), [(4, False), (5, False), (6, True)])
def test_only_a_newer_time_than_the_stored_one_is_news(minutes: int, is_news: bool) -> None:
    assert bool(news([mention(minutes)], {"1": KNOWN}, START)) is is_news


@pytest.mark.parametrize(
    ("told", "is_news"),
    [
        ({"financial_status": "paid", "cancelled": False, "total": Decimal("10.0")}, False),
        ({"financial_status": "pending"}, True),
        ({"cancelled": True}, True),
        ({"total": Decimal("11.00")}, True),
    ],
)
def test_two_states_of_one_second_are_told_apart_by_payment_cancellation_and_total(
    told: dict[str, Any], is_news: bool
) -> None:
    assert bool(news([mention(5, **told)], {"1": KNOWN}, START)) is is_news
    assert not news([mention(4, **told)], {"1": KNOWN}, START)


@pytest.mark.parametrize("name", ["ship_by", "deliver_by"])
def test_a_date_that_is_not_known_yet_is_news_and_another_one_is_left_to_a_read(name: str) -> None:
    date: dict[str, Any] = {name: at(60)}
    other: dict[str, Any] = {name: at(90)}
    assert news([mention(5, **date)], {"1": KNOWN}, START)
    assert not news([mention(5, **date)], {"1": replace(KNOWN, **other)}, START)


def test_an_unknown_order_is_news_once_unless_it_last_changed_before_the_channel_was_connected() -> None:
    assert news([mention(-1, "2"), mention(0, "3"), mention(1, "3")], {}, START) == ["3"]


def test_what_changed_a_moment_ago_is_left_to_its_webhook_and_asked_for_again() -> None:
    mentions = [mention(1), mention(9, "2")]
    assert due(mentions, at(8)) == mentions[:1]
    assert advance(position(), mentions, None, at(8)).since == at(8)


@pytest.mark.parametrize("newest", [3, 8])
def test_the_next_list_is_asked_for_from_the_newest_change_itself_so_that_its_second_is_read_whole(newest: int) -> None:
    assert advance(position(), [mention(1), mention(newest)], None, at(8)) == position(newest, since=newest)


def test_a_time_from_the_future_does_not_hide_what_comes_before_it() -> None:
    assert advance(position(), [Mention("1", datetime.max.replace(tzinfo=START.tzinfo))], None, at(8)).since == at(8)


def test_between_two_pages_the_list_in_hand_stays_the_same() -> None:
    after_one = advance(position(), [mention(1), mention(3)], "next", at(8))
    assert after_one == position(3, since=0, page="next")
    assert advance(after_one, [mention(6)], None, at(8)) == position(6, since=6)


def test_a_list_that_is_asked_for_anew_begins_with_what_is_not_stored_yet() -> None:
    assert start_over(position(3, since=0, page="next")) == position(3, since=3)


def test_an_empty_list_moves_nothing() -> None:
    assert advance(position(3, since=3), [], None, at(8)) == position(3, since=3)
