"""Quantities by order line; zeros are left out and lines sorted, so that equal quantities are equal values."""

from collections.abc import Iterable, Mapping

Units = tuple[tuple[str, int], ...]
"""(order line id, units), sorted by line id, no zeros. A difference may hold negative numbers."""

NONE: Units = ()


def units_of(quantities: Mapping[str, int] | Iterable[tuple[str, int]]) -> Units:
    """Quantities from a mapping, or from pairs, which are added up when they name a line twice."""
    pairs = quantities.items() if isinstance(quantities, Mapping) else quantities
    return _plain(_summed(pairs))


def plus(a: Units, b: Units) -> Units:
    """Line by line a + b."""
    return _plain(_summed((*a, *b)))


def minus(a: Units, b: Units) -> Units:
    """Line by line a - b; may go below zero."""
    return _plain(_summed((*a, *((line, -n) for line, n in b))))


def above(a: Units, b: Units) -> Units:
    """Line by line how much a is above b."""
    return tuple((line, n) for line, n in minus(a, b) if n > 0)


def most(a: Units, b: Units) -> Units:
    """Line by line the larger of a and b."""
    left, right = dict(a), dict(b)
    return _plain({line: max(left.get(line, 0), right.get(line, 0)) for line in left | right})


def total(many: Iterable[Units]) -> Units:
    """The sum of all."""
    return _plain(_summed(pair for one in many for pair in one))


def over(a: Units) -> frozenset[str]:
    """The lines on which a is above zero."""
    return frozenset(line for line, n in a if n > 0)


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    result: dict[str, int] = {}
    for line, n in pairs:
        result[line] = result.get(line, 0) + n
    return result


def _plain(quantities: Mapping[str, int]) -> Units:
    return tuple(sorted((line, n) for line, n in quantities.items() if n))
