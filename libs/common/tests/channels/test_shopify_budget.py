"""What prevents harm is never starved of the rate budget by what may wait."""

import pytest

from crossdock.channels.shopify.budget import Bucket, Purpose, learn, seconds_to_wait, spend

FULL = {"maximumAvailable": 2000.0, "currentlyAvailable": 1500, "restoreRate": 100.0}


def bucket(available: float) -> Bucket:
    return Bucket(2000.0, available, 100.0, at=0.0)


@pytest.mark.parametrize(
    ("purpose", "least"),
    [
        (Purpose.CANCELLATION, 50),
        (Purpose.STOCK_DECREASE, 50),
        (Purpose.ORDER, 250),
        (Purpose.TRACKING, 250),
        (Purpose.STOCK_INCREASE, 650),
        (Purpose.IMPORT, 1050),
        (Purpose.LISTING, 1050),
    ],
)
def test_each_purpose_leaves_its_share_of_the_bucket(purpose: Purpose, least: float) -> None:
    assert seconds_to_wait(bucket(least), purpose, 50, at=0.0) == 0
    assert seconds_to_wait(bucket(least - 10), purpose, 50, at=0.0) == pytest.approx(0.1)


def test_points_come_back_with_time_up_to_the_maximum() -> None:
    assert seconds_to_wait(bucket(0), Purpose.ORDER, 50, at=2.5) == 0
    assert bucket(0).now(1000.0) == 2000.0


def test_nothing_learnt_yet_means_go() -> None:
    assert seconds_to_wait(None, Purpose.IMPORT, 5000, at=0.0) == 0


def test_a_call_larger_than_its_share_waits_for_a_full_bucket_and_no_longer() -> None:
    assert seconds_to_wait(bucket(1900), Purpose.IMPORT, 1500, at=0.0) == pytest.approx(1.0)


def test_what_was_sent_is_spent_before_its_reply_tells_the_real_cost() -> None:
    spent = spend(bucket(100), 80, at=0.0)
    assert spent is not None
    assert seconds_to_wait(spent, Purpose.CANCELLATION, 50, at=0.0) == pytest.approx(0.3)


def test_a_reply_tells_the_bucket_and_a_broken_one_tells_nothing() -> None:
    assert learn(None, FULL, at=7.0) == Bucket(2000.0, 1500.0, 100.0, at=7.0)
    for broken in ({}, {"maximumAvailable": None}, FULL | {"restoreRate": 0}, FULL | {"currentlyAvailable": "x"}):
        assert learn(bucket(5), broken, at=7.0) == bucket(5)
