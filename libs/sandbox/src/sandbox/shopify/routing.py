"""What happens to fulfillment orders besides being shipped: moves, holds, schedules, requests to a fulfillment service.

Webhooks name the fulfillment orders with their statuses and never the order, as Shopify's do.
"""

from datetime import datetime
from typing import Any

from sandbox.clock import utc_now
from sandbox.shopify.actions import Refused, close, touch
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.state import FulfillmentOrder, FulfillmentOrderLine, Location, Order, Store, second
from sandbox.shopify.webhooks import Event
from sandbox.world import World


def named(one: FulfillmentOrder, *, request: bool = False, place: bool = False) -> dict[str, Any]:
    """A fulfillment order as webhooks name it."""
    shown: dict[str, Any] = {"id": gid("FulfillmentOrder", one.id), "status": one.status.lower()}
    if request:
        shown["request_status"] = one.request_status.lower()
    if place:
        shown["assigned_location_id"] = gid("Location", one.location_id)
    return shown


def tell(world: World, store: Store, order: Order, topic: str, body: dict[str, Any]) -> None:
    """Send a webhook about fulfillment orders of an order."""
    Event(world, store, utc_now()).emit(f"fulfillment_orders/{topic}", body, order.name)


def open_ones(order: Order, location: int | None = None) -> list[FulfillmentOrder]:
    """The fulfillment orders of which something is left, at one location or at all."""
    return [one for one in order.fulfillment_orders if one.remaining and location in (None, one.location_id)]


def move(world: World, store: Store, order: Order, location: int, quantities: dict[int, int]) -> None:
    """Move units (by line id; none named: all that is left) to another location, into a new fulfillment order each."""
    left = dict(quantities)
    for one in [each for each in open_ones(order) if each.location_id != location]:
        if one.request_status in ("SUBMITTED", "ACCEPTED", "CANCELLATION_REQUESTED", "CANCELLATION_REJECTED"):
            raise Refused("Cannot move a fulfillment order that was requested.")
        moved = []
        for slot in one.lines:
            count = min(slot.remaining, left.get(slot.line_id, 0)) if quantities else slot.remaining
            if count:
                left[slot.line_id] = left.get(slot.line_id, 0) - count
                slot.remaining -= count
                slot.total -= count
                moved.append(FulfillmentOrderLine(store.ids.next(), slot.line_id, count, count))
        if not moved:
            continue
        made = one.part(store.ids.next(), location, moved)
        order.fulfillment_orders.append(made)
        store.fulfillment_orders[made.id] = made
        one.updated_at = second()
        if not one.remaining:
            close(one)
        body = {
            "original_fulfillment_order": named(one, place=True),
            "moved_fulfillment_order": named(made, place=True),
            "destination_location_id": gid("Location", location),
            "source_location": {"id": gid("Location", one.location_id)},
        }
        tell(world, store, order, "moved", body)


def hold(world: World, store: Store, order: Order, reason: str, location: int | None) -> None:
    """Put what is left, at one location or at all, on hold."""
    for one in open_ones(order, location):
        one.holds.append(
            {
                "id": gid("FulfillmentHold", store.ids.next()),
                "reason": reason.upper(),
                "reasonNotes": None,
                "handle": "merchant",
                "heldByRequestingApp": False,
            }
        )
        one.status, one.updated_at = "ON_HOLD", second()
        tell(world, store, order, "placed_on_hold", {"fulfillment_order": named(one)})


def release(world: World, store: Store, order: Order) -> None:
    """End all holds."""
    for one in [each for each in open_ones(order) if each.status == "ON_HOLD"]:
        one.holds.clear()
        one.status, one.updated_at = "OPEN", second()
        tell(world, store, order, "hold_released", {"fulfillment_order": named(one)})


def schedule(world: World, store: Store, order: Order, at: datetime, location: int | None) -> None:
    """Let what is left wait until a later time."""
    for one in open_ones(order, location):
        one.status, one.fulfill_at, one.updated_at = "SCHEDULED", at, second()
        tell(world, store, order, "rescheduled", {"fulfillment_order": named(one)})


