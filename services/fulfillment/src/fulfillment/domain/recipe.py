"""What one unit of an order line is made of, and the way back from SKU units to order-line units."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fulfillment.domain.desk import Recipe, Reservation
from fulfillment.domain.units import Units

if TYPE_CHECKING:
    from fulfillment.domain.desk import Desk

Recipes = tuple[tuple[str, Recipe], ...]


class OddParcel(ValueError):
    """A parcel that cannot be read as units of the order's lines; its text is one sentence for a person."""


def recipes_learnt(known: Recipes, reservation: Reservation) -> Recipes:
    """What is held now tells of its lines; a line of which nothing is held any more is remembered."""
    return tuple(sorted((dict(known) | dict(reservation.recipes)).items()))


def recipes_for(units: Units, desk: "Desk") -> Recipes:
    """For each line that is asked for: what one unit is made of; the SKU of the order where nothing was ever held."""
    known = dict(desk.recipes)
    plain = {line.line_id: line.sku for line in desk.order.sale.lines} if desk.order.sale else {}
    return tuple(sorted((line_id, known.get(line_id, ((plain.get(line_id, ""), 1),))) for line_id, _ in units))


def components(units: Units, recipes: Recipes) -> list[tuple[str, str, int]]:
    """(line id, SKU, units of the SKU) for what a destination is asked to ship."""
    known = dict(recipes)
    return [(line_id, sku, n * per_unit) for line_id, n in units for sku, per_unit in known.get(line_id, ())]


def line_units(packed: Iterable[tuple[str, str, int]], recipes: Recipes) -> Units:
    """Order-line units in a parcel, from its (line id, SKU, units of the SKU); a bundle is counted by its first SKU.

    Raises OddParcel when a line is not one of the request's, or when a part of a unit left.
    """
    known = dict(recipes)
    found: dict[str, int] = {}
    for line_id, sku, quantity in packed:
        line = line_id or _only_line_of(sku, known)
        if line not in known:
            raise OddParcel(f"the notice names line {line_id!r}, which the request does not have")
        first, per_unit = known[line][0]
        if sku and sku != first and any(sku == other for other, _ in known[line]):
            continue
        if quantity % per_unit:
            raise OddParcel(f"the notice says {quantity} of {first} left, which is no whole number of line {line}")
        found[line] = found.get(line, 0) + quantity // per_unit
    return tuple(sorted((line, n) for line, n in found.items() if n))


def _only_line_of(sku: str, recipes: dict[str, Recipe]) -> str:
    lines = [line for line, recipe in recipes.items() if any(sku == one for one, _ in recipe)]
    if len(lines) != 1:
        raise OddParcel(f"the notice names SKU {sku!r} without a line, and the request has {len(lines)} lines of it")
    return lines[0]
