"""Real payloads that nobody here wrote: each ends as something that can be acted on or explained, none raises."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossdock.channels.model import (
    AccessChanged,
    AppUninstalled,
    CanonicalOrder,
    Ignored,
    ListingSet,
    OrderCancelledNotice,
    OrderTouched,
    Parsed,
    PrivacyRequest,
    RouteTouched,
    Totals,
)
from crossdock.channels.shopify import connector
from crossdock.channels.shopify.quantities import LineCounts, settle_line
from crossdock.channels.shopify.webhooks import ROUTE_TOPICS


def files_of(reference: Path, folder: str) -> list[Path]:
    found = sorted((reference / "samples" / "shopify" / folder).glob("*.json"))
    if not found:
        pytest.skip(f"no samples in {reference}/samples/shopify/{folder}")
    return found


def orders_in(payload: Any) -> list[dict[str, Any]]:
    if "order" in payload:
        return [payload["order"]]
    found: list[dict[str, Any]] = payload.get("orders", [payload])
    return found


def adds_up(totals: Totals) -> bool:
    tax = Decimal(0) if totals.taxes_included else totals.tax
    summed = totals.lines - totals.discounts + tax + totals.shipping + totals.tips + totals.duties
    explained = bool(totals.difference_reason) == bool(totals.difference)
    return summed + totals.difference == totals.total and explained


def test_every_sample_order_is_read_and_adds_up(reference: Path) -> None:
    for path in files_of(reference, "orders"):
        raw = path.read_bytes()
        for told, found in zip(orders_in(json.loads(raw)), connector.parse("orders/create", raw), strict=True):
            if "line_items" not in told:
                assert isinstance(found, OrderTouched), path.name
                assert (found.external_id, found.updated_at is None) == (str(told["id"]), False)
                continue
            assert isinstance(found, CanonicalOrder), (path.name, found)
            assert found.external_id == str(told["id"])
            assert found.totals.total == Decimal(told["total_price"]), path.name
            assert adds_up(found.totals), (path.name, found.totals)
            assert len(found.lines) == len(told["line_items"])
            assert found.updated_at.utcoffset() is not None


def test_sample_orders_of_recent_api_versions_need_no_difference(reference: Path) -> None:
    """The samples with a difference are old documentation examples that contradict themselves, or lack shipping."""
    unequal = set()
    for path in files_of(reference, "orders"):
        for found in connector.parse("orders/create", path.read_bytes()):
            if isinstance(found, CanonicalOrder) and found.totals.difference:
                unequal.add((path.name, found.totals.difference_reason))
    assert {reason for _, reason in unequal} <= {
        "the lines do not add up to total_line_items_price",
        "payload has no shipping lines",
    }
    assert not {name for name, _ in unequal if name.startswith(("rest_", "itk_", "bag_", "jpy_", "odoo_"))}


def test_every_sample_webhook_ends_as_something_known(reference: Path) -> None:
    for path in files_of(reference, "webhooks"):
        topic = path.stem.replace("__", "/")
        (found,) = connector.parse(topic, path.read_bytes())
        expected: type[Parsed] = {
            "orders/create": CanonicalOrder,
            "orders/updated": CanonicalOrder,
            "orders/paid": CanonicalOrder,
            "orders/cancelled": CanonicalOrder,
            "orders/fulfilled": CanonicalOrder,
            "orders/partially_fulfilled": CanonicalOrder,
            "orders/delete": OrderCancelledNotice,
            "refunds/create": OrderTouched,
            "products/create": ListingSet,
            "products/update": ListingSet,
            "products/delete": ListingSet,
            "app/uninstalled": AppUninstalled,
            "app/scopes_update": AccessChanged,
            "customers/data_request": PrivacyRequest,
            "customers/redact": PrivacyRequest,
            "shop/redact": PrivacyRequest,
            **dict.fromkeys(ROUTE_TOPICS, RouteTouched),
        }.get(topic, Ignored)
        assert isinstance(found, expected), (topic, found)


def test_every_sample_read_as_every_topic_raises_nothing(reference: Path) -> None:
    for folder in ("orders", "webhooks", "products", "refunds", "fulfillment_orders", "drafts", "exemplars_shape_only"):
        for path in sorted((reference / "samples" / "shopify" / folder).glob("*.json")):
            for topic in ("orders/updated", "products/update", "refunds/create", "orders/edited", "orders/delete"):
                assert connector.parse(topic, path.read_bytes()), (path.name, topic)


def test_every_sample_product_is_a_set_of_listings(reference: Path) -> None:
    for path in files_of(reference, "products"):
        if "variant" in json.loads(path.read_bytes()):
            continue
        for found in connector.parse("products/update", path.read_bytes()):
            assert isinstance(found, ListingSet), (path.name, found)
            assert found.listings


def test_every_sample_refund_names_its_order(reference: Path) -> None:
    for path in files_of(reference, "refunds"):
        if "calculate" in path.name:
            continue
        for found in connector.parse("refunds/create", path.read_bytes()):
            assert isinstance(found, OrderTouched), (path.name, found)


def test_units_of_sample_graphql_lines_agree_with_shopifys_own_counts(reference: Path) -> None:
    """Recorded live lines: what is kept is what Shopify still counts, plus returned units."""
    checked = 0
    for path in sorted((reference / "samples" / "shopify" / "graphql_recorded").rglob("*.json")):
        for line in lines_in(json.loads(path.read_bytes())):
            counts = LineCounts(line["quantity"], line["currentQuantity"], line.get("fulfillableQuantity"), "")
            assert settle_line(counts, (), ()).kept == line["currentQuantity"], (path.name, line)
            checked += 1
    if not checked:
        pytest.skip("no recorded lines with currentQuantity")


def lines_in(value: Any) -> list[dict[str, Any]]:
    """Every object that looks like a recorded line item with its quantities."""
    found = []
    if isinstance(value, dict):
        if isinstance(value.get("quantity"), int) and isinstance(value.get("currentQuantity"), int):
            found.append(value)
        for inner in value.values():
            found += lines_in(inner)
    elif isinstance(value, list):
        for inner in value:
            found += lines_in(inner)
    return found
