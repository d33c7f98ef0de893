"""Products, variants, inventory, locations, the shop and subscriptions as GraphQL sees them."""

from typing import Any

from sandbox.shopify.line_payloads import gid
from sandbox.shopify.money import rest
from sandbox.shopify.paging import Item, connection, sortable
from sandbox.shopify.shipping import Service
from sandbox.shopify.state import Location, Product, Store, Subscription, Variant

View = dict[str, Any]
RELEASED = {"01": "January", "04": "April", "07": "July", "10": "October"}


def location(store: Store, one: Location) -> View:
    """A Location."""
    return {
        "__typename": "Location",
        "id": gid("Location", one.id),
        "legacyResourceId": one.id,
        "name": one.name,
        "isActive": one.is_active,
        "isPrimary": one.id == next(iter(store.locations)),
        "fulfillsOnlineOrders": one.fulfills_online_orders,
        "shipsInventory": one.is_active,
        "hasActiveInventory": any(one.id in variant.available for variant in store.variants.values()),
        "isFulfillmentService": one.is_fulfillment_service,
        "fulfillmentService": lambda _info: service_of(store, one),
        "createdAt": one.created_at,
        "updatedAt": one.created_at,
        "address": {
            "address1": "1 Example Street",
            "address2": None,
            "city": "Springfield",
            "provinceCode": None,
            "countryCode": one.country_code,
            "zip": "62701",
        },
    }


def service_gid(one: Service) -> str:
    """The id of a service, with the query that Shopify puts behind it."""
    return f"{gid('FulfillmentService', one.id)}?id=true"


def service(store: Store, one: Service) -> View:
    """A FulfillmentService of the installed app."""
    return {
        "__typename": "FulfillmentService",
        "id": service_gid(one),
        "handle": "-".join(one.name.lower().split()),
        "serviceName": one.name,
        "type": "THIRD_PARTY",
        "callbackUrl": one.callback_url,
        "location": lambda _info: location(store, store.locations[one.location_id]),
    }


def service_of(store: Store, place: Location) -> View | None:
    """The FulfillmentService that a location belongs to; of another app's, only what that app calls it."""
    if not place.is_fulfillment_service:
        return None
    own = next((one for one in store.services.values() if one.location_id == place.id), None)
    return service(store, own or Service(place.id, place.name, place.id, None))


def product(store: Store, one: Product) -> View:
    """A Product."""

    def variants(_info: Any, **args: Any) -> View:
        items = [
            Item(sortable(each.position), each.id, lambda each=each: variant(store, each))  # type: ignore[misc]
            for each in one.variants
        ]
        return connection(items, args)

    return {
        "__typename": "Product",
        "id": gid("Product", one.id),
        "legacyResourceId": one.id,
        "handle": one.handle,
        "title": one.title,
        "status": one.status,
        "vendor": one.vendor,
        "productType": one.product_type,
        "tags": sorted(one.tags),
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "category": None,
        "variantsCount": {"count": len(one.variants), "precision": "EXACT"},
        "variants": variants,
    }


def variant(store: Store, one: Variant) -> View:
    """A ProductVariant; Money, unlike Decimal, keeps its trailing zeros."""
    owner = store.products[one.product_id]
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", one.id),
        "legacyResourceId": one.id,
        "title": one.title,
        "displayName": f"{owner.title} - {one.title}",
        "sku": one.sku or None,
        "barcode": one.barcode,
        "price": rest(one.price, store.currency),
        "compareAtPrice": None,
        "position": one.position,
        "inventoryPolicy": "DENY",
        "inventoryQuantity": sum(one.available.values()),
        "selectedOptions": [{"name": "Title", "value": one.title}],
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "product": lambda _info: product(store, owner),
        "inventoryItem": lambda _info: inventory_item(store, one),
    }


