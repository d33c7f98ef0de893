"""Fulfillments: made from fulfillment orders, without idempotency; the refusals are Shopify's own sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.clock import second, utc_now
from sandbox.shopify import payloads, stock
from sandbox.shopify.actions import Refused, close, tell, touch
from sandbox.shopify.shipping import Fulfillment, FulfillmentOrder, FulfillmentOrderLine
from sandbox.shopify.state import Order, Store
from sandbox.shopify.webhooks import Event
from sandbox.world import World

SHIPPABLE = ("OPEN", "IN_PROGRESS")


@dataclass(frozen=True)
class Group:
    """What one call ships of one fulfillment order; no lines means all that remains."""

    fulfillment_order_id: int
    lines: Sequence[tuple[int, int]]  # (fulfillment order line id, quantity)


class BadQuantity(Refused):
    """A quantity below one; `field` is its place in the input."""

    def __init__(self, field: list[str]) -> None:
        super().__init__("Quantity must be greater than 0")
        self.field = field


def ship(
    world: World, store: Store, groups: Sequence[Group], tracking: list[dict[str, str | None]], notify: bool = False
) -> Fulfillment:
    """Make one fulfillment. A second identical call ships again while quantity remains. Raises: Refused."""
    found = _checked(store, groups)
    takings = [(one, slot, count) for one, lines in found for slot, count in lines]
    order = store.orders[found[0][0].order_id]
    made = Fulfillment(
        id=store.ids.next(),
        order_id=order.id,
        name=f"{order.name}-F{len(order.fulfillments) + 1}",
        location_id=found[0][0].location_id,
        taken=[(store.ids.next(), slot.id, slot.line_id, count) for _, slot, count in takings],
        tracking=tracking,
        notified=notify,
    )
    for _, slot, count in takings:
        slot.remaining -= count
        line = order.line(slot.line_id)
        line.fulfilled += count
        stock.move(world, store, order, line, on_hand=-count)
    for one, _ in found:
        one.updated_at = second()
        if one.remaining == 0:
            close(one)
        else:
            one.status = "IN_PROGRESS"
    order.fulfillments.append(made)
    store.fulfillments[made.id] = made
    touch(world, order)
    Event(world, store, utc_now()).emit("fulfillments/create", payloads.fulfillment(store, order, made), order.name)
    whole = payloads.fulfillment_status(order) == "fulfilled"
    tell(world, store, order, ["orders/fulfilled" if whole else "orders/partially_fulfilled", "orders/updated"])
    return made


def _checked(
    store: Store, groups: Sequence[Group]
) -> list[tuple[FulfillmentOrder, list[tuple[FulfillmentOrderLine, int]]]]:
    """The fulfillment orders and lines that `groups` mean, checked in the order in which Shopify checks them."""
    for index, group in enumerate(groups):
        for place, (_, count) in enumerate(group.lines):
            if count <= 0:
                path = ["fulfillment", "lineItemsByFulfillmentOrder", str(index), "fulfillmentOrderLineItems"]
                raise BadQuantity([*path, str(place), "quantity"])
    orders = [store.fulfillment_orders.get(group.fulfillment_order_id) for group in groups]
    known = [one for one in orders if one is not None]
    if not known or len(known) != len(orders):
        raise Refused("Fulfillment order does not exist.")
    owners = list(dict.fromkeys(one.order_id for one in known))
    if len(owners) > 1:
        raise Refused(
            f"All fulfillment orders must belong to the same order. Multiple orders with ids {owners} were found."
        )
    places = list(dict.fromkeys(one.location_id for one in known))
    if len(places) > 1:
        raise Refused(
            "All fulfillment orders must be assigned to a single location. "
            f"Multiple locations with ids {places} were found."
        )
    for one in known:
        if one.status not in SHIPPABLE:
            raise Refused(f"Fulfillment order {one.id} has an unfulfillable status= {one.status.lower()}.")
    return [(one, _lines(one, group)) for one, group in zip(known, groups, strict=True)]


def _lines(one: FulfillmentOrder, group: Group) -> list[tuple[FulfillmentOrderLine, int]]:
    if not group.lines:
        return [(slot, slot.remaining) for slot in one.lines if slot.remaining]
    slots = {slot.id: slot for slot in one.lines}
    asked: dict[int, int] = {}
    for slot_id, count in group.lines:
        if slot_id not in slots:
            raise Refused("Fulfillment order line item does not exist.")
        asked[slot_id] = asked.get(slot_id, 0) + count
    if any(count > slots[slot_id].remaining for slot_id, count in asked.items()):
        raise Refused("Invalid fulfillment order line item quantity requested.")
    return [(slots[slot_id], count) for slot_id, count in asked.items()]


def retrack(world: World, store: Store, one: Fulfillment, tracking: list[dict[str, str | None]]) -> None:
    """Replace the whole tracking of a fulfillment."""
    order = store.orders[one.order_id]
    one.tracking = tracking
    one.updated_at = second()
    touch(world, order)
    Event(world, store, utc_now()).emit("fulfillments/update", payloads.fulfillment(store, order, one), order.name)
    tell(world, store, order, ["orders/updated"])


def undo(world: World, store: Store, one: Fulfillment) -> None:
    """Cancel a fulfillment: a closed fulfillment order is replaced by a new one, an open one gets its units back."""
    if one.status == "CANCELLED":
        raise Refused("Fulfillment is already cancelled.")
    order = store.orders[one.order_id]
    one.status, one.display_status, one.updated_at = "CANCELLED", "CANCELED", second()
    back: dict[int, list[FulfillmentOrderLine]] = {}
    owners = {slot.id: owner for owner in order.fulfillment_orders for slot in owner.lines}
    for _, slot_id, line_id, count in one.taken:
        order.line(line_id).fulfilled -= count
        stock.move(world, store, order, order.line(line_id), on_hand=count)
        owner = owners[slot_id]
        if owner.status == "CLOSED":
            back.setdefault(owner.id, []).append(FulfillmentOrderLine(store.ids.next(), line_id, count, count))
            continue
        slot = next(slot for slot in owner.lines if slot.id == slot_id)
        slot.remaining += count
        whole = all(slot.remaining == slot.total for slot in owner.lines)
        owner.status, owner.updated_at = "OPEN" if whole else "IN_PROGRESS", second()
    for owner_id, lines in back.items():
        old = store.fulfillment_orders[owner_id]
        new = old.part(store.ids.next(), old.location_id, lines)
        order.fulfillment_orders.append(new)
        store.fulfillment_orders[new.id] = new
    touch(world, order)
    Event(world, store, utc_now()).emit("fulfillments/update", payloads.fulfillment(store, order, one), order.name)
    tell(world, store, order, ["orders/updated"])


def report(world: World, store: Store, one: Fulfillment, event: dict[str, Any]) -> None:
    """Add a delivery event, such as IN_TRANSIT or DELIVERED, to a fulfillment."""
    order = store.orders[one.order_id]
    one.events.append(event)
    one.display_status, one.updated_at = event["status"], second()
    touch(world, order)
    Event(world, store, utc_now()).emit("fulfillments/update", payloads.fulfillment(store, order, one), order.name)
    tell(world, store, order, ["orders/updated"])


def display_status(order: Order) -> str:
    """`displayFulfillmentStatus` of an order."""
    if not any(line.requires_shipping for line in order.lines):
        return "FULFILLMENT_NOT_REQUIRED"
    status = payloads.fulfillment_status(order)
    if status is not None:
        return "FULFILLED" if status == "fulfilled" else "PARTIALLY_FULFILLED"
    states = {one.status for one in order.fulfillment_orders}
    if "ON_HOLD" in states:
        return "ON_HOLD"
    return "SCHEDULED" if states == {"SCHEDULED"} else "UNFULFILLED"


def supported_actions(one: FulfillmentOrder) -> list[str]:
    """What may be done with a fulfillment order now, as live stores answer it."""
    several = one.remaining > 1
    return {
        "OPEN": ["CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", *(["SPLIT"] if several else [])],
        "IN_PROGRESS": ["CREATE_FULFILLMENT", "REPORT_PROGRESS", "HOLD", "MARK_AS_OPEN"],
        "ON_HOLD": ["RELEASE_HOLD", "HOLD", "MOVE"],
        "SCHEDULED": ["MARK_AS_OPEN", "HOLD", "MOVE"],
    }.get(one.status, [])
