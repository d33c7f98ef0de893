"""The root mutations of fulfillment, tags, cancellation and webhooks; orders and inventory have files of their own."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import second
from sandbox.shopify import actions, bulk, fulfilling, service_mutations, views
from sandbox.shopify.context import Context, Info, kind_of, number_in, user_errors
from sandbox.shopify.inventory import inventory_set_quantities
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.order_create import order_create
from sandbox.shopify.state import Job
from sandbox.shopify.subscriptions import create, delete, update

View = dict[str, Any]


def tracking_of(given: dict[str, Any] | None) -> list[dict[str, str | None]]:
    """Tracking as stored: `urls[i]` belongs to `numbers[i]`."""
    if not given:
        return []
    numbers = given.get("numbers") or ([given["number"]] if given.get("number") else [])
    urls = given.get("urls") or ([given["url"]] if given.get("url") else [])
    count = max(len(numbers), len(urls))
    padded = [(numbers + [None] * count)[:count], (urls + [None] * count)[:count]]
    return [
        {"number": number, "url": url, "company": given.get("company")} for number, url in zip(*padded, strict=True)
    ]


def fulfillment_create(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentCreate`: refusals have no code."""
    context: Context = info.context
    given = args["fulfillment"]
    groups = [
        fulfilling.Group(
            number_in(group["fulfillmentOrderId"], "FulfillmentOrder"),
            [
                (number_in(line["id"], "FulfillmentOrderLineItem"), line["quantity"])
                for line in group.get("fulfillmentOrderLineItems") or []
            ],
        )
        for group in given["lineItemsByFulfillmentOrder"]
    ]
    try:
        made = fulfilling.ship(
            context.world,
            context.store,
            groups,
            tracking_of(given.get("trackingInfo")),
            bool(given.get("notifyCustomer")),
        )
    except fulfilling.BadQuantity as refusal:
        return user_errors(str(refusal), refusal.field)
    except actions.Refused as refusal:
        return user_errors(str(refusal), ["fulfillment"])
    return {"fulfillment": views.fulfillment(context.store, made), "userErrors": []}


