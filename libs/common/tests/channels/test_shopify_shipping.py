"""A parcel takes its units from as few locations as possible, and never units that are already written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.channels.protocols import ShipmentLine, ShipmentNotice
from crossdock.channels.shopify.shipping import (
    Group,
    KnownFulfillment,
    OpenLine,
    fulfillment_input,
    fulfillments_of,
    open_lines_of,
    plan_groups,
    same_parcel,
    still_to_write,
    web_address,
)


def line(line_id: str, remaining: int, location: str = "main", order: str = "fo1", ships: bool = True) -> OpenLine:
    return OpenLine(line_id, order, f"{order}/{line_id}", location, remaining, ships)


def parcel(tracking: str = "T1", **quantities: int) -> ShipmentNotice:
    lines = tuple(ShipmentLine(line_id, quantity) for line_id, quantity in quantities.items())
    return ShipmentNotice("5001", "PKG-1", "UPS", tracking, "https://track.example.com/T1", lines)


def test_one_location_is_one_call_over_its_fulfillment_orders() -> None:
    plan = plan_groups([line("a", 1), line("a", 2, order="fo2"), line("b", 1, order="fo2")], {"a": 2, "b": 1})
    assert plan.groups == (Group("main", {"fo1": {"fo1/a": 1}, "fo2": {"fo2/a": 1, "fo2/b": 1}}),)
    assert plan.missing == {}


def test_the_location_that_has_more_of_the_parcel_gives_first() -> None:
    lines = [line("a", 1, "east", "fo1"), line("a", 2, "main", "fo2"), line("b", 1, "main", "fo2")]
    plan = plan_groups(lines, {"a": 1, "b": 1})
    assert plan.groups == (Group("main", {"fo2": {"fo2/a": 1, "fo2/b": 1}}),)


def test_what_nothing_open_is_left_for_is_missing() -> None:
    plan = plan_groups([line("a", 1)], {"a": 3, "b": 1})
    assert (plan.missing, plan.waiting) == ({"a": 2, "b": 1}, False)


def test_units_that_are_held_back_are_waited_for() -> None:
    plan = plan_groups([line("a", 3, ships=False)], {"a": 3})
    assert (plan.groups, plan.missing, plan.waiting) == ((), {"a": 3}, True)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.sampled_from(["main", "east"])), max_size=6),
    st.dictionaries(st.sampled_from("ab"), st.integers(1, 6)),
)
def test_a_plan_takes_what_is_asked_and_never_more_than_remains(
    stock: list[tuple[str, int, str]], asked: dict[str, int]
) -> None:
    lines = [line(one, remaining, place, f"fo{i}") for i, (one, remaining, place) in enumerate(stock)]
    plan = plan_groups(lines, asked)
    remaining = {one.fulfillment_order_line: one.remaining for one in lines}
    taken: dict[str, int] = {}
    for units in (units for group in plan.groups for units in group.units.values()):
        for slot, quantity in units.items():
            assert 0 < quantity <= remaining[slot]
            taken[slot[-1]] = taken.get(slot[-1], 0) + quantity
    for line_id, quantity in asked.items():
        assert taken.get(line_id, 0) + plan.missing.get(line_id, 0) == quantity


def test_a_parcel_is_known_by_its_tracking_number() -> None:
    known = [KnownFulfillment("f1", frozenset({"T0"}), {"a": 1}), KnownFulfillment("f2", frozenset({"T1"}), {"a": 1})]
    assert [one.fulfillment_id for one in same_parcel(known, parcel(a=1))] == ["f2"]


def test_a_parcel_without_tracking_is_known_by_exactly_its_lines_on_a_fulfillment_without_tracking() -> None:
    known = [
        KnownFulfillment("f1", frozenset({"T0"}), {"a": 1}),
        KnownFulfillment("f2", frozenset(), {"a": 2}),
        KnownFulfillment("f3", frozenset(), {"a": 1}),
    ]
    assert [one.fulfillment_id for one in same_parcel(known, parcel(tracking="", a=1))] == ["f3"]


def test_only_units_that_no_fulfillment_of_the_parcel_holds_are_still_to_write() -> None:
    written = [KnownFulfillment("f1", frozenset({"T1"}), {"a": 1, "other": 4})]
    assert still_to_write(written, parcel(a=2, b=1)) == {"a": 1, "b": 1}
    assert still_to_write(written, parcel(a=1)) == {}


def test_closed_fulfillment_orders_and_cancelled_fulfillments_do_not_count() -> None:
    def node(status: str) -> dict[str, Any]:
        lines = {
            "nodes": [{"id": "gid://shopify/X/1", "remainingQuantity": 1, "lineItem": {"id": "gid://shopify/L/7"}}]
        }
        return {"id": status, "status": status, "assignedLocation": {"location": None}, "lineItems": lines}

    found = open_lines_of(
        [node(one) for one in ("OPEN", "IN_PROGRESS", "ON_HOLD", "CLOSED", "CANCELLED", "INCOMPLETE")]
    )
    assert [(one.fulfillment_order, one.shippable) for one in found] == [
        ("OPEN", True),
        ("IN_PROGRESS", True),
        ("ON_HOLD", False),
    ]

    def made(status: str) -> dict[str, Any]:
        lines = {"nodes": [{"quantity": 1, "lineItem": {"id": "gid://shopify/LineItem/7"}}]}
        return {"id": status, "status": status, "createdAt": "x", "trackingInfo": [], "fulfillmentLineItems": lines}

    known = fulfillments_of({"fulfillments": [made(one) for one in ("SUCCESS", "CANCELLED", "ERROR", "FAILURE")]})
    assert [(one.fulfillment_id, one.quantities) for one in known] == [("SUCCESS", {"7": 1})]


def test_blank_tracking_is_left_out() -> None:
    group = Group("main", {"fo1": {"fo1/a": 1}})
    bare = ShipmentNotice("5001", "PKG-1", "", "", "", (ShipmentLine("a", 1),))
    assert "trackingInfo" not in fulfillment_input(group, bare)
    assert fulfillment_input(group, parcel(a=1))["trackingInfo"] == {
        "company": "UPS",
        "number": "T1",
        "url": "https://track.example.com/T1",
    }


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "ftp://example.com/x", "https://", "http://[bad", "//x"])
def test_an_address_that_customers_should_not_be_sent_to_is_left_out(url: str) -> None:
    assert web_address(url) == ""
