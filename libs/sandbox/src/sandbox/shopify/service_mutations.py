"""The root mutations of fulfillment services: registration, and their answers to requests. Refusals have no code."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify import actions, catalog_views, serving, views
from sandbox.shopify.context import Context, Info, number_in, user_errors
from sandbox.shopify.shipping import Service

View = dict[str, Any]
NO_SERVICE = "Fulfillment service does not exist"


def answer(said: str) -> Callable[..., Any]:
    """A fulfillment service's answer to a fulfillment or cancellation request."""

    def resolve(_root: Any, info: Info, **args: Any) -> View:
        context: Context = info.context
        found = context.store.fulfillment_orders.get(number_in(args["id"], "FulfillmentOrder"))
        if found is None:
            return user_errors("Fulfillment order does not exist.", ["id"])
        message, reason = args.get("message") or "", args.get("reason") or ""
        try:
            serving.answer(context.world, context.store, found, said, message, reason)
        except actions.Refused as refusal:
            return user_errors(str(refusal), None)
        return {"fulfillmentOrder": views.fulfillment_order(context.store, found), "userErrors": []}

    return resolve


def create(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentServiceCreate`: the service gets a location of its own."""
    context: Context = info.context
    try:
        made = serving.register(context.store, args["name"], args.get("callbackUrl"))
    except actions.Refused as refusal:
        return user_errors(str(refusal), ["name"])
    return {"fulfillmentService": catalog_views.service(context.store, made), "userErrors": []}


def update(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentServiceUpdate`; what is left out stays."""
    context: Context = info.context
    found = _service(context, args["id"])
    if found is None:
        return user_errors(NO_SERVICE, ["id"])
    found.name = args.get("name") or found.name
    found.callback_url = args.get("callbackUrl") or found.callback_url
    return {"fulfillmentService": catalog_views.service(context.store, found), "userErrors": []}


def delete(_root: Any, info: Info, **args: Any) -> View:
    """`fulfillmentServiceDelete`."""
    context: Context = info.context
    found = _service(context, args["id"])
    if found is None:
        return user_errors(NO_SERVICE, ["id"])
    destination = args.get("destinationLocationId")
    place = context.store.locations.get(number_in(destination, "Location")) if destination else None
    try:
        serving.delete(context.store, found, args["inventoryAction"], place)
    except actions.Refused as refusal:
        return user_errors(str(refusal), ["destinationLocationId"])
    return {"deletedId": catalog_views.service_gid(found), "userErrors": []}


def _service(context: Context, given: str) -> Service | None:
    return context.store.services.get(number_in(given, "FulfillmentService"))


MUTATIONS: dict[str, Callable[..., Any]] = {
    "fulfillmentOrderAcceptFulfillmentRequest": answer("accept"),
    "fulfillmentOrderRejectFulfillmentRequest": answer("reject"),
    "fulfillmentOrderAcceptCancellationRequest": answer("accept_cancellation"),
    "fulfillmentOrderRejectCancellationRequest": answer("reject_cancellation"),
    "fulfillmentServiceCreate": create,
    "fulfillmentServiceUpdate": update,
    "fulfillmentServiceDelete": delete,
}
