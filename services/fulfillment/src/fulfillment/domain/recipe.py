"""What one unit of an order line is made of, and the way back from SKU units to order-line units."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fulfillment.domain.desk import OrderState, Recipe, Reservation
from fulfillment.domain.units import Units

if TYPE_CHECKING:
    from fulfillment.domain.desk import Desk

Recipes = tuple[tuple[str, Recipe], ...]


class OddParcel(ValueError):
    """A parcel that cannot be read as units of the order's lines; its text is one sentence for a person."""


def recipes_learnt(known: Recipes, order: OrderState, reservation: Reservation) -> Recipes:
    """Learn how many units of each SKU make one unit of a line.

    Only the first content tells: later on a line may hold more than is wanted, until the settlement gives it back.
    """
    if not order.content_version == reservation.content_version == 1:
        return known
    wanted, learnt = dict(order.wanted), dict(known)
    for line_id, held in reservation.held:
        units = wanted.get(line_id, 0)
        if units:
            learnt[line_id] = tuple(sorted((sku, max(n // units, 1)) for sku, n in held))
    return tuple(sorted(learnt.items()))


def recipes_for(units: Units, desk: "Desk") -> Recipes:
    """For each line that is asked for: the SKUs that are held for it, one of each per unit unless more was learnt."""
    held, known = dict(desk.reservation.held), dict(desk.recipes)
    plain = {line.line_id: line.sku for line in desk.order.sale.lines} if desk.order.sale else {}
    found = {}
    for line_id, _ in units:
        learnt = dict(known.get(line_id, ()))
        skus = [sku for sku, _ in held.get(line_id, ())] or list(learnt) or [plain.get(line_id, "")]
        found[line_id] = tuple(sorted((sku, learnt.get(sku, 1)) for sku in skus))
    return tuple(sorted(found.items()))


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
