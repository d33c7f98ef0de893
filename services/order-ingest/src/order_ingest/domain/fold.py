"""The rules of one order: (what is stored, one fact) → (what is stored then, what to tell, what to note).

Facts may come in any order and more than once. Every change of what others see goes through `publish_state`: a rising
`order_version`, and a rising `content_version` when the content changed and only then. What is told beside the content
(dates, the shipping asked for, names of bundles) is told anew when it changes, as the same content.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from order_ingest.domain.changes import Change, Detail, changes_of, details_of, moved, refund_kind
from order_ingest.domain.content import content_of, keeping, meaning_of, promises_else, promising, tells_more
from order_ingest.domain.holds import JUDGED_BY_OTHERS, TO_APPROVE, holds_of
from order_ingest.domain.judging import judged, marked
from order_ingest.domain.order import (
    Arrival,
    Asked,
    Hold,
    Match,
    Order,
    Published,
    Recipient,
    Refund,
    Rejection,
    Reply,
    Request,
    Reservation,
    Settlement,
    Shipment,
    Snapshot,
    Tracking,
)
from order_ingest.domain.policy import TITLE, mapped
from order_ingest.domain.requests import replies_due

StateKind = Literal["order.placed", "order.updated", "order.cancelled", "order.held", "order.released"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the order's timeline; `hold` for the kinds `held`, `released` and `refused`, `refund` for
    `refunded`, `change` for what an edit did, `detail` for what is told beside the content, `asked` for `requested`
    and, with `reply`, for `reply`."""

    kind: str
    hold: Hold | None = None
    refund: Refund | None = None
    change: Change | None = None
    detail: Detail | None = None
    asked: Asked | None = None
    reply: Reply | None = None


class Step(NamedTuple):
    """The outcome of one fact. `taken` says whether it changed anything; `state` is the event to publish with the
    order as it is now; `source` and `recipient` replace what was kept beside the order. `redacted`: the recipient was
    removed; `refused`: personal data came for an order whose recipient had been. `answers` are those that requests to
    our fulfillment service get; `read_again`: the order is to be read from its channel."""

    order: Order
    taken: bool = False
    state: StateKind | None = None
    source: Snapshot | None = None
    recipient: Recipient | None = None
    refunds: tuple[Refund, ...] = ()
    notes: tuple[Note, ...] = ()
    redacted: bool = False
    refused: bool = False
    answers: tuple[tuple[Asked, Reply], ...] = ()
    read_again: bool = False


def publish_state(
    before: Order, after: Order, *, changed: bool = False, detailed: bool = False, notes: tuple[Note, ...] = ()
) -> Step:
    """Tell the order's whole state if it changed, `changed` when its content did, `detailed` when what is told beside
    it did; and answer what can be answered."""
    step = _told(before, after, changed=changed, detailed=detailed, notes=notes)
    return _answering(before, step) if after.asked else step


def _answering(before: Order, step: Step) -> Step:
    order = step.order
    due = replies_due(order)
    known = {asked.key for asked in before.asked}
    answers = tuple((asked, due[asked.key]) for asked in order.asked if asked.key in due)
    notes = [Note("requested", asked=asked) for asked in order.asked if asked.key not in known]
    notes += [Note("reply", asked=asked, reply=reply) for asked, reply in answers]
    if due:
        order = order._replace(replies={**order.replies, **due})
    return step._replace(order=order, answers=answers, notes=(*step.notes, *notes))


def _told(before: Order, after: Order, *, changed: bool, detailed: bool, notes: tuple[Note, ...]) -> Step:
    if not after.ours:
        return Step(after, taken=True, notes=notes)
    old = before.published
    changed = changed or old.order_version == 0
    content_version = old.content_version + changed
    holds = holds_of(after, content_version)
    keys = tuple(hold.key for hold in holds)
    if not changed and not detailed and keys == old.holds and after.answered == old.answered:
        return Step(after, taken=True, notes=notes)
    published = Published(old.order_version + 1, content_version, keys, after.answered)
    after = after._replace(ever_wanted=after.ever_wanted or any(after.wanted.values()), published=published)
    kind = "order.updated" if detailed and not changed else _kind(after, changed, old)
    if changed:
        notes += (Note(kind),)
    return Step(after, taken=True, state=kind, notes=notes + _hold_notes(before, holds, changed))


def _kind(after: Order, changed: bool, old: Published) -> StateKind:
    if not changed:
        return "order.held" if set(after.published.holds) - set(old.holds) else "order.released"
    if after.called_off:
        return "order.cancelled"
    return "order.updated" if old.order_version else "order.placed"


def _hold_notes(before: Order, holds: tuple[Hold, ...], changed: bool) -> tuple[Note, ...]:
    """What began and ended to hold the order. New content is judged anew by others: that ends nothing yet."""
    known, now = set(before.published.holds), {hold.key for hold in holds}
    ended = [] if not holds and changed else holds_of(before, before.published.content_version)
    gone = [h for h in ended if h.key not in now and not (changed and h.code in JUDGED_BY_OTHERS)]
    came = [hold for hold in holds if hold.key not in known]
    return (*(Note("released", hold) for hold in gone), *(Note("held", hold) for hold in came))


# ------------------------------------------------------------------ the channel's word
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
    if new.recipient == known and meaning_of(new.snapshot) == meaning_of(old):
        if tells_more(old, new.snapshot):  # a read tells what the webhook of the same change is silent of
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
        return _answering(order, Step(done, taken=True)) if done.asked else Step(done, taken=True)
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
        left_out=before.left_out or (not before.known and _too_early(before, source)),
        refetching=base.refetching or unread,
        refunds=_refund_ids(before, new),
        extended=before.extended or _extends(old, source),
        recipient_version=before.recipient_version + recorded,
    )
    after = marked(before, judged(after, source))
    changed = old is None or _asks_else(before, after) or content_of(source) != content_of(old)
    fresh = _fresh_refunds(before, after, new) if before.told else ()
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
    notes = list(_verdict_notes(before, after))
    notes += [Note(change.kind, change=change) for change in edits]
    if recorded and before.told and not any(change.kind == "address" for change in edits):
        notes.append(Note("recipient"))
    return (*notes, *(Note("refunded", refund=refund) for refund in fresh))


