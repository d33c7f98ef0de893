"""Stock of one SKU at one location, and how movements and counts change it."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Movement(NamedTuple):
    """A change of stock that happened `at` a time, because of `cause` (the id of a shipment, a refund, a message)."""

    sku: str
    kind: str
    cause: str
    at: datetime
    on_hand: int
    reserved: int


class Level(NamedTuple):
    """Stock as it is known; `counted_at` is the as-of time of the newest count."""

    sku: str
    on_hand: int = 0
    reserved: int = 0
    counted_at: datetime = EPOCH

    @property
    def available(self) -> int:
        """What can still be promised; negative after a count that found less than is promised."""
        return self.on_hand - self.reserved


def move(level: Level, movement: Movement) -> Level:
    """Apply a movement. One that happened before the newest count was made is in that count already: it changes what
    is reserved, and not what is on hand."""
    on_hand = 0 if contained(level, movement) else movement.on_hand
    return Level(level.sku, level.on_hand + on_hand, level.reserved + movement.reserved, level.counted_at)


def contained(level: Level, movement: Movement) -> bool:
    """Whether the newest count had seen this movement."""
    return bool(movement.on_hand) and movement.at <= level.counted_at


def count(level: Level, quantity: int, as_of: datetime, since: Iterable[int]) -> Level | None:
    """A count of what lies there as of a time, plus what moved `since` then; None when a newer count is known."""
    if as_of < level.counted_at:
        return None
    return level._replace(on_hand=quantity + sum(since), counted_at=as_of)
