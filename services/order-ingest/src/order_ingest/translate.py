"""Between what travels (canonical orders, events of other services) and the values that the domain reasons about."""

from collections.abc import Iterable, Iterator
from typing import Any

from crossdock.channels.model import (
    CanonicalLine,
    CanonicalOrder,
    CanonicalRecipient,
    CanonicalRefund,
    CanonicalRouting,
    Totals,
)
from crossdock.channels.protocols import OrderRef
from crossdock.contracts import holds as catalogue
from crossdock.contracts import order_ingest as told
from crossdock.contracts.base import OrderScoped
from crossdock.contracts.fulfillment import SettlementEvent, ShipmentDispatched
from crossdock.contracts.gateway import WebhookReceived
from crossdock.contracts.inventory import ReservationEvent, StockShort
from crossdock.contracts.sku_matcher import MatchEvent, OrderUnmatched
from crossdock.messaging.redaction import NOBODY
from order_ingest.domain.feed import Mention
from order_ingest.domain.holds import holds_of
from order_ingest.domain.order import (
    Arrival,
    Hold,
    Line,
    Match,
    Order,
    Package,
    Recipient,
    Refund,
    Reply,
    Reservation,
    Settlement,
    Shipment,
    Snapshot,
)
from order_ingest.domain.routing import Route, Routing, Shipped
from order_ingest.domain.steps import Step
from order_ingest.store.orders import Row

GIVEN_BACK = "cancellation_accepted"
"""The request status of a route that our service works on no more: its units are not late, but called back."""
STATES: dict[str, type[told.OrderState]] = {state.type.removesuffix(".v1"): state for state in told.ORDER_STATES}


# ------------------------------------------------------------------ what comes in
def arrival_of(order: CanonicalOrder) -> Arrival:
    """An order as a connector read it."""
    totals = order.totals
    address = order.recipient.address
    return Arrival(
        snapshot=Snapshot(
            updated_at=order.updated_at,
            number=order.number,
            placed_at=order.placed_at,
            paid=order.paid,
            cancelled=order.cancelled,
            test=order.test,
            addressed=address is not None and bool(any(address.street) or address.city or address.postcode),
            total=totals.total,
            currency=totals.currency,
            lines=tuple(map(_line, order.lines)),
            financial_status=order.financial_status,
            fulfillment_status=order.fulfillment_status,
            routing=None if order.routing is None else routing_of(order.routing),
            totals=_totals(totals),
            ship_by=order.ship_by,
            deliver_by=order.deliver_by,
            service=order.service,
        ),
        fulfilled={line.line_id: line.fulfilled for line in order.lines if line.fulfilled},
        refunds=tuple(map(_refund, order.refunds)),
        recipient=recipient_document(order.recipient),
        services={"code": order.service_code, "source": order.service_source},
    )


def _line(line: CanonicalLine) -> Line:
    return Line(
        line.line_id,
        line.position,
        line.listing_id,
        line.sku,
        line.title,
        line.quantity,
        line.kept,
        line.requires_shipping,
        line.unit_price,
        line.discount,
        line.tax,
        line.bundle,
    )


def _totals(totals: Totals) -> dict[str, Any]:
    """Amounts as texts, as they are stored and shown."""
    return {
        "currency": totals.currency,
        "lines": str(totals.lines),
        "discounts": str(totals.discounts),
        "tax": str(totals.tax),
        "taxes_included": totals.taxes_included,
        "shipping": str(totals.shipping),
        "tips": str(totals.tips),
        "duties": str(totals.duties),
        "total": str(totals.total),
        "difference": str(totals.difference),
        "difference_reason": totals.difference_reason,
    }


def _refund(refund: CanonicalRefund) -> Refund:
    shipped = tuple((line.line_id, line.quantity, line.restock) for line in refund.lines if line.shipped)
    unshipped = sum(line.quantity for line in refund.lines if not line.shipped)
    return Refund(refund.refund_id, shipped, unshipped, refund.paid_back, refund.worth)


def routing_of(routing: CanonicalRouting) -> Routing:
    """What a channel says of the locations that an order is assigned to."""
    return Routing(
        routes=tuple(
            Route(
                route.route_id,
                route.location,
                route.serviced,
                route.state,
                dict(route.units),
                route.request,
                route.due_at,
                route.reasons,
                route.ship_by,
                route.deliver_by,
                route.request_id,
            )
            for route in routing.routes
            if route.state != "closed" or route.request == GIVEN_BACK
        ),
        shipped=tuple(Shipped(one.location, one.serviced, dict(one.units)) for one in routing.shipped),
    )


def recipient_document(recipient: CanonicalRecipient) -> Recipient:
    """A recipient as it is stored: blank fields left out, lists for tuples, so that it equals what is read back."""
    document: dict[str, Any] = {}
    address = recipient.address
    if address is not None:
        fields = ("name", "company", "city", "region", "postcode", "country", "phone")
        document["address"] = {name: value for name in fields if (value := getattr(address, name))}
        if address.street:
            document["address"]["street"] = list(address.street)
    if recipient.email:
        document["email"] = recipient.email
    if recipient.note:
        document["note"] = recipient.note
    if recipient.attributes:
        document["attributes"] = [list(pair) for pair in recipient.attributes]
    return document


def mention_of(ref: OrderRef) -> Mention:
    """An order as a channel's list of changes names it."""
    return Mention(
        ref.external_id, ref.updated_at, ref.financial_status, ref.cancelled, ref.total, ref.ship_by, ref.deliver_by
    )


