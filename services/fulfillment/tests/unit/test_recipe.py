"""Order-line units and SKU units."""

import pytest

from fulfillment.domain.desk import Desk, LineText, OrderState, Reservation, Sale
from fulfillment.domain.recipe import OddParcel, components, line_units, recipes_for, recipes_learnt
from fulfillment.domain.units import units_of

GIFT_BOX = (("1", (("MUG", 2), ("TEA", 1))),)


def test_a_line_of_which_nothing_is_held_any_more_is_remembered() -> None:
    assert recipes_learnt(GIFT_BOX, Reservation(2, recipes=(("2", (("SHIRT", 1),)),))) == (
        *GIFT_BOX,
        ("2", (("SHIRT", 1),)),
    )


def test_what_is_held_now_wins_over_what_was_held_before() -> None:
    again = (("1", (("MUG", 1),)),)
    assert recipes_learnt(GIFT_BOX, Reservation(2, recipes=again)) == again


def test_a_bundle_asks_for_its_components() -> None:
    desk = Desk(recipes=GIFT_BOX)
    assert components(units_of({"1": 2}), recipes_for(units_of({"1": 2}), desk)) == [("1", "MUG", 4), ("1", "TEA", 2)]


def test_a_line_of_which_nothing_was_ever_held_keeps_the_sku_of_the_order() -> None:
    desk = Desk(order=OrderState(sale=Sale("c", "shopify", "9", "#9", (LineText("1", "SHIRT", "Shirt"),))))
    assert recipes_for(units_of({"1": 1}), desk) == (("1", (("SHIRT", 1),)),)


def test_a_parcel_is_read_in_order_line_units() -> None:
    assert line_units([("1", "MUG", 4), ("1", "TEA", 2)], GIFT_BOX) == (("1", 2),)


def test_a_parcel_without_line_ids_is_read_by_its_skus() -> None:
    assert line_units([("", "MUG", 2)], GIFT_BOX) == (("1", 1),)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        ([("7", "MUG", 2)], "names line '7', which the request does not have"),
        ([("1", "MUG", 3)], "no whole number of line 1"),
        ([("", "CAP", 1)], "has 0 lines of it"),
    ],
)
def test_a_parcel_that_cannot_be_read_says_why(packed: list[tuple[str, str, int]], reason: str) -> None:
    with pytest.raises(OddParcel, match=reason):
        line_units(packed, GIFT_BOX)
