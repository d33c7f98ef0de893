"""Verified Shopify webhook bodies to canonical values (pure): whatever arrives is answered, nothing is raised."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crossdock.channels.model import (
    AccessChanged,
    AppUninstalled,
    Ignored,
    ListingSet,
    OrderCancelledNotice,
    OrderTouched,
    Parsed,
    RequestsMade,
    RouteTouched,
    Unreadable,
)
from crossdock.channels.reading import Bad, Inexact, identifier, moment, read_json, read_quickly
from crossdock.channels.shopify import personal
from crossdock.channels.shopify.orders import order_of
from crossdock.channels.shopify.products import listings_of
from crossdock.channels.shopify.webhooks import REQUEST_NOTICE, ROUTE_TOPICS, category_of

DELETED_AT = datetime(9999, 12, 31, tzinfo=UTC)
"""`products/delete` carries the id alone; a deleted id never comes back, so nothing is newer than its deletion."""

MOVES_MONEY = frozenset({"sale", "capture", "refund", "void"})
"""Kinds of transactions after which an order may be paid when it was not, or the other way round."""

ABOUT_THE_APP: Mapping[str, Parsed] = {"app/uninstalled": AppUninstalled(), "app/scopes_update": AccessChanged()}
"""Topics whose body says nothing that the topic does not: the shop is asked."""

ROUTE_DEPTH = 3
"""How deep a payload names fulfillment orders; `fulfillment_order_merges.fulfillment_order` is the deepest known."""

Reader = Callable[[Mapping[str, Any], str], Parsed]


def parse_webhook(topic: str, body: bytes) -> Sequence[Parsed]:
    """Read a body; a wrapped list gives one answer for each of its members, in order."""
    try:
        if topic in ABOUT_THE_APP:
            return (ABOUT_THE_APP[topic],)
        category = category_of(topic)
        if topic in personal.REQUESTS:
            return (_privacy(topic, read_json(body)),)
        if category not in ("orders", "catalog"):
            return (Ignored(f"nothing is taken from the topic {topic or 'without a name'}"),)
        try:
            return _read(topic, read_quickly(body))
        except Inexact:
            return _read(topic, read_json(body))
    except Bad as bad:
        return (Unreadable(str(bad)),)


def _privacy(topic: str, payload: Any) -> Parsed:
    if not isinstance(payload, Mapping):
        raise Bad("", "the body is JSON, but no request")
    return personal.request_of(topic, payload)


def _read(topic: str, payload: Any) -> Sequence[Parsed]:
    one, reader = _reader(topic)
    if isinstance(payload, Mapping):
        if isinstance(payload.get(one), Mapping):
            return (_each(reader, payload[one], one),)
        if isinstance(payload.get(f"{one}s"), list):
            return _several(reader, payload[f"{one}s"], f"{one}s")
        return (_each(reader, payload, one),)
    if isinstance(payload, list):
        return _several(reader, payload, f"{one}s")
    raise Bad("", f"the body is JSON, but no {one}")


def _several(reader: Reader, members: list[Any], path: str) -> Sequence[Parsed]:
    if not members:
        return (Ignored(f"the list of {path} is empty"),)
    return tuple(_each(reader, member, f"{path}[{i}]") for i, member in enumerate(members))


def _each(reader: Reader, member: Any, path: str) -> Parsed:
    if not isinstance(member, Mapping):
        return Unreadable(f"{path} is not an object")
    try:
        return reader(member, path)
    except Inexact:
        raise
    except Bad as bad:
        return Unreadable(str(bad))


def _reader(topic: str) -> tuple[str, Reader]:
    """The name a payload is wrapped in, and what reads it."""
    if topic == "refunds/create":
        return "refund", _pointer
    if topic == "orders/edited":
        return "order_edit", _pointer
    if topic == "order_transactions/create":
        return "transaction", _transaction
    if topic in ROUTE_TOPICS:
        return "fulfillment orders", _route
    if topic == REQUEST_NOTICE:
        return "notification", _requests
    if topic == "orders/delete":
        return "order", _deleted_order
    if topic == "products/delete":
        return "product", _deleted_product
    if topic.startswith("products/"):
        return "product", listings_of
    return "order", _order


def _order(payload: Mapping[str, Any], path: str) -> Parsed:
    """A whole order, or one that a subscription's `includeFields` left without lines or without their quantities."""
    if "line_items" in payload and not _shortened(payload["line_items"]):
        return order_of(payload, path)
    key = "id" if payload.get("id") or not payload.get("admin_graphql_api_id") else "admin_graphql_api_id"
    return OrderTouched(_order_id(payload, key, path), moment(payload.get("updated_at"), f"{path}.updated_at"))


