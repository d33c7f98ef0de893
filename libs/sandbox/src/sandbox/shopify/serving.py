"""Fulfillment services of the installed app: their registration, what merchants request of them, and their answers.

A request is told by webhooks, and by a notification to the service's callback address that names no order, is signed
as webhooks are, and comes at most once a minute for each kind of request.
"""

import uuid
from datetime import datetime
from typing import Any

import orjson

from sandbox.clock import second
from sandbox.delivery import Delivery
from sandbox.shopify.actions import Refused, close, touch
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.routing import named, open_ones, tell
from sandbox.shopify.shipping import FulfillmentOrder, FulfillmentOrderLine, MerchantRequest, Service
from sandbox.shopify.state import Location, Order, Store
from sandbox.shopify.webhooks import signature, source_of
from sandbox.world import World

NOTICE = "fulfillment_order_notification"
NOTICE_PAUSE = 60.0
"""Sandbox seconds for which no second notification of the same kind is sent."""

ASKED = {
    "accept": "SUBMITTED",
    "reject": "SUBMITTED",
    "accept_cancellation": "CANCELLATION_REQUESTED",
    "reject_cancellation": "CANCELLATION_REQUESTED",
}
ANSWERED = {
    "accept": "ACCEPTED",
    "reject": "REJECTED",
    "accept_cancellation": "CANCELLATION_ACCEPTED",
    "reject_cancellation": "CANCELLATION_REJECTED",
}
TOPICS = {
    "accept": "fulfillment_request_accepted",
    "reject": "fulfillment_request_rejected",
    "accept_cancellation": "cancellation_request_accepted",
    "reject_cancellation": "cancellation_request_rejected",
}
ASSIGNMENTS = {
    "FULFILLMENT_REQUESTED": "SUBMITTED",
    "FULFILLMENT_ACCEPTED": "ACCEPTED",
    "FULFILLMENT_UNSUBMITTED": "UNSUBMITTED",
    "CANCELLATION_REQUESTED": "CANCELLATION_REQUESTED",
}
"""The request status that each assignment status stands for."""


def register(store: Store, name: str, callback_url: str | None) -> Service:
    """Make a service with a location of its own. Raises: Refused when there is one of that name."""
    if any(one.name == name for one in store.services.values()):
        raise Refused("Name has already been taken")
    if any(one.name == name for one in store.locations.values()):
        raise Refused("A location with this name already exists")
    place = Location(store.ids.next(), name, is_fulfillment_service=True)
    store.locations[place.id] = place
    made = Service(store.ids.next(), name, place.id, callback_url)
    store.services[made.id] = made
    return made


def delete(store: Store, one: Service, action: str, destination: Location | None) -> None:
    """Delete a service: its location stays as the merchant's own (`KEEP`), or goes with its stock (`DELETE`), or gives
    stock and open work to another location (`TRANSFER`). Raises: Refused."""
    place = store.locations[one.location_id]
    if action == "TRANSFER" and (destination is None or destination.is_fulfillment_service):
        raise Refused("Destination location must be an active merchant managed location.")
    del store.services[one.id]
    if action == "KEEP":
        place.is_fulfillment_service = False
        return
    place.is_active = False
    for variant in store.variants.values():
        for levels in (variant.available, variant.on_hand):
            units = levels.pop(place.id, 0)
            if action == "TRANSFER" and destination is not None:
                levels[destination.id] = levels.get(destination.id, 0) + units
    for work in store.fulfillment_orders.values():
        if work.location_id == place.id and work.remaining and action == "TRANSFER" and destination is not None:
            work.location_id, work.request_status, work.updated_at = destination.id, "UNSUBMITTED", second()


def service_at(store: Store, location_id: int) -> Service | None:
    """The app's own service at a location."""
    return next((one for one in store.services.values() if one.location_id == location_id), None)


def assigned(store: Store, status: str | None, places: list[int] | None) -> list[FulfillmentOrder]:
    """The fulfillment orders at locations of the app's own services, closed ones left out."""
    own = {one.location_id for one in store.services.values()}
    return [
        one
        for one in store.fulfillment_orders.values()
        if one.location_id in own
        and (places is None or one.location_id in places)
        and one.status not in ("CLOSED", "CANCELLED")
        and (status is None or one.request_status == ASSIGNMENTS[status])
    ]


