"""Quantities by order line, what the lines of a world sell, and the ids and times that all worlds share."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

Vec = tuple[int, ...]
"""One number for each order line of a world, or for each of its SKUs."""

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNEL = UUID(int=1)
DEPOT = UUID(int=2)
MAIN = UUID(int=3)


def order_id(index: int) -> UUID:
    """The id of a world's order."""
    return UUID(int=16 + index)


def index_of(order: UUID) -> int:
    """The reverse of `order_id`."""
    return order.int - 16


def moment(tick: int) -> datetime:
    """A time."""
    return NOON + timedelta(minutes=tick)


def plus(a: Vec, b: Vec) -> Vec:
    """Entry by entry a + b."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def minus(a: Vec, b: Vec) -> Vec:
    """Entry by entry a - b."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def most(a: Vec, b: Vec) -> Vec:
    """Entry by entry the larger."""
    return tuple(map(max, a, b))


class Line(NamedTuple):
    """An order line: the SKU that the channel names, and the parts that one unit of it is made of."""

    sku: str
    parts: tuple[tuple[str, int], ...]


class Shape(NamedTuple):
    """What every order of a world may sell."""

    lines: tuple[Line, ...]

    @property
    def zero(self) -> Vec:
        """Nothing of any line."""
        return (0,) * len(self.lines)

    @property
    def skus(self) -> tuple[str, ...]:
        """The SKUs that lie on the shelf."""
        return tuple(sorted({sku for line in self.lines for sku, _ in line.parts}))

    def total(self, many: Iterable[Vec]) -> Vec:
        """The sum of quantities by line."""
        result = self.zero
        for one in many:
            result = plus(result, one)
        return result

    def parts(self, units: Vec) -> Vec:
        """Quantities by line as quantities by SKU."""
        found = dict.fromkeys(self.skus, 0)
        for line, n in zip(self.lines, units, strict=True):
            for sku, per_unit in line.parts:
                found[sku] += n * per_unit
        return tuple(found.values())

    def vec(self, units: Mapping[str, int]) -> Vec:
        """Quantities by line id, in the order of the lines; ids count from 1."""
        return tuple(units.get(str(number), 0) for number in range(1, len(self.lines) + 1))

    def named(self, units: Vec) -> dict[str, int]:
        """Quantities by line id; lines of which there is nothing are left out."""
        return {str(number): n for number, n in enumerate(units, 1) if n}

    def one(self, line: int) -> Vec:
        """One unit of a line."""
        return tuple(int(index == line) for index in range(len(self.lines)))


ONE_SKU = Shape((Line("FIRST", (("A", 1),)), Line("SECOND", (("A", 1),))))
"""Two lines that sell the same goods."""

TWO_SKUS = Shape((Line("A", (("A", 1),)), Line("B", (("B", 1),))))
"""Two lines of different goods, matched exactly as sku-matcher matches them."""

BUNDLE = Shape((Line("SET", (("A", 1), ("B", 2))), Line("A", (("A", 1),))))
"""A bundle, and a line of one of its components."""
