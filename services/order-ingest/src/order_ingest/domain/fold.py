"""What a channel's word does to an order: (what is stored, a state of the channel) → (what is stored then, what to
tell, what to note). States may come in any order and more than once; the newest wins.
"""

from dataclasses import replace
from datetime import datetime

from order_ingest.domain.changes import Change, changes_of, details_of, moved, refunds_to_tell
from order_ingest.domain.content import content_of, keeping, meaning_of, promises_else, promising
from order_ingest.domain.judging import judged, marked, too_early
from order_ingest.domain.order import Arrival, Order, Recipient, Refund, Snapshot
from order_ingest.domain.policy import TITLE, mapped
from order_ingest.domain.steps import Note, Step, answering, asks_else, publish_state, verdict_notes


def take_snapshot(order: Order, old: Snapshot | None, known: Recipient | None, new: Arrival) -> Step:
    """The newest `updated_at` wins; a tie that says something else is read again from the channel. `old` and `known`
    are the snapshot and the recipient that are kept."""
    return _compare(order, old, known, admitted(order, new))._replace(refused=_refused(order, new))


def admitted(order: Order, new: Arrival) -> Arrival:
    """What may be kept of what a channel says: the shipping from where the policy maps it; of the personal data what
    the policy maps, and none once the order is redacted."""
    sources = order.terms.policy.mapping
    if sources.service != TITLE:
        service = new.services.get(sources.service, "")
        new = replace(new, snapshot=replace(new.snapshot, service=service, service_from=sources.service))
    if order.redacted:
        return replace(new, recipient={}, snapshot=replace(new.snapshot, addressed=False))
    recipient = mapped(new.recipient, sources)
    return new if recipient is new.recipient else replace(new, recipient=recipient)


def _refused(order: Order, new: Arrival) -> bool:
    return order.redacted and bool(new.recipient)


def _compare(order: Order, old: Snapshot | None, known: Recipient | None, new: Arrival) -> Step:
    if old is None or new.snapshot.updated_at > old.updated_at:
        base = order._replace(arrived_meanwhile=True) if order.refetching else order
        return _adopt(base, order, old, known, new)
    if new.snapshot.updated_at < old.updated_at:
        return Step(order)
    same = new.recipient == known and meaning_of(new.snapshot) == meaning_of(old)
    if same and not refunds_to_tell(order, new.refunds):
        news = details_of(old, new.snapshot)
        if any(detail.after and not detail.before for detail in news):  # of which the webhook of the change is silent
            return _adopt(order, order, old, known, new)
        if not promises_else(old, new.snapshot):
            return Step(order)
    if order.refetching:
        return Step(order._replace(arrived_meanwhile=True), taken=not order.arrived_meanwhile)
    return Step(order._replace(refetching=True), taken=True, notes=(Note("tie"),))


def take_answer(order: Order, old: Snapshot | None, known: Recipient | None, answer: Arrival | None) -> Step:
    """What the channel said when it was read again: it wins, unless another state arrived since; then it is read once
    more. None when the channel could not say."""
    if order.arrived_meanwhile:
        return Step(order._replace(arrived_meanwhile=False), taken=True)
    done = order._replace(refetching=False)
    if answer is None or (old is not None and answer.snapshot.updated_at < old.updated_at):
        return answering(order, Step(done, taken=True)) if done.asked else Step(done, taken=True)
    step = _adopt(done, order, old, known, admitted(order, answer))
    return step._replace(notes=(Note("read_again"), *step.notes), refused=_refused(order, answer))


def take_pointer(order: Order, old: Snapshot | None, updated_at: datetime | None, *, routes: bool = False) -> Step:
    """The channel names the order without telling it: it is read again, unless what is kept is as new as `updated_at`.
    While a read is under way it counts as a state that arrived meanwhile. With `routes`, what the order is assigned to
    changed: from now on its routes are read with it."""
    if routes:
        order = order._replace(follows=True)
    if old is not None and updated_at is not None and old.updated_at >= updated_at:
        return Step(order)
    if order.refetching:
        return Step(order._replace(arrived_meanwhile=True), taken=not order.arrived_meanwhile)
    return Step(order._replace(refetching=True), taken=True, notes=(Note("named"),))