def request(world: World, store: Store, order: Order, message: str = "") -> None:
    """The merchant asks the fulfillment services to ship what is left at their locations."""
    for one in _serviced(store, order, ("UNSUBMITTED", "REJECTED")):
        one.request_status, one.updated_at = "SUBMITTED", second()
        made = _ask(store, one, "FULFILLMENT_REQUEST", message)
        body = {
            "original_fulfillment_order": named(one, request=True),
            "submitted_fulfillment_order": named(one, request=True),
            "fulfillment_order_merchant_request": made,
        }
        tell(world, store, order, "fulfillment_request_submitted", body)
        notify(world, store, one, "FULFILLMENT_REQUEST")


def request_cancellation(world: World, store: Store, order: Order, message: str = "") -> None:
    """The merchant takes requests back: at once where the service has not answered yet, else by asking it to stop."""
    for one in _serviced(store, order, ("SUBMITTED",)):
        _replace(store, order, one)
        tell(world, store, order, "cancelled", {"fulfillment_order": named(one, request=True)})
    for one in _serviced(store, order, ("ACCEPTED", "CANCELLATION_REJECTED")):
        one.request_status, one.updated_at = "CANCELLATION_REQUESTED", second()
        made = _ask(store, one, "CANCELLATION_REQUEST", message)
        body = {"fulfillment_order": named(one, request=True), "fulfillment_order_merchant_request": made}
        tell(world, store, order, "cancellation_request_submitted", body)
        notify(world, store, one, "CANCELLATION_REQUEST")


def _serviced(store: Store, order: Order, statuses: tuple[str, ...]) -> list[FulfillmentOrder]:
    return [
        one
        for one in open_ones(order)
        if store.locations[one.location_id].is_fulfillment_service and one.request_status in statuses
    ]


def _ask(store: Store, one: FulfillmentOrder, kind: str, message: str) -> dict[str, Any]:
    made = MerchantRequest(store.ids.next(), kind, message)
    one.requests.append(made)
    return {"id": gid("FulfillmentOrderMerchantRequest", made.id), "message": message}


def _replace(store: Store, order: Order, one: FulfillmentOrder) -> None:
    """A request that nobody answered is cancelled: another fulfillment order represents the work that is left."""
    lines = [
        FulfillmentOrderLine(store.ids.next(), slot.line_id, slot.remaining, slot.remaining)
        for slot in one.lines
        if slot.remaining
    ]
    close(one)
    made = FulfillmentOrder(store.ids.next(), order.id, one.location_id, one.method, lines)
    order.fulfillment_orders.append(made)
    store.fulfillment_orders[made.id] = made


def answer(world: World, store: Store, one: FulfillmentOrder, said: str, message: str = "", reason: str = "") -> None:
    """A fulfillment service answers a request: `accept`, `reject`, `accept_cancellation`, `reject_cancellation`.
    Raises: Refused for another app's location, and for what was not asked."""
    if service_at(store, one.location_id) is None:
        raise Refused("Fulfillment order is not assigned to a location of the app.")
    if one.request_status != ASKED[said] or one.status in ("CLOSED", "CANCELLED"):
        raise Refused(f"Cannot {said.replace('_', ' ')}: the request status is {one.request_status.lower()}.")
    order = store.orders[one.order_id]
    one.request_status, one.updated_at = ANSWERED[said], second()
    one.answers.append({"answer": said, "message": message, "reason": reason})
    if said == "accept":
        one.status = "IN_PROGRESS"
    if said == "accept_cancellation":
        close(one)
    touch(world, order)
    tell(world, store, order, TOPICS[said], {"fulfillment_order": named(one, request=True)})


def notify(world: World, store: Store, one: FulfillmentOrder, kind: str) -> None:
    """Call the service's callback address, unless that was done for the same kind within the last minute."""
    service = service_at(store, one.location_id)
    if service is None or not service.callback_url:
        return
    last = service.notified.get(kind)
    if last is not None and world.clock.now() - last < NOTICE_PAUSE:
        return
    service.notified[kind] = world.clock.now()

    def sign(raw: bytes, _at: datetime) -> dict[str, str]:
        how = world.courier.of(source_of(store)).sign_with
        secret = {"old": store.old_secret or store.secret, "wrong": f"not-{store.secret}"}.get(how, store.secret)
        return {"X-Shopify-Hmac-Sha256": signature(secret, raw)}

    world.courier.send(
        Delivery(
            id=str(uuid.UUID(int=world.rng.getrandbits(128), version=4)),
            source=source_of(store),
            topic=NOTICE,
            subject=store.orders[one.order_id].name,
            url=f"{service.callback_url.rstrip('/')}/{NOTICE}",
            body=orjson.dumps({"kind": kind}),
            headers={"Content-Type": "application/json", "X-Shopify-Shop-Domain": store.domain},
            sign=sign,
        )
    )