def promise(order: Order, ship_by: datetime | None, deliver_by: datetime | None, location: int | None) -> None:
    """Set by when what is left has to leave and to arrive; Shopify tells no webhook of it."""
    for one in open_ones(order, location):
        one.fulfill_by, one.deliver_by, one.updated_at = ship_by, deliver_by, second()


def make_due(world: World, store: Store, order: Order) -> None:
    """The scheduled time has come."""
    for one in [each for each in open_ones(order) if each.status == "SCHEDULED"]:
        one.status, one.updated_at = "OPEN", second()
        tell(world, store, order, "scheduled_fulfillment_order_ready", {"fulfillment_order": named(one)})


def request(world: World, store: Store, order: Order) -> None:
    """The merchant asks the fulfillment services to ship what is left at their locations."""
    for one in _serviced(store, order, ("UNSUBMITTED", "REJECTED", "CANCELLATION_ACCEPTED")):
        one.request_status, one.updated_at = "SUBMITTED", second()
        body = {
            "original_fulfillment_order": named(one, request=True),
            "submitted_fulfillment_order": named(one, request=True),
            "fulfillment_order_merchant_request": _merchant_request(store),
        }
        tell(world, store, order, "fulfillment_request_submitted", body)


def request_cancellation(world: World, store: Store, order: Order) -> None:
    """The merchant asks the fulfillment services to stop."""
    for one in _serviced(store, order, ("ACCEPTED", "SUBMITTED", "CANCELLATION_REJECTED")):
        one.request_status, one.updated_at = "CANCELLATION_REQUESTED", second()
        body = {
            "fulfillment_order": named(one, request=True),
            "fulfillment_order_merchant_request": _merchant_request(store),
        }
        tell(world, store, order, "cancellation_request_submitted", body)


def _serviced(store: Store, order: Order, statuses: tuple[str, ...]) -> list[FulfillmentOrder]:
    return [
        one
        for one in open_ones(order)
        if store.locations[one.location_id].is_fulfillment_service and one.request_status in statuses
    ]


def _merchant_request(store: Store) -> dict[str, Any]:
    return {"id": gid("FulfillmentOrderMerchantRequest", store.ids.next()), "message": ""}


def answer(world: World, store: Store, one: FulfillmentOrder, said: str) -> None:
    """A fulfillment service answers a request: `accept`, `reject`, `accept_cancellation`, `reject_cancellation`.
    Raises: Refused, as Shopify does for what was not asked."""
    asked = "CANCELLATION_REQUESTED" if said.endswith("cancellation") else "SUBMITTED"
    if one.request_status != asked:
        raise Refused(f"Cannot {said.replace('_', ' ')}: the request status is {one.request_status.lower()}.")
    order = store.orders[one.order_id]
    one.request_status = {
        "accept": "ACCEPTED",
        "reject": "REJECTED",
        "accept_cancellation": "CANCELLATION_ACCEPTED",
        "reject_cancellation": "CANCELLATION_REJECTED",
    }[said]
    one.updated_at = second()
    if said == "accept":
        one.status = "IN_PROGRESS"
    if said == "accept_cancellation":
        close(one)
    touch(world, order)
    topic = {
        "accept": "fulfillment_request_accepted",
        "reject": "fulfillment_request_rejected",
        "accept_cancellation": "cancellation_request_accepted",
        "reject_cancellation": "cancellation_request_rejected",
    }[said]
    tell(world, store, order, topic, {"fulfillment_order": named(one, request=True)})


def register_service(store: Store, name: str) -> Location:
    """Make a fulfillment service with a location of its own. Raises: Refused when there is one of that name."""
    if any(one.is_fulfillment_service and one.name == name for one in store.locations.values()):
        raise Refused("Name has already been taken")
    made = Location(store.ids.next(), name, is_fulfillment_service=True)
    store.locations[made.id] = made
    return made