def inventory_item(store: Store, one: Variant) -> View:
    """The InventoryItem of a variant."""

    def levels(_info: Any, **args: Any) -> View:
        items = [
            Item(sortable(place), place, lambda place=place: inventory_level(store, one, place))  # type: ignore[misc]
            for place in one.available
        ]
        return connection(items, args)

    def level(_info: Any, **args: Any) -> View | None:
        place = number_of(args["locationId"])
        return inventory_level(store, one, place) if place in one.available else None

    def variants(_info: Any, **args: Any) -> View:
        return connection([Item(sortable(one.id), one.id, lambda: variant(store, one))], args)

    return {
        "__typename": "InventoryItem",
        "id": gid("InventoryItem", one.inventory_item_id),
        "legacyResourceId": one.inventory_item_id,
        "sku": one.sku or None,
        "tracked": one.tracked,
        "requiresShipping": one.requires_shipping,
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "measurement": {
            "id": gid("InventoryItemMeasurement", one.inventory_item_id),
            "weight": {"unit": "GRAMS", "value": float(one.grams)},
        },
        "variants": variants,
        "inventoryLevels": levels,
        "inventoryLevel": level,
    }


def inventory_level(store: Store, one: Variant, place: int) -> View:
    """An InventoryLevel; quantities other than `available` and `on_hand` are what follows from these."""
    have = {"available": one.available.get(place, 0), "on_hand": one.on_hand.get(place, 0)}
    changed = one.levels_updated_at.get(place)

    def quantities(_info: Any, names: list[str]) -> list[View]:
        known = have | {"committed": have["on_hand"] - have["available"]}
        return [
            {
                "id": f"gid://shopify/InventoryQuantity/{one.inventory_item_id}?inventory_level_id={place}&name={name}",
                "name": name,
                "quantity": known.get(name, 0),
                "updatedAt": changed,
            }
            for name in names
        ]

    return {
        "__typename": "InventoryLevel",
        "id": f"gid://shopify/InventoryLevel/{place}?inventory_item_id={one.inventory_item_id}",
        "isActive": True,
        "updatedAt": changed or one.updated_at,
        "location": location(store, store.locations[place]),
        "quantities": quantities,
    }


def shop(store: Store) -> View:
    """The Shop."""
    return {
        "id": gid("Shop", store.id),
        "name": store.name,
        "email": "owner@example.com",
        "myshopifyDomain": store.domain,
        "currencyCode": store.currency,
        "ianaTimezone": store.timezone_name,
        "timezoneOffset": store.utc_offset.replace(":", ""),
        "weightUnit": "GRAMS",
        "taxesIncluded": False,
        "enabledPresentmentCurrencies": [store.currency],
        "fulfillmentServices": lambda _info: [service(store, one) for one in store.services.values()],
        "plan": {"publicDisplayName": "Basic", "shopifyPlus": False, "partnerDevelopment": True},
    }


def version(store: Store, handle: str) -> View:
    """An ApiVersion."""
    year, _, month = handle.partition("-")
    supported = handle in store.settings.served_versions
    latest = handle == store.settings.served_versions[-1]
    name = f"{handle} (Latest)" if latest else handle if month in RELEASED and year.isdigit() else "unstable"
    return {"handle": handle, "displayName": name, "supported": supported}


def subscription(store: Store, one: Subscription) -> View:
    """A WebhookSubscription."""
    return {
        "__typename": "WebhookSubscription",
        "id": gid("WebhookSubscription", one.id),
        "legacyResourceId": one.id,
        "topic": one.topic,
        "uri": one.uri,
        "filter": one.filter,
        "includeFields": one.include_fields,
        "metafieldNamespaces": one.metafield_namespaces,
        "format": "JSON",
        "name": one.name,
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "apiVersion": version(store, store.settings.webhook_version),
    }


def number_of(gid_text: str) -> int:
    """The number in a GraphQL id; 0 when it has none."""
    tail = gid_text.rsplit("/", 1)[-1].split("?", 1)[0]
    return int(tail) if tail.isdigit() else 0
