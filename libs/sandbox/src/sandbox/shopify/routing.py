"""What happens to fulfillment orders besides being shipped: moves, holds, schedules.

Webhooks name the fulfillment orders with their statuses and never the order, as Shopify's do.
"""

from datetime import datetime
from typing import Any

from sandbox.clock import second, utc_now
from sandbox.shopify.actions import Refused, close
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.shipping import FulfillmentOrder, FulfillmentOrderLine
from sandbox.shopify.state import Order, Store
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
