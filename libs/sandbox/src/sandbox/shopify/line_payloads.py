"""REST-shaped parts of an order that have a price: lines, shipping, taxes, discounts."""

from typing import Any

from sandbox.shopify.money import Bag
from sandbox.shopify.state import Allocation, Line, Order, ShippingLine, TaxLine
from sandbox.shopify.totals import shipping_price


def gid(kind: str, number: int) -> str:
    """The GraphQL id of a thing."""
    return f"gid://shopify/{kind}/{number}"


def line_item(order: Order, line: Line) -> dict[str, Any]:
    """One line item. `total_discount` holds line discounts only; the money of all is in `discount_allocations`."""
    own = line.price.times(0)
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "attributed_staffs": [],
        "current_quantity": line.current_quantity,
        "fulfillable_quantity": 0 if order.cancelled_at else line.unfulfilled,
        "fulfillment_service": "manual",
        "fulfillment_status": _line_status(line),
        "gift_card": line.gift_card,
        "grams": line.grams,
        "name": f"{line.title} - {line.variant_title}" if line.variant_title else line.title,
        "price": line.price.rest(),
        "price_set": line.price.rest_set(),
        "product_exists": line.product_id is not None,
        "product_id": line.product_id,
        "properties": line.properties,
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sales_line_item_group_id": line.group[0] if line.group else None,
        "sku": line.sku,
        "taxable": line.taxable,
        "title": line.title,
        "total_discount": own.rest(),
        "total_discount_set": own.rest_set(),
        "variant_id": line.variant_id,
        "variant_inventory_management": "shopify" if line.variant_id else None,
        "variant_title": line.variant_title,
        "vendor": line.vendor,
        "tax_lines": [tax_line(tax) for tax in line.tax_lines],
        "duties": [],
        "discount_allocations": [_allocation(allocation) for allocation in line.allocations],
    }


def tax_line(tax: TaxLine) -> dict[str, Any]:
    """One tax."""
    return {
        "channel_liable": False,
        "price": tax.price.rest(),
        "price_set": tax.price.rest_set(),
        "rate": float(tax.rate),
        "title": tax.title,
    }


def shipping_line(order: Order, line: ShippingLine) -> dict[str, Any]:
    """One shipping line."""
    paid = shipping_price(line, order)
    return {
        "id": line.id,
        "carrier_identifier": None,
        "current_discounted_price_set": paid.rest_set(),
        "code": line.code or line.title,
        "discounted_price": paid.rest(),
        "discounted_price_set": paid.rest_set(),
        "is_removed": False,
        "phone": None,
        "price": line.price.rest(),
        "price_set": line.price.rest_set(),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": line.title,
        "tax_lines": [tax_line(tax) for tax in line.tax_lines],
        "discount_allocations": [_allocation(allocation) for allocation in line.allocations],
    }


def discount_application(order: Order, index: int) -> dict[str, Any]:
    """One discount application."""
    discount = order.discounts[index]
    return {
        "target_type": discount.target,
        "type": discount.kind,
        "value": str(discount.value),
        "value_type": discount.value_type,
        "allocation_method": discount.method,
        "target_selection": discount.selection,
        ("code" if discount.kind == "discount_code" else "title"): discount.title,
    }


def discount_codes(order: Order) -> list[dict[str, Any]]:
    """The codes used and what each took off."""
    codes = []
    for discount in order.discounts:
        if discount.kind != "discount_code":
            continue
        kind = "shipping" if discount.target == "shipping_line" else discount.value_type
        codes.append({"code": discount.title, "amount": _discounted(order, discount.index).rest(), "type": kind})
    return codes


def _discounted(order: Order, index: int) -> Bag:
    amount = order.received.times(0)
    for holder in order.priced:
        for allocation in holder.allocations:
            if allocation.discount.index == index:
                amount += allocation.amount
    return amount


def _allocation(allocation: Allocation) -> dict[str, Any]:
    return {
        "amount": allocation.amount.rest(),
        "amount_set": allocation.amount.rest_set(),
        "discount_application_index": allocation.discount.index,
    }


def _line_status(line: Line) -> str | None:
    if line.fulfilled == 0:
        return None
    return "fulfilled" if line.unfulfilled == 0 else "partial"
