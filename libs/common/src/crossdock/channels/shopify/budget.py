"""The rate budget of one channel: learnt from `throttleStatus`, spent by harm (pure functions over small state).

Guards: what prevents harm is never starved by what may wait; imports stop while half of the bucket is left, stock
increases at 30 %, orders and tracking at 10 %; cancellations and stock decreases may use all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any


class Purpose(Enum):
    """What a call is for; the value is the share of the bucket that it must leave."""

    CANCELLATION = ("cancellation", 0.0)
    STOCK_DECREASE = ("stock decrease", 0.0)
    ORDER = ("order", 0.1)
    TRACKING = ("tracking", 0.1)
    STOCK_INCREASE = ("stock increase", 0.3)
    IMPORT = ("import", 0.5)
    LISTING = ("listing", 0.5)

    @property
    def floor(self) -> float:
        """The share of the bucket, 0 to 1, that must be left after the call."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Cost points as last told: how many fit, how many there were `at` (monotonic seconds), how fast they return."""

    maximum: float
    available: float
    restore_rate: float
    at: float

    def now(self, at: float) -> float:
        """Points available at a time."""
        return min(self.maximum, self.available + max(0.0, at - self.at) * self.restore_rate)


def learn(bucket: Bucket | None, status: Mapping[str, Any], at: float) -> Bucket | None:
    """The bucket as a reply's `throttleStatus` tells it; unchanged when the reply tells nothing usable."""
    try:
        told = Bucket(
            float(status["maximumAvailable"]), float(status["currentlyAvailable"]), float(status["restoreRate"]), at
        )
    except (KeyError, TypeError, ValueError):
        return bucket
    return told if told.maximum > 0 and told.restore_rate > 0 else bucket


def seconds_to_wait(bucket: Bucket | None, purpose: Purpose, cost: float, at: float) -> float:
    """0 when the call may go now, else the seconds until it may; nothing learnt yet means go.

    A call that costs more than its share of the whole bucket may go when the bucket is full.
    """
    if bucket is None:
        return 0.0
    needed = min(cost + purpose.floor * bucket.maximum, bucket.maximum)
    return max(0.0, (needed - bucket.now(at)) / bucket.restore_rate)


def spend(bucket: Bucket | None, cost: float, at: float) -> Bucket | None:
    """The bucket after a call is sent and before its reply says what it really cost."""
    return None if bucket is None else replace(bucket, available=max(0.0, bucket.now(at) - cost), at=at)
