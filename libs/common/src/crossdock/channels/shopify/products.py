"""REST-shaped Shopify products, as webhooks carry them, to listings (pure); only `Bad` is ever raised."""

from collections.abc import Mapping
from typing import Any

from crossdock.channels.model import CanonicalListing, ListingSet
from crossdock.channels.reading import Bad, identifier, key_text, moment, records, text

WEBHOOK_VARIANTS = 100
"""A products webhook carries this many variants in full and no more (Shopify, webhook documentation)."""


def listings_of(payload: Mapping[str, Any], path: str = "product", *, complete: bool = False) -> ListingSet:
    """Map one REST-shaped product. Raises Bad when it lacks an id, a time or its variants.

    `complete`: the reader vouches for all variants; otherwise a list of exactly 100 is taken to be shortened.
    """
    product_id = identifier(payload.get("id"), f"{path}.id")
    if product_id is None:
        raise Bad(f"{path}.id", "is missing: this is no product")
    if not isinstance(payload.get("variants"), list):
        raise Bad(f"{path}.variants", "is missing: the payload does not say which variants there are")
    updated_at = moment(payload.get("updated_at"), f"{path}.updated_at") or moment(
        payload.get("created_at"), f"{path}.created_at"
    )
    if updated_at is None:
        raise Bad(f"{path}.updated_at", "is missing, and so is created_at")
    variants = records(payload["variants"], f"{path}.variants")
    title = text(payload.get("title")).strip()
    listings = []
    for i, variant in enumerate(variants):
        where = f"{path}.variants[{i}]"
        listing_id = identifier(variant.get("id"), f"{where}.id")
        if listing_id is None:
            raise Bad(f"{where}.id", "is missing")
        listings.append(
            CanonicalListing(
                listing_id=listing_id,
                product_id=product_id,
                sku=key_text(variant.get("sku"), f"{where}.sku"),
                title=listing_title(title, text(variant.get("title"), 255).strip()),
                updated_at=moment(variant.get("updated_at"), f"{where}.updated_at") or updated_at,
                barcode=text(variant.get("barcode"), 255).strip(),
                created_at=moment(variant.get("created_at"), f"{where}.created_at"),
            )
        )
    return ListingSet(
        product_id=product_id,
        updated_at=updated_at,
        listings=tuple(listings),
        complete=complete or len(variants) != WEBHOOK_VARIANTS,
    )


def listing_title(product: str, variant: str) -> str:
    """`Product / Variant`; a product without options has one variant, which Shopify calls "Default Title"."""
    return f"{product} / {variant}" if variant and variant != "Default Title" else product
