"""What an order's timeline says: one sentence for everything that happened to it, without personal data."""

from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import (
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    FulfillmentRejected,
    FulfillmentRequested,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentVoided,
    TrackingFailed,
    TrackingWritten,
)
from crossdock.contracts.inventory import StockReserved, StockShort
from crossdock.contracts.sku_matcher import OrderMatched, OrderUnmatched
from order_ingest.domain.content import wanted_of
from order_ingest.domain.fold import Note
from order_ingest.domain.order import Order
from order_ingest.translate import told_hold, units_of

LONGEST_LIST = 5
FIXED = {
    "test": "A test order: kept here and sent nowhere",
    "tombstone": "Cancelled before its content arrived: it waits for the content",
    "recipient": "The recipient's data changed",
    "tie": "Two different states carry the same time: the order is read again from its channel",
    "read_again": "Read again from its channel",
    "unread": "Its channel could not tell the order again: the state that came first stays until a newer one comes",
    "answered": "The rejection was answered: the destination may be asked again",
    "order.cancelled": "Cancelled in its channel",
}


def sentence_of_note(note: Note, order: Order) -> str:
    """What this service itself has to say."""
    if note.hold is not None:
        verb = "Held" if note.kind == "held" else "No longer held"
        return f"{verb}: {told_hold(note.hold).sentence}"
    if note.refund is not None:
        units = sum(line[1] for line in note.refund.lines)
        return f"Refund {note.refund.refund_id} of {_units(units)} that had shipped"
    if note.kind in FIXED:
        return FIXED[note.kind]
    return _content(note.kind, order)


def _content(kind: str, order: Order) -> str:
    assert order.source is not None
    lines, units = len(order.source.lines), sum(wanted_of(order).values())
    what = f"{lines} {'line' if lines == 1 else 'lines'}, {_units(units)} to ship"
    if kind == "order.placed":
        return f"Order {order.source.number} imported: {what}"
    return f"Changed in its channel (version {order.published.content_version}): {what}"


def sentence_of_event(event: Event) -> str:
    """What another service reported."""
    match event:
        case OrderMatched():
            return "Every line that ships is matched to a SKU"
        case OrderUnmatched():
            return f"{len({line for hold in event.holds for line in hold.lines})} lines are not matched to a SKU"
        case StockReserved():
            listed = units_of((item.sku, item.quantity) for item in event.items)
            return f"Stock reserved: {_listed(listed)}" if listed else "Nothing more needs to be reserved"
        case StockShort():
            return "Stock could not be reserved"
        case FulfillmentRequested():
            units = sum(line.quantity for line in event.lines)
            return f"{event.destination} is asked to ship {_units(units)} (request {event.revision})"
        case FulfillmentAccepted():
            return f"{event.destination} accepted request {event.revision}"
        case FulfillmentRejected():
            return f"{event.destination} rejected request {event.revision}: {event.reason}"
        case FulfillmentCancelled():
            return f"Settled version {event.content_version}: {_standing(event.standing)}"
        case FulfillmentCancelRefused():
            return f"The cancellation was refused for version {event.content_version}: {_standing(event.standing)}"
        case ShipmentDispatched():
            return _dispatched(event)
        case ShipmentVoided():
            again = "; its units are shipped again" if event.reship else ""
            return f"Shipment {event.shipment_id} did not happen after all{again}"
        case ShipmentDelivered():
            return f"Shipment {event.shipment_id} was delivered"
        case TrackingWritten():
            how = "was found in the channel already" if event.adopted else "was written to the channel"
            return f"Tracking of package {event.package_ref} {how}"
        case TrackingFailed():
            return f"Tracking of package {event.package_ref} could not be written to the channel: {event.reason}"
    raise TypeError(f"the timeline has no sentence for {event.type}")


def _standing(standing: tuple[object, ...]) -> str:
    units = sum(getattr(line, "quantity", 0) for line in standing)
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
