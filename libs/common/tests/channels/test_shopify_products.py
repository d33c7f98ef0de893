"""A product webhook becomes the whole set of its listings."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from crossdock.channels.model import CanonicalListing, ListingSet, Parsed, Unreadable
from crossdock.channels.shopify import connector


def product(variants: int = 2) -> dict[str, Any]:
    return {
        "id": 8001,
        "title": "Test Shirt",
        "updated_at": "2026-11-20T10:00:00-05:00",
        "variants": [{"id": 9000 + i, "title": f"Size {i}", "sku": f"SHIRT-{i}"} for i in range(variants)],
    }


def read(payload: Any, topic: str = "products/update") -> Parsed:
    (found,) = connector.parse(topic, json.dumps(payload).encode())
    return found


def listings(payload: Any) -> ListingSet:
    found = read(payload)
    assert isinstance(found, ListingSet), found
    return found


def test_every_variant_is_a_listing() -> None:
    at = datetime(2026, 11, 20, 15, tzinfo=UTC)
    first = CanonicalListing("9000", "8001", "SHIRT-0", "Test Shirt / Size 0", at)
    second = CanonicalListing("9001", "8001", "SHIRT-1", "Test Shirt / Size 1", at)
    assert listings(product()) == ListingSet("8001", at, (first, second))


def test_a_product_without_options_has_no_variant_title() -> None:
    payload = product(1)
    payload["variants"][0]["title"] = "Default Title"
    assert listings(payload).listings[0].title == "Test Shirt"


@pytest.mark.parametrize("sku", [None, "", "  "])
def test_a_missing_sku_is_blank(sku: str | None) -> None:
    payload = product(1)
    payload["variants"][0]["sku"] = sku
    assert listings(payload).listings[0].sku == ""


@pytest.mark.parametrize(("variants", "complete"), [(99, True), (100, False), (101, True)])
def test_a_webhook_with_exactly_a_hundred_variants_may_be_shortened(variants: int, complete: bool) -> None:
    assert listings(product(variants)).complete is complete


def test_a_deleted_product_has_no_listings_and_nothing_is_newer() -> None:
    found = read({"id": 8001}, "products/delete")
    assert isinstance(found, ListingSet)
    assert (found.product_id, found.listings) == ("8001", ())
    assert found.updated_at > listings(product()).updated_at


def test_wrapped_products_are_unwrapped() -> None:
    assert listings({"product": product()}) == listings(product())
    found = connector.parse("products/update", json.dumps({"products": [product(), product() | {"id": 8}]}).encode())
    assert [one.product_id for one in found if isinstance(one, ListingSet)] == ["8001", "8"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "product.id is missing: this is no product"),
        ({"variants": None}, "product.variants is missing: the payload does not say which variants there are"),
        ({"updated_at": None}, "product.updated_at is missing, and so is created_at"),
        ({"variants": [{"sku": "A"}]}, "product.variants[0].id is missing"),
        ({"variants": ["A"]}, "product.variants[0] is not an object"),
    ],
)
def test_what_is_no_product_is_unreadable(change: dict[str, Any], reason: str) -> None:
    assert read(product() | change) == Unreadable(reason)
