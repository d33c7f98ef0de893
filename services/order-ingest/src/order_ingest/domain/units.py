"""Units of order lines, by line id."""

from collections.abc import Iterable, Mapping


def total(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sum units by line."""
    summed: dict[str, int] = {}
    for units in several:
        for line_id, count in units.items():
            summed[line_id] = summed.get(line_id, 0) + count
    return summed
