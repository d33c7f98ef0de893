"""The status of an order: a pure function of milestones, whatever the order of their arrival."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from order_ingest.domain import fold, milestones
from order_ingest.domain.holds import holds_of, shown_holds
from order_ingest.domain.order import (
    Arrival,
    Hold,
    Line,
    Match,
    Order,
    Package,
    Rejection,
    Request,
    Reservation,
    Settlement,
    Shipment,
    Snapshot,
    Tracking,
    Units,
)
from order_ingest.domain.status import STATUSES
from order_ingest.domain.status import status as status_of
from order_ingest.domain.steps import Step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """An order and the snapshot that is kept beside it."""

    order: Order = field(default_factory=Order)
    source: Snapshot | None = None


Fact = Callable[[Known], Step]


def line(line_id: str, kept: int, *, ships: bool = True) -> Line:
    return Line(line_id, 0, "v", "SKU", "Title", 9, kept, ships, Decimal(1), Decimal(0), Decimal(0))


def arrival(
    minutes: int = 0,
    *,
    a: int = 1,
    b: int = 0,
    fulfilled: Units | None = None,
    **changes: Any,
) -> Arrival:
    """The channel's word at NOON + `minutes`: so many units kept of the lines a and b."""
    plain = Snapshot(
        updated_at=NOON + timedelta(minutes=minutes),
        number="#1",
        placed_at=NOON,
        paid=True,
        cancelled=False,
        test=False,
        addressed=True,
        total=Decimal(5),
        currency="EUR",
        lines=(line("a", a), line("b", b)),
    )
    return Arrival(replace(plain, **changes), fulfilled or {}, (), {})


def learn(known: Known, fact: Fact) -> Known:
    step = fact(known)
    return Known(step.order, step.source or known.source)


def after(known: Known, *facts: Fact) -> Known:
    return reduce(learn, facts, known)


def placed(**changes: Any) -> Known:
    return learn(Known(), edit(changes.pop("minutes", 0), **changes))


def edit(minutes: int, **changes: Any) -> Fact:
    return lambda known: fold.take_snapshot(known.order, known.source, {}, arrival(minutes, **changes))


def match(content: int = 1, version: int = 0, *, found: bool = True) -> Fact:
    holds = () if found else (Hold("sku_unknown", ("a",), sentence="No such SKU"),)
    return lambda known: milestones.take_match(known.order, Match(content, version, found, holds))


def reserve(content: int = 1, version: int = 0, *, enough: bool = True) -> Fact:
    return lambda known: milestones.take_reservation(
        known.order, Reservation(content, 0, version, enough, ("1 of SKU",))
    )


def request(revision: int = 1, **units: int) -> Fact:
    return lambda known: milestones.take_request(known.order, revision, Request("Depot", units or {"a": 1}))


def accept(revision: int = 1) -> Fact:
    return lambda known: milestones.take_acceptance(known.order, revision)


def reject(revision: int = 1) -> Fact:
    return lambda known: milestones.take_rejection(known.order, revision, Rejection("Depot", "no"))


def ship(name: str = "S", **units: int) -> Fact:
    parcel = Package("1", "", "", "", units or {"a": 1})
    return lambda known: milestones.take_shipment(known.order, name, Shipment(1, NOON, (parcel,)))


def void(name: str = "S", *, reship: bool = False) -> Fact:
    return lambda known: milestones.take_void(known.order, name, reship)


def deliver(name: str = "S") -> Fact:
    return lambda known: milestones.take_delivery(known.order, name)


def settle(content: int, version: int = 1, **standing: int) -> Fact:
    return lambda known: milestones.take_settlement(known.order, Settlement(version, content, False, standing))


def track(state: Any = "done") -> Fact:
    return lambda known: milestones.take_tracking(known.order, "S/1", Tracking(state))


def cancel(known: Known) -> Step:
    return fold.take_cancel(known.order)


def status(known: Known) -> str:
    return status_of(known.order)


def test_before_its_content_an_order_is_received() -> None:
    assert status(Known()) == "received"
    assert status(after(Known(), cancel)) == "received"


def test_a_new_order_is_matching_then_reserving_then_outstanding() -> None:
    order = placed()
    assert status(order) == "matching"
    assert status(after(order, match())) == "reserving"
    assert status(after(order, match(), reserve())) == "reserving"
    assert status(after(order, match(), reserve(), request())) == "outstanding"


def test_a_match_of_older_content_does_not_count() -> None:
    assert status(after(placed(), match(), edit(1, a=2))) == "matching"


def test_all_units_left_is_shipped_and_all_shipments_there_is_delivered() -> None:
    order = after(placed(a=1, b=1), request(), ship("S", a=1))
    assert status(order) == "partially_shipped"
    assert status(after(order, deliver("S"))) == "partially_shipped"
    order = after(order, ship("T", b=1), deliver("S"))
    assert status(order) == "shipped"
    assert status(after(order, deliver("T"))) == "delivered"


def test_a_voided_shipment_counts_for_nothing() -> None:
    assert status(after(placed(), request(), ship(), void())) == "outstanding"
    assert status(after(placed(), request(), ship("S"), void("S"), ship("T"), deliver("T"))) == "delivered"


def test_what_will_leave_although_it_is_not_wanted_is_waited_for() -> None:
    order = after(placed(a=2), request(a=2), edit(1, a=1), settle(2, a=2), ship("S", a=1))
    assert status(order) == "partially_shipped"
    assert status(after(order, ship("T", a=1))) == "shipped"


