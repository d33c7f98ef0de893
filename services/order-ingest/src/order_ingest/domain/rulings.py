"""What people decide of an order, and what becomes of it when the terms of its channel change."""

from dataclasses import replace

from order_ingest.domain.holds import TO_APPROVE
from order_ingest.domain.judging import judged, marked, too_early
from order_ingest.domain.order import Order, Recipient, Snapshot, Tracking
from order_ingest.domain.steps import Note, Step, asks_else, publish_state, verdict_notes


def govern(order: Order, source: Snapshot | None, known: Recipient | None) -> Step:
    """Judge an order again where its terms changed since: the mode of its channel or warehouse, or the policy. An order
    that was only observed becomes ours when its channel goes live, unless the choice made then leaves it out."""
    terms = order.terms
    told, now = (order.observing, order.warehouse_observing), (terms.observing, terms.warehouse_observing)
    if told == now and (order.judged == terms.version or source is None):
        return Step(order)
    after = order._replace(observing=terms.observing, warehouse_observing=terms.warehouse_observing)
    if source is None:
        return publish_state(order, after)
    if order.observing and not terms.observing and not order.requested:
        after = after._replace(left_out=not order.brought_in and too_early(order, source))
    return _judged_again(order, after, source, known)


def bring_in(order: Order, source: Snapshot, known: Recipient | None) -> Step:
    """A person takes in what the policy rejects, whole; nothing happens where nothing is rejected."""
    if order.verdict.refusal is None and not order.verdict.unrouted:
        return Step(order)
    after = order._replace(brought_in=True, left_out=False)
    return _judged_again(order, after, source, known, Note("brought_in"))


def choose(order: Order, *, chosen: bool) -> Step:
    """A person names the order among those that become ours when its channel goes live, or does not any more."""
    return Step(order) if order.chosen == chosen else Step(order._replace(chosen=chosen), taken=True)


def approve(order: Order, source: Snapshot, known: Recipient | None) -> Step:
    """A person lets go on what the policy makes wait for an approval."""
    if not any(hold.code in TO_APPROVE for hold in order.verdict.waits):
        return Step(order)
    return _judged_again(order, order._replace(approved=True), source, known, Note("approved"))


def _judged_again(before: Order, after: Order, source: Snapshot, known: Recipient | None, *notes: Note) -> Step:
    """Judge under the newest terms; an order that becomes ours by it is told with its recipient."""
    after = marked(before, judged(after, source))
    entering = after.ours and not before.told
    after = after._replace(recipient_version=before.recipient_version + entering)
    notes = (*notes, *verdict_notes(before, after))
    step = publish_state(before, after, changed=asks_else(before, after), notes=notes)
    return step._replace(recipient={} if known is None or after.redacted else known) if entering else step


def answer_rejection(order: Order) -> Step:
    """A person or rule answers the newest rejected revision, so that it may be asked for again."""
    newest = max(order.rejected, default=0)
    if newest <= order.answered:
        return Step(order)
    return publish_state(order, order._replace(answered=newest), notes=(Note("answered"),))


REMOVED = "(removed with the recipient)"
"""Stands where somebody outside wrote something that may have quoted the recipient."""


def words_of_outsiders(order: Order) -> list[str]:
    """What destinations and channels wrote about an order in their own words."""
    words = [one.reason for one in order.rejected.values()] + [one.reason for one in order.tracking.values()]
    words += [order.tagging.reason] if order.tagging else []
    return sorted({word for word in words if word and word != REMOVED}, key=len, reverse=True)


def take_redaction(order: Order) -> Step:
    """Personal data is removed and refused from now on; edits, refunds and cancellations still apply."""
    if order.redacted:
        return Step(order)
    after = order._replace(
        redacted=True,
        addressed=False,
        recipient_version=order.recipient_version + 1,
        rejected={number: replace(one, reason=REMOVED) for number, one in order.rejected.items()},
        tracking={key: _unquoted(one) for key, one in order.tracking.items()},
        tagging=order.tagging and _unquoted(order.tagging),
    )
    step = publish_state(order, after)
    return step._replace(recipient={}, redacted=True, notes=(Note("redacted"), *step.notes))


def _unquoted(told: Tracking) -> Tracking:
    return replace(told, reason=REMOVED if told.reason else "")
