"""Shopify's GraphQL nodes in the shape of its REST payloads (pure), so that one mapper reads both alike.

Amounts and ids differ only in writing; statuses and restock types only in case. GraphQL marks no tip, but a line of no
product that can't be fulfilled at all "like a tip" (description of `nonFulfillableQuantity`) is one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.channels.model import CanonicalOrder, ListingSet
from crossdock.channels.reading import identifier
from crossdock.channels.shopify.orders import order_of
from crossdock.channels.shopify.products import listings_of
from crossdock.channels.shopify.promises import promise_of

Node = Mapping[str, Any]


def order_from_node(node: Node, lines: Sequence[Node]) -> CanonicalOrder:
    """The canonical order of an OrderDetail node and all of its lines. Raises Bad."""
    return order_of(rest_order(node, lines))


def rest_order(node: Node, lines: Sequence[Node]) -> dict[str, Any]:
    """An OrderDetail node and all of its lines, REST-shaped."""
    customer = node.get("customer") or {}
    promise = promise_of(_nodes(node.get("fulfillmentOrders")))
    return {
        "id": _id(node["id"]),
        "name": node.get("name"),
        "created_at": node.get("createdAt"),
        "processed_at": node.get("processedAt"),
        "updated_at": node.get("updatedAt"),
        "cancelled_at": node.get("cancelledAt"),
        "test": node.get("test"),
        "email": node.get("email"),
        "note": node.get("note"),
        "tags": node.get("tags"),
        "source_name": node.get("sourceName"),
        "currency": node.get("currencyCode"),
        "taxes_included": node.get("taxesIncluded"),
        "financial_status": _word(node.get("displayFinancialStatus")),
        "fulfillment_status": _fulfillment_status(node),
        "note_attributes": _attributes(node.get("customAttributes")),
        "customer": {"email": (customer.get("defaultEmailAddress") or {}).get("emailAddress")},
        "shipping_address": _address(node.get("shippingAddress")),
        "total_discounts": _shop(node.get("totalDiscountsSet")),
        "total_shipping_price": _shop(node.get("totalShippingPriceSet")),
        "total_tax": _shop(node.get("totalTaxSet")),
        "total_price": _shop(node.get("totalPriceSet")),
        "fulfill_by": promise.ship_by,
        "deliver_by": promise.deliver_by,
        "delivery_method": promise.service,
        "shipping_lines": [_shipping_line(line) for line in _nodes(node.get("shippingLines"))],
        "line_items": [_line(line) for line in lines],
        "line_item_groups": [
            {"id": _id(group["id"]), "title": group.get("title")}
            for line in lines
            if (group := line.get("lineItemGroup"))
        ],
        "fulfillments": [_fulfillment(one) for one in node.get("fulfillments") or ()],
        "refunds": [_refund(one) for one in node.get("refunds") or ()],
    }


def listings_from_node(node: Node, variants: Sequence[Node]) -> ListingSet:
    """The listings of a product node and all of its variants. Raises Bad."""
    return listings_of(
        {
            "id": node["id"],
            "title": node.get("title"),
            "updated_at": node.get("updatedAt"),
            "variants": [
                {
                    "id": variant["id"],
                    "title": variant.get("title"),
                    "sku": variant.get("sku"),
                    "barcode": variant.get("barcode"),
                    "created_at": variant.get("createdAt"),
                    "updated_at": variant.get("updatedAt"),
                }
                for variant in variants
            ],
        },
        complete=True,
    )


def _line(line: Node) -> dict[str, Any]:
    bare = not line.get("variant") and not line.get("product") and not line.get("isGiftCard")
    whole = line.get("quantity") == line.get("currentQuantity") == line.get("nonFulfillableQuantity")
    return {
        "id": _id(line["id"]),
        "variant_id": _id((line.get("variant") or {}).get("id")),
        "product_id": _id((line.get("product") or {}).get("id")),
        "title": line.get("title"),
        "variant_title": line.get("variantTitle"),
        "sku": line.get("sku"),
        "quantity": line.get("quantity"),
        "current_quantity": line.get("currentQuantity"),
        "fulfillable_quantity": line.get("unfulfilledQuantity"),
        "requires_shipping": line.get("requiresShipping"),
        "gift_card": line.get("isGiftCard"),
        "sales_line_item_group_id": _id((line.get("lineItemGroup") or {}).get("id")),
        "tip_payment_gateway": bare and whole and line.get("requiresShipping") is False,
        "price": _shop(line.get("originalUnitPriceSet")),
        "discount_allocations": _allocations(line),
        "tax_lines": [{"price": _shop(one.get("priceSet"))} for one in line.get("taxLines") or ()],
        "properties": _attributes(line.get("customAttributes")),
    }


def _shipping_line(line: Node) -> dict[str, Any]:
    return {
        "title": line.get("title"),
        "code": line.get("code"),
        "source": line.get("source"),
        "price": _shop(line.get("originalPriceSet")),
        "discounted_price": _shop(line.get("discountedPriceSet")),
        "is_removed": line.get("isRemoved"),
        "discount_allocations": _allocations(line),
    }


def _allocations(owner: Node) -> list[dict[str, Any]]:
    return [{"amount": _shop(one.get("allocatedAmountSet"))} for one in owner.get("discountAllocations") or ()]


def _fulfillment(one: Node) -> dict[str, Any]:
    return {
        "id": _id(one["id"]),
        "status": _word(one.get("status")),
        "created_at": one.get("createdAt"),
        "line_items": [
            {"id": _id(line["lineItem"]["id"]), "quantity": line.get("quantity")}
            for line in _nodes(one.get("fulfillmentLineItems"))
        ],
    }


def _refund(one: Node) -> dict[str, Any]:
    return {
        "id": _id(one["id"]),
        "created_at": one.get("createdAt"),
        "total_refunded": _shop(one.get("totalRefundedSet")),
        "refund_line_items": [
            {
                "line_item_id": _id(line["lineItem"]["id"]),
                "quantity": line.get("quantity"),
                "restock_type": _word(line.get("restockType")),
                "subtotal": _shop(line.get("subtotalSet")),
                "total_tax": _shop(line.get("totalTaxSet")),
            }
            for line in _nodes(one.get("refundLineItems"))
        ],
    }


def _address(address: Node | None) -> dict[str, Any] | None:
    if not address:
        return None
    return {
        "first_name": address.get("firstName"),
        "last_name": address.get("lastName"),
        "name": address.get("name"),
        "company": address.get("company"),
        "address1": address.get("address1"),
        "address2": address.get("address2"),
        "city": address.get("city"),
        "zip": address.get("zip"),
        "province_code": address.get("provinceCode"),
        "country_code": address.get("countryCodeV2"),
        "phone": address.get("phone"),
    }


def _fulfillment_status(node: Node) -> str | None:
    """REST's word: `fulfilled`, `partial`, `restocked`, or None for every other display status."""
    words = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "RESTOCKED": "restocked"}
    return words.get(node.get("displayFulfillmentStatus") or "")


def _attributes(pairs: Sequence[Node] | None) -> list[dict[str, Any]]:
    return [{"name": pair.get("key"), "value": pair.get("value")} for pair in pairs or ()]


def _nodes(connection: Node | None) -> Sequence[Node]:
    return (connection or {}).get("nodes") or ()


def _shop(bag: Node | None) -> Any:
    return ((bag or {}).get("shopMoney") or {}).get("amount")


def _word(value: str | None) -> str | None:
    return value.lower() if value else None


def _id(gid: str | None) -> str | None:
    return identifier(gid, "id")
