"""What a GraphQL resolver works with, and how ids and errors are read and told."""

from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.shopify.catalog_views import number_of
from sandbox.shopify.state import Store
from sandbox.world import World


@dataclass
class Context:
    """One request. `search` collects the warnings for `extensions.search`."""

    world: World
    store: Store
    search: list[dict[str, Any]] = field(default_factory=list)


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