def test_a_hold_shows_unless_the_destination_has_the_request_for_all_that_is_wanted() -> None:
    held = after(placed(a=2), request(a=2), edit(1, a=2, paid=False))
    assert status(held) == "on_hold"
    assert status(after(held, accept())) == "outstanding"
    assert status(after(held, accept(), edit(2, a=3, paid=False))) == "on_hold"
    assert status(after(held, accept(), ship("S", a=2), void("S"))) == "on_hold"
    assert status(after(held, accept(), ship("S", a=2), void("S", reship=True))) == "outstanding"


def test_a_part_that_left_outranks_a_hold() -> None:
    assert status(after(placed(a=2), request(a=2), ship("S", a=1), reject(2))) == "partially_shipped"


def test_nothing_to_ship_from_the_first_is_record_only_and_stays_so_when_edited() -> None:
    order = placed(a=0)
    assert status(order) == "record_only"
    assert status(after(order, edit(1, a=0, total=Decimal(6)))) == "record_only"
    assert status(placed(a=2, fulfilled={"a": 2})) == "record_only"
    assert status(after(order, edit(1, a=1))) == "matching"


def test_a_cancellation_is_requested_until_what_stands_is_what_left() -> None:
    order = after(placed(), request(), accept(), edit(1, cancelled=True))
    assert status(order) == "cancel_requested"
    assert status(after(order, settle(2, a=1))) == "cancel_requested"
    assert status(after(order, settle(2))) == "cancelled"
    assert status(after(order, settle(2, a=1), ship())) == "cancelled_shipped_anyway"
    assert status(after(order, settle(2, a=1), ship(), settle(2, 2), void())) == "cancelled"


def test_an_edit_that_removes_everything_cancels_and_one_that_removes_the_rest_ends_as_shipped() -> None:
    assert status(after(placed(), edit(1, a=0), settle(2))) == "cancelled"
    order = after(placed(a=1, b=1), request(), ship("S", a=1), edit(1, a=0, b=0), settle(2, a=1))
    assert status(order) == "shipped"
    assert status(after(order, deliver("S"))) == "delivered"


def test_a_test_order_is_rejected_and_never_told() -> None:
    step = edit(0, test=True)(Known())
    assert (status_of(step.order), step.state, step.order.published.order_version) == ("rejected", None, 0)


def test_holds_of_a_finished_order_are_not_shown_but_stand() -> None:
    """A void brings the units back: fulfillment must not ask for them while the order is unpaid."""
    order = after(placed(), request(), ship(), edit(1, paid=False))
    assert (status(order), shown_holds(order.order, status(order))) == ("shipped", ())
    assert [hold.code for hold in holds_of(order.order, 1)] == ["payment"]


def test_tracking_does_not_move_the_status() -> None:
    order = after(placed(), request(), ship())
    assert status(after(order, track("failed"))) == status(after(order, track())) == "shipped"


quantities = st.integers(0, 3)
units = st.fixed_dictionaries({"a": quantities, "b": quantities}).map(lambda d: {k: v for k, v in d.items() if v})


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Fact], list[Fact]]:
    """What the channel says of an order, and milestones among which no two facts have one id and different content."""
    edits = [edit(n, a=draw(quantities), b=draw(quantities), paid=draw(st.booleans())) for n in range(draw(quantities))]
    edits += [edit(9, cancelled=True)] * draw(st.integers(0, 1))
    facts: list[Fact] = []
    facts += [request(n + 1, **draw(units)) for n in range(draw(quantities))]
    facts += [ship(name, **draw(units)) for name in draw(st.sets(st.sampled_from("STU")))]
    facts += [void(name, reship=draw(st.booleans())) for name in draw(st.sets(st.sampled_from("STU")))]
    facts += [settle(draw(st.integers(1, 3)), n + 1, **draw(units)) for n in range(draw(quantities))]
    facts += [reject(n) for n in draw(st.sets(st.integers(1, 3)))]
    versions = draw(st.sets(st.tuples(st.integers(1, 3), st.integers(0, 2))))
    facts += [match(*version, found=draw(st.booleans())) for version in versions]
    facts += [reserve(*version, enough=draw(st.booleans())) for version in versions]
    facts += [accept(n) for n in draw(st.sets(st.integers(1, 3)))]
    facts += [deliver(name) for name in draw(st.sets(st.sampled_from("STU")))]
    facts += [track(state) for state in draw(st.sets(st.sampled_from(["done", "failed"])))]
    return edits, facts


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_order_of_arrival_ends_in_the_same_status_and_the_same_holds(
    history: tuple[list[Fact], list[Fact]], chance: Any
) -> None:
    edits, facts = history
    first = after(placed(a=1, b=2, minutes=-1), *edits, *facts)
    mixed = [*facts, *chance.sample(facts, len(facts) // 2)]
    chance.shuffle(mixed)
    for change in reversed(edits):
        mixed.insert(chance.randint(0, len(mixed)), change)
    # edits keep their own order: an older one that comes late is skipped, and its version with it
    places = sorted(i for i, fact in enumerate(mixed) if fact in edits)
    for place, change in zip(places, edits, strict=True):
        mixed[place] = change
    second = after(placed(a=1, b=2, minutes=-1), *mixed)
    assert status(first) == status(second)
    assert status(first) in STATUSES
    version = first.order.published.content_version
    assert version == second.order.published.content_version
    assert holds_of(first.order, version) == holds_of(second.order, version)


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_every_fact_told_twice_changes_nothing(history: tuple[list[Fact], list[Fact]], chance: Any) -> None:
    edits, facts = history
    known = [*edits, *facts]
    chance.shuffle(known)
    order = after(placed(), *known)
    for fact in known:
        step = fact(order)
        assert step.state is None
        assert step.order._replace(refetching=False, arrived_meanwhile=False) == order.order._replace(
            refetching=False, arrived_meanwhile=False
        )
