"""The order protocol, rule by rule, under the names of the protocol model; without a rule, its test fails."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fulfillment.domain.desk import (
    Accepted,
    Answer,
    Delivered,
    Delivery,
    Desk,
    DestinationFound,
    Dismissed,
    Dispatched,
    Fact,
    OrderState,
    Parcel,
    RecipientKnown,
    Rejected,
    Requested,
    Reservation,
    Settled,
    Shipment,
    StopAsked,
    Tell,
    Void,
    Voided,
)
from fulfillment.domain.protocol import committed, lacks, react
from fulfillment.domain.units import NONE, units_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(version: int, content: int, wanted: int, **more: Any) -> OrderState:
    return OrderState(version, content, units_of({"1": wanted}), **more)


def shipment(name: str, units: int, revision: int = 1) -> Shipment:
    return Shipment(name, revision, units_of({"1": units}), NOON, (Parcel("P", "", "", "", units_of({"1": units})),))


def cancelled(units: int, revision: int = 1, **more: Any) -> Answer:
    return Answer("cancelled", revision, units_of({"1": units}), **more)


def told(desk: Desk, *facts: Fact) -> tuple[Desk, list[Tell]]:
    """Let a desk learn facts one after the other; what the last one made it tell."""
    tells: list[Tell] = []
    for fact in facts:
        desk, tells = react(desk, fact)
    return desk, tells


def desk_with(*facts: Fact) -> Desk:
    """A desk with a destination and a recipient that learnt these facts."""
    return told(Desk(), DestinationFound("depot"), RecipientKnown(1), *facts)[0]


def requested(wanted: int = 2) -> Desk:
    """The order was requested and the destination has not answered yet."""
    desk = desk_with(order(1, 1, wanted), Reservation(1))
    assert [revision.fate for revision in desk.revisions] == ["sent"]
    return desk


def accepted(wanted: int = 2) -> Desk:
    """The destination took the request."""
    return told(requested(wanted), Answer("accepted", 1))[0]


def settlements(tells: list[Tell]) -> list[tuple[int, int, dict[str, int], bool]]:
    """(settlement version, content version, standing, refused)."""
    return [
        (t.settlement.settlement_version, t.settlement.content_version, dict(t.settlement.standing), t.refused)
        for t in tells
        if isinstance(t, Settled)
    ]


def test_an_order_is_requested_when_its_state_its_stock_and_its_recipient_are_there_in_any_order() -> None:
    facts: list[Fact] = [order(1, 1, 2), Reservation(1), RecipientKnown(1)]
    for n in range(3):
        turned = facts[n:] + facts[:n]
        desk, tells = told(Desk(destination="depot"), *turned)
        assert tells == [Requested(1)], turned
        assert dict(desk.revisions[0].units) == {"1": 2}


def test_an_order_without_a_destination_waits_for_one() -> None:
    desk, tells = told(Desk(), RecipientKnown(1), order(1, 1, 2), Reservation(1))
    assert tells == []
    assert told(desk, DestinationFound("depot"))[1] == [Requested(1)]


def test_a_held_order_is_not_requested_until_it_is_released() -> None:
    desk = desk_with(order(1, 1, 2, holds=("payment",)), Reservation(1))
    assert desk.revisions == ()
    assert lacks(desk) == "its holds to be released"
    assert told(desk, order(2, 1, 2))[1] == [Requested(1)]


def test_an_older_order_state_changes_nothing() -> None:
    desk = desk_with(order(3, 2, 1))
    assert told(desk, order(2, 1, 5)) == (desk, [])


def test_reservation_same_version_stock_of_another_content_is_not_enough() -> None:
    desk = desk_with(order(2, 2, 3), Reservation(1))
    assert desk.revisions == ()
    assert told(desk, Reservation(2))[1] == [Requested(1)]


def test_one_write_no_cancellation_before_the_fate_of_the_request_is_known() -> None:
    desk, tells = told(requested(), order(2, 2, 0, cancelled=True))
    assert tells == []
    assert told(desk, Answer("accepted", 1))[1] == [Accepted(1), StopAsked(1)]


def test_settle_every_version_even_if_nothing_was_ever_requested() -> None:
    assert settlements(told(desk_with(), order(1, 1, 2))[1]) == []
    assert settlements(told(desk_with(order(1, 1, 2)), order(2, 2, 3))[1]) == [(1, 2, {"1": 3}, False)]
    assert settlements(told(desk_with(), order(5, 4, 1))[1]) == [(1, 4, {"1": 1}, False)]


def test_a_newer_state_of_the_same_content_settles_nothing_and_stops_no_request() -> None:
    for desk in (
        accepted(),
        told(accepted(), order(2, 2, 1), cancelled(2))[0],
        told(requested(), shipment("S1", 2))[0],
    ):
        known = desk.order
        later, tells = told(desk, replace(known, order_version=known.order_version + 1))
        assert (tells, later.revisions, later.settlement) == ([], desk.revisions, desk.settlement)


def test_settle_a_cancellation_that_comes_first() -> None:
    assert settlements(told(Desk(), order(1, 1, 0, cancelled=True))[1]) == [(1, 1, {}, False)]


def test_standing_not_wanted_what_has_left_stands_though_nobody_wants_it() -> None:
    desk = told(accepted(), shipment("S1", 2))[0]
    desk, tells = told(desk, order(2, 2, 1))
    assert settlements(tells) == [(1, 2, {"1": 2}, True)]


def test_refusal_settles_a_refused_cancellation_says_what_stands() -> None:
    desk, tells = told(accepted(), order(2, 2, 0, cancelled=True))
    assert tells == [StopAsked(1)]
    assert settlements(told(desk, Answer("refused", 1))[1]) == [(1, 2, {"1": 2}, True)]


def test_settlement_version_a_void_settles_the_same_content_again() -> None:
    desk = told(accepted(1), shipment("S1", 1), order(2, 2, 0, cancelled=True))[0]
    assert desk.settlement.standing == (("1", 1),)
    desk, tells = told(desk, Void("S1", 1, reship=False))
    assert settlements(tells) == [(2, 2, {}, False)]


def test_void_retries_cancel_units_that_came_back_can_be_stopped_after_all() -> None:
    desk = told(accepted(1), order(2, 2, 0, cancelled=True), shipment("S1", 1), Answer("refused", 1))[0]
    assert told(desk, Void("S1", 1, reship=True))[1] == [Voided(Void("S1", 1, reship=True)), StopAsked(1)]


def test_a_refusal_is_not_asked_again_without_news() -> None:
    desk = told(accepted(), order(2, 2, 0, cancelled=True), Answer("refused", 1))[0]
    assert StopAsked(1) not in told(desk, shipment("S1", 1))[1]


def test_mark_when_asked_news_that_came_while_it_was_asked_are_a_reason_to_ask_again() -> None:
    desk = told(accepted(), order(2, 2, 1))[0]
    assert desk.revisions[0].fate == "cancelling"
    desk = told(desk, order(3, 3, 0, cancelled=True))[0]
    assert told(desk, Answer("refused", 1))[1] == [StopAsked(1)]


def test_rejection_answered_it_asks_again_only_when_somebody_answered() -> None:
    desk, tells = told(requested(), Answer("rejected", 1, reason="no such SKU"))
    assert tells == [Rejected(1, "no such SKU")]
    assert told(desk, order(2, 1, 2), Reservation(1, 1))[1] == []
    assert told(desk, order(2, 1, 2, answered=1))[1] == [Requested(2)]


def test_close_counts_only_what_the_answer_names_was_cancelled() -> None:
    desk = told(accepted(3), order(2, 2, 1), Reservation(2))[0]
    desk, tells = told(desk, cancelled(1))  # two have left, or will: their notice is still on its way
    assert settlements(tells) == [(1, 2, {"1": 2}, True)]
    assert not any(isinstance(tell, Requested) for tell in tells)
    assert dict(committed(told(desk, shipment("S1", 2))[0])) == {"1": 2}


def test_after_a_cancellation_the_rest_is_asked_under_a_new_revision() -> None:
    desk = told(accepted(3), order(2, 2, 1), Reservation(2))[0]
    desk, tells = told(desk, cancelled(3))
    assert settlements(tells) == [(1, 2, {"1": 1}, False)]
    assert tells[-1] == Requested(2)
    assert [(dict(one.units), one.fate) for one in desk.revisions] == [({"1": 3}, "closed"), ({"1": 1}, "sent")]


def test_a_raise_asks_only_for_what_is_missing() -> None:
    desk = told(accepted(2), order(2, 2, 5), Reservation(2))[0]
    assert dict(desk.revisions[1].units) == {"1": 3}


def test_the_newest_revision_is_cancelled_first() -> None:
    desk = told(accepted(2), order(2, 2, 5), Reservation(2), Answer("accepted", 2))[0]
    assert told(desk, order(3, 3, 2))[1] == [StopAsked(2)]


def test_a_cancellation_that_nobody_asked_for_waits_for_an_answer_like_a_rejection() -> None:
    desk, tells = told(accepted(), cancelled(2, reason="damaged", in_all=True))
    assert tells == [Rejected(1, "damaged")]
    assert told(desk, order(2, 1, 2, answered=1))[1] == [Requested(2)]


def test_a_rejection_after_the_request_was_closed_changes_nothing() -> None:
    desk = told(accepted(), order(2, 2, 0, cancelled=True), cancelled(2))[0]
    assert told(desk, Answer("rejected", 1, reason="late"))[1] == []


def test_units_that_came_back_for_good_are_counted_once_though_the_cancellation_names_them_too() -> None:
    desk = told(accepted(3), shipment("S1", 1), order(2, 2, 2), Answer("refused", 1))[0]
    desk, tells = told(desk, Void("S1", 1, reship=False), order(3, 3, 1))
    assert tells == [StopAsked(1)]
    desk = told(desk, cancelled(2))[0]  # the one that came back is among the two; the third left, unknown to us yet
    assert dict(committed(desk)) == {"1": 1}
    assert dict(committed(told(desk, shipment("S2", 1))[0])) == {"1": 1}


def test_a_status_read_after_a_void_counts_its_units_once() -> None:
    desk = told(accepted(3), shipment("S1", 1), order(2, 2, 1))[0]  # another one left, unknown to us yet
    desk = told(desk, Void("S1", 1, reship=False))[0]
    desk = told(desk, cancelled(2, in_all=True, evidence="a look found it"))[0]
    assert dict(committed(desk)) == {"1": 1}


def test_units_that_are_shipped_again_stay_committed() -> None:
    desk = told(accepted(2), shipment("S1", 2), Void("S1", 1, reship=True))[0]
    assert dict(committed(desk)) == {"1": 2}


def test_a_shipment_counts_once_however_often_it_is_told() -> None:
    desk, tells = told(accepted(), shipment("S1", 1))
    assert tells == [Dispatched(shipment("S1", 1), voided=False)]
    assert told(desk, shipment("S1", 1)) == (desk, [])


def test_a_shipment_of_too_much_is_doubted_until_the_void_that_explains_it() -> None:
    desk = told(accepted(2), shipment("S1", 2))[0]
    desk, tells = told(desk, shipment("S2", 2))
    assert (tells, [one.id for one in desk.doubted]) == ([], ["S2"])
    desk, tells = told(desk, Void("S1", 1, reship=True))
    assert tells == [Voided(Void("S1", 1, reship=True)), Dispatched(shipment("S2", 2), voided=False)]
    assert desk.doubted == ()


def test_a_doubted_shipment_that_is_itself_voided_counts_for_nothing() -> None:
    desk = told(accepted(2), shipment("S2", 2), shipment("S1", 2))[0]
    desk, tells = told(desk, Void("S1", 1, reship=True))
    assert Dispatched(shipment("S1", 2), voided=True) in tells
    assert dict(committed(desk)) == {"1": 2}


def test_a_dismissed_shipment_may_be_told_again() -> None:
    desk = told(accepted(2), shipment("S1", 3))[0]
    desk = told(desk, Dismissed("S1"))[0]
    assert desk.doubted == ()
    assert told(desk, shipment("S1", 2))[1] == [Dispatched(shipment("S1", 2), voided=False)]


def test_a_void_that_overtakes_its_shipment_is_remembered() -> None:
    desk, tells = told(accepted(), Void("S1", 1, reship=False))
    assert tells == [Voided(Void("S1", 1, reship=False))]
    desk, tells = told(desk, shipment("S1", 2))
    assert Dispatched(shipment("S1", 2), voided=True) in tells


def test_goods_that_left_under_a_rejected_request_stand() -> None:
    desk = told(requested(), Answer("rejected", 1, reason="given up"))[0]
    desk = told(desk, shipment("S1", 1))[0]
    assert dict(committed(desk)) == {"1": 1}
    assert dict(told(desk, order(2, 1, 2, answered=1))[0].revisions[1].units) == {"1": 1}


def test_a_delivery_is_told_once() -> None:
    arrived = Delivery("S1", 1, NOON)
    desk, tells = told(accepted(), shipment("S1", 2), arrived)
    assert tells == [Delivered(arrived)]
    assert told(desk, arrived) == (desk, [])


def test_a_redacted_recipient_is_gone_for_good() -> None:
    desk = told(Desk(destination="depot"), RecipientKnown(2, redacted=True), RecipientKnown(3))[0]
    assert not desk.recipient
    desk, tells = told(desk, order(1, 1, 2), Reservation(1))
    assert tells == []
    assert lacks(desk) == "its recipient"


def test_a_redaction_that_overtakes_the_recipient_refuses_it() -> None:
    assert not told(Desk(), RecipientKnown(2, redacted=True), RecipientKnown(1))[0].recipient


def at(address: str, version: int = 1) -> RecipientKnown:
    return RecipientKnown(version, address=address)


def sent_to(address: str, wanted: int = 2) -> Desk:
    """The destination took a request for this address."""
    return told(Desk(), DestinationFound("depot"), at(address), order(1, 1, wanted), Reservation(1), OK)[0]


OK = Answer("accepted", 1)


def test_what_has_not_left_for_an_old_address_is_stopped_and_asked_for_with_the_new_one() -> None:
    desk, tells = told(sent_to("A", 3), shipment("S1", 1), at("B", 2))
    assert tells == [StopAsked(1)]
    desk, tells = told(desk, cancelled(2))
    assert tells == [Requested(2)]
    assert [(dict(one.units), one.address) for one in desk.revisions] == [({"1": 3}, "A"), ({"1": 2}, "B")]
    assert told(desk, Answer("accepted", 2), shipment("S2", 2, revision=2))[1] == [
        Dispatched(shipment("S2", 2, 2), False)
    ]


def test_a_destination_that_does_not_stop_for_a_new_address_is_told_once_and_asked_again_for_the_next() -> None:
    desk, tells = told(sent_to("A"), at("B", 2), Answer("refused", 1))
    assert [(t.refused, t.old_address, dict(t.settlement.standing)) for t in tells if isinstance(t, Settled)] == [
        (True, (1,), {"1": 2})
    ]
    assert told(desk, order(2, 1, 2, holds=("payment",)))[1] == []
    assert told(desk, at("C", 3))[1] == [StopAsked(1)]
    assert told(desk, at("A", 3))[1] == []


def test_an_address_that_is_back_or_was_never_known_stops_nothing() -> None:
    assert told(sent_to("A"), at("A", 2))[1] == []
    assert told(sent_to(""), at("B", 2))[1] == []
    assert told(sent_to("A"), at("", 2))[1] == []
    assert told(sent_to("A"), shipment("S1", 2), at("B", 2))[1] == []


def test_a_new_address_waits_for_the_fate_of_the_request_and_goes_with_one_never_sent() -> None:
    asked = told(Desk(), DestinationFound("depot"), at("A"), order(1, 1, 2), Reservation(1))[0]
    desk, tells = told(asked, at("B", 2))
    assert tells == []
    assert told(desk, OK)[1] == [Accepted(1), StopAsked(1)]
    desk, tells = told(desk, Answer("withdrawn", 1))
    assert (tells, desk.revisions[1].address) == ([Requested(2)], "B")


def test_a_redaction_forgets_every_fingerprint_of_an_address() -> None:
    desk = told(sent_to("A"), at("B", 2), Answer("refused", 1), RecipientKnown(3, redacted=True))[0]
    assert (desk.address, desk.settlement.refused_address) == ("", "")
    assert [(one.address, one.asked_at[2]) for one in desk.revisions] == [("", "")]


def test_an_order_of_nothing_is_never_requested() -> None:
    assert desk_with(order(1, 1, 0), Reservation(1)).revisions == ()


def test_the_destinations_own_id_is_kept_from_whoever_names_it_first() -> None:
    desk = told(requested(), Answer("accepted", 1, external_id="R-1"), Answer("accepted", 1, external_id="R-2"))[0]
    assert desk.revisions[0].external_id == "R-1"


def test_a_request_goes_where_its_destination_was_when_it_was_made() -> None:
    desk = told(accepted(2), DestinationFound("other"), order(2, 2, 3), Reservation(2))[0]
    assert [one.destination for one in desk.revisions] == ["depot", "other"]


def test_equal_desks_are_equal_values() -> None:
    assert hash(accepted()) == hash(accepted())
    assert replace(accepted(), destination="depot") == accepted()
    assert accepted().settlement.standing == NONE
