"""Whatever the order in which facts arrive, the desk ends in the same place."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fulfillment.domain.desk import (
    Answer,
    Delivery,
    Desk,
    DestinationFound,
    Fact,
    OrderState,
    RecipientKnown,
    Reservation,
    Shipment,
    Void,
)
from fulfillment.domain.protocol import committed, react, shipped_under
from fulfillment.domain.units import minus, over, units_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fold(desk: Desk, facts: list[Fact]) -> Desk:
    for fact in facts:
        desk, _ = react(desk, fact)
    return desk


def units(n: int) -> tuple[tuple[str, int], ...]:
    return units_of({"1": n})


BEFORE: list[Fact] = [
    OrderState(1, 1, units(3)),
    OrderState(2, 1, units(3), holds=("payment",)),
    OrderState(3, 1, units(3)),
    Reservation(1),
    RecipientKnown(1),
    DestinationFound("depot"),
]
AFTER: list[Fact] = [
    Answer("accepted", 1, external_id="R-1"),
    Shipment("S1", 1, units(2), NOON),
    Void("S1", 1, reship=True),
    Shipment("S2", 1, units(1), NOON),
    Shipment("S3", 1, units(2), NOON),
    Delivery("S2", 1, NOON),
]


@given(st.permutations(BEFORE))
def test_an_order_is_requested_once_whatever_arrives_first(facts: list[Fact]) -> None:
    desk = fold(Desk(), facts)
    assert [(dict(one.units), one.destination) for one in desk.revisions] == [({"1": 3}, "depot")]


@given(st.permutations(AFTER), st.lists(st.sampled_from(AFTER), max_size=6))
def test_shipments_and_voids_add_up_whatever_arrives_first_and_however_often(
    facts: list[Fact], again: list[Fact]
) -> None:
    desk = fold(Desk(), BEFORE + facts + again)
    assert dict(shipped_under(desk, 1)) == {"1": 3}
    assert {one.id for one in desk.shipments} == {"S1", "S2", "S3"}
    assert (desk.doubted, desk.revisions[0].fate, len(desk.deliveries)) == ((), "accepted", 1)


@given(st.permutations([*AFTER, OrderState(4, 2, units(1)), OrderState(5, 3, (), cancelled=True), Reservation(2)]))
def test_whatever_is_settled_covers_what_stands(facts: list[Fact]) -> None:
    desk = Desk()
    for fact in BEFORE + facts:
        desk, _ = react(desk, fact)
        settled = desk.settlement
        if settled.content_version == desk.order.content_version > 1:
            assert not over(minus(committed(desk), settled.standing))