def match_of(event: MatchEvent) -> Match:
    """An answer of sku-matcher."""
    if not isinstance(event, OrderUnmatched):
        return Match(event.content_version, event.match_version, True)
    holds = tuple(
        Hold(h.code.value, h.lines, sentence=h.sentence, next_action=h.next_action, actor=h.actor) for h in event.holds
    )
    return Match(event.content_version, event.match_version, False, holds)


def reservation_of(event: ReservationEvent) -> Reservation:
    """An answer of inventory."""
    shortages: tuple[str, ...] = ()
    if isinstance(event, StockShort):
        shortages = tuple(f"{s.wanted} of {s.sku}, {s.available} available at {s.location}" for s in event.shortages)
    return Reservation(
        event.content_version,
        event.match_version,
        event.reservation_version,
        not isinstance(event, StockShort),
        shortages,
    )


def settlement_of(event: SettlementEvent, refused: bool) -> Settlement:
    """What fulfillment says still stands."""
    standing = units_of((line.line_id, line.quantity) for line in event.standing)
    return Settlement(event.settlement_version, event.content_version, refused, standing)


def shipment_of(event: ShipmentDispatched) -> Shipment:
    """What left."""
    packages = tuple(
        Package(
            p.package_ref,
            p.carrier,
            p.tracking_number,
            p.tracking_url,
            units_of((line.line_id, line.quantity) for line in p.lines),
        )
        for p in event.packages
    )
    return Shipment(event.revision, event.dispatched_at, packages)


def units_of(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sum units by line."""
    total: dict[str, int] = {}
    for line_id, units in pairs:
        total[line_id] = total.get(line_id, 0) + units
    return total


# ------------------------------------------------------------------ what goes out
def told_refusal(refusal: Hold) -> catalogue.Refusal:
    """Why an order is not ours, as everybody reads it."""
    return catalogue.refusal(catalogue.RefusalCode(refusal.code), **refusal.quantities)


def message_of(order: Order, reply: Reply) -> str:
    """What the merchant is told beside an answer."""
    refusal = order.verdict.refusal
    if reply.answer == "reject" and not reply.message and refusal is not None:
        return told_refusal(refusal).sentence
    return reply.message


def told_hold(hold: Hold) -> catalogue.Hold:
    """A hold as everybody reads it, its sentence from the catalogue unless its finder wrote it."""
    code = catalogue.HoldCode(hold.code)
    if not hold.sentence:
        return catalogue.hold(code, hold.lines, **hold.quantities)
    return catalogue.Hold.model_validate(
        {
            "code": code,
            "sentence": hold.sentence,
            "next_action": hold.next_action,
            "actor": hold.actor,
            "lines": hold.lines,
        }
    )


def events_of(row: Row, step: Step, source: Snapshot | None) -> Iterator[OrderScoped]:
    """What a step tells others. `source` is needed where it tells the order's state."""
    if step.state is not None:
        assert source is not None, "an order is told only once its content has come"
        yield state_event(step.state, row, step.order, source)
    if step.redacted and step.order.ours:
        yield told.RecipientRedacted(order_id=row.order_id, recipient_version=step.order.recipient_version)
    elif step.recipient is not None and step.order.ours:
        yield told.RecipientRecorded(
            order_id=row.order_id,
            recipient_version=step.order.recipient_version,
            recipient=told.Recipient.model_validate(step.recipient),
        )
    for asked, reply in step.answers:
        yield told.ChannelRequestDecided.model_validate(
            {
                "order_id": row.order_id,
                "channel_id": row.channel_id,
                "route_id": asked.route_id,
                "request_id": asked.request_id,
                "answer": reply.answer,
                "reason": reply.reason,
                "message": message_of(step.order, reply),
            }
        )
    for refund in step.refunds:
        lines = (told.RefundedLine(line_id=name, quantity=n, restock=restock) for name, n, restock in refund.lines)
        yield told.RefundRecorded.model_validate(
            {
                "order_id": row.order_id,
                "refund_id": refund.refund_id,
                "lines": tuple(lines),
                "kind": refund.kind,
                "kind_version": refund.kind_version,
            }
        )


def copy_to_remove(event: WebhookReceived) -> told.RedactionOrdered:
    """Personal data came again in this delivery, and was refused: the copy that the gateway keeps is to go as well."""
    return told.RedactionOrdered(
        page_id=event.delivery_id,
        request_id=NOBODY,
        channel_id=event.channel_id,
        channel_kind=event.channel_kind,
        delivery_ids=(event.delivery_id,),
    )


def state_event(kind: str, row: Row, order: Order, source: Snapshot) -> told.OrderState:
    """The whole state of an order."""
    published, wanted, currency = order.published, order.wanted, source.currency
    return STATES[kind].model_validate(
        {
            "order_id": row.order_id,
            "channel_id": row.channel_id,
            "channel_kind": row.channel_kind,
            "external_id": row.external_id,
            "number": source.number,
            "placed_at": source.placed_at,
            "order_version": published.order_version,
            "content_version": published.content_version,
            "total": {"amount": source.total, "currency": currency},
            "lines": tuple(
                {
                    "line_id": line.line_id,
                    "position": line.position,
                    "listing_id": line.listing_id,
                    "sku": line.sku,
                    "title": line.title,
                    "quantity": line.quantity,
                    "wanted": wanted.get(line.line_id, 0),
                    "requires_shipping": line.requires_shipping,
                    "unit_price": {"amount": line.unit_price, "currency": currency},
                    "bundle": line.bundle,
                }
                for line in source.lines
            ),
            "holds": tuple(told_hold(hold) for hold in holds_of(order, published.content_version)),
            "cancelled": order.called_off,
            "answered_revision": order.answered,
            "ship_by": source.ship_by,
            "deliver_by": source.deliver_by,
            "service": source.service,
            "tag": order.tag,
        }
    )
