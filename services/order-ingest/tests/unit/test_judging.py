"""What a policy makes of an order: imported, waiting, rejected, cancelled, brought in; and of which of its lines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from order_ingest.domain import fold, milestones, rulings
from order_ingest.domain.holds import holds_of, shown_holds
from order_ingest.domain.order import Arrival, Line, Order, Request, Settlement, Snapshot
from order_ingest.domain.policy import Policy, Sources, Terms, WrittenBack, mapped, policy_of
from order_ingest.domain.routing import Route, Routing, Shipped
from order_ingest.domain.status import status
from order_ingest.domain.steps import Step
from order_ingest.store.documents import order_of, progress_document, source_document, source_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAIN, OTHER, SERVICE = "1", "2", "9"
GUEST = {"email": "person@example.com"}


def line(name: str = "a", kept: int = 3, ships: bool = True) -> Line:
    return Line(name, 1, "v", name.upper(), "Shirt", kept, kept, ships, Decimal(10), Decimal(0), Decimal(0))


SOURCE = Snapshot(NOON, "#1", NOON, True, False, False, True, Decimal(30), "EUR", (line(),), "paid")


def under(days: float = 0, **policy: Any) -> Terms:
    """Terms of a live store that tells its routes; the order is heard of so many days after it was placed."""
    return Terms(Policy(**policy), version=1, at=NOON + timedelta(days=days), routes=True)


def first(terms: Terms, *, fulfilled: dict[str, int] | None = None, **changes: Any) -> tuple[Step, Snapshot]:
    order = rulings.govern(Order(terms=terms), None, None).order
    arrival = Arrival(replace(SOURCE, **changes), fulfilled or {}, (), GUEST)
    step = fold.take_snapshot(order, None, None, arrival)
    assert step.source is not None
    return step, step.source


def then(step: Step, source: Snapshot, terms: Terms, minutes: int = 5, **changes: Any) -> tuple[Step, Snapshot]:
    """The next snapshot of the order, whole, as the channel tells it when it is read."""
    new = replace(source, updated_at=NOON + timedelta(minutes=minutes), **changes)
    step = fold.take_snapshot(step.order._replace(terms=terms), source, GUEST, Arrival(new, {}, (), GUEST))
    assert step.source is not None
    return step, step.source


def codes(order: Order) -> list[str]:
    return [hold.code for hold in holds_of(order, order.published.content_version)]


def why(order: Order) -> str:
    return order.verdict.refusal.code if order.verdict.refusal else ""


def route(
    location: str = MAIN, *, state: str = "open", request: str = "", serviced: bool = False, **units: int
) -> Route:
    return Route(f"route-{location}-{state}", location, serviced, state, units, request, None, ())


def routed(*routes: Route, shipped: tuple[Shipped, ...] = ()) -> Routing:
    return Routing(routes, shipped)


# ------------------------------------------------------------------ rejected
@pytest.mark.parametrize(
    ("policy", "changes", "days", "code"),
    [
        ({}, {"test": True}, 0, "test"),
        ({"test_orders": True}, {"test": True}, 0, ""),
        ({"fulfillment_statuses": ("unfulfilled",)}, {"fulfillment_status": "partial"}, 0, "status_excluded"),
        ({"fulfillment_statuses": ("unfulfilled",)}, {}, 0, ""),
        ({"first_import_days": 30}, {}, 31, "too_old"),
        ({"first_import_days": 30}, {}, 30.5, ""),
    ],
)
def test_what_the_policy_excludes_is_stored_and_told_to_nobody(
    policy: dict[str, Any], changes: dict[str, Any], days: float, code: str
) -> None:
    step, _ = first(under(days, **policy), **changes)
    assert (why(step.order), step.state) == (code, None if code else "order.placed")
    assert (status(step.order) == "rejected") is bool(code)


def test_a_rejected_order_comes_in_by_itself_when_its_status_changes() -> None:
    terms = under(fulfillment_statuses=("unfulfilled",))
    step, source = first(terms, fulfillment_status="partial", fulfilled={"a": 1})
    step, _ = then(step, source, terms, fulfillment_status="unfulfilled")
    assert (step.state, step.recipient) == ("order.placed", GUEST)
    assert [note.kind for note in step.notes] == ["let_in", "order.placed"]


def test_what_fulfilment_changes_later_rejects_nothing_that_is_ours() -> None:
    terms = under(fulfillment_statuses=("unfulfilled",))
    step, source = first(terms)
    step, _ = then(step, source, terms, fulfillment_status="partial")
    assert (why(step.order), step.order.wanted) == ("", {"a": 3})


def test_a_person_brings_in_what_is_rejected_and_it_stays() -> None:
    step, source = first(under(), test=True, fulfilled={"a": 1})
    brought = rulings.bring_in(step.order, source, GUEST)
    assert (brought.state, brought.recipient, brought.order.wanted) == ("order.placed", GUEST, {"a": 2})
    assert not rulings.bring_in(brought.order, source, GUEST).taken
    again, _ = then(brought, source, under(), total=Decimal(31))
    assert (again.state, why(again.order)) == ("order.updated", "")


def test_a_changed_policy_lets_in_what_it_rejected_and_what_shipped_meanwhile_is_history() -> None:
    step, source = first(under(), test=True)
    after = fold.take_snapshot(
        step.order, source, GUEST, Arrival(replace(source, updated_at=NOON + timedelta(1)), {"a": 2}, (), GUEST)
    )
    terms = replace(under(test_orders=True), version=2)
    govern = rulings.govern(after.order._replace(terms=terms), after.source, GUEST)
    assert (govern.state, govern.order.wanted, govern.order.recipient_version) == ("order.placed", {"a": 1}, 3)
    assert not rulings.govern(govern.order, after.source, GUEST).taken


# ------------------------------------------------------------------ waits
def test_only_the_financial_statuses_of_the_policy_let_an_order_go() -> None:
    pending: dict[str, Any] = {"paid": False, "financial_status": "pending"}
    assert codes(first(under(), **pending)[0].order) == ["payment"]
    assert codes(first(under(financial_statuses=("paid", "pending")), **pending)[0].order) == []
    assert codes(first(under(financial_statuses=("authorized",)))[0].order) == ["payment"]
    assert codes(first(under(), financial_status="partially_refunded")[0].order) == []


def test_an_order_older_than_the_maximum_age_waits_for_an_approval() -> None:
    step, source = first(under(91))
    assert (step.state, codes(step.order), status(step.order)) == ("order.placed", ["age"], "on_hold")
    approved = rulings.approve(step.order, source, GUEST)
    assert (approved.state, codes(approved.order)) == ("order.released", [])
    assert not rulings.approve(approved.order, source, GUEST).taken
    assert codes(first(under(91, max_age_days=None))[0].order) == []


def test_the_age_counts_at_the_import_and_does_not_rise_while_an_order_waits() -> None:
    step, source = first(under(10))
    step, _ = then(step, source, under(200))
    assert codes(step.order) == []


def test_an_unexpected_currency_waits_for_an_approval() -> None:
    assert codes(first(under(currencies={"*": "USD"}))[0].order) == ["currency"]
    assert codes(first(under(currencies={"*": "EUR"}))[0].order) == []
    terms = under(currencies={MAIN: "USD", "*": "EUR"}, locations=(MAIN,))
    assert codes(first(terms, routing=routed(route(a=3)))[0].order) == ["currency"]


# ------------------------------------------------------------------ cancels, and what is imported
def test_the_policys_statuses_cancel_an_order_as_its_channel_does() -> None:
    terms = under(cancel_statuses=("voided", "restocked"))
    step, source = first(terms)
    step, source = then(step, source, terms, paid=False, financial_status="voided")
    assert (step.state, step.order.wanted, status(step.order)) == ("order.cancelled", {}, "cancel_requested")
    settled = milestones.take_settlement(step.order, Settlement(1, step.order.published.content_version, False, {}))
    assert status(settled.order) == "cancelled"


def test_what_shipped_before_the_import_is_recorded_and_not_wanted() -> None:
    step, _ = first(under(), fulfilled={"a": 3}, fulfillment_status="fulfilled")
    assert (step.order.wanted, status(step.order)) == ({"a": 0}, "record_only")


def test_lines_that_need_no_shipping_are_wanted_only_if_the_policy_says_so() -> None:
    lines = (line(), line("card", 1, ships=False))
    assert first(under(), lines=lines)[0].order.wanted == {"a": 3, "card": 0}
    assert first(under(physical_only=False), lines=lines)[0].order.wanted == {"a": 3, "card": 1}


def test_the_mapping_fills_fields_from_where_it_says() -> None:
    told = {
        "address": {"city": "Sampletown", "phone": "1", "company": "Example"},
        "note": "ring twice",
        "email": "person@example.com",
        "attributes": [["Gift note", "for you"], ["line 1: engraving", "x"]],
    }
    assert mapped(told, Sources()) == told
    nothing = mapped(told, Sources("off", "off", "off", "off", "off"))
    assert nothing == {"address": {"city": "Sampletown"}}
    found = mapped(told, Sources(note="attribute:Gift note", phone="attribute:Phone", attributes="order"))
    assert (found["note"], found["attributes"]) == ("for you", [["Gift note", "for you"]])
    assert "phone" not in found["address"]
    step, _ = first(under(mapping=Sources(email="off")))
    assert step.recipient == {}


SHIPPING = {"code": "EXP-1", "source": "carrier"}


def sold_as(title: str, mapping: Sources, known: Snapshot | None = None, minutes: int = 0) -> Snapshot:
    """The state that is kept when a channel tells this title, and the code and source above (none without a title)."""
    new = replace(SOURCE, service=title, updated_at=NOON + timedelta(minutes=minutes))
    order = Order(terms=under(mapping=mapping))
    step = fold.take_snapshot(order, known, GUEST, Arrival(new, {}, (), GUEST, SHIPPING if title else {}))
    assert step.source is not None
    return step.source


@pytest.mark.parametrize(
    ("source", "told"), [("title", "Express"), ("code", "EXP-1"), ("source", "carrier"), ("off", "")]
)
def test_the_shipping_that_the_buyer_asked_for_is_told_as_the_policy_maps_it(source: str, told: str) -> None:
    kept = sold_as("Express", Sources(service=source))
    assert kept.service == told
    assert source_of(orjson.loads(orjson.dumps(source_document(kept), default=str))) == kept
    silent = sold_as("", Sources(service=source), kept, minutes=1)
    assert silent.service == told, "a state that is silent of it takes nothing back"


def test_another_mapping_of_the_shipping_takes_back_what_the_old_one_told() -> None:
    kept = sold_as("Express", Sources())
    assert sold_as("Express", Sources(service="off"), kept, minutes=1).service == ""
    assert sold_as("", Sources(service="code"), kept, minutes=1).service == ""
    assert mapped({"email": "person@example.com"}, Sources(service="off")) == {"email": "person@example.com"}


# ------------------------------------------------------------------ the tag
def marked_by(tag: str, **more: Any) -> Terms:
    return under(written_back=WrittenBack(tag=tag), **more)


def test_an_order_that_is_imported_as_ours_gets_the_tag_of_its_policy_and_keeps_it() -> None:
    step, source = first(marked_by("Crossdock", financial_statuses=("authorized",)))
    assert (step.order.tag, codes(step.order)) == ("Crossdock", ["payment"]), "a hold makes no difference"
    assert order_of(orjson.loads(orjson.dumps(progress_document(step.order), default=str)), refetching=False,
                    again=False).tag == "Crossdock"  # fmt: skip
    other = rulings.govern(step.order._replace(terms=replace(marked_by("Later"), version=2)), source, GUEST)
    assert other.order.tag == "Crossdock"
    edited, _ = then(step, source, marked_by("Later"), lines=(line(kept=2),))
    assert edited.order.tag == "Crossdock"


def test_an_order_that_came_in_without_a_tag_is_not_tagged_by_a_later_policy() -> None:
    step, source = first(under())
    again = rulings.govern(step.order._replace(terms=replace(marked_by("Later"), version=2)), source, GUEST)
    assert (step.order.tag, again.order.tag) == ("", "")
    edited, _ = then(again, source, replace(marked_by("Later"), version=2), lines=(line(kept=5),))
    assert (edited.state, edited.order.tag) == ("order.updated", "")


@pytest.mark.parametrize(
    "changes",
    [{"test": True}, {"lines": (line(ships=False),)}, {"lines": (line(kept=0),)}, {"cancelled": True}],
    ids=["rejected", "digital", "nothing left", "cancelled"],
)
def test_what_the_hub_does_not_ship_is_not_tagged(changes: dict[str, Any]) -> None:
    step, _ = first(marked_by("Crossdock"), **changes)
    assert step.order.tag == ""


def test_an_order_is_tagged_when_the_reason_ends_for_which_it_was_not_ours() -> None:
    step, source = first(marked_by("Crossdock"), test=True)
    assert rulings.bring_in(step.order, source, GUEST).order.tag == "Crossdock"
    real, _ = then(step, source, marked_by("Crossdock"), test=False)
    assert real.order.tag == "Crossdock"
    digital, source = first(marked_by("Crossdock"), lines=(line(ships=False),))
    extended, _ = then(digital, source, marked_by("Crossdock"), lines=(line(ships=False), line("b")))
    assert (digital.order.tag, extended.order.tag) == ("", "Crossdock")


def test_what_was_only_observed_is_tagged_when_it_becomes_ours() -> None:
    step, source = first(replace(marked_by("Crossdock"), observing="Shop"))
    assert step.order.tag == ""
    live = rulings.govern(step.order._replace(terms=replace(marked_by("Crossdock"), ours_from=NOON)), source, GUEST)
    assert (live.state, live.order.tag) == ("order.released", "Crossdock")
    late = replace(marked_by("Crossdock"), ours_from=NOON + timedelta(1))
    left_out = rulings.govern(step.order._replace(terms=late), source, GUEST)
    assert (why(left_out.order), left_out.order.tag) == ("left_out", "")
    assert rulings.bring_in(left_out.order, source, GUEST).order.tag == "Crossdock"


# ------------------------------------------------------------------ going live
def test_going_live_takes_what_was_chosen_and_leaves_out_the_rest() -> None:
    observing = replace(under(), observing="Shop")
    step, source = first(observing)
    assert codes(step.order) == ["observing"]
    late = rulings.govern(step.order._replace(terms=replace(under(), ours_from=NOON)), source, GUEST)
    assert (late.state, codes(late.order)) == ("order.released", [])
    early = rulings.govern(step.order._replace(terms=replace(under(), ours_from=NOON + timedelta(1))), source, GUEST)
    assert (early.state, why(early.order), early.order.wanted) == ("order.updated", "left_out", {})
    named = step.order._replace(brought_in=True, terms=replace(under(), ours_from=NOON + timedelta(1)))
    assert codes(rulings.govern(named, source, GUEST).order) == []


def test_an_old_order_that_is_first_heard_of_after_going_live_is_left_out_too() -> None:
    step, _ = first(replace(under(), ours_from=NOON + timedelta(1)))
    assert (step.state, why(step.order)) == (None, "left_out")


def test_what_is_at_the_warehouse_already_is_not_left_out() -> None:
    step, source = first(under())
    sent = step.order._replace(requested={1: Request("Depot", {"a": 3})}, observing="Shop")
    terms = replace(under(), ours_from=NOON + timedelta(1))
    assert why(rulings.govern(sent._replace(terms=terms), source, GUEST).order) == ""


# ------------------------------------------------------------------ locations
SCOPED: dict[str, Any] = {"locations": (MAIN,)}


def test_only_lines_assigned_to_our_locations_are_ours() -> None:
    lines = (line(), line("b", 2))
    step, _ = first(under(**SCOPED), lines=lines, routing=routed(route(a=2), route(OTHER, a=1, b=2)))
    assert (step.state, step.order.wanted) == ("order.placed", {"a": 2, "b": 0})


def test_an_order_without_its_routes_waits_until_they_are_read_and_nobody_is_told_before() -> None:
    step, source = first(under(**SCOPED))
    assert (step.state, step.order.refetching, status(step.order)) == (None, True, "waiting")
    assert [hold.code for hold in shown_holds(step.order, "waiting")] == ["routing"]
    for routing, state in ((routed(), None), (routed(route(a=2)), None), (routed(route(a=3)), "order.placed")):
        answer = Arrival(replace(source, routing=routing), {}, (), GUEST)
        read = fold.take_answer(step.order, source, GUEST, answer)
        assert (read.state, read.order.refetching) == (state, state is None)


@pytest.mark.parametrize(("comes_in", "expected"), [(True, ("order.placed", "")), (False, (None, "no_location"))])
def test_an_order_that_no_location_has_for_long_comes_in_if_the_policy_says_so(comes_in: bool, expected: Any) -> None:
    terms = under(0.1, **SCOPED, without_location=comes_in)
    step, _ = first(terms, routing=routed())
    assert (step.state, why(step.order), step.order.refetching) == (*expected, False)


def test_a_move_to_our_location_brings_an_order_in_and_a_move_away_takes_it_back() -> None:
    terms = under(**SCOPED)
    step, source = first(terms, routing=routed(route(OTHER, a=3)))
    assert (step.state, why(step.order), status(step.order)) == (None, "other_location", "rejected")
    step, source = then(step, source, terms, routing=routed(route(a=3)))
    assert (step.state, step.order.wanted, step.recipient) == ("order.placed", {"a": 3}, GUEST)
    step, source = then(step, source, terms, 6, routing=routed(route(OTHER, a=3)))
    assert (step.state, step.order.wanted, status(step.order)) == ("order.updated", {}, "cancel_requested")
    version = step.order.published.content_version
    settled = milestones.take_settlement(step.order, Settlement(1, version, False, {}))
    assert (status(settled.order), why(settled.order)) == ("rejected", "other_location")
    back, _ = then(settled, source, terms, 7, routing=routed(route(a=3)))
    assert (back.state, back.order.wanted) == ("order.updated", {"a": 3})


def test_what_others_ship_never_becomes_ours_and_what_we_ship_stays_ours() -> None:
    terms = under(**SCOPED)
    step, source = first(terms, routing=routed(route(a=2), route(OTHER, a=1)))
    elsewhere = (Shipped(OTHER, False, {"a": 1}),)
    step, source = then(step, source, terms, routing=routed(route(a=2), shipped=elsewhere))
    assert step.order.wanted == {"a": 2}
    both = (*elsewhere, Shipped(MAIN, False, {"a": 2}))
    step, _ = then(step, source, terms, 6, routing=routed(shipped=both))
    assert (step.state, step.order.wanted) == (None, {"a": 2})


def test_what_our_location_shipped_before_the_import_is_not_wanted_again() -> None:
    before = (Shipped(MAIN, False, {"a": 1}),)
    step, _ = first(under(**SCOPED), fulfilled={"a": 1}, routing=routed(route(a=2), shipped=before))
    assert step.order.wanted == {"a": 2}


def test_a_webhook_keeps_the_routes_that_are_known_and_has_them_read_again() -> None:
    terms = under(**SCOPED)
    step, source = first(terms, routing=routed(route(a=2), route(OTHER, a=1)))
    step, source = then(step, replace(source, routing=source.routing), terms, total=Decimal(31))
    plain = replace(source, updated_at=NOON + timedelta(minutes=9), routing=None)
    step = fold.take_snapshot(step.order, source, GUEST, Arrival(plain, {}, (), GUEST))
    assert (step.order.wanted, step.order.refetching) == ({"a": 2}, True)


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (route(state="scheduled", a=3), "scheduled"),
        (route(state="held", a=3), "channel_hold"),
    ],
)
def test_a_route_that_is_scheduled_or_held_makes_the_order_wait_until_it_is_released(held: Route, code: str) -> None:
    terms = under()
    step, source = first(terms)
    touched = fold.take_pointer(step.order, source, None, routes=True)
    assert (touched.order.follows, touched.order.refetching) == (True, True)
    answer = Arrival(replace(source, routing=routed(held)), {}, (), GUEST)
    step = fold.take_answer(touched.order, source, GUEST, answer)
    assert (step.state, codes(step.order), status(step.order)) == ("order.held", [code], "waiting")
    assert step.source is not None
    step, _ = then(step, step.source, terms, routing=routed(route(a=3)))
    assert (step.state, codes(step.order)) == ("order.released", [])


def test_the_rest_goes_while_a_part_is_scheduled() -> None:
    step, source = first(under(**SCOPED), routing=routed(route(a=1), route(state="scheduled", a=2)))
    assert (step.order.wanted, codes(step.order)) == ({"a": 1}, [])
    gone = (Shipped(MAIN, False, {"a": 1}),)
    step, _ = then(step, source, under(**SCOPED), routing=routed(route(state="scheduled", a=2), shipped=gone))
    assert (step.order.wanted, codes(step.order)) == ({"a": 3}, ["scheduled"])


def test_the_merchants_own_locations_are_ours_unless_the_policy_names_some() -> None:
    terms = under(without_location=False)
    step, _ = first(terms, routing=routed(route(a=2), route(SERVICE, serviced=True, a=1)))
    assert step.order.wanted == {"a": 2}


def test_a_fulfillment_service_works_on_request_and_stops_when_asked() -> None:
    terms = under(service_location=SERVICE)
    step, source = first(terms, routing=routed(route(SERVICE, serviced=True, request="unsubmitted", a=3)))
    assert (step.state, codes(step.order), status(step.order)) == ("order.placed", ["not_requested"], "waiting")
    asked = route(SERVICE, serviced=True, request="submitted", a=3)
    step, source = then(step, source, terms, routing=routed(asked))
    assert (step.state, codes(step.order)) == ("order.released", [])
    stop = route(SERVICE, serviced=True, request="cancellation_requested", a=3)
    step, _ = then(step, source, terms, 6, routing=routed(stop))
    assert step.order.wanted == {}


# ------------------------------------------------------------------ kept
def test_what_is_judged_survives_being_stored() -> None:
    terms = under(91, **SCOPED, currencies={"*": "USD"})
    step, source = first(terms, test=True, routing=routed(route(a=2), shipped=(Shipped(OTHER, True, {"a": 1}),)))
    brought = rulings.bring_in(step.order, source, GUEST).order
    for order in (step.order, brought):
        document = orjson.loads(orjson.dumps(progress_document(order)))
        again = order_of(document, refetching=order.refetching, again=order.arrived_meanwhile)
        assert again._replace(terms=terms) == order
    stored = orjson.loads(orjson.dumps(source_document(source), default=str))
    assert source_of(stored) == source


def test_a_stored_policy_that_a_later_version_wrote_is_read_as_far_as_it_is_known() -> None:
    document = {"max_age_days": 5, "locations": ["1"], "mapping": {"note": "off", "later": "x"}, "later": 1}
    document["written_back"] = {"tag": "Crossdock", "later": "x"}
    assert policy_of(document) == Policy(
        max_age_days=5, locations=("1",), mapping=Sources(note="off"), written_back=WrittenBack("Crossdock")
    )
