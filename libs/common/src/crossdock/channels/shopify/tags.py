"""Tags orders in Shopify, beside the tags that others gave them.

Guards: only `tagsAdd` is used, never `orderUpdate`, which would overwrite the tags of others. Both calls leave half of
the rate budget to what matters more: a tag may wait.
"""

from collections.abc import Mapping
from typing import Any

from crossdock.channels.errors import Permanent
from crossdock.channels.protocols import ChannelAccess, Evidence, Receipt
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import ShopifyClient, raise_for_user_errors


async def add(client: ShopifyClient, access: ChannelAccess, order: str, tag: str) -> None:
    """Add a tag to an order (its `gid`); adding it twice makes one tag. Raises ChannelError."""
    variables = {"id": order, "tags": [tag]}
    data = await client.execute(access, "TagsAdd", variables, Purpose.IMPORT)
    raise_for_user_errors(data.get("tagsAdd"), "TagsAdd")


async def find(client: ShopifyClient, access: ChannelAccess, order: str, tag: str) -> Evidence:
    """Look whether an order (its `gid`) has a tag, by the order's id, which no index delays. Shopify takes two
    spellings that differ only in capitals for one tag. Raises ChannelError; Permanent when the order is gone."""
    data = await client.execute(access, "OrderTags", {"id": order}, Purpose.IMPORT)
    found = data.get("order")
    if not isinstance(found, Mapping):
        raise Permanent("Shopify does not know the order any more", "order_not_found")
    tags = found["tags"]
    if _has(tags, tag):
        return Evidence(Receipt(order.rpartition("/")[2], adopted=True), True, "the order has the tag")
    return Evidence(None, True, f"the tag is not among the {len(tags)} tags of the order")


def _has(tags: Any, tag: str) -> bool:
    return tag.casefold() in {str(one).casefold() for one in tags}
