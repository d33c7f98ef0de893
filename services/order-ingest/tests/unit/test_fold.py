"""What is told of an order, and when: versions, holds, ties, recipients."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fold_examples import NOON, ORDER, PLACED, SHIRT, Known, learn, take, told, versions

from order_ingest.domain import fold, milestones, rulings
from order_ingest.domain.channel import Channel, configure, disconnect
from order_ingest.domain.holds import holds_of
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import (
    Hold,
    Match,
    Order,
    Package,
    Rejection,
    Request,
    Reservation,
    Settlement,
    Shipment,
    Tracking,
)
from order_ingest.domain.policy import Terms
from order_ingest.domain.steps import Step
from order_ingest.store.documents import order_of, progress_document, source_document, source_of
from order_ingest.store.orders import number_key


def test_the_first_state_is_placed_with_its_recipient() -> None:
    step = fold.take_snapshot(Order(), None, None, told(recipient={"email": "person@example.com"}))
    assert (step.state, versions(step), step.recipient) == ("order.placed", (1, 1), {"email": "person@example.com"})


def test_an_older_state_is_not_taken() -> None:
    assert take(PLACED, told(-1, kept=1)) == Step(ORDER)


def test_every_part_of_the_content_raises_the_content_version() -> None:
    changes: list[dict[str, Any]] = [
        {"kept": 2},
        {"number": "#2"},
        {"total": Decimal(31)},
        {"currency": "USD"},
        {"cancelled": True},
        {"lines": (replace(SHIRT, sku="HAT"),)},
        {"lines": (replace(SHIRT, title="Hat"),)},
        {"lines": (replace(SHIRT, listing_id="w"),)},
        {"lines": (replace(SHIRT, quantity=4, kept=4),)},
        {"lines": (replace(SHIRT, unit_price=Decimal(9)),)},
        {"lines": (replace(SHIRT, requires_shipping=False),)},
        {"lines": (SHIRT, replace(SHIRT, line_id="b"))},
        {"lines": ()},
    ]
    for change in changes:
        step = take(PLACED, told(1, **change))
        assert versions(step) == (2, 2), change
        assert step.state == ("order.cancelled" if "cancelled" in change else "order.updated")


def test_what_is_no_content_is_stored_and_told_to_nobody() -> None:
    changes: list[dict[str, Any]] = [{"financial_status": "partially_refunded"}, {"totals": {"tax": "1.00"}}]
    for change in changes:
        step = take(PLACED, told(1, **change))
        assert (step.taken, step.state, step.notes) == (True, None, ()), change


def test_a_read_of_the_same_moment_adds_the_dates_that_its_webhook_is_silent_of_and_no_tie_is_seen() -> None:
    later = NOON + timedelta(hours=5)
    step = take(PLACED, told(ship_by=later))
    assert (step.taken, step.state, step.order.refetching) == (True, "order.updated", False)
    assert step.source is not None
    assert step.source.ship_by == later
    assert take(Known(step.order, step.source), told()) == Step(step.order)


def test_the_name_of_a_bundle_is_kept_by_states_that_are_silent_of_it_and_is_no_content() -> None:
    named = (replace(SHIRT, bundle="Gift set"),)
    step = take(PLACED, told(lines=named))
    assert (step.state, versions(step)) == ("order.updated", (2, 1))
    assert [note.kind for note in step.notes] == ["bundle"]
    known = Known(step.order, step.source)
    later = take(known, told(1)).source
    assert later is not None
    assert later.lines[0].bundle == "Gift set"
    assert take(known, told()) == Step(step.order)


@pytest.mark.parametrize("minutes", [0, 1])
@pytest.mark.parametrize("detail", [{"ship_by": NOON}, {"deliver_by": NOON}, {"service": "Express"}])
def test_a_date_or_service_that_becomes_known_later_is_told_once_as_the_same_content(
    detail: dict[str, Any], minutes: int
) -> None:
    step = take(PLACED, told(minutes, **detail))
    assert (step.state, versions(step), [note.kind for note in step.notes]) == ("order.updated", (2, 1), list(detail))
    known = Known(step.order, step.source)
    assert take(known, told(minutes, **detail)).state is None
    assert take(known, told(minutes + 1)).state is None, "a silent payload takes nothing back"
    moved = take(known, told(minutes + 1, ship_by=NOON + timedelta(days=1)))
    assert (moved.state, versions(moved)) == ("order.updated", (3, 1))


def test_a_date_that_comes_with_a_change_of_the_content_is_told_with_it() -> None:
    step = take(PLACED, told(1, kept=1, ship_by=NOON))
    assert (step.state, versions(step)) == ("order.updated", (2, 2))
    assert [note.kind for note in step.notes] == ["line_less", "ship_by", "order.updated"]


def test_a_date_that_comes_with_the_payment_leaves_the_order_released() -> None:
    step = take(learn(PLACED, told(1, paid=False)), told(2, ship_by=NOON))
    assert (step.state, versions(step)) == ("order.released", (3, 1))
    assert [note.kind for note in step.notes] == ["ship_by", "released"]


def test_two_states_of_one_moment_that_promise_other_dates_are_read_again() -> None:
    known = learn(PLACED, told(ship_by=NOON))
    assert take(known, told(ship_by=NOON + timedelta(hours=1))).order.refetching


def test_the_same_amount_written_differently_is_the_same_content() -> None:
    assert take(PLACED, told(1, total=Decimal("30.0"))).state is None


def test_payment_raises_the_order_version_alone() -> None:
    held = take(PLACED, told(1, paid=False))
    assert (held.state, versions(held)) == ("order.held", (2, 1))
    released = take(Known(held.order, held.source), told(2))
    assert (released.state, versions(released)) == ("order.released", (3, 1))


def test_one_hold_for_another_is_told_as_held() -> None:
    unpaid = learn(PLACED, told(1, paid=False))
    step = take(unpaid, told(2, addressed=False))
    assert step.state == "order.held"
    assert [(note.kind, note.hold and note.hold.code) for note in step.notes] == [
        ("released", "payment"),
        ("held", "address_missing"),
    ]


def test_nothing_holds_an_order_of_which_nothing_is_wanted() -> None:
    unpaid = learn(PLACED, told(1, paid=False))
    step = take(unpaid, told(2, paid=False, cancelled=True))
    assert (holds_of(step.order, 2), [note.kind for note in step.notes]) == ((), ["order.cancelled"])


def test_a_shortage_whose_quantities_change_is_not_told_again() -> None:
    short = milestones.take_reservation(ORDER, Reservation(1, 0, 0, False, ("2 of SHIRT",)))
    again = milestones.take_reservation(short.order, Reservation(1, 0, 1, False, ("1 of SHIRT",)))
    assert (short.state, again.state) == ("order.held", None)
    assert holds_of(again.order, 1)[0].quantities == {"shortages": "1 of SHIRT"}


def test_a_cancellation_stays_whatever_comes_later() -> None:
    cancelled = fold.take_cancel(ORDER)
    assert (cancelled.state, versions(cancelled)) == ("order.cancelled", (2, 2))
    assert take(Known(cancelled.order, PLACED.source), told(1, kept=2)).order.cancelled
    assert fold.take_cancel(cancelled.order) == Step(cancelled.order)


def test_a_cancellation_before_the_content_is_told_with_it() -> None:
    waiting = fold.take_cancel(Order())
    assert (waiting.state, [note.kind for note in waiting.notes]) == (None, ["tombstone"])
    step = take(Known(waiting.order), told())
    assert (step.state, versions(step), step.order.ever_wanted) == ("order.cancelled", (1, 1), False)


def test_a_tie_is_read_again_and_the_answer_wins() -> None:
    tied = take(PLACED, told(kept=1))
    assert (tied.order.refetching, tied.source, tied.state) == (True, None, None)
    step = fold.take_answer(tied.order, PLACED.source, {}, told(kept=2))
    assert (step.order.refetching, step.state, step.source) == (False, "order.updated", told(kept=2).snapshot)


def test_a_tie_that_says_the_same_is_none() -> None:
    assert take(PLACED, told(financial_status="another word")) == Step(ORDER)


def test_a_tie_in_payment_or_recipient_alone_is_one() -> None:
    assert take(PLACED, told(paid=False)).order.refetching
    assert take(PLACED, told(recipient={"note": "x"})).order.refetching


def test_a_state_that_arrives_while_the_order_is_read_voids_the_answer() -> None:
    newer = learn(learn(PLACED, told(kept=1)), told(1, kept=2))
    again = fold.take_answer(newer.order, newer.source, {}, told(kept=1))
    assert (again.order.refetching, again.source) == (True, None)
    step = fold.take_answer(again.order, newer.source, {}, told(1, kept=2))
    assert (step.order.refetching, step.state) == (False, None)


def test_an_answer_older_than_what_is_known_is_dropped() -> None:
    known = learn(PLACED, told(5, kept=1))
    step = fold.take_answer(known.order._replace(refetching=True), known.source, {}, told(4))
    assert (step.source, step.order.refetching) == (None, False)


def test_a_channel_that_cannot_tell_leaves_the_order_as_it_is() -> None:
    tied = take(PLACED, told(kept=1)).order
    assert fold.take_answer(tied, PLACED.source, {}, None).order == ORDER


def test_a_new_recipient_is_told_without_new_content() -> None:
    step = take(PLACED, told(1, recipient={"note": "x"}))
    assert (step.state, step.recipient, step.order.recipient_version) == (None, {"note": "x"}, 2)


def test_a_rejection_holds_until_it_is_answered_and_answers_only_once() -> None:
    rejected = milestones.take_rejection(ORDER, 1, Rejection("Depot", "no"))
    assert rejected.state == "order.held"
    answered = rulings.answer_rejection(rejected.order)
    assert (answered.state, answered.order.published.answered) == ("order.released", 1)
    assert rulings.answer_rejection(answered.order) == Step(answered.order)
    assert milestones.take_rejection(answered.order, 2, Rejection("Depot", "no")).state == "order.held"


def test_going_live_releases_and_observing_holds() -> None:
    observed = rulings.govern(ORDER._replace(terms=Terms(observing="Shop")), PLACED.source, {})
    live = rulings.govern(observed.order._replace(terms=Terms()), PLACED.source, {})
    assert (observed.state, live.state) == ("order.held", "order.released")
    renamed = observed.order._replace(terms=Terms(observing="New name"))
    assert rulings.govern(renamed, PLACED.source, {}).state is None


def test_a_milestone_is_not_taken_twice_and_an_older_version_not_at_all() -> None:
    order = milestones.take_match(ORDER, Match(1, 1, True)).order
    assert not milestones.take_match(order, Match(1, 0, False)).taken
    order = milestones.take_reservation(ORDER, Reservation(1, 1, 1, True)).order
    assert not milestones.take_reservation(order, Reservation(1, 1, 0, False)).taken
    order = milestones.take_settlement(ORDER, Settlement(2, 1)).order
    assert not milestones.take_settlement(order, Settlement(1, 9)).taken


def test_an_order_comes_back_from_its_documents_as_it_was() -> None:
    import orjson

    holds = (Hold("sku_unknown", ("a",), sentence="No such SKU", next_action="Add it", actor="operator"),)
    parcel = Package("1", "Carrier", "T", "https://track.example.com/T", {"a": 1})
    order = ORDER._replace(
        before_import={"a": 1},
        observing="Shop",
        warehouse_observing="Depot",
        refunds=("R",),
        refund_kinds={"R": ("restocked", "exchange")},
        match=Match(1, 2, False, holds),
        reservation=Reservation(1, 2, 3, False, ("1 of SHIRT",)),
        settlement=Settlement(1, 2, True, {"a": 1}),
        requested={2: Request("Depot", {"a": 1})},
        accepted=(2,),
        rejected={1: Rejection("Depot", "no")},
        shipments={"S": Shipment(1, NOON, (parcel,))},
        voids={"S": True},
        delivered=("S",),
        tracking={"S/1": Tracking("failed", reason="no")},
        answered=1,
    )
    for one in (order, Order()):
        progress = orjson.loads(orjson.dumps(progress_document(one), default=str))
        assert order_of(progress, refetching=False, again=False) == one
    assert orjson.loads(orjson.dumps(progress_document(Order()))) == {}
    source = told(totals={"tax": "1.00"}).snapshot
    assert source_of(orjson.loads(orjson.dumps(source_document(source), default=str))) == source


def test_ids_are_version_8_sort_by_time_and_differ_by_channel() -> None:
    one, two = UUID(int=1), UUID(int=2)
    made = order_id_of(one, "1001", NOON)
    assert (made.version, made.variant) == (8, "specified in RFC 4122")
    assert made == order_id_of(one, "1001", NOON)
    assert made not in (order_id_of(two, "1001", NOON), order_id_of(one, "1002", NOON))
    assert made < order_id_of(one, "1001", NOON + timedelta(milliseconds=1))
    assert order_id_of(one, "1001", datetime(1960, 1, 1, tzinfo=UTC)).int >> 80 == 0


def test_numbers_are_searched_without_their_sign_and_case() -> None:
    assert number_key(" #A-1001") == "a-1001"


def test_the_newest_configuration_of_a_channel_wins() -> None:
    unknown = Channel(UUID(int=1), 0, "", "", "observe", True)
    live = Channel(UUID(int=1), 2, "shopify", "Shop", "live", True)
    assert unknown.observing == str(UUID(int=1))
    assert configure(unknown, live).observing == ""
    assert configure(live, replace(live, channel_version=1, mode="observe")) == live
    assert disconnect(live, 3) == replace(live, channel_version=3, connected=False)
    assert disconnect(live, 2) == live
