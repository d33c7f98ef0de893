"""What a fact does to an order, and what is told of it then.

Invariant: every change of what others see goes through `publish_state`: a rising `order_version`, and a rising
`content_version` when the content changed and only then. What is told beside the content (dates, the shipping asked
for, names of bundles) is told anew when it changes, as the same content.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from order_ingest.domain.changes import Change, Detail
from order_ingest.domain.holds import JUDGED_BY_OTHERS, holds_of
from order_ingest.domain.order import Asked, Hold, Order, Published, Recipient, Refund, Reply, Snapshot
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
    return answering(before, step) if after.asked else step


def answering(before: Order, step: Step) -> Step:
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
    kind = "order.updated" if detailed and not changed and keys == old.holds else _kind(after, changed, old)
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


def verdict_notes(before: Order, after: Order) -> tuple[Note, ...]:
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


def asks_else(before: Order, after: Order) -> bool:
    return (after.wanted, after.called_off) != (before.wanted, before.called_off)
