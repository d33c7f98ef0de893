"""What the Shopify channel can do: webhooks, orders, shipments, listings, locations."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from crossdock.channels.connecting import App, Approval, Grant, Inspection, ScopeNeed, Subscription
from crossdock.channels.errors import Permanent
from crossdock.channels.model import CanonicalOrder, CanonicalRouting, ListingSet, Parsed, RawWebhook, Refused, Verified
from crossdock.channels.protocols import (
    BacklogPage,
    BacklogQuery,
    BacklogScope,
    ChannelAccess,
    ChannelLocation,
    Evidence,
    ListingPage,
    OrderPage,
    OrderRef,
    Receipt,
    ShipmentNotice,
)
from crossdock.channels.reading import Bad, identifier, moment, text
from crossdock.channels.serving import (
    ChannelService,
    ReplyState,
    RequestReply,
    StockAction,
    WaitingRequests,
)
from crossdock.channels.shopify import (
    bulk,
    mapper,
    oauth,
    personal,
    routing,
    scopes,
    serving,
    shipments,
    subscriptions,
    tags,
    webhooks,
)
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, asked_version
from crossdock.channels.shopify.graphql import listings_from_node, order_from_node
from crossdock.channels.shopify.promises import promise_of

OVERLAP = timedelta(minutes=5)
"""How far a poll reaches back behind its watermark: the search index lags behind writes."""

_LINES = 100
_ORDERS = 100
_PRODUCTS = 20


class ShopifyConnector:
    """Reads and writes one Shopify store per ChannelAccess; holds no state but what replies teach of their limits."""

    kind = "shopify"
    callbacks = frozenset({webhooks.REQUEST_NOTICE})

    def __init__(self) -> None:
        self.client = ShopifyClient()

    def verify(self, webhook: RawWebhook, secrets: Sequence[bytes], now: datetime) -> Verified | Refused:
        """See WebhookSource. Shopify signs no time: duplicates are found by delivery id."""
        return webhooks.verify_webhook(webhook, secrets, now)

    def category(self, topic: str) -> str | None:
        """See WebhookSource."""
        return webhooks.category_of(topic)

    def parse(self, topic: str, body: bytes) -> Sequence[Parsed]:
        """See WebhookSource."""
        return mapper.parse_webhook(topic, body)

    def people_named(self, topic: str, body: bytes) -> frozenset[str] | None:
        """See PersonalPayloads."""
        return personal.people_named(body)

    def without_people(self, topic: str, body: bytes) -> bytes:
        """See PersonalPayloads."""
        return personal.without_people(body)

    async def fetch_order(self, access: ChannelAccess, external_id: str) -> CanonicalOrder | None:
        """See OrderSource. The same canonical order as the REST payload of the same state gives."""
        return await self._fetch(access, Purpose.ORDER, external_id)

    async def backlog_scope(self, access: ChannelAccess, query: BacklogQuery) -> BacklogScope:
        """See BacklogSource; without the scope `read_all_orders` it says what 60 days leave out."""
        return await bulk.scope(self.client, access, query, datetime.now(UTC))

    async def backlog_page(self, access: ChannelAccess, query: BacklogQuery, cursor: str | None) -> BacklogPage:
        """See BacklogSource; a bulk operation, or a search by numbers."""
        return await bulk.page(self.client, access, query, cursor, partial(self._fetch, access, Purpose.IMPORT))

    async def time_zone(self, access: ChannelAccess) -> str:
        """See ClockSource."""
        data = await self.client.execute(access, "ShopClock", {}, Purpose.IMPORT)
        return str(data["shop"]["ianaTimezone"])

    async def _fetch(self, access: ChannelAccess, purpose: Purpose, external_id: str) -> CanonicalOrder | None:
        node: Mapping[str, Any] | None = None
        lines: list[Mapping[str, Any]] = []
        after: str | None = None
        while True:
            variables = {"id": order_gid(external_id), "liFirst": _LINES, "liAfter": after}
            page = (await self.client.execute(access, "OrderDetail", variables, purpose)).get("order")
            if page is None:
                return None
            if node is not None and page["updatedAt"] != node["updatedAt"]:
                node, lines, after = None, [], None
                continue
            node = node or page
            lines += page["lineItems"]["nodes"]
            after = next_cursor(page["lineItems"])
            if after is None:
                break
        _refuse_shortened(node)
        try:
            return order_from_node(node, lines)
        except Bad as bad:
            raise Permanent(f"Shopify's order {external_id} cannot be read: {bad}", "unreadable") from None

    async def fetch_routing(self, access: ChannelAccess, external_id: str) -> CanonicalRouting | None:
        """See RouteSource."""
        return await routing.read(self.client, access, order_gid(external_id))

    async def order_of_route(self, access: ChannelAccess, route_id: str) -> str | None:
        """See RouteSource."""
        return await routing.owner(self.client, access, route_id)

    async def poll_orders(self, access: ChannelAccess, since: datetime, cursor: str | None = None) -> OrderPage:
        """See OrderFeed. Raises Permanent when Shopify ignored our filter, since it then tells every order."""
        variables = {"first": _ORDERS, "after": cursor, "query": changed_since(since - OVERLAP)}
        data = await self.client.execute(access, "OrdersUpdatedSince", variables, Purpose.IMPORT)
        orders = data["orders"]
        return OrderPage(tuple(order_ref(node) for node in orders["nodes"]), next_cursor(orders))

    async def list_locations(self, access: ChannelAccess) -> tuple[ChannelLocation, ...]:
        """See LocationSource."""
        found: list[ChannelLocation] = []
        after: str | None = None
        while True:
            data = await self.client.execute(access, "Locations", {"first": 100, "after": after}, Purpose.IMPORT)
            found += [
                ChannelLocation(id_of(node["id"]), node["name"], node["isActive"], node["isFulfillmentService"])
                for node in data["locations"]["nodes"]
            ]
            after = next_cursor(data["locations"])
            if after is None:
                return tuple(found)

    async def list_products(
        self, access: ChannelAccess, since: datetime | None = None, cursor: str | None = None
    ) -> ListingPage:
        """See ListingSource."""
        query = changed_since(since - OVERLAP) if since is not None else None
        variables = {"first": _PRODUCTS, "after": cursor, "query": query}
        data = await self.client.execute(access, "ProductsUpdatedSince", variables, Purpose.LISTING)
        found: list[ListingSet] = []
        unreadable: list[tuple[str, str]] = []
        for node in data["products"]["nodes"]:
            try:
                if (told := await self._listings(access, node)) is not None:
                    found.append(told)
            except Bad as bad:
                unreadable.append((id_of(node["id"]), f"Shopify's product cannot be read: {bad}"))
        return ListingPage(tuple(found), next_cursor(data["products"]), tuple(unreadable))

    async def _listings(self, access: ChannelAccess, node: Mapping[str, Any]) -> ListingSet | None:
        """One product with all of its variants, or None when it was deleted while we read it. Raises Bad."""
        variants = list(node["variants"]["nodes"])
        after = next_cursor(node["variants"])
        while after is not None:
            variables = {"id": node["id"], "after": after}
            data = await self.client.execute(access, "ProductVariants", variables, Purpose.LISTING)
            if data.get("product") is None:
                return None
            variants += data["product"]["variants"]["nodes"]
            after = next_cursor(data["product"]["variants"])
        return listings_from_node(node, variants)

    async def push_shipment(self, access: ChannelAccess, notice: ShipmentNotice) -> Receipt:
        """See ShipmentSink; adopts the parcel when its tracking number is on the order already."""
        return await shipments.push(self.client, access, notice)

    async def find_shipment(self, access: ChannelAccess, notice: ShipmentNotice) -> Evidence:
        """See ShipmentSink; a read by order id, which no index delays."""
        return await shipments.find(self.client, access, notice)

    async def add_tag(self, access: ChannelAccess, external_id: str, tag: str) -> None:
        """See TagSink."""
        await tags.add(self.client, access, order_gid(external_id), tag)

    async def find_tag(self, access: ChannelAccess, external_id: str, tag: str) -> Evidence:
        """See TagSink; a read by order id, which no index delays."""
        return await tags.find(self.client, access, order_gid(external_id), tag)

    async def waiting_requests(
        self, access: ChannelAccess, location_id: str, cursor: str | None = None
    ) -> WaitingRequests:
        """See RequestSource."""
        return await serving.waiting(self.client, access, location_id, cursor)

    async def answer_request(self, access: ChannelAccess, reply: RequestReply) -> ReplyState:
        """See RequestAnswerer."""
        return await serving.answer(self.client, access, reply)

    async def find_answer(self, access: ChannelAccess, reply: RequestReply) -> ReplyState:
        """See RequestAnswerer; a read by id."""
        return await serving.find(self.client, access, reply)

    def service_needs(self) -> tuple[ScopeNeed, ...]:
        """See ServiceRegistrar."""
        return scopes.SERVES

    async def list_services(self, access: ChannelAccess) -> tuple[ChannelService, ...]:
        """See ServiceRegistrar."""
        return await serving.services(self.client, access)

    async def register_service(self, access: ChannelAccess, name: str, callback_url: str) -> ChannelService:
        """See ServiceRegistrar."""
        return await serving.register(self.client, access, name, callback_url)

    async def redirect_service(self, access: ChannelAccess, service_id: str, callback_url: str) -> None:
        """See ServiceRegistrar."""
        await serving.redirect(self.client, access, service_id, callback_url)

    async def unregister_service(
        self, access: ChannelAccess, service_id: str, stock: StockAction, destination: str = ""
    ) -> None:
        """See ServiceRegistrar."""
        await serving.unregister(self.client, access, service_id, stock, destination)

    def webhook_topics(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """See WebhookSubscriber."""
        return subscriptions.topics_for(scopes)

    async def list_webhooks(self, access: ChannelAccess) -> tuple[Subscription, ...]:
        """See WebhookSubscriber."""
        return await subscriptions.existing(self.client, access)

    async def ensure_webhooks(self, access: ChannelAccess, uri: str, topics: Sequence[str]) -> tuple[str, ...]:
        """See WebhookSubscriber. Shopify deletes a subscription after repeated failures: call this on a timer."""
        return await subscriptions.ensure(self.client, access, uri, topics)

    async def remove_webhooks(self, access: ChannelAccess, uri: str) -> int:
        """See WebhookSubscriber."""
        return await subscriptions.remove(self.client, access, uri)

    def scope_needs(self, settings: Mapping[str, Any]) -> tuple[ScopeNeed, ...]:
        """See Inspector."""
        return scopes.needs(settings)

    def missing(self, needs: Sequence[ScopeNeed], granted: Sequence[str]) -> tuple[ScopeNeed, ...]:
        """See Inspector."""
        return scopes.missing(needs, granted)

    async def inspect(self, access: ChannelAccess) -> Inspection:
        """See Inspector."""
        data = await self.client.execute(access, "Installation", {}, Purpose.ORDER)
        granted = tuple(sorted(one["handle"] for one in data["currentAppInstallation"]["accessScopes"]))
        asked, served = asked_version(access), self.client.state(access).served_version
        return Inspection(data["shop"]["myshopifyDomain"], granted, asked, served or asked)

    def authorize_url(self, access: ChannelAccess, app: App, redirect_uri: str, state: str) -> str:
        """See Authorizer."""
        asked = scopes.asked(scopes.needs(access.settings))
        return oauth.authorize_url(access, app, asked, redirect_uri, state)

    def verify_approval(self, query: Sequence[tuple[str, str]], secret: str, now: datetime) -> Approval | Refused:
        """See Authorizer."""
        return oauth.verify_approval(query, secret, now)

    async def exchange_code(self, access: ChannelAccess, app: App, code: str) -> Grant:
        """See Authorizer."""
        return await oauth.exchange_code(access, app, code)

    async def client_credentials(self, access: ChannelAccess, app: App) -> Grant:
        """See Authorizer."""
        return await oauth.client_credentials(access, app)

    async def refresh(self, access: ChannelAccess, app: App, refresh_token: str) -> Grant:
        """See Authorizer."""
        return await oauth.refresh(access, app, refresh_token)


def order_gid(external_id: str) -> str:
    """The GraphQL id of an order. Raises Permanent for what is no Shopify order id."""
    if not (external_id.isascii() and external_id.isdigit()):
        raise Permanent("the order's id is none that Shopify gave", "bad_id")
    return f"gid://shopify/Order/{external_id}"


def changed_since(since: datetime) -> str:
    """The search term for `updated_at` at or after a time; quoted, since an unquoted colon ends the term."""
    return f"updated_at:>='{since.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}'"


def order_ref(node: Mapping[str, Any]) -> OrderRef:
    """An order as the list of changes tells it."""
    promise = promise_of(node["fulfillmentOrders"]["nodes"])
    return OrderRef(
        id_of(node["id"]),
        time_of(node["updatedAt"]),
        financial_status=text(node["displayFinancialStatus"], 50).lower() or None,
        cancelled=bool(node["cancelledAt"]),
        total=Decimal(node["totalPriceSet"]["shopMoney"]["amount"]),
        ship_by=moment(promise.ship_by, "fulfillBy"),
        deliver_by=moment(promise.deliver_by, "maxDeliveryDateTime"),
    )


def next_cursor(connection: Mapping[str, Any]) -> str | None:
    """Where the next page starts, or None when this is the last."""
    page = connection["pageInfo"]
    return page["endCursor"] if page["hasNextPage"] else None


def id_of(gid: str) -> str:
    """The number at the end of a `gid://…`."""
    return identifier(gid, "id") or ""


def time_of(value: str) -> datetime:
    """A GraphQL DateTime in UTC."""
    return moment(value, "time") or datetime.max.replace(tzinfo=UTC)


def _refuse_shortened(node: Mapping[str, Any]) -> None:
    """More fulfillment or refund lines than one page holds would make the counts of units wrong."""
    pages = [one["fulfillmentLineItems"] for one in node["fulfillments"]]
    pages += [one["refundLineItems"] for one in node["refunds"]]
    if any(next_cursor(page) is not None for page in pages):
        raise Permanent(
            f"Shopify's order {id_of(node['id'])} has a fulfillment or refund of more than 100 lines: "
            "it can only be read from a webhook",
            "too_many_lines",
        )
