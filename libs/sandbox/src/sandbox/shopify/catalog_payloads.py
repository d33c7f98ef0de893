"""REST-shaped webhook bodies of products, stock levels and the shop."""

from typing import Any

from sandbox.shopify.line_payloads import gid
from sandbox.shopify.money import rest
from sandbox.shopify.state import Product, Store, Variant


def product(store: Store, product: Product) -> dict[str, Any]:
    """A product with its first 100 variants in full, as `products/*` carry it."""
    return {
        "admin_graphql_api_id": gid("Product", product.id),
        "body_html": None,
        "created_at": store.local(product.created_at),
        "handle": product.handle,
        "id": product.id,
        "product_type": product.product_type,
        "published_at": store.local(product.created_at),
        "template_suffix": None,
        "title": product.title,
        "updated_at": store.local(product.updated_at),
        "vendor": product.vendor,
        "status": product.status.lower(),
        "published_scope": "web",
        "tags": ", ".join(product.tags),
        "variants": [_variant(store, variant) for variant in product.variants[:100]],
        "options": [{"name": "Title", "position": 1, "values": [variant.title for variant in product.variants]}],
        "images": [],
        "image": None,
        "media": [],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", variant.id), "updated_at": store.local(variant.updated_at)}
            for variant in product.variants
        ],
        "has_variants_that_requires_components": False,
        "category": None,
    }


def inventory_level(store: Store, variant: Variant, location_id: int) -> dict[str, Any]:
    """`inventory_levels/update`: `available` only."""
    item = variant.inventory_item_id
    return {
        "inventory_item_id": item,
        "location_id": location_id,
        "available": variant.available.get(location_id),
        "updated_at": store.local(variant.levels_updated_at.get(location_id, variant.updated_at)),
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{location_id}?inventory_item_id={item}",
    }


def shop(store: Store) -> dict[str, Any]:
    """`app/uninstalled`: the shop."""
    return {
        "id": store.id,
        "name": store.name,
        "email": "owner@example.com",
        "domain": None,
        "country": "US",
        "currency": store.currency,
        "iana_timezone": store.timezone_name,
        "myshopify_domain": store.domain,
        "plan_name": "basic",
        "primary_location_id": next(iter(store.locations), None),
        "enabled_presentment_currencies": [store.currency],
    }


def _variant(store: Store, variant: Variant) -> dict[str, Any]:
    quantity = sum(variant.available.values())
    return {
        "admin_graphql_api_id": gid("ProductVariant", variant.id),
        "barcode": variant.barcode,
        "compare_at_price": None,
        "created_at": store.local(variant.created_at),
        "id": variant.id,
        "inventory_policy": "deny",
        "position": variant.position,
        "price": rest(variant.price, store.currency),
        "product_id": variant.product_id,
        "sku": variant.sku,
        "taxable": True,
        "title": variant.title,
        "updated_at": store.local(variant.updated_at),
        "option1": variant.title,
        "option2": None,
        "option3": None,
        "image_id": None,
        "inventory_item_id": variant.inventory_item_id,
        "inventory_quantity": quantity,
        "old_inventory_quantity": quantity,
    }
