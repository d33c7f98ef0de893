"""Crossdock as a fulfillment service of a real store over HTTP: registered, asked, answering each request once."""

from typing import Any

import pytest

from crossdock.channels.errors import Permanent, Unknown
from crossdock.channels.model import RequestsMade, Unreadable
from crossdock.channels.protocols import CallbackSource, ChannelAccess
from crossdock.channels.serving import AnswerKind, ChannelService, RequestAnswerer, RequestReply, RequestSource
from crossdock.channels.shopify import ShopifyConnector
from crossdock.channels.shopify import scopes as shopify_scopes
from sandbox.testing import Sandbox, eventually

CALLBACK = "https://hub.example.com/webhooks/shopify/7"
GRANTED = ["read_orders", "read_products", "read_customers", "read_locations", "write_fulfillments",
           "write_assigned_fulfillment_orders"]  # fmt: skip


class Store:
    """A store in which the hub is registered."""

    def __init__(self, sandbox: Sandbox, access: ChannelAccess, service: ChannelService) -> None:
        self.sandbox, self.access, self.service = sandbox, access, service
        self.connector = ShopifyConnector()

    def requested(self) -> Any:
        made = self.sandbox.order({"sku": "SHIRT", "quantity": 2, "location": "Hub"})
        eventually(lambda: self.work(made))
        self.steer(made, "request")
        return made

    def steer(self, made: Any, what: str) -> None:
        self.sandbox.control(f"shopify/{self.sandbox.shop}/orders/{made['id']}/{what}")

    def work(self, made: Any) -> list[Any]:
        shown = self.sandbox.look(f"shopify/{self.sandbox.shop}/orders/{made['id']}")
        return list(shown["fulfillment_orders"])

    async def waiting(self) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            page = await self.connector.waiting_requests(self.access, self.service.location_id, cursor)
            found += page.requests
            cursor = page.cursor
            if cursor is None:
                return found

    async def reply(self, answer: AnswerKind, message: str = "") -> RequestReply:
        [one] = await self.waiting()
        return RequestReply(one.route_id, one.request_id, answer, message)


@pytest.fixture
async def shop(sandbox: Sandbox, store: ChannelAccess) -> Store:
    settings = {"settings": {"scopes": GRANTED}}
    sandbox.control(f"shopify/{sandbox.shop}", settings, method="PATCH")
    made = await ShopifyConnector().register_service(store, "Hub", CALLBACK)
    sandbox.product("SHIRT")
    return Store(sandbox, store, made)


async def test_a_service_is_made_with_a_location_and_is_found_again(shop: Store) -> None:
    assert shop.service in await shop.connector.list_services(shop.access)
    assert shop.service.callback_url == CALLBACK
    places = {one.location_id: one.managed for one in await shop.connector.list_locations(shop.access)}
    assert places[shop.service.location_id]
    await shop.connector.redirect_service(shop.access, shop.service.service_id, f"{CALLBACK}0")
    [moved] = await shop.connector.list_services(shop.access)
    assert moved.callback_url == f"{CALLBACK}0"


async def test_a_deleted_service_leaves_its_location_when_its_stock_is_kept(shop: Store) -> None:
    with pytest.raises(Permanent, match="has to be named"):
        await shop.connector.unregister_service(shop.access, shop.service.service_id, "transfer")
    await shop.connector.unregister_service(shop.access, shop.service.service_id, "keep")
    assert await shop.connector.list_services(shop.access) == ()
    places = {one.location_id: one.managed for one in await shop.connector.list_locations(shop.access)}
    assert places[shop.service.location_id] is False


async def test_what_waits_for_an_answer_is_listed_over_all_pages_cancellations_first(shop: Store) -> None:
    first, second = shop.requested(), shop.requested()
    reply = await _first(shop, "accept")
    assert (await shop.connector.answer_request(shop.access, reply)).state == "written"
    shop.steer(first, "request-cancellation")
    listed = await shop.waiting()
    assert [one.order_external_id for one in listed] == [str(first["id"]), str(second["id"])]


async def _first(shop: Store, answer: AnswerKind) -> RequestReply:
    one = (await shop.waiting())[0]
    return RequestReply(one.route_id, one.request_id, answer)


