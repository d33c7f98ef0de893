"""What other services report of an order: sets of facts, or the newest of a version, so that the order of their arrival
cannot matter.
"""

from dataclasses import replace
from typing import Literal

from order_ingest.domain.order import Match, Order, Rejection, Request, Reservation, Settlement, Shipment, Tracking
from order_ingest.domain.steps import Step, publish_state


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


def take_answered(order: Order, key: str, state: Literal["done", "overtaken", "failed"]) -> Step:
    """The channel was told our answer to a request, or could not be. Whatever that changed of the order's routes is
    read again; that a request was accepted changes nothing of them that matters here."""
    old = order.replies.get(key)
    if old is None or old.state in ("done", state):
        return Step(order)
    step = publish_state(order, order._replace(replies={**order.replies, key: replace(old, state=state)}))
    return step._replace(read_again=state == "overtaken" or (state == "done" and old.answer != "accept"))
