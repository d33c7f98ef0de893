"""What buyers and merchants do to orders, with the webhooks that follow; fulfillment lives in `fulfilling`."""

from collections.abc import Iterable

from sandbox.clock import second, utc_now
from sandbox.shopify import catalog_payloads, payloads, stock
from sandbox.shopify.build import received
from sandbox.shopify.money import Bag
from sandbox.shopify.shipping import FulfillmentOrder, FulfillmentOrderLine
from sandbox.shopify.state import Line, Order, Product, Refund, Store
from sandbox.shopify.totals import totals
from sandbox.shopify.webhooks import Event
from sandbox.world import World


class Refused(ValueError):
    """The store won't do that; the message is the sentence Shopify shows."""


def tell(world: World, store: Store, order: Order, topics: Iterable[str]) -> None:
    """Send the order as it is now under each of `topics`."""
    event = Event(world, store, utc_now())
    wanted = [topic for topic in topics if event.heard(topic)]
    body = payloads.order(store, order) if wanted else {}
    for topic in wanted:
        event.emit(topic, body, order.name)


def touch(world: World, order: Order) -> None:
    """Note that the order changed now."""
    order.updated_at = second()
    order.changed_on_clock = world.clock.now()


def place(
    world: World,
    store: Store,
    order: Order,
    webhooks: list[str] | None = None,
    delay: float | None = None,
    claims_stock: bool = True,
) -> None:
    """Take an order into the store; its fulfillment orders follow when routing is done (`delay` sandbox seconds)."""
    store.orders[order.id] = order
    if claims_stock:
        stock.claim(world, store, order, silent=webhooks == [])
    order.created_on_clock = order.changed_on_clock = world.clock.now()
    usual = ["orders/create"] + (["orders/paid"] if order.financial_status == "PAID" else [])
    tell(world, store, order, usual if webhooks is None else webhooks)
    wait = store.settings.fulfillment_order_delay if delay is None else delay
    world.clock.after(wait, lambda: route(world, store, order, silent=webhooks == []))


def route(world: World, store: Store, order: Order, silent: bool = False) -> None:
    """Make the order's fulfillment orders: one per location and delivery method."""
    if order.cancelled_at is not None or not any(line.requires_shipping for line in order.lines):
        return
    groups: dict[tuple[int, str], list[FulfillmentOrderLine]] = {}
    for line in order.lines:
        if line.unfulfilled:
            method = "SHIPPING" if line.requires_shipping else "NONE"
            taken = FulfillmentOrderLine(store.ids.next(), line.id, line.unfulfilled, line.unfulfilled)
            groups.setdefault((line.location_id, method), []).append(taken)
    for (location, method), lines in groups.items():
        made = FulfillmentOrder(store.ids.next(), order.id, location, method, lines)
        order.fulfillment_orders.append(made)
        store.fulfillment_orders[made.id] = made
    if not silent:
        event = Event(world, store, utc_now())
        for made in order.fulfillment_orders:
            event.emit("fulfillment_orders/order_routing_complete", payloads.routing_complete(made), order.name)


def pay(world: World, store: Store, order: Order, webhooks: list[str] | None = None) -> None:
    """Mark an order as paid in full."""
    order.financial_status = "PAID"
    order.received = received(order)
    touch(world, order)
    tell(world, store, order, ["orders/paid", "orders/updated"] if webhooks is None else webhooks)


def cancel(
    world: World,
    store: Store,
    order: Order,
    reason: str = "CUSTOMER",
    restock: bool = True,
    refund_money: bool = True,
    webhooks: list[str] | None = None,
) -> None:
    """Cancel an order of which nothing has left. Raises: Refused."""
    if order.cancelled_at is not None:
        raise Refused("Cannot cancel an order that has already been canceled")
    if any(one.status == "SUCCESS" for one in order.fulfillments):
        raise Refused("Cannot cancel an order that has outstanding fulfillments")
    left = [(line.id, line.current_quantity) for line in order.lines if line.current_quantity]
    money = order.received - totals(order).refunded if refund_money else order.received.times(0)
    if left:
        kind = "cancel" if restock else "no_restock"
        order.refunds.append(
            Refund(store.ids.next(), [(store.ids.next(), line, count, kind, None) for line, count in left], money)
        )
    for line in order.lines:
        back, gone = (line.current_quantity, 0) if restock else (0, -line.current_quantity)
        stock.move(world, store, order, line, available=back, on_hand=gone, silent=webhooks == [])
        line.current_quantity = 0
    for one in order.fulfillment_orders:
        close(one)
    if order.financial_status in ("PENDING", "AUTHORIZED"):
        order.financial_status = "VOIDED"
    elif refund_money:
        order.financial_status = "REFUNDED"
    order.cancelled_at = order.closed_at = second()
    order.cancel_reason = reason
    touch(world, order)
    tell(world, store, order, ["orders/cancelled", "orders/updated"] if webhooks is None else webhooks)