def tracking_update(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentTrackingInfoUpdate`: replaces the whole set."""
    context: Context = info.context
    found = context.store.fulfillments.get(number_in(args["fulfillmentId"], "Fulfillment"))
    if found is None:
        return user_errors("Fulfillment does not exist.", ["fulfillmentId"])
    fulfilling.retrack(context.world, context.store, found, tracking_of(args["trackingInfoInput"]))
    return {"fulfillment": views.fulfillment(context.store, found), "userErrors": []}


def fulfillment_cancel(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentCancel`."""
    context: Context = info.context
    found = context.store.fulfillments.get(number_in(args["id"], "Fulfillment"))
    if found is None:
        return user_errors("Fulfillment not found.", ["id"])
    try:
        fulfilling.undo(context.world, context.store, found)
    except actions.Refused as refusal:
        return user_errors(str(refusal), ["id"])
    return {"fulfillment": views.fulfillment(context.store, found), "userErrors": []}


def event_create(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentEventCreate`."""
    context: Context = info.context
    given = args["fulfillmentEvent"]
    found = context.store.fulfillments.get(number_in(given["fulfillmentId"], "Fulfillment"))
    if found is None:
        return user_errors("Fulfillment does not exist.", ["fulfillmentEvent", "fulfillmentId"])
    event = {
        "id": gid("FulfillmentEvent", context.store.ids.next()),
        "status": given["status"],
        "happenedAt": time_of(given.get("happenedAt")),
        "message": given.get("message"),
    }
    fulfilling.report(context.world, context.store, found, event)
    return {"fulfillmentEvent": event, "userErrors": []}


def time_of(text: str | None) -> datetime:
    """A DateTime input, or now."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC) if text else second()


def order_cancel(_root: Any, info: Info, **args: Any) -> View:
    """`orderCancel`: checked at once, done later by a job."""
    context: Context = info.context
    world, store = context.world, context.store
    order = store.orders.get(number_in(args["orderId"], "Order"))

    def refused(field: str, message: str, code: str = "INVALID") -> View:
        error = {"field": [field], "message": message}
        return {"orderCancelUserErrors": [error | {"code": code}], "userErrors": [error]}

    if order is None:
        return refused("orderId", "Order does not exist", "NOT_FOUND")
    if len(args.get("staffNote") or "") > 255:
        return refused("staffNote", "Staff note is too long. Maximum length is 255 characters.")
    if order.cancelled_at is not None:
        return refused("orderId", "Cannot cancel an order that has already been canceled")
    if any(one.status == "SUCCESS" for one in order.fulfillments):
        return refused("orderId", "Cannot cancel an order that has outstanding fulfillments")
    job = Job(f"gid://shopify/Job/{uuid.UUID(int=world.rng.getrandbits(128), version=4)}")
    store.jobs[job.id] = job
    money_back = bool((args.get("refundMethod") or {}).get("originalPaymentMethodsRefund"))

    def act() -> None:
        job.done = True
        if order.cancelled_at is None and not order.fulfillments:
            actions.cancel(world, store, order, args["reason"], args["restock"], money_back)

    view = {"id": job.id, "done": False}
    world.clock.after(store.settings.cancel_delay, act)
    return {"job": view, "orderCancelUserErrors": [], "userErrors": []}


def mark_as_paid(_root: Any, info: Info, **args: Any) -> View:
    """`orderMarkAsPaid`."""
    context: Context = info.context
    order = context.store.orders.get(number_in(args["input"]["id"], "Order"))
    if order is None:
        return user_errors("Order does not exist", ["id"])
    if order.financial_status == "PAID" or order.cancelled_at is not None:
        return user_errors("Order cannot be marked as paid.", ["id"])
    actions.pay(context.world, context.store, order)
    return {"order": views.order(context.store, order), "userErrors": []}


def order_close(_root: Any, info: Info, **args: Any) -> View:
    """`orderClose`: nothing happens to an order that is closed already."""
    context: Context = info.context
    order = context.store.orders.get(number_in(args["input"]["id"], "Order"))
    if order is None:
        return user_errors("Order does not exist", ["id"])
    if order.closed_at is None:
        order.closed_at = second()
        actions.touch(context.world, order)
        actions.tell(context.world, context.store, order, ["orders/updated"])
    return {"order": views.order(context.store, order), "userErrors": []}


LONGEST_TAG = {"Order": 40, "Product": 255}
"""The limits are known from what apps ran into (mechanic-tasks #54); how Shopify words the refusal is not."""


def added(have: set[str], given: set[str]) -> set[str]:
    """Tags with more of them; two that differ only in capitals are one."""
    known = {tag.casefold() for tag in have}
    return have | {tag for tag in given if tag.casefold() not in known}


def retag(change: Callable[[set[str], set[str]], set[str]]) -> Callable[..., View]:
    """`tagsAdd` or `tagsRemove`: tags come back trimmed, unique and sorted; no change, no webhook."""

    def resolve(_root: Any, info: Info, **args: Any) -> View:
        context: Context = info.context
        kind = kind_of(args["id"])
        shelf: dict[int, Any] = context.store.orders if kind == "Order" else context.store.products
        thing = shelf.get(number_in(args["id"], kind if kind == "Product" else "Order"))
        if thing is None:
            return {"node": None} | user_errors(f"{kind} does not exist", ["id"])
        given = {part.strip() for tag in args["tags"] for part in tag.split(",") if part.strip()}
        if long := next((tag for tag in sorted(given) if len(tag) > LONGEST_TAG[kind]), None):
            message = f"Tag {long} is too long (maximum is {LONGEST_TAG[kind]} characters)"
            return {"node": None} | user_errors(message, ["tags"])
        tags = sorted(change(set(thing.tags), given))
        if tags != thing.tags:
            thing.tags = tags
            if kind == "Order":
                actions.touch(context.world, thing)
                actions.tell(context.world, context.store, thing, ["orders/updated"])
            else:
                thing.updated_at = second()
                actions.tell_product(context.world, context.store, thing, ["products/update"])
        return {"node": {"__typename": kind, "id": args["id"]}, "userErrors": []}

    return resolve


def hold(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentOrderHold`, of whole fulfillment orders."""
    context: Context = info.context
    given = args["fulfillmentHold"]
    found = context.store.fulfillment_orders.get(number_in(args["id"], "FulfillmentOrder"))
    if found is None or found.status == "CLOSED":
        return user_errors("Fulfillment order does not exist.", ["id"], code="FULFILLMENT_ORDER_NOT_FOUND")
    handle = given.get("handle") or ""
    if any(one["handle"] == handle for one in found.holds):
        message = (
            "The handle provided for the fulfillment hold is already in use by this app "
            "for another hold on this fulfillment order."
        )
        return user_errors(message, ["fulfillmentHold", "handle"], code="DUPLICATE_FULFILLMENT_HOLD_HANDLE")
    made = {
        "id": gid("FulfillmentHold", context.store.ids.next()),
        "reason": given["reason"],
        "reasonNotes": given.get("reasonNotes"),
        "handle": handle,
        "heldByRequestingApp": True,
    }
    found.holds.append(made)
    found.status, found.updated_at = "ON_HOLD", second()
    view = views.fulfillment_order(context.store, found)
    return {"fulfillmentHold": made, "fulfillmentOrder": view, "remainingFulfillmentOrder": None, "userErrors": []}


def release_hold(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentOrderReleaseHold`: without `holdIds` every app's holds are released."""
    context: Context = info.context
    found = context.store.fulfillment_orders.get(number_in(args["id"], "FulfillmentOrder"))
    if found is None:
        return user_errors("Fulfillment order does not exist.", ["id"], code="FULFILLMENT_ORDER_NOT_FOUND")
    wanted = args.get("holdIds")
    found.holds = [one for one in found.holds if wanted and one["id"] not in wanted]
    if not found.holds and found.status == "ON_HOLD":
        whole = all(line.remaining == line.total for line in found.lines)
        found.status, found.updated_at = "OPEN" if whole else "IN_PROGRESS", second()
    return {"fulfillmentOrder": views.fulfillment_order(context.store, found), "userErrors": []}


MUTATIONS: dict[str, Callable[..., Any]] = {
    **service_mutations.MUTATIONS,
    "bulkOperationRunQuery": bulk.run_query,
    "bulkOperationCancel": bulk.cancel,
    "orderCreate": order_create,
    "orderCancel": order_cancel,
    "orderMarkAsPaid": mark_as_paid,
    "orderClose": order_close,
    "tagsAdd": retag(added),
    "tagsRemove": retag(lambda have, given: have - given),
    "fulfillmentCreate": fulfillment_create,
    "fulfillmentTrackingInfoUpdate": tracking_update,
    "fulfillmentCancel": fulfillment_cancel,
    "fulfillmentEventCreate": event_create,
    "fulfillmentOrderHold": hold,
    "fulfillmentOrderReleaseHold": release_hold,
    "inventorySetQuantities": inventory_set_quantities,
    "webhookSubscriptionCreate": create,
    "webhookSubscriptionUpdate": update,
    "webhookSubscriptionDelete": delete,
}
