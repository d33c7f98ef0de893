"""What an order's timeline says: one sentence for everything that happened to it, without personal data."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import (
    ChannelRequestAnswered,
    ChannelRequestFailed,
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    FulfillmentRejected,
    FulfillmentRequested,
    OrderTagFailed,
    OrderTagged,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentVoided,
    StandingLine,
    TrackingFailed,
    TrackingWritten,
)
from crossdock.contracts.inventory import StockReserved, StockShort
from crossdock.contracts.sku_matcher import MatchEvent, OrderMatched, OrderUnmatched
from order_ingest.domain.changes import Change, Detail
from order_ingest.domain.order import Order, Refund, Snapshot, shipped_net
from order_ingest.domain.steps import Note
from order_ingest.translate import message_of, told_hold, told_refusal, units_of

LONGEST_LIST = 5
REFUNDS = {
    "restocked": "{units} came back and go to stock",
    "kept": "{units} had shipped and do not go back to stock",
    "exchange": "{units} came back for other goods",
    "appeasement": "money alone, no goods move",
    "unshipped": "{units} that had not shipped are no longer wanted",
}
EDITS = {
    "line_added": "was added: {units}",
    "line_removed": "was removed: nothing more of it is wanted, {before} before",
    "line_more": "was raised from {before} to {units}",
    "line_less": "was lowered from {before} to {units}",
    "line_sku": "has another SKU now",
}
DETAILS = {
    "ship_by": "Ship by {}",
    "deliver_by": "Deliver by {}",
    "service": "The shipping asked for: {}",
    "bundle": "Line {position} ({sku}) was sold as a part of {}",
}
FIXED = {
    "let_in": "Not rejected any more: it comes in",
    "brought_in": "A person brought it in although the channel's policy rejects it",
    "approved": "A person approved it: what its channel's policy asks about holds it no longer",
    "unrouted": "Its channel has yet to say which location ships it: it waits for that",
    "tombstone": "Cancelled before its content arrived: it waits for the content",
    "recipient": "The recipient's data changed",
    "redacted": "Its recipient was removed for good: personal data that comes again is refused",
    "tie": "Two different states carry the same time: the order is read again from its channel",
    "named": "Its channel says that something happened to it, but not what: it is read from its channel",
    "read_again": "Read again from its channel",
    "found": "Found by reconciliation",
    "backlog": "Brought in by an import of old orders",
    "unread": "Its channel could not tell the order again: the state that came first stays until a newer one comes",
    "never_read": "Its channel could not tell the order: it waits for a webhook that carries it whole",
    "answered": "The rejection was answered: the destination may be asked again",
    "order.cancelled": "Cancelled in its channel",
}


def sentence_of_note(note: Note, order: Order, source: Snapshot | None) -> str:
    """What this service itself has to say."""
    if note.kind == "refused" and note.hold is not None:
        return f"Not ours: {told_refusal(note.hold).sentence}"
    if note.kind == "called_off":
        return f"Taken as cancelled: its channel says that it is {order.verdict.cancelled_by}"
    if note.hold is not None:
        verb = "Held" if note.kind == "held" else "No longer held"
        return f"{verb}: {told_hold(note.hold).sentence}"
    if note.refund is not None:
        return _refunded(note.refund, source)
    if note.change is not None:
        return _changed(note.change, order)
    if note.detail is not None:
        return _detailed(note.detail)
    if note.asked is not None:
        return _asked(note, order)
    if note.kind in FIXED:
        return FIXED[note.kind]
    assert source is not None, "content changes only with a snapshot at hand"
    lines, units = len(source.lines), sum(order.wanted.values())
    what = f"{lines} {'line' if lines == 1 else 'lines'}, {_units(units)} to ship"
    if note.kind == "order.placed":
        return f"Order {source.number} imported: {what}"
    return f"Changed in its channel (version {order.published.content_version}): {what}"


def _refunded(refund: Refund, source: Snapshot | None) -> str:
    units = _units(sum(line[1] for line in refund.lines) or refund.unshipped)
    money = ""
    if refund.paid_back:
        money = f" of {refund.paid_back} {source.currency if source is not None else ''}".rstrip()
    again = ", as it turns out" if refund.kind_version > 1 else ""
    return f"Refund {refund.refund_id}{money}{again}: {REFUNDS[refund.kind].format(units=units)}"


ANSWERS = {
    "accept": "The request is accepted",
    "reject": "The request is rejected",
    "accept_cancellation": "Stopping is accepted",
    "reject_cancellation": "Stopping is refused",
}


def _asked(note: Note, order: Order) -> str:
    """What the merchant asked of our fulfillment service, and what is answered."""
    assert note.asked is not None, "only what was asked is answered"
    if note.reply is None:
        units = _units(sum(note.asked.units.values()))
        return f"The store asks to stop {units}" if note.asked.cancel else f"The store requests {units} to be shipped"
    why = message_of(order, note.reply)
    return f"{ANSWERS[note.reply.answer]}: {why[:1].lower()}{why[1:]}" if why else ANSWERS[note.reply.answer]


def _answered(event: ChannelRequestAnswered) -> str:
    answer = ANSWERS[event.answer]
    if event.overtaken:
        return f"The store was not told that {answer[:1].lower()}{answer[1:]}: {event.evidence}"
    return f"The store {'knew already' if event.adopted else 'was told'}: {answer[:1].lower()}{answer[1:]}"


def _not_answered(event: ChannelRequestFailed) -> str:
    why = event.reason.removesuffix(".")
    return f"The store could not be told ({ANSWERS[event.answer].lower()}): {why}. Answer it in the store"


def _changed(change: Change, order: Order) -> str:
    if change.kind == "address":
        return _moved(order)
    line = f"Line {change.position} ({change.sku or 'without SKU'})"
    return f"{line} {EDITS[change.kind].format(units=_units(change.after), before=change.before)}"


def _detailed(detail: Detail) -> str:
    about = DETAILS[detail.kind].format(_value(detail.after), position=detail.position, sku=detail.sku or "without SKU")
    return f"{about} (now known)" if not detail.before else f"{about}, no longer {_value(detail.before)}"


def _value(value: datetime | str | None) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else value or "not known"


def _moved(order: Order) -> str:
    """What is done about a new address, by what is known here of requests and shipments."""
    newest = max((n for n in order.requested if n not in order.rejected), default=0)
    left = shipped_net(order)
    if not newest or order.cancelled:
        return "The delivery address changed"
    if all(left.get(line_id, 0) >= units for line_id, units in order.wanted.items()):
        return "The delivery address changed after everything had left for the old one"
    asked = order.requested[newest].destination
    return f"The delivery address changed: {asked} is asked to stop request {newest} and ship to the new address"


def _cancel_refused(event: FulfillmentCancelRefused) -> str:
    stands = _standing(event.standing)
    if not event.old_address:
        return f"The cancellation was refused for version {event.content_version}: {stands}"
    requests = " and ".join(map(str, event.old_address))
    what = f"Request {requests} was" if len(event.old_address) == 1 else f"Requests {requests} were"
    return f"{what} not stopped and will ship to the old address: {stands}. Reach the destination, or the carrier"


def _standing(standing: tuple[StandingLine, ...]) -> str:
    units = sum(line.quantity for line in standing)
    return f"{_units(units)} stand" if units else "nothing stands"


def _dispatched(event: ShipmentDispatched) -> str:
    units = sum(line.quantity for package in event.packages for line in package.lines)
    parcels = [" ".join(filter(None, (p.carrier, p.tracking_number))) or "no tracking" for p in event.packages]
    packed = "1 package" if len(parcels) == 1 else f"{len(parcels)} packages"
    return f"Shipped {_units(units)} in {packed} ({', '.join(parcels[:LONGEST_LIST])})"


def _listed(units: dict[str, int]) -> str:
    shown = [f"{count} of {name}" for name, count in list(units.items())[:LONGEST_LIST]]
    more = len(units) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"


def _unmatched(event: OrderUnmatched) -> str:
    lines = len({line for hold in event.holds for line in hold.lines})
    return f"{lines} {'line is' if lines == 1 else 'lines are'} not matched to a SKU"


def _reserved(event: StockReserved) -> str:
    listed = units_of((item.sku, item.quantity) for item in event.items)
    return f"Stock reserved: {_listed(listed)}" if listed else "Nothing more needs to be reserved"


def _requested(event: FulfillmentRequested) -> str:
    units = sum(line.quantity for line in event.lines)
    return f"{event.destination} is asked to ship {_units(units)} (request {event.revision})"


def _voided(event: ShipmentVoided) -> str:
    again = "; its units are shipped again" if event.reship else ""
    return f"Shipment {event.shipment_id} did not happen after all{again}"


def _written(event: TrackingWritten) -> str:
    how = "was found in the channel already" if event.adopted else "was written to the channel"
    return f"Tracking of package {event.package_ref} {how}"


def _tagged(event: OrderTagged) -> str:
    how = "was found on the order in its channel already" if event.adopted else "was put on the order in its channel"
    return f"The tag {event.tag!r} {how}"


SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    OrderMatched: lambda _: "Every line that ships is matched to a SKU",
    OrderUnmatched: _unmatched,
    StockReserved: _reserved,
    StockShort: lambda _: "Stock could not be reserved",
    FulfillmentRequested: _requested,
    FulfillmentAccepted: lambda e: f"{e.destination} accepted request {e.revision}",
    FulfillmentRejected: lambda e: f"{e.destination} rejected request {e.revision}: {e.reason}",
    FulfillmentCancelled: lambda e: f"Settled version {e.content_version}: {_standing(e.standing)}",
    FulfillmentCancelRefused: _cancel_refused,
    ShipmentDispatched: _dispatched,
    ShipmentVoided: _voided,
    ShipmentDelivered: lambda e: f"Shipment {e.shipment_id} was delivered",
    TrackingWritten: _written,
    ChannelRequestAnswered: _answered,
    ChannelRequestFailed: _not_answered,
    TrackingFailed: lambda e: f"Tracking of package {e.package_ref} could not be written to the channel: {e.reason}",
    OrderTagged: _tagged,
    OrderTagFailed: lambda e: f"The tag {e.tag!r} could not be put on the order in its channel: {e.reason}",
}


def sentence_of_event(event: Event) -> str:
    """What another service reported. Raises KeyError for an event that has no sentence."""
    sentence = SENTENCES[type(event)](event)
    decision = event.decision if isinstance(event, MatchEvent) else ""
    return f"{decision}. {sentence}" if decision else sentence