def _shortened(items: Any) -> bool:
    return isinstance(items, list) and any(isinstance(item, Mapping) and "quantity" not in item for item in items)


def _pointer(payload: Mapping[str, Any], path: str) -> Parsed:
    """A refund or an edit tells what was done and not how the order stands now; nor does its own time say how new a
    state has to be to contain it, since times have whole seconds."""
    return OrderTouched(_order_id(payload, "order_id", path))


def _transaction(payload: Mapping[str, Any], path: str) -> Parsed:
    if payload.get("kind") not in MOVES_MONEY or payload.get("status") != "success":
        return Ignored("the transaction changes no order's payment")
    return _pointer(payload, path)


def _route(payload: Mapping[str, Any], path: str) -> Parsed:
    """The payload names one or more fulfillment orders, all of one order, and never the order."""
    for route_id in _routes_named(payload, path, ROUTE_DEPTH):
        if route_id.isascii() and route_id.isdigit():
            return RouteTouched(route_id)
    raise Bad(path, "name no fulfillment order")


def _requests(payload: Mapping[str, Any], path: str) -> Parsed:
    if not isinstance(payload.get("kind"), str):
        raise Bad(f"{path}.kind", "is missing: the notification does not say that anything was requested")
    return RequestsMade()


def _routes_named(member: Any, path: str, depth: int) -> Iterator[str]:
    """The ids of the fulfillment orders that a payload holds, those of a merge or a split one level further down."""
    if isinstance(member, list):
        for i, one in enumerate(member):
            yield from _routes_named(one, f"{path}[{i}]", depth)
    if not isinstance(member, Mapping) or not depth:
        return
    if str(member.get("id", "")).startswith("gid://shopify/FulfillmentOrder/"):
        yield identifier(member["id"], f"{path}.id") or ""
    for name, one in member.items():
        yield from _routes_named(one, f"{path}.{name}", depth - 1)


def _order_id(payload: Mapping[str, Any], key: str, path: str) -> str:
    """The id by which an order can be read again. Raises Bad when it is missing or none that Shopify gives."""
    external_id = identifier(payload.get(key), f"{path}.{key}")
    if external_id is None:
        raise Bad(f"{path}.{key}", "is missing: the payload does not say which order it is about")
    if not (external_id.isascii() and external_id.isdigit()):
        raise Bad(f"{path}.{key}", "is not the id of an order")
    return external_id


def _deleted_order(payload: Mapping[str, Any], path: str) -> Parsed:
    external_id = identifier(payload.get("id"), f"{path}.id")
    if external_id is None:
        raise Bad(f"{path}.id", "is missing: the payload does not say which order was deleted")
    return OrderCancelledNotice(external_id, moment(payload.get("updated_at"), f"{path}.updated_at"))


def _deleted_product(payload: Mapping[str, Any], path: str) -> Parsed:
    product_id = identifier(payload.get("id"), f"{path}.id")
    if product_id is None:
        raise Bad(f"{path}.id", "is missing: the payload does not say which product was deleted")
    return ListingSet(product_id, moment(payload.get("updated_at"), f"{path}.updated_at") or DELETED_AT, ())