def _adopt(base: Order, before: Order, old: Snapshot | None, known: Recipient | None, new: Arrival) -> Step:
    source, unread = keeping(old, new.snapshot), False
    if source.routing is None and old is not None and old.routing is not None:
        source, unread = replace(source, routing=old.routing), True  # what it is assigned to is read again
    source = source if before.brought_in else promising(source, before.terms.policy)
    recorded = not before.told or new.recipient != known
    after = base._replace(
        known=True,
        test=source.test,
        addressed=source.addressed,
        cancelled=before.cancelled or source.cancelled,
        before_import=before.before_import if before.told else new.fulfilled,
        imported_at=before.imported_at or before.terms.at,
        left_out=before.left_out or (not before.known and too_early(before, source)),
        refetching=base.refetching or unread,
        extended=before.extended or _extends(old, source),
        recipient_version=before.recipient_version + recorded,
    )
    after = marked(before, judged(after, source))
    changed = old is None or asks_else(before, after) or content_of(source) != content_of(old)
    after, fresh = _learn_refunds(after, new.refunds, tell=before.told)
    edits = _edits(before, after, old, known, new) if before.told else ()
    details = details_of(old, source) if old is not None and before.told else ()
    notes = _arrival_notes(before, after, recorded, fresh, edits)
    notes += tuple(Note(detail.kind, detail=detail) for detail in details)
    step = publish_state(before, after, changed=changed, detailed=bool(details), notes=notes)
    return step._replace(source=source, recipient=new.recipient if recorded else None, refunds=fresh)


def _extends(old: Snapshot | None, new: Snapshot) -> bool:
    return old is not None and bool({line.line_id for line in new.lines} - {line.line_id for line in old.lines})


def _edits(
    before: Order, after: Order, old: Snapshot | None, known: Recipient | None, new: Arrival
) -> tuple[Change, ...]:
    """What an edit did; that a cancellation leaves nothing to ship is said by the cancellation."""
    lines = () if old is None or after.called_off else changes_of(old, new.snapshot, before.wanted, after.wanted)
    return (*lines, *moved(known, new.recipient))


def _arrival_notes(
    before: Order, after: Order, recorded: bool, fresh: tuple[Refund, ...], edits: tuple[Change, ...]
) -> tuple[Note, ...]:
    notes = list(verdict_notes(before, after))
    notes += [Note(change.kind, change=change) for change in edits]
    if recorded and before.told and not any(change.kind == "address" for change in edits):
        notes.append(Note("recipient"))
    return (*notes, *(Note("refunded", refund=refund) for refund in fresh))


def _learn_refunds(order: Order, refunds: tuple[Refund, ...], *, tell: bool) -> tuple[Order, tuple[Refund, ...]]:
    """The order with the refunds of its newest state, and those that are to be told. Those that came with the first
    snapshot are history: the goods came back before anybody here counted or shipped, so they are told to nobody."""
    found = refunds_to_tell(order, refunds)
    fresh = tuple(refund.refund_id for refund in found if refund.refund_id not in order.refunds)
    kinds = {refund.refund_id: (*order.refund_kinds.get(refund.refund_id, ()), refund.kind) for refund in found}
    order = order._replace(refunds=order.refunds + fresh)
    return (order._replace(refund_kinds={**order.refund_kinds, **kinds}), found) if tell and found else (order, ())


def take_cancel(order: Order) -> Step:
    """The channel cancelled the order without telling its content; before the content is known, this waits for it."""
    if order.cancelled:
        return Step(order)
    notes = () if order.known else (Note("tombstone"),)
    return publish_state(order, order._replace(cancelled=True, wanted={}), changed=True, notes=notes)
