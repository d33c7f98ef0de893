"""The webhook subscriptions that our app holds in a shop."""

from collections.abc import Mapping, Sequence

from crossdock.channels.connecting import ScopeNeed, Subscription
from crossdock.channels.errors import Unknown
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import scopes
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, raise_for_user_errors
from crossdock.channels.shopify.webhooks import ROUTE_TOPICS

_ORDERS, _PRODUCTS = ("read_orders",), ("read_products",)
TOPICS: Mapping[str, tuple[str, ...]] = {
    "orders/create": _ORDERS,
    "orders/updated": _ORDERS,
    "orders/paid": _ORDERS,
    "orders/cancelled": _ORDERS,
    "orders/edited": _ORDERS,
    "orders/delete": _ORDERS,
    "refunds/create": _ORDERS,
    **dict.fromkeys(sorted(ROUTE_TOPICS), scopes.READ_FULFILLMENT_ORDERS),
    "products/create": _PRODUCTS,
    "products/update": _PRODUCTS,
    "products/delete": _PRODUCTS,
    "app/uninstalled": (),
    "app/scopes_update": (),
}
"""The topics that we subscribe to, each with the scopes of which one is needed. `customers/data_request`,
`customers/redact` and `shop/redact` cannot be subscribed to: they are set in the app's own configuration."""


def topics_for(granted: Sequence[str]) -> tuple[str, ...]:
    """The topics of `TOPICS` that these scopes allow."""
    needs = [ScopeNeed(any_of, topic) for topic, any_of in TOPICS.items() if any_of]
    denied = {need.without for need in scopes.missing(needs, granted)}
    return tuple(topic for topic in TOPICS if topic not in denied)


def topic_enum(topic: str) -> str:
    """`orders/create` as the enum writes it: `ORDERS_CREATE`."""
    return topic.replace("/", "_").upper()


_NAMES = {topic_enum(topic): topic for topic in TOPICS}


def topic_name(enum: str) -> str:
    """`ORDERS_CREATE` as we write it, `orders/create`; a topic that we do not use stays as the enum has it."""
    return _NAMES.get(enum, enum)


async def existing(client: ShopifyClient, access: ChannelAccess) -> tuple[Subscription, ...]:
    """Each subscription that our app made through the API. Raises ChannelError."""
    found: list[Subscription] = []
    after: str | None = None
    while True:
        data = await client.execute(access, "WebhookSubscriptions", {"first": 100, "after": after}, Purpose.IMPORT)
        page = data["webhookSubscriptions"]
        for node in page["nodes"]:
            altered = bool(node["filter"] or node["includeFields"] or node["format"] != "JSON")
            found.append(Subscription(node["id"], topic_name(node["topic"]), node["uri"], altered))
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        if after is None:
            return tuple(found)


async def ensure(client: ShopifyClient, access: ChannelAccess, uri: str, topics: Sequence[str]) -> tuple[str, ...]:
    """Subscribe `uri` to the topics it lacks, and anew where a subscription was altered; those topics. A call that may
    have happened is looked up by the next `ensure`. Raises ChannelError."""
    have = {one.topic: one for one in await existing(client, access) if one.uri == uri}
    done = []
    for topic in topics:
        found = have.get(topic)
        if found is not None and not found.altered:
            continue
        if found is not None:
            await _delete(client, access, found.id)
        variables = {"topic": topic_enum(topic), "sub": {"uri": uri, "format": "JSON"}}
        data = await client.execute(access, "WebhookSubscriptionCreate", variables, Purpose.ORDER)
        made = raise_for_user_errors(data.get("webhookSubscriptionCreate"), "WebhookSubscriptionCreate")
        if not made.get("webhookSubscription"):
            raise Unknown(f"Shopify did not say whether it subscribed us to {topic}")
        done.append(topic)
    return tuple(done)


async def remove(client: ShopifyClient, access: ChannelAccess, uri: str) -> int:
    """Delete every subscription of `uri`; how many there were. Raises ChannelError."""
    ours = [one.id for one in await existing(client, access) if one.uri == uri]
    for subscription in ours:
        await _delete(client, access, subscription)
    return len(ours)


async def _delete(client: ShopifyClient, access: ChannelAccess, subscription: str) -> None:
    data = await client.execute(access, "WebhookSubscriptionDelete", {"id": subscription}, Purpose.ORDER)
    raise_for_user_errors(data.get("webhookSubscriptionDelete"), "WebhookSubscriptionDelete")
