"""What a GraphQL resolver works with, and how ids and errors are read and told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.shopify.catalog_views import number_of
from sandbox.shopify.state import Order, Store
from sandbox.world import World


@dataclass
class Context:
    """One request. `search` collects the warnings for `extensions.search`; `base_url` is the sandbox's own, as the
    client wrote it; `looking_at` is the order that a bulk operation works on; `orders_matching` finds orders."""

    world: World
    store: Store
    search: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = "/"
    looking_at: Order | None = None
    orders_matching: Callable[[str | None], list[Order]] = lambda _search: []


Info = GraphQLResolveInfo[Context]


def kind_of(gid: str) -> str:
    """`Order` of `gid://shopify/Order/1`; blank for anything that is no id."""
    parts = gid.split("/")
    return parts[3] if gid.startswith("gid://shopify/") and len(parts) > 4 else ""


def number_in(gid: str, kind: str) -> int:
    """The number in an id of `kind`. Raises: GraphQLError RESOURCE_NOT_FOUND `invalid id`, as the live API does."""
    number = number_of(gid)
    if kind_of(gid) != kind or number == 0:
        raise GraphQLError("invalid id", extensions={"code": "RESOURCE_NOT_FOUND"})
    return number


def user_errors(message: str, field: list[str] | None, **more: Any) -> dict[str, Any]:
    """A payload that holds one user error and nothing done."""
    return {"userErrors": [{"field": field, "message": message, **more}]}