def _verdict_notes(before: Order, after: Order) -> tuple[Note, ...]:
    """What the policy now says of the order and did not say before."""
    old, new = before.verdict, after.verdict
    notes = []
    if new.refusal is not None and (old.refusal is None or new.refusal.code != old.refusal.code):
        notes.append(Note("refused", hold=new.refusal))
    if new.refusal is None and old.refusal is not None:
        notes.append(Note("let_in"))
    if new.unrouted and not old.unrouted:
        notes.append(Note("unrouted"))
    if new.cancelled_by and not old.cancelled_by:
        notes.append(Note("called_off"))
    return tuple(notes)


def _asks_else(before: Order, after: Order) -> bool:
    return (after.wanted, after.called_off) != (before.wanted, before.called_off)


def _too_early(order: Order, source: Snapshot) -> bool:
    """Whether the order was placed before the orders of its live channel began to be ours."""
    terms = order.terms
    return (
        not order.chosen and not terms.observing and terms.ours_from is not None and source.placed_at < terms.ours_from
    )


def _refund_ids(before: Order, new: Arrival) -> tuple[str, ...]:
    known = set(before.refunds)
    return before.refunds + tuple(r.refund_id for r in new.refunds if r.refund_id not in known)


def _fresh_refunds(before: Order, after: Order, new: Arrival) -> tuple[Refund, ...]:
    """Refunds not told before. Those that came with the first snapshot are history: the goods came back before anybody
    here counted or shipped, so they are told to nobody."""
    fresh = (refund for refund in new.refunds if refund.refund_id not in before.refunds)
    return tuple(replace(refund, kind=refund_kind(refund, after.extended)) for refund in fresh)


def take_cancel(order: Order) -> Step:
    """The channel cancelled the order without telling its content; before the content is known, this waits for it."""
    if order.cancelled:
        return Step(order)
    notes = () if order.known else (Note("tombstone"),)
    return publish_state(order, order._replace(cancelled=True, wanted={}), changed=True, notes=notes)


# ------------------------------------------------------------------ the policy, and what people decide
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
        after = after._replace(left_out=not order.brought_in and _too_early(order, source))
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
    notes = (*notes, *_verdict_notes(before, after))
    step = publish_state(before, after, changed=_asks_else(before, after), notes=notes)
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


# ------------------------------------------------------------------ milestones
def take_match(order: Order, match: Match) -> Step:
    """The newest answer of sku-matcher."""
    if match.version <= order.match.version:
        return Step(order)
    return publish_state(order, order._replace(match=match))


def take_reservation(order: Order, reservation: Reservation) -> Step:
    """The newest answer of inventory."""
    if reservation.version <= order.reservation.version:
        return Step(order)
    return publish_state(order, order._replace(reservation=reservation))


def take_settlement(order: Order, settlement: Settlement) -> Step:
    """Fulfillment's newest word on what stands."""
    if settlement.settlement_version <= order.settlement.settlement_version:
        return Step(order)
    return publish_state(order, order._replace(settlement=settlement))


def take_request(order: Order, revision: int, request: Request) -> Step:
    """A destination is going to be asked."""
    if revision in order.requested:
        return Step(order)
    return publish_state(order, order._replace(requested={**order.requested, revision: request}))


def take_acceptance(order: Order, revision: int) -> Step:
    """A destination took a request."""
    if revision in order.accepted:
        return Step(order)
    return publish_state(order, order._replace(accepted=tuple(sorted((*order.accepted, revision)))))


def take_rejection(order: Order, revision: int, rejection: Rejection) -> Step:
    """A destination refused a request."""
    if revision in order.rejected:
        return Step(order)
    return publish_state(order, order._replace(rejected={**order.rejected, revision: rejection}))


def take_shipment(order: Order, shipment_id: str, shipment: Shipment) -> Step:
    """Goods left."""
    if shipment_id in order.shipments:
        return Step(order)
    return publish_state(order, order._replace(shipments={**order.shipments, shipment_id: shipment}))


def take_void(order: Order, shipment_id: str, reship: bool) -> Step:
    """A shipment did not happen after all; it may be told before the shipment itself."""
    if shipment_id in order.voids:
        return Step(order)
    return publish_state(order, order._replace(voids={**order.voids, shipment_id: reship}))


def take_delivery(order: Order, shipment_id: str) -> Step:
    """A shipment reached its recipient."""
    if shipment_id in order.delivered:
        return Step(order)
    return publish_state(order, order._replace(delivered=tuple(sorted((*order.delivered, shipment_id)))))


def take_tracking(order: Order, parcel: str, tracking: Tracking) -> Step:
    """The channel was told about a parcel, or could not be; once it was, an earlier failure says nothing any more."""
    old = order.tracking.get(parcel)
    if old == tracking or (old is not None and old.state == "done"):
        return Step(order)
    return publish_state(order, order._replace(tracking={**order.tracking, parcel: tracking}))


def take_tagging(order: Order, tagging: Tracking) -> Step:
    """The order was tagged in its channel, or could not be; once it was, an earlier failure says nothing any more."""
    if order.tagging == tagging or (order.tagging is not None and order.tagging.state == "done"):
        return Step(order)
    return publish_state(order, order._replace(tagging=tagging))
