"""The executable schema: the root queries here, the root mutations from `mutations`."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema

from sandbox.shopify import bulk, mutations, serving, views
from sandbox.shopify import catalog_views as catalog
from sandbox.shopify.app import ROOT_SCOPES, widened
from sandbox.shopify.catalog_views import number_of
from sandbox.shopify.context import Context, Info, kind_of
from sandbox.shopify.fulfilling import display_status
from sandbox.shopify.paging import BadPage, Item, connection, sortable
from sandbox.shopify.search import Getter, Search, Unsupported, parse
from sandbox.shopify.state import Order, Product, Subscription, Variant

View = dict[str, Any]

REST_FULFILLMENT = {
    "UNFULFILLED": ["unfulfilled", "unshipped"],
    "PARTIALLY_FULFILLED": ["partial"],
    "FULFILLED": ["fulfilled", "shipped"],
}
ORDER_FILTERS: dict[str, Getter] = {
    "updated_at": lambda order: [order.updated_at],
    "created_at": lambda order: [order.created_at],
    "processed_at": lambda order: [order.processed_at],
    "id": lambda order: [order.id],
    "name": lambda order: [order.name],
    "status": lambda order: _status(order),
    "financial_status": lambda order: [order.financial_status.lower()],
    "fulfillment_status": lambda order: REST_FULFILLMENT.get(display_status(order), [display_status(order).lower()]),
    "source_identifier": lambda order: [order.source_identifier],
    "source_name": lambda order: [order.source_name],
    "tag": lambda order: order.tags,
    "test": lambda order: [order.test],
    "sku": lambda order: [line.sku for line in order.lines],
    "email": lambda order: [order.email],
    "po_number": lambda order: [order.po_number],
}
UNPLAYED_ORDER_FILTERS = frozenset(
    (
        "cart_token",
        "channel",
        "channel_id",
        "chargeback_status",
        "checkout_token",
        "confirmation_number",
        "current_total_price",
        "customer_id",
        "delivery_method",
        "discount_code",
        "earliest_fulfill_by",
        "fraud_protection_level",
        "fulfillment_location_id",
        "gateway",
        "location_id",
        "payment_id",
        "payment_provider_id",
        "product_id",
        "reference_location_id",
        "return_status",
        "risk_level",
        "sales_channel",
        "subtotal_line_items_quantity",
        "tag_not",
        "total_weight",
        "user_id",
    )
)
PRODUCT_FILTERS: dict[str, Getter] = {
    "updated_at": lambda product: [product.updated_at],
    "created_at": lambda product: [product.created_at],
    "id": lambda product: [product.id],
    "title": lambda product: [product.title],
    "handle": lambda product: [product.handle],
    "status": lambda product: [product.status.lower()],
    "vendor": lambda product: [product.vendor],
    "product_type": lambda product: [product.product_type],
    "tag": lambda product: product.tags,
    "sku": lambda product: [variant.sku for variant in product.variants],
    "barcode": lambda product: [variant.barcode for variant in product.variants],
}
VARIANT_FILTERS: dict[str, Getter] = {
    "sku": lambda variant: [variant.sku],
    "barcode": lambda variant: [variant.barcode],
    "id": lambda variant: [variant.id],
    "product_id": lambda variant: [variant.product_id],
    "title": lambda variant: [variant.title],
    "updated_at": lambda variant: [variant.updated_at],
}
ITEM_FILTERS: dict[str, Getter] = {
    "sku": lambda variant: [variant.sku],
    "id": lambda variant: [variant.inventory_item_id],
    "created_at": lambda variant: [variant.created_at],
    "updated_at": lambda variant: [variant.updated_at],
}
LOCATION_FILTERS: dict[str, Getter] = {
    "name": lambda location: [location.name],
    "id": lambda location: [location.id],
    "active": lambda location: [location.is_active],
}
SORTS: dict[str, Callable[[Any], Any]] = {
    "CREATED_AT": lambda thing: thing.created_at,
    "UPDATED_AT": lambda thing: thing.updated_at,
    "PROCESSED_AT": lambda thing: thing.processed_at,
    "ORDER_NUMBER": lambda thing: thing.number,
    "TITLE": lambda thing: thing.title,
    "SKU": lambda thing: thing.sku or "",
    "NAME": lambda thing: thing.name,
    "ID": lambda thing: thing.id,
    "RELEVANCE": lambda thing: thing.id,
}


def _status(order: Order) -> list[str]:
    if order.cancelled_at is not None:
        return ["cancelled"]
    return ["closed", "not_cancelled"] if order.closed_at is not None else ["open", "not_closed"]


def _searched(info: Info, query: str | None, getters: Mapping[str, Getter]) -> Search:
    try:
        found = parse(query, getters, UNPLAYED_ORDER_FILTERS if getters is ORDER_FILTERS else frozenset())
    except Unsupported as error:
        raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from None
    if found.warnings:
        info.context.search.append({"path": info.path.as_list(), "query": query, "warnings": found.warnings})
    return found


def _sort(args: Mapping[str, Any], default: str) -> Callable[[Any], Any]:
    key = args.get("sortKey") or default
    if key not in SORTS:
        raise GraphQLError(f"The sandbox does not play the sort key {key}.", extensions={"code": "BAD_REQUEST"})
    return SORTS[key]


def _page(things: list[Any], view: Callable[[Any], View], by: Callable[[Any], Any], args: dict[str, Any]) -> View:
    items = [
        Item(sortable(by(thing)), thing.id, lambda thing=thing: view(thing))  # type: ignore[misc]
        for thing in things
    ]
    return connection(items, args)


def _matching_orders(info: Info, query: str | None) -> list[Order]:
    """Orders that the search index shows by now: it lags behind writes."""
    context: Context = info.context
    search, settings, now = _searched(info, query, ORDER_FILTERS), context.store.settings, context.world.clock.now()
    by_time = "updated_at" in search.fields
    lag = settings.updated_at_lag if by_time else settings.search_lag if search.fields else 0.0
    return [
        order
        for order in bulk.every_order(context.store)
        if search.test(order) and now - (order.changed_on_clock if by_time else order.created_on_clock) >= lag
    ]


def orders(_root: Any, info: Info, **args: Any) -> View:
    """`orders`: sorted by PROCESSED_AT unless told otherwise."""
    store = info.context.store
    found = _matching_orders(info, args.get("query"))
    return _page(found, lambda order: views.order(store, order), _sort(args, "PROCESSED_AT"), args)


def orders_count(_root: Any, info: Info, **args: Any) -> View:
    """`ordersCount`: at most 10,000 unless the limit is null."""
    count, limit = len(_matching_orders(info, args.get("query"))), args.get("limit", 10_000)
    if limit is not None and count > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    return {"count": count, "precision": "EXACT"}


def products(_root: Any, info: Info, **args: Any) -> View:
    """`products`."""
    store = info.context.store
    search = _searched(info, args.get("query"), PRODUCT_FILTERS)
    found: list[Product] = [product for product in store.products.values() if search.test(product)]
    return _page(found, lambda product: catalog.product(store, product), _sort(args, "ID"), args)


def variants(_root: Any, info: Info, **args: Any) -> View:
    """`productVariants`."""
    store = info.context.store
    search = _searched(info, args.get("query"), VARIANT_FILTERS)
    found: list[Variant] = [variant for variant in store.variants.values() if search.test(variant)]
    return _page(found, lambda variant: catalog.variant(store, variant), _sort(args, "ID"), args)


def inventory_items(_root: Any, info: Info, **args: Any) -> View:
    """`inventoryItems`, one per variant."""
    store = info.context.store
    search = _searched(info, args.get("query"), ITEM_FILTERS)
    found = [variant for variant in store.variants.values() if search.test(variant)]
    return _page(
        found, lambda variant: catalog.inventory_item(store, variant), lambda variant: variant.inventory_item_id, args
    )


def locations(_root: Any, info: Info, **args: Any) -> View:
    """`locations`: inactive ones and those of fulfillment services only when asked for."""
    store = info.context.store
    search = _searched(info, args.get("query"), LOCATION_FILTERS)
    found = [
        location
        for location in store.locations.values()
        if search.test(location)
        and (location.is_active or args.get("includeInactive"))
        and (not location.is_fulfillment_service or args.get("includeLegacy"))
    ]
    return _page(found, lambda location: catalog.location(store, location), _sort(args, "NAME"), args)


def subscriptions(_root: Any, info: Info, **args: Any) -> View:
    """`webhookSubscriptions`: the shop-specific ones alone."""
    store, topics = info.context.store, args.get("topics")
    found: list[Subscription] = [
        one
        for one in store.subscriptions.values()
        if one.by_api and (not topics or one.topic in topics) and args.get("uri") in (None, one.uri)
    ]
    return _page(found, lambda one: catalog.subscription(store, one), _sort(args, "CREATED_AT"), args)


def assigned(_root: Any, info: Info, **args: Any) -> View:
    """`assignedFulfillmentOrders`: those at locations of the app's own services."""
    store, places = info.context.store, args.get("locationIds")
    wanted = None if places is None else [number_of(place) for place in places]
    found = serving.assigned(store, args.get("assignmentStatus"), wanted)
    return _page(found, lambda one: views.fulfillment_order(store, one), _sort(args, "ID"), args)