@pytest.mark.parametrize(
    ("answer", "status"),
    [("accept", "ACCEPTED"), ("reject", "REJECTED")],
)
async def test_an_answer_is_given_once_and_found_by_a_look(shop: Store, answer: AnswerKind, status: str) -> None:
    made = shop.requested()
    reply = await shop.reply(answer, "why not")
    assert (await shop.connector.find_answer(shop.access, reply)).state == "open"
    assert (await shop.connector.answer_request(shop.access, reply)).state == "written"
    assert (await shop.connector.answer_request(shop.access, reply)).state == "found"
    assert (await shop.connector.find_answer(shop.access, reply)).state == "found"
    [one] = shop.work(made)
    assert one["request_status"] == status
    reason = "OTHER" if answer == "reject" else ""
    assert one["answers"] == [{"answer": answer, "message": "why not", "reason": reason}]


async def test_an_answer_to_an_older_request_is_overtaken(shop: Store) -> None:
    made = shop.requested()
    old = await shop.reply("reject")
    await shop.connector.answer_request(shop.access, old)
    shop.steer(made, "request")
    overtaken = await shop.connector.answer_request(shop.access, old)
    assert (overtaken.state, overtaken.note) == ("overtaken", "the merchant has made another request since")
    [one] = shop.work(made)
    assert (one["request_status"], len(one["answers"])) == ("SUBMITTED", 1)


async def test_a_request_that_was_taken_back_is_answered_no_more(shop: Store) -> None:
    made = shop.requested()
    reply = await shop.reply("accept")
    shop.steer(made, "request-cancellation")
    assert (await shop.connector.answer_request(shop.access, reply)).state == "overtaken"


async def test_a_lost_reply_may_have_been_an_answer_and_a_look_tells(shop: Store) -> None:
    made = shop.requested()
    reply = await shop.reply("accept")
    fault = {"operation": "fulfillmentOrderAcceptFulfillmentRequest", "kind": "lose_reply"}
    shop.sandbox.control(f"shopify/{shop.sandbox.shop}/faults", fault)
    with pytest.raises(Unknown):
        await shop.connector.answer_request(shop.access, reply)
    assert (await shop.connector.find_answer(shop.access, reply)).state == "found"
    assert len(shop.work(made)[0]["answers"]) == 1


async def test_routes_name_their_newest_request_and_what_was_called_back(shop: Store) -> None:
    made = shop.requested()
    reply = await shop.reply("accept")
    await shop.connector.answer_request(shop.access, reply)
    shop.steer(made, "request-cancellation")
    routing = await shop.connector.fetch_routing(shop.access, str(made["id"]))
    assert routing is not None
    [route] = routing.routes
    assert (route.request, route.request_id != reply.request_id) == ("cancellation_requested", True)
    await shop.connector.answer_request(shop.access, await shop.reply("accept_cancellation"))
    routing = await shop.connector.fetch_routing(shop.access, str(made["id"]))
    assert routing is not None
    [route] = routing.routes
    line = str(made["line_items"][0]["id"])
    assert (route.state, route.request, route.units) == ("closed", "cancellation_accepted", ((line, 2),))


def test_a_notification_says_only_that_something_was_requested() -> None:
    connector = ShopifyConnector()
    [topic] = connector.callbacks
    assert connector.category(topic) == "orders"
    assert connector.parse(topic, b'{"kind": "CANCELLATION_REQUEST"}') == (RequestsMade(),)
    assert isinstance(connector.parse(topic, b"{}")[0], Unreadable)


def test_the_connector_says_what_it_can_do_and_which_scopes_that_needs() -> None:
    connector = ShopifyConnector()
    assert all(isinstance(connector, one) for one in (RequestSource, RequestAnswerer, CallbackSource))
    lacking = connector.missing(connector.service_needs(), ["write_orders", "read_assigned_fulfillment_orders"])
    assert [need.any_of for need in lacking] == [("write_fulfillments",), ("write_assigned_fulfillment_orders",)]
    asked = shopify_scopes.asked(connector.scope_needs({"fulfillment_service": {"name": "Hub"}}))
    assert {"write_fulfillments", "write_assigned_fulfillment_orders"} <= set(asked)
    assert "write_fulfillments" not in shopify_scopes.asked(connector.scope_needs({}))
