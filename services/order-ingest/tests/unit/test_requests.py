"""What is answered to a merchant who requests something of our fulfillment service, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest

from crossdock.contracts.fulfillment import ChannelRequestFailed
from order_ingest.domain import fold, milestones, rulings
from order_ingest.domain.order import (
    Arrival,
    Line,
    Match,
    Order,
    Package,
    Reply,
    Settlement,
    Shipment,
    Snapshot,
    Tracking,
    parcel_key,
)
from order_ingest.domain.policy import Policy, Terms
from order_ingest.domain.routing import Route, Routing, Shipped
from order_ingest.domain.status import status
from order_ingest.domain.steps import Step
from order_ingest.store.documents import order_of, progress_document
from order_ingest.story import sentence_of_event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = "9"
GUEST = {"email": "person@example.com"}


def line(name: str = "a", kept: int = 3, ships: bool = True) -> Line:
    return Line(name, 1, "v", name.upper(), "Shirt", kept, kept, ships, Decimal(10), Decimal(0), Decimal(0))


def route(request: str, asked: str = "r1", *, state: str = "open", **units: int) -> Route:
    return Route("7", SERVICE, True, state, units or {"a": 3}, request, request_id=asked)


SOURCE = Snapshot(NOON, "#1", NOON, True, False, False, True, Decimal(30), "EUR", (line(),), "paid")


def under(**policy: Any) -> Terms:
    return Terms(Policy(**{"service_location": SERVICE} | policy), version=1, at=NOON, routes=True)


def read(step: Step | None, terms: Terms, *routes: Route, minutes: int = 0, **changes: Any) -> Step:
    """The order as the store tells it now, with its routes."""
    shipped = changes.pop("shipped", ())
    order = rulings.govern(Order(terms=terms), None, None).order if step is None else step.order
    routing = Routing(routes, shipped)
    new = replace(SOURCE, updated_at=NOON + timedelta(minutes=minutes), routing=routing, **changes)
    old = None if step is None else SOURCE
    return fold.take_snapshot(order._replace(terms=terms), old, GUEST, Arrival(new, {}, (), GUEST))


def match(step: Step, matched: bool = True) -> Step:
    return milestones.take_match(step.order, Match(step.order.published.content_version, 1, matched))


def answers(step: Step) -> list[str]:
    return [reply.answer for _, reply in step.answers]


def accepted(terms: Terms | None = None) -> Step:
    """An order that was requested, matched and accepted."""
    terms = terms or under()
    step = match(read(None, terms, route("submitted")))
    assert answers(step) == ["accept"]
    return step


def called_back(step: Step) -> Step:
    return read(step, under(), route("cancellation_requested", "r2"), minutes=5)


def settle(step: Step, **standing: int) -> Step:
    content = step.order.published.content_version
    return milestones.take_settlement(step.order, Settlement(content, content, bool(standing), standing))


# ------------------------------------------------------------------ to ship
def test_a_request_is_accepted_when_the_order_is_ours_and_matched_and_only_once() -> None:
    step = read(None, under(), route("unsubmitted", ""))
    assert (step.answers, step.order.asked) == ((), ())
    step = read(step, under(), route("submitted"), minutes=1)
    assert ([note.kind for note in step.notes if note.asked], step.answers) == (["requested"], ())
    assert answers(match(step, matched=False)) == []
    step = match(step)
    assert answers(step) == ["accept"]
    again = read(step, under(), route("submitted"), minutes=2)
    assert (again.answers, status(again.order)) == ((), "reserving")


def test_what_holds_an_order_that_is_ours_does_not_delay_its_acceptance() -> None:
    assert answers(match(read(None, under(), route("submitted"), paid=False, addressed=False))) == ["accept"]


def test_a_request_waits_while_a_person_may_still_decide_that_the_order_is_not_ours() -> None:
    terms = replace(under(max_age_days=30), at=NOON + timedelta(days=31))
    step = match(read(None, terms, route("submitted")))
    assert step.answers == ()
    approved = rulings.approve(step.order, replace(SOURCE, routing=Routing((route("submitted"),))), GUEST)
    assert answers(approved) == ["accept"]


def test_what_the_policy_rejects_is_rejected_in_the_store() -> None:
    step = read(None, under(), route("submitted"), test=True)
    [(asked, reply)] = step.answers
    assert (asked.request_id, reply, status(step.order)) == ("r1", Reply("reject"), "rejected")


def test_what_needs_no_shipping_is_rejected_as_such() -> None:
    step = read(None, under(), route("submitted"), lines=(line(ships=False),))
    [(_, reply)] = step.answers
    assert (reply.answer, reply.reason) == ("reject", "nothing_to_ship")


def test_a_channel_that_only_observes_answers_nothing_until_it_is_live() -> None:
    observing = replace(under(), observing="Shop")
    step = match(read(None, observing, route("submitted")))
    assert (step.answers, len(step.order.asked)) == ((), 1)
    source = replace(SOURCE, routing=Routing((route("submitted"),)))
    assert answers(rulings.govern(step.order._replace(terms=under()), source, GUEST)) == ["accept"]


def test_nothing_is_answered_by_what_is_about_to_be_read_again() -> None:
    step = match(read(None, under(), route("unsubmitted", "")))
    webhook = Arrival(replace(SOURCE, updated_at=NOON + timedelta(minutes=1)), {}, (), GUEST)
    source = replace(SOURCE, routing=Routing((route("submitted"),)))
    step = fold.take_snapshot(step.order, source, GUEST, webhook)
    assert (step.order.refetching, step.answers) == (True, ())


def test_a_request_that_is_made_again_after_a_rejection_is_another_request() -> None:
    step = read(None, under(), route("submitted"), test=True)
    step = read(step, under(), route("submitted", "r2"), minutes=1, test=False)
    assert answers(match(step)) == ["accept"]
    assert list(match(step).order.replies) == ["7/r1", "7/r2"]


# ------------------------------------------------------------------ to stop
def test_a_cancellation_lowers_what_is_wanted_and_is_accepted_once_that_is_settled() -> None:
    step = called_back(accepted())
    assert (step.state, step.order.wanted, step.answers) == ("order.updated", {}, ())
    assert status(step.order) == "cancel_requested"
    step = settle(step)
    assert (answers(step), status(step.order)) == (["accept_cancellation"], "cancelled")


def test_a_cancellation_that_the_warehouse_refuses_is_rejected_with_how_many_units() -> None:
    step = settle(called_back(accepted()), a=3)
    [(_, reply)] = step.answers
    assert reply == Reply("reject_cancellation", "3 of 3 units have left or can no longer be stopped")
    told = milestones.take_answered(step.order, "7/r2", "done")
    assert told.read_again
    back = read(told, under(), route("cancellation_rejected", "r2"), minutes=9)
    assert (back.state, back.order.wanted, back.order.verdict.refusal) == ("order.updated", {"a": 3}, None)


def test_what_nobody_was_asked_to_ship_is_given_back_at_once() -> None:
    step = read(None, under(), route("cancellation_requested", "r2"))
    assert (answers(step), step.state) == (["accept_cancellation"], None)


def shipped(step: Step, units: int) -> Step:
    return milestones.take_shipment(step.order, "S1", Shipment(1, NOON, (Package("P1", "", "T", "", {"a": units}),)))


def test_of_what_left_in_part_only_the_rest_is_called_back_once_the_store_knows_of_the_parcel() -> None:
    step = settle(called_back(shipped(accepted(), 1)), a=1)
    assert step.answers == ()
    step = read(
        step,
        under(),
        route("cancellation_requested", "r2", a=2),
        minutes=6,
        shipped=(Shipped(SERVICE, True, {"a": 1}),),
    )
    assert step.order.wanted == {"a": 1}
    assert answers(settle(step, a=1)) == ["accept_cancellation"]


def test_a_parcel_that_the_store_cannot_be_told_of_makes_the_cancellation_refused() -> None:
    step = settle(called_back(shipped(accepted(), 1)), a=1)
    step = milestones.take_tracking(step.order, parcel_key("S1", "P1"), Tracking("failed", reason="no"))
    assert [reply.message for _, reply in step.answers] == ["1 of 3 units have left or can no longer be stopped"]


def test_what_was_given_back_is_neither_late_nor_wanted_however_long_it_lies() -> None:
    step = settle(called_back(accepted()))
    given = route("cancellation_accepted", "r2", state="closed")
    later = replace(under(), at=NOON + timedelta(days=2))
    step = read(step, later, given, minutes=10)
    assert (step.order.wanted, step.order.verdict.unrouted, status(step.order)) == ({}, False, "cancelled")


# ------------------------------------------------------------------ told
@pytest.mark.parametrize(
    ("answer", "state", "reads"),
    [("accept", "done", False), ("reject", "done", True), ("accept", "overtaken", True), ("reject", "failed", False)],
)
def test_what_came_of_an_answer_is_kept_and_what_it_changed_is_read(answer: str, state: Any, reads: bool) -> None:
    order = Order(replies={"7/r1": Reply(answer)})
    step = milestones.take_answered(order, "7/r1", state)
    assert (step.order.replies["7/r1"].state, step.read_again) == (state, reads)
    assert not milestones.take_answered(step.order, "7/r1", state).taken
    assert not milestones.take_answered(order, "7/unknown", state).taken


def test_requests_and_replies_are_stored_and_read_back_as_they_were() -> None:
    order = settle(called_back(accepted())).order
    document = orjson.loads(orjson.dumps(progress_document(order), default=str))
    kept = order_of(document, refetching=False, again=False)
    assert (kept.asked, kept.replies) == (order.asked, order.replies)


@pytest.mark.parametrize("reason", ["Channel Store was disconnected: connect it again, then retry.", "no such request"])
def test_an_answer_that_the_store_did_not_get_is_told_in_whole_sentences(reason: str) -> None:
    about = {"order_id": uuid4(), "route_id": "7", "request_id": "1", "answer": "accept", "reason": reason}
    said = sentence_of_event(ChannelRequestFailed.model_validate(about))
    assert said == (
        f"The store could not be told (the request is accepted): {reason.rstrip('.')}. Answer it in the store"
    )
