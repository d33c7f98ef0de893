"""The webhook subscriptions that our app holds in a shop."""

from collections.abc import Sequence

from crossdock.channels.errors import Unknown
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, raise_for_user_errors


def topic_enum(topic: str) -> str:
    """`orders/create` as the enum writes it: `ORDERS_CREATE`."""
    return topic.replace("/", "_").upper()


async def existing(client: ShopifyClient, access: ChannelAccess) -> list[tuple[str, str, str]]:
    """Id, topic enum and URI of each subscription made through the API. Raises ChannelError."""
    found: list[tuple[str, str, str]] = []
    after: str | None = None
    while True:
        data = await client.execute(access, "WebhookSubscriptions", {"first": 100, "after": after}, Purpose.IMPORT)
        page = data["webhookSubscriptions"]
        found += [(node["id"], node["topic"], node["uri"]) for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        if after is None:
            return found


async def ensure(client: ShopifyClient, access: ChannelAccess, uri: str, topics: Sequence[str]) -> tuple[str, ...]:
    """Subscribe `uri` to the topics it lacks; a call that may have happened is looked up by the next `ensure`."""
    have = {topic for _, topic, where in await existing(client, access) if where == uri}
    added = []
    for topic in topics:
        if topic_enum(topic) in have:
            continue
        variables = {"topic": topic_enum(topic), "sub": {"uri": uri, "format": "JSON"}}
        data = await client.execute(access, "WebhookSubscriptionCreate", variables, Purpose.ORDER)
        made = raise_for_user_errors(data.get("webhookSubscriptionCreate"), "WebhookSubscriptionCreate")
        if not made.get("webhookSubscription"):
            raise Unknown(f"Shopify did not say whether it subscribed us to {topic}")
        added.append(topic)
    return tuple(added)


async def remove(client: ShopifyClient, access: ChannelAccess, uri: str) -> int:
    """Delete every subscription of `uri`; how many there were."""
    ours = [subscription for subscription, _, where in await existing(client, access) if where == uri]
    for subscription in ours:
        data = await client.execute(access, "WebhookSubscriptionDelete", {"id": subscription}, Purpose.ORDER)
        raise_for_user_errors(data.get("webhookSubscriptionDelete"), "WebhookSubscriptionDelete")
    return len(ours)