def installation(_root: Any, info: Info) -> View:
    """`currentAppInstallation`."""
    return {
        "id": "gid://shopify/AppInstallation/1",
        "accessScopes": [{"handle": scope} for scope in info.context.store.settings.scopes],
    }


def api_versions(_root: Any, info: Info) -> list[View]:
    """`publicApiVersions`."""
    store = info.context.store
    return [catalog.version(store, handle) for handle in [*store.settings.served_versions, "unstable"]]


def by_id(kind: str) -> Callable[..., View | None]:
    """A root field that reads one thing by its id; null when there is none."""

    def resolve(_root: Any, info: Info, **args: Any) -> View | None:
        return find(info.context, args["id"], kind)

    return resolve


def find(context: Context, gid: str, kind: str | None = None) -> View | None:
    """The view of the thing with this id, if it is of `kind` (any, when None)."""
    store, number = context.store, number_of(gid)
    given = kind_of(gid)
    if given == "Order" == (kind or given):
        looked_at = context.looking_at
        return views.order(store, looked_at) if looked_at is not None else bulk.order_view(store, number)
    if kind is not None and given != kind:
        raise GraphQLError(f"Invalid id: {gid}", extensions={"code": "RESOURCE_NOT_FOUND"})
    if given == "Job":
        job = store.jobs.get(gid)
        return {"id": job.id, "done": job.done} if job else None
    if given == "InventoryItem":
        owner = next((one for one in store.variants.values() if one.inventory_item_id == number), None)
        return catalog.inventory_item(store, owner) if owner else None
    shelves: dict[str, tuple[dict[int, Any], Callable[..., View]]] = {
        "FulfillmentOrder": (store.fulfillment_orders, views.fulfillment_order),
        "Fulfillment": (store.fulfillments, views.fulfillment),
        "Product": (store.products, catalog.product),
        "ProductVariant": (store.variants, catalog.variant),
        "Location": (store.locations, catalog.location),
        "WebhookSubscription": (store.subscriptions, catalog.subscription),
    }
    if given not in shelves:
        return None
    shelf, view = shelves[given]
    return view(store, shelf[number]) if number in shelf else None


