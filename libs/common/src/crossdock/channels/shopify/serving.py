"""Crossdock as a fulfillment service in Shopify: registered, asked for what waits, answering.

Guards: a fulfillment order can be requested again under the same id, so an answer is given only while the newest
request of the merchant is the one that it answers; ids of requests are Shopify's own.
"""

from collections.abc import Mapping
from typing import Any

from crossdock.channels.errors import Permanent, Unknown
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.reading import identifier
from crossdock.channels.serving import (
    ChannelService,
    ReplyState,
    RequestReply,
    StockAction,
    WaitingRequest,
    WaitingRequests,
)
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, raise_for_user_errors

LISTED = ("CANCELLATION_REQUESTED", "FULFILLMENT_REQUESTED")
"""Assignment statuses of what waits for an answer, the more urgent first."""
WAITS = {"accept": "submitted", "reject": "submitted"}
"""The request status that an answer needs; for the others it is `cancellation_requested`."""
BECOMES = {
    "accept": "accepted",
    "reject": "rejected",
    "accept_cancellation": "cancellation_accepted",
    "reject_cancellation": "cancellation_rejected",
}
OPERATIONS = {
    "accept": "FulfillmentRequestAccept",
    "reject": "FulfillmentRequestReject",
    "accept_cancellation": "CancellationRequestAccept",
    "reject_cancellation": "CancellationRequestReject",
}
REASONS = {"other": "OTHER", "nothing_to_ship": "INELIGIBLE_PRODUCT"}
LONGEST_MESSAGE = 255
_PAGE = 50


def request_of(node: Mapping[str, Any]) -> str:
    """The id of the newest request that a merchant made of a fulfillment order; one that Shopify keeps no request for
    is named by its status."""
    made = node["merchantRequests"]["nodes"]
    return identifier(made[0]["id"], "merchantRequests.id") or "" if made else status_of(node)


def status_of(node: Mapping[str, Any]) -> str:
    """The request status of a fulfillment order, in lower case."""
    return str(node.get("requestStatus") or "").lower()


async def waiting(
    client: ShopifyClient, access: ChannelAccess, location_id: str, cursor: str | None
) -> WaitingRequests:
    """One page of what waits, of one status after the other. Raises ChannelError."""
    status, _, after = (cursor or f"{LISTED[0]}:").partition(":")
    variables = {
        "first": _PAGE,
        "after": after or None,
        "status": status,
        "locations": [f"gid://shopify/Location/{location_id}"],
    }
    page = (await client.execute(access, "RequestsWaiting", variables, Purpose.ORDER))["assignedFulfillmentOrders"]
    found = tuple(
        WaitingRequest(
            identifier(node["orderId"], "orderId") or "", identifier(node["id"], "id") or "", request_of(node)
        )
        for node in page["nodes"]
    )
    if page["pageInfo"]["hasNextPage"]:
        return WaitingRequests(found, f"{status}:{page['pageInfo']['endCursor']}")
    return WaitingRequests(found, f"{LISTED[1]}:" if status == LISTED[0] else None)


async def find(client: ShopifyClient, access: ChannelAccess, reply: RequestReply) -> ReplyState:
    """How a request stands, by a read of its fulfillment order. Raises ChannelError."""
    variables = {"id": f"gid://shopify/FulfillmentOrder/{reply.route_id}"}
    node = (await client.execute(access, "RequestState", variables, Purpose.ORDER)).get("fulfillmentOrder")
    if node is None:
        return ReplyState("overtaken", f"Shopify does not know the fulfillment order {reply.route_id} any more")
    status = status_of(node)
    if request_of(node) not in (reply.request_id, status):
        return ReplyState("overtaken", "the merchant has made another request since")
    if status == BECOMES[reply.answer]:
        return ReplyState("found", f"Shopify has the request as {status.replace('_', ' ')}")
    if status != WAITS.get(reply.answer, "cancellation_requested") or node["status"] in ("CLOSED", "CANCELLED"):
        word = node["status"].lower() if node["status"] in ("CLOSED", "CANCELLED") else status
        return ReplyState("overtaken", f"Shopify waits for no answer: the request is {word.replace('_', ' ')}")
    return ReplyState("open", "Shopify still waits for an answer")


async def answer(client: ShopifyClient, access: ChannelAccess, reply: RequestReply) -> ReplyState:
    """Answer a request that is still open. Raises ChannelError."""
    before = await find(client, access, reply)
    if before.state != "open":
        return before
    variables: dict[str, Any] = {"id": f"gid://shopify/FulfillmentOrder/{reply.route_id}"}
    if reply.message:
        variables["message"] = reply.message[:LONGEST_MESSAGE]
    if reply.answer == "reject":
        variables["reason"] = REASONS[reply.reason]
    purpose = Purpose.CANCELLATION if reply.answer.endswith("cancellation") else Purpose.ORDER
    operation = OPERATIONS[reply.answer]
    data = await client.execute(access, operation, variables, purpose)
    raise_for_user_errors(next(iter(data.values()), None), operation)
    return ReplyState("written")


async def services(client: ShopifyClient, access: ChannelAccess) -> tuple[ChannelService, ...]:
    """The shop's fulfillment services that have a location. Raises ChannelError."""
    data = await client.execute(access, "FulfillmentServices", {}, Purpose.ORDER)
    return tuple(_service(node) for node in data["shop"]["fulfillmentServices"] if node.get("location"))


def _service(node: Mapping[str, Any]) -> ChannelService:
    location = identifier(node["location"]["id"], "location.id") or ""
    return ChannelService(str(node["id"]), str(node["serviceName"]), location, str(node.get("callbackUrl") or ""))


async def register(client: ShopifyClient, access: ChannelAccess, name: str, callback_url: str) -> ChannelService:
    """Make a service. Shopify asks it for neither stock nor tracking: both are pushed. Raises ChannelError."""
    variables = {"name": name, "callbackUrl": callback_url}
    data = await client.execute(access, "FulfillmentServiceCreate", variables, Purpose.ORDER)
    made = raise_for_user_errors(data.get("fulfillmentServiceCreate"), "FulfillmentServiceCreate")
    node = made.get("fulfillmentService")
    if not isinstance(node, Mapping) or not node.get("location"):
        raise Unknown("Shopify did not say whether it made the fulfillment service")
    return _service(node)


async def redirect(client: ShopifyClient, access: ChannelAccess, service_id: str, callback_url: str) -> None:
    """Change a service's callback address. Raises ChannelError."""
    variables = {"id": service_id, "callbackUrl": callback_url}
    data = await client.execute(access, "FulfillmentServiceUpdate", variables, Purpose.ORDER)
    raise_for_user_errors(data.get("fulfillmentServiceUpdate"), "FulfillmentServiceUpdate")


async def unregister(
    client: ShopifyClient, access: ChannelAccess, service_id: str, stock: StockAction, destination: str
) -> None:
    """Delete a service; Shopify's own default is to transfer, which needs a destination. Raises ChannelError."""
    if (stock == "transfer") != bool(destination):
        raise Permanent("a location has to be named when stock is transferred, and only then", "destination")
    variables: dict[str, Any] = {"id": service_id, "inventoryAction": stock.upper()}
    if destination:
        variables["destinationLocationId"] = f"gid://shopify/Location/{destination}"
    data = await client.execute(access, "FulfillmentServiceDelete", variables, Purpose.ORDER)
    raise_for_user_errors(data.get("fulfillmentServiceDelete"), "FulfillmentServiceDelete")
