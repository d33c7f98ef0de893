"""Which access scopes the Shopify channel needs for what, as Shopify's schema 2026-10 states it for each field."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.channels.connecting import ScopeNeed
from crossdock.channels.destinations import ships

_FULFILLMENT_ORDERS = ("merchant_managed_fulfillment_orders", "assigned_fulfillment_orders",
                       "third_party_fulfillment_orders")  # fmt: skip
READ_FULFILLMENT_ORDERS = tuple(f"read_{one}" for one in _FULFILLMENT_ORDERS)
WRITE_FULFILLMENT_ORDERS = tuple(f"write_{one}" for one in _FULFILLMENT_ORDERS)

_SELLS = (
    ScopeNeed(("read_orders",), "orders are neither heard of nor read"),
    ScopeNeed(("read_products",), "listings are not known, and orders, which name their variants, cannot be read"),
    ScopeNeed(("read_customers",), "orders, which name their customer, cannot be read after their webhook"),
    ScopeNeed(READ_FULFILLMENT_ORDERS, "what of an order may still be shipped is not known"),
    ScopeNeed(WRITE_FULFILLMENT_ORDERS, "tracking is not written back"),
    ScopeNeed(("read_locations", "read_inventory"), "locations are not known"),
    ScopeNeed(("write_inventory",), "stock levels are not published", essential=False),
    ScopeNeed(("write_orders",), "orders are neither tagged nor created", essential=False),
    ScopeNeed(("read_all_orders",), "orders older than 60 days are not imported", essential=False),
)
_SHIPS = (
    ScopeNeed(("write_orders",), "orders to be shipped are not created"),
    ScopeNeed(("read_products",), "variants to be shipped are not found"),
    ScopeNeed(READ_FULFILLMENT_ORDERS, "what was shipped is not known"),
)
SERVES = (
    ScopeNeed(("write_fulfillments",), "the fulfillment service is neither registered nor deleted"),
    ScopeNeed(("write_assigned_fulfillment_orders",), "requests to the service are neither seen nor answered"),
)


def needs(settings: Mapping[str, Any]) -> tuple[ScopeNeed, ...]:
    """What a store needs to allow: one that sells, or, with the setting `role: destination`, one that ships for us;
    with `fulfillment_service` also what a fulfillment service needs."""
    if ships(settings):
        return _SHIPS
    return (*_SELLS, *SERVES) if settings.get("fulfillment_service") else _SELLS


def asked(needed: Sequence[ScopeNeed]) -> tuple[str, ...]:
    """The scopes to ask a merchant for: the first of each need, less those that another one implies. `read_all_orders`
    is granted by Shopify on request alone, so asking for it would make the whole approval fail."""
    first = {need.any_of[0] for need in needed} - {"read_all_orders"}
    return tuple(sorted(one for one in first if not (one[:5] == "read_" and f"write_{one[5:]}" in first)))


def missing(needed: Sequence[ScopeNeed], granted: Sequence[str]) -> tuple[ScopeNeed, ...]:
    """The needs that granted scopes leave open. `write_x` implies `read_x`, and Shopify may tell only the former."""
    have = set(granted) | {f"read_{one[6:]}" for one in granted if one.startswith("write_")}
    return tuple(need for need in needed if not have & set(need.any_of))