QUERIES: dict[str, Callable[..., Any]] = {
    "shop": lambda _root, info: catalog.shop(info.context.store),
    "currentAppInstallation": installation,
    "publicApiVersions": api_versions,
    "locations": locations,
    "orders": orders,
    "ordersCount": orders_count,
    "products": products,
    "productVariants": variants,
    "inventoryItems": inventory_items,
    "webhookSubscriptions": subscriptions,
    "order": by_id("Order"),
    "bulkOperation": bulk.one,
    "fulfillmentOrder": by_id("FulfillmentOrder"),
    "assignedFulfillmentOrders": assigned,
    "fulfillment": by_id("Fulfillment"),
    "product": by_id("Product"),
    "productVariant": by_id("ProductVariant"),
    "location": by_id("Location"),
    "inventoryItem": by_id("InventoryItem"),
    "webhookSubscription": by_id("WebhookSubscription"),
    "job": by_id("Job"),
    "node": lambda _root, info, **args: find(info.context, args["id"]),
}
WRITERS: dict[str, Callable[[Any], Any]] = {"DateTime": views.moment, "UnsignedInt64": str, "Decimal": str}


def refusing(name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    """`resolve` with missing scopes and refused paging told as top-level errors."""
    needed = ROOT_SCOPES.get(name, ())

    def resolved(root: Any, info: Info, **args: Any) -> Any:
        if needed and not widened(info.context.store.settings.scopes) & set(needed):
            raise denied(name, needed)
        try:
            return resolve(root, info, **args)
        except BadPage as error:
            raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from None

    return resolved


def denied(name: str, needed: Sequence[str]) -> GraphQLError:
    """The refusal of a field whose scope the app lacks."""
    access = " or ".join(f"`{scope}` access scope" for scope in needed) + "."
    extensions = {"code": "ACCESS_DENIED", "requiredAccess": access}
    return GraphQLError(f"Access denied for {name} field. Required access: {access}", extensions=extensions)


@cache
def schema() -> GraphQLSchema:
    """The subset schema with its resolvers."""
    built = build_schema(files("sandbox.shopify").joinpath("schema.graphql").read_text())
    for name, write in WRITERS.items():
        scalar: Any = built.type_map[name]
        scalar.serialize = scalar.coerce_output_value = write
    roots = [(built.query_type, QUERIES), (built.mutation_type, mutations.MUTATIONS)]
    for root, resolvers in roots:
        assert root is not None
        assert set(root.fields) == set(resolvers), set(root.fields) ^ set(resolvers)
        for name, resolve in resolvers.items():
            root.fields[name].resolve = refusing(name, resolve)
    return built
