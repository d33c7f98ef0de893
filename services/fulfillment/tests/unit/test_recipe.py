"""Order-line units and SKU units."""

import pytest

from fulfillment.domain.desk import Desk, LineText, OrderState, Reservation, Sale
from fulfillment.domain.recipe import OddParcel, components, line_units, recipes_for, recipes_learnt
from fulfillment.domain.units import units_of

GIFT_BOX = (("1", (("MUG", 2), ("TEA", 1))),)


def test_a_bundle_is_learnt_from_what_its_first_content_holds() -> None:
    held = Reservation(1, held=(("1", (("MUG", 6), ("TEA", 3))),))
    assert recipes_learnt((), OrderState(1, 1, units_of({"1": 3})), held) == GIFT_BOX


def test_later_contents_teach_nothing_since_they_may_hold_more_than_is_wanted() -> None:
    held = Reservation(2, held=(("1", (("SHIRT", 2),)),))
    assert recipes_learnt((), OrderState(2, 2, units_of({"1": 1})), held) == ()


def test_a_plain_line_asks_for_as_many_units_as_are_wanted_though_more_are_held() -> None:
    desk = Desk(reservation=Reservation(2, held=(("1", (("SHIRT", 2),)),)))
    assert components(units_of({"1": 1}), recipes_for(units_of({"1": 1}), desk)) == [("1", "SHIRT", 1)]


def test_a_bundle_asks_for_its_components() -> None:
    desk = Desk(reservation=Reservation(1, held=(("1", (("MUG", 4), ("TEA", 2))),)), recipes=GIFT_BOX)
    assert components(units_of({"1": 2}), recipes_for(units_of({"1": 2}), desk)) == [("1", "MUG", 4), ("1", "TEA", 2)]


def test_a_line_of_which_nothing_is_held_any_more_keeps_the_sku_of_the_order() -> None:
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
