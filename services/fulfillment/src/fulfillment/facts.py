"""Events and notices as facts of the protocol: the one place where the words of others become ours."""

from collections import defaultdict
from hashlib import sha256
from typing import Any
from uuid import UUID

from crossdock.channels.model import NoticePackageLine, ShipNotice
from crossdock.contracts import order_ingest
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected, FulfillmentWebhookReceived
from crossdock.contracts.inventory import StockReserved
from crossdock.contracts.order_ingest import ChannelRequestDecided, RecipientEvent, RecipientRecorded
from crossdock.messaging.failures import Poison
from fulfillment.domain.desk import (
    Answer,
    Delivery,
    Desk,
    Fact,
    LineText,
    OrderState,
    Parcel,
    RecipientKnown,
    Reservation,
    Revision,
    Sale,
    Shipment,
    Void,
    reference_of,
)
from fulfillment.domain.recipe import OddParcel, line_units
from fulfillment.domain.units import Units, total, units_of
from fulfillment.store.writes import NewWrite


def order_state(event: order_ingest.OrderState) -> OrderState:
    """The state of an order; lines that want nothing are kept only as texts."""
    lines = tuple(LineText(line.line_id, line.sku, line.title) for line in event.lines if line.quantity)
    return OrderState(
        order_version=event.order_version,
        content_version=event.content_version,
        wanted=() if event.cancelled else units_of((line.line_id, line.wanted) for line in event.lines),
        holds=tuple(str(hold.code) for hold in event.holds),
        cancelled=event.cancelled,
        answered=event.answered_revision,
        sale=Sale(
            str(event.channel_id),
            event.channel_kind,
            event.external_id,
            event.number,
            lines,
            event.service,
            event.ship_by,
            event.deliver_by,
        ),
        tag=event.tag,
    )


def answer(event: ChannelRequestDecided, trace: str) -> NewWrite:
    """The answer to a merchant's request, as one of the writes to the order in its channel."""
    fields = {"route_id", "request_id", "answer", "reason", "message"}
    return NewWrite(
        kind="answer",
        target=f"{event.channel_id}/{event.order_id}",
        order_id=event.order_id,
        channel_id=event.channel_id,
        revision=0,
        traceparent=trace,
        asked=f"{event.route_id}/{event.request_id}",
        payload=event.model_dump(include=fields),
    )


def reservation(event: StockReserved) -> Reservation:
    """What one unit of each line is made of, as far as units of it are held, at whatever location."""
    recipes: dict[str, dict[str, int]] = defaultdict(dict)
    for item in event.items:
        recipes[item.line_id][item.sku] = item.per_unit
    return Reservation(
        event.content_version,
        event.match_version,
        event.reservation_version,
        tuple((line, tuple(sorted(recipe.items()))) for line, recipe in sorted(recipes.items())),
    )


def recipient(event: RecipientEvent) -> RecipientKnown:
    """What is known of a recipient. The fingerprint of an address leaves its phone number out, which moves no parcel,
    and holds the order's id, so that equal addresses of two orders cannot be told."""
    if not isinstance(event, RecipientRecorded):
        return RecipientKnown(event.recipient_version, redacted=True)
    if event.recipient.address is None:
        return RecipientKnown(event.recipient_version)
    where = event.order_id.bytes + event.recipient.address.model_dump_json(exclude={"phone"}).encode()
    return RecipientKnown(event.recipient_version, address=sha256(where).hexdigest()[:16])


def channel(event: ChannelConfigured | ChannelDisconnected, known: dict[str, Any] | None) -> dict[str, Any] | None:
    """A channel's row as this event leaves it, or None when the event is not newer. Disconnected, it keeps its name."""
    if known is not None and event.channel_version <= known["channel_version"]:
        return None
    row = {"channel_id": event.channel_id, "channel_version": event.channel_version}
    if isinstance(event, ChannelDisconnected):
        nameless = {"kind": "", "name": str(event.channel_id), "mode": "observe", "settings": {}}
        return (known or nameless) | row | {"connected": False}
    settings = dict(event.settings)
    return row | {"kind": event.kind, "name": event.name, "mode": event.mode, "settings": settings, "connected": True}


def reference(event: FulfillmentWebhookReceived, notice: ShipNotice) -> tuple[UUID, int]:
    """The order and the revision that a notice speaks of. Raises Poison when its reference is none of ours."""
    order_id, _, number = notice.reference.rpartition(":")
    try:
        return UUID(order_id), int(number)
    except ValueError:
        raise Poison(event, "The notice's reference is none that Crossdock gave; discard it or correct it.") from None


def revision_of(event: FulfillmentWebhookReceived, desk: Desk | None, number: int) -> Revision:
    """The revision that a notice speaks of. Raises Poison when there is none, or it was never sent to this channel."""
    if desk is None or not 1 <= number <= len(desk.revisions):
        raise Poison(event, "The notice's reference names a request that does not exist; discard it or correct it.")
    revision = desk.revisions[number - 1]
    if revision.destination != str(event.channel_id):
        raise Poison(event, "The notice speaks of a request that went to another destination; discard it.")
    return revision


def of_notice(notice: ShipNotice, order_id: UUID, number: int, revision: Revision) -> Fact:
    """A notice as a fact. Shipment ids become unique over all orders. Raises OddParcel when units cannot be read."""
    shipment_id = f"{reference_of(order_id, number)}:{notice.shipment_id}"
    match notice.kind:
        case "dispatched":
            parcels = tuple(
                Parcel(p.package_ref, p.carrier, p.tracking_number, p.tracking_url, _line_units(p.lines, revision))
                for p in notice.packages
            )
            units = total(parcel.units for parcel in parcels)
            return Shipment(shipment_id, number, units, notice.occurred_at, parcels)
        case "voided":
            return Void(shipment_id, number, notice.reship)
        case "delivered":
            return Delivery(shipment_id, number, notice.occurred_at)
        case "cancelled" if not notice.cancelled:
            raise OddParcel("the notice says that the request was cancelled, but not how many units of which lines")
        case "accepted" | "rejected" | "cancelled" as kind:
            stopped = _line_units(notice.cancelled, revision)
            reason = notice.reason or ("no reason was given" if kind == "rejected" else "")
            return Answer(kind, number, stopped, reason, notice.request_id, in_all=True)
        case _:
            raise OddParcel(f"the notice is of a kind that nobody expects: {notice.kind}")


def _line_units(lines: tuple[NoticePackageLine, ...], revision: Revision) -> Units:
    return line_units(((line.line_id, line.sku, line.quantity) for line in lines), revision.recipes)