def edit(
    world: World,
    store: Store,
    order: Order,
    quantities: dict[int, int],
    webhooks: list[str] | None = None,
    added: Iterable[Line] = (),
) -> None:
    """Set what is left of lines (line id to quantity), and add lines: a paid order is paid in part until somebody pays
    for what they cost. Raises: Refused, KeyError."""
    changes = {}
    for line in added:
        _add(world, store, order, line, silent=webhooks == [])
        changes[line.id] = line.quantity
    for line_id, wanted in quantities.items():
        line = order.line(line_id)
        if wanted < line.fulfilled:
            raise Refused(f"Line {line_id} has {line.fulfilled} fulfilled units; {wanted} is fewer.")
        changes[line_id] = wanted - line.current_quantity
        line.quantity = max(line.quantity, wanted)
        line.current_quantity = wanted
        adjust(store, order, line_id, changes[line_id])
        stock.move(world, store, order, line, available=-changes[line_id], silent=webhooks == [])
    order.edited = True
    touch(world, order)
    topics = ["orders/edited", "orders/updated"] if webhooks is None else webhooks
    if "orders/edited" in topics:
        body = payloads.order_edited(store, order, store.ids.next(), changes)
        Event(world, store, utc_now()).emit("orders/edited", body, order.name)
    tell(world, store, order, [topic for topic in topics if topic != "orders/edited"])


def _add(world: World, store: Store, order: Order, line: Line, silent: bool) -> None:
    order.lines.append(line)
    adjust(store, order, line.id, line.quantity)
    stock.move(world, store, order, line, available=-line.quantity, silent=silent)
    if totals(order).outstanding.shop > 0 and order.financial_status in ("PAID", "PARTIALLY_REFUNDED"):
        order.financial_status = "PARTIALLY_PAID"


def refund(
    world: World,
    store: Store,
    order: Order,
    lines: list[tuple[int, int, str]],
    amount: Bag | None = None,
    note: str | None = None,
    webhooks: list[str] | None = None,
) -> Refund:
    """Refund units: (line id, quantity, `no_restock`, `cancel` or `return`). Raises: Refused, KeyError.

    Units not yet shipped leave the fulfillment orders; a `return` takes back shipped ones.
    """
    money = order.currencies.bag(order.received.shop * 0)
    taken = []
    for line_id, count, kind in lines:
        line = order.line(line_id)
        if count > line.current_quantity:
            raise Refused("Quantity cannot refund more items than were purchased")
        money += line.price.times(count)
        unshipped = min(count, line.unfulfilled)
        if kind != "return":
            adjust(store, order, line_id, -unshipped)
        else:
            line.returned += min(count, line.fulfilled - line.returned)
        back, on_hand = {"cancel": (unshipped, 0), "return": (count, count)}.get(kind, (0, -unshipped))
        stock.move(world, store, order, line, available=back, on_hand=on_hand, silent=webhooks == [])
        line.current_quantity -= count
        taken.append((store.ids.next(), line_id, count, kind, line.location_id if kind != "no_restock" else None))
    made = Refund(store.ids.next(), taken, amount or money, note)
    order.refunds.append(made)
    sums = totals(order)
    order.financial_status = "REFUNDED" if sums.refunded.shop >= order.received.shop else "PARTIALLY_REFUNDED"
    touch(world, order)
    topics = ["refunds/create", "orders/updated"] if webhooks is None else webhooks
    if "refunds/create" in topics:
        Event(world, store, utc_now()).emit("refunds/create", payloads.refund(store, order, made), order.name)
    tell(world, store, order, [topic for topic in topics if topic != "refunds/create"])
    return made


def adjust(store: Store, order: Order, line_id: int, change: int) -> None:
    """Follow a changed line in its fulfillment orders: take remaining units away, or add to an open one."""
    line = order.line(line_id)
    slots = [
        (one, slot)
        for one in order.fulfillment_orders
        for slot in one.lines
        if slot.line_id == line_id and one.status in ("OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED")
    ]
    if change > 0 and not slots and order.fulfillment_orders:
        method = "SHIPPING" if line.requires_shipping else "NONE"
        added = FulfillmentOrderLine(store.ids.next(), line_id, change, change)
        made = FulfillmentOrder(store.ids.next(), order.id, line.location_id, method, [added])
        order.fulfillment_orders.append(made)
        store.fulfillment_orders[made.id] = made
    for one, slot in slots:
        step = change if change > 0 else -min(-change, slot.remaining)
        slot.remaining += step
        slot.total += step
        change -= step
        one.updated_at = second()
        if one.remaining == 0:
            close(one)
        if change == 0:
            break


def relocate(world: World, store: Store, order: Order, location: int) -> None:
    """Move what is left to another location: the fulfillment orders close, and new ones, with new ids, appear."""
    for one in [each for each in order.fulfillment_orders if each.remaining and each.location_id != location]:
        lines = [
            FulfillmentOrderLine(store.ids.next(), slot.line_id, slot.remaining, slot.remaining)
            for slot in one.lines
            if slot.remaining
        ]
        made = one.part(store.ids.next(), location, lines)
        close(one)
        order.fulfillment_orders.append(made)
        store.fulfillment_orders[made.id] = made
    touch(world, order)
    tell(world, store, order, ["orders/updated"])


def close(one: FulfillmentOrder) -> None:
    """Close a fulfillment order: nothing remains to be done."""
    one.status = "CLOSED"
    one.updated_at = second()
    one.holds.clear()
    for line in one.lines:
        line.remaining = 0


def tell_product(world: World, store: Store, product: Product, topics: list[str]) -> None:
    """Send the product under each of `topics`."""
    event = Event(world, store, utc_now())
    for topic in topics:
        event.emit(topic, catalog_payloads.product(store, product), product.title)
