"""What became of an order, as its timeline tells it: edits line by line, addresses, and what each refund was for."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest
from fold_examples import MUG, NOON, PLACED, SHIRT, Known, learn, take, told

from crossdock.contracts.fulfillment import FulfillmentCancelRefused
from order_ingest.domain import fold
from order_ingest.domain.order import (
    Arrival,
    Package,
    Refund,
    Request,
    Shipment,
)
from order_ingest.domain.steps import Step
from order_ingest.story import sentence_of_event, sentence_of_note


def test_a_refund_of_shipped_units_keeps_what_is_wanted_and_is_told_once() -> None:
    given = Refund("R", (("a", 1, True),))
    step = take(PLACED, told(1, refunds=(given,)))
    assert (step.state, step.refunds) == (None, (replace(given, kind="restocked"),))
    assert take(Known(step.order, step.source), told(2, refunds=(given,))).refunds == ()


def refund(paid_back: str | None, lines: tuple[tuple[str, int, bool], ...]) -> Refund:
    return Refund("R", lines, 0, None if paid_back is None else Decimal(paid_back), Decimal(10))


GONE = (("a", 1, True),)


@pytest.mark.parametrize(
    ("one", "added", "kind"),
    [
        (refund("10", GONE), False, "restocked"),
        (refund("10", (("a", 1, False),)), False, "kept"),
        (replace(refund("5", ()), worth=Decimal(0)), False, "appeasement"),
        (replace(refund("10", ()), unshipped=2), False, "unshipped"),
        (refund("0", GONE), True, "exchange"),
        (refund("0", GONE), False, "restocked"),
        (refund("10", GONE), True, "restocked"),
        (refund(None, GONE), True, "restocked"),
    ],
)
def test_refunds_are_of_five_kinds(one: Refund, added: bool, kind: str) -> None:
    known = learn(PLACED, told(1, lines=(SHIRT, MUG))) if added else PLACED
    lines = (SHIRT, MUG) if added else (SHIRT,)
    [fresh] = take(known, told(2, lines=lines, refunds=(one,))).refunds
    assert fresh.kind == kind


def kinds_told(*arrivals: Arrival) -> dict[str, str]:
    """What each refund was told to be for in the end, once these states came after the first."""
    known, told_as, versions_ = PLACED, dict[str, str](), dict[str, int]()
    for arrival in arrivals:
        step = take(known, arrival)
        if step.order.refetching:
            step = fold.take_answer(step.order, known.source, {}, arrival)
        for one in step.refunds:
            assert one.kind_version == versions_.get(one.refund_id, 0) + 1
            told_as[one.refund_id], versions_[one.refund_id] = one.kind, one.kind_version
        known = Known(step.order, step.source or known.source)
    return told_as


def test_what_a_refund_was_for_does_not_depend_on_the_order_in_which_the_states_arrive() -> None:
    swapped, fee = refund("0", GONE), replace(refund("9", (("a", 1, False),)), refund_id="F")
    gift = replace(refund("3", ()), refund_id="G", worth=Decimal(0))
    both = (SHIRT, MUG)
    states = [
        told(1, refunds=(swapped,)),
        told(2, refunds=(swapped, fee)),
        told(3, refunds=(swapped, fee), lines=both),
        told(4, refunds=(swapped, fee, gift), lines=both),
        told(5, refunds=(swapped, replace(fee, paid_back=Decimal(10)), gift), lines=both),
    ]
    ends = [kinds_told(*turns) for turns in permutations(states)]
    assert ends == [{"R": "exchange", "F": "kept", "G": "appeasement"}] * 120


def test_an_exchange_that_shows_later_is_told_again_with_the_same_units() -> None:
    step = take(PLACED, told(1, refunds=(refund("0", GONE),)))
    assert [(one.kind, one.kind_version) for one in step.refunds] == [("restocked", 1)]
    again = take(Known(step.order, step.source), told(2, refunds=(refund("0", GONE),), lines=(SHIRT, MUG)))
    assert [(one.kind, one.kind_version, one.lines) for one in again.refunds] == [("exchange", 2, GONE)]
    said = [sentence_of_note(note, again.order, again.source) for note in again.notes if note.refund]
    assert said == ["Refund R, as it turns out: 1 unit came back for other goods"]


def test_states_of_one_moment_of_which_one_tells_a_refund_or_its_money_are_read_again() -> None:
    silent, whole = told(1, lines=(SHIRT, MUG)), told(1, lines=(SHIRT, MUG), refunds=(refund("0", GONE),))
    half = told(1, lines=(SHIRT, MUG), refunds=(refund(None, GONE),))
    assert take(learn(PLACED, silent), whole).order.refetching
    assert take(learn(PLACED, half), whole).order.refetching
    for less in (silent, half):
        assert take(learn(PLACED, whole), less) == Step(learn(PLACED, whole).order), "it takes nothing back"
    for turns in permutations((silent, half, whole)):
        assert kinds_told(*turns) == {"R": "exchange"}


def edits(known: Known, arrival: Arrival) -> list[tuple[str, int, int]]:
    notes = take(known, arrival).notes
    return [(note.change.kind, note.change.before, note.change.after) for note in notes if note.change is not None]


def test_an_edit_is_told_line_by_line() -> None:
    assert edits(PLACED, told(1, kept=2)) == [("line_less", 3, 2)]
    assert edits(PLACED, told(1, lines=(SHIRT, MUG))) == [("line_added", 0, 1)]
    assert edits(PLACED, told(1, lines=(MUG,))) == [("line_added", 0, 1), ("line_removed", 3, 0)]
    assert edits(PLACED, told(1, kept=0)) == [("line_removed", 3, 0)]
    assert edits(PLACED, told(1, lines=(replace(SHIRT, sku="COAT"),))) == [("line_sku", 3, 3)]
    assert edits(learn(PLACED, told(1, kept=1)), told(2)) == [("line_more", 1, 3)]
    assert edits(PLACED, told(1, paid=False)) == []


def test_a_cancellation_is_told_as_one_and_not_line_by_line() -> None:
    step = take(PLACED, told(1, kept=0, cancelled=True))
    assert (step.state, [note.kind for note in step.notes if note.change]) == ("order.cancelled", [])


def test_an_address_that_changes_is_told_without_what_it_says() -> None:
    step = fold.take_snapshot(
        PLACED.order, PLACED.source, {"address": {"city": "Old"}}, told(1, recipient={"address": {"city": "New"}})
    )
    assert [note.kind for note in step.notes] == ["address"]
    said = sentence_of_note(step.notes[0], step.order, step.source)
    assert said == "The delivery address changed"
    asked = step.order._replace(requested={1: Request("Depot", {"a": 3})})
    said = sentence_of_note(step.notes[0], asked, step.source)
    assert said == "The delivery address changed: Depot is asked to stop request 1 and ship to the new address"
    gone = asked._replace(shipments={"S": Shipment(1, NOON, (Package("P", "", "", "", {"a": 3}),))})
    assert "after everything had left" in sentence_of_note(step.notes[0], gone, step.source)


def test_a_phone_number_or_note_that_changes_is_no_new_address() -> None:
    old = {"address": {"city": "Old", "phone": "1"}}
    step = fold.take_snapshot(
        PLACED.order, PLACED.source, old, told(1, recipient={"address": {"city": "Old", "phone": "2"}, "note": "x"})
    )
    assert [note.kind for note in step.notes] == ["recipient"]


def test_a_request_that_was_not_stopped_for_a_new_address_is_named() -> None:
    refused = FulfillmentCancelRefused(
        order_id=UUID(int=1), content_version=1, settlement_version=1, standing=(), old_address=(1, 2)
    )
    said = sentence_of_event(refused)
    assert said.startswith("Requests 1 and 2 were not stopped and will ship to the old address: nothing stands.")
