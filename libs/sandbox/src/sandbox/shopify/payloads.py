"""REST-shaped webhook bodies, as Shopify sends them in every API version: numeric ids, amounts as text."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.money import Bag, rest
from sandbox.shopify.state import (
    Allocation,
    Fulfillment,
    FulfillmentOrder,
    Line,
    Order,
    Product,
    Refund,
    ShippingLine,
    Store,
    TaxLine,
    Variant,
)
from sandbox.shopify.totals import order_taxes, shipping_price, totals

ADDRESS = (
    *("first_name", "address1", "phone", "city", "zip", "province", "country", "last_name", "address2", "company"),
    *("latitude", "longitude", "name", "country_code", "province_code"),
)


def gid(kind: str, number: int) -> str:
    """The GraphQL id of a thing."""
    return f"gid://shopify/{kind}/{number}"


def address(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """An address in REST form, with Shopify's derived `name`."""
    if given is None:
        return None
    whole = dict.fromkeys(ADDRESS) | {key: value for key, value in given.items() if key in ADDRESS}
    whole["name"] = " ".join(part for part in (whole["first_name"], whole["last_name"]) if part)
    return whole


def order(store: Store, order: Order) -> dict[str, Any]:
    """The whole order as `orders/*` webhooks carry it."""
    sums = totals(order)
    lines = [line_item(order, line) for line in order.lines]
    body: dict[str, Any] = {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "app_id": 580111,
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason.lower() if order.cancel_reason else None,
        "cancelled_at": store.local(order.cancelled_at),
        "cart_token": None,
        "client_details": None,
        "closed_at": store.local(order.closed_at),
        "confirmed": True,
        "contact_email": order.email,
        "created_at": store.local(order.created_at),
        "currency": order.currencies.shop,
        "customer_locale": "en",
        "discount_codes": _discount_codes(order),
        "email": order.email or "",
        "estimated_taxes": False,
        "financial_status": order.financial_status.lower(),
        "fulfillment_status": fulfillment_status(order),
        "location_id": None,
        "name": order.name,
        "note": order.note,
        "note_attributes": order.note_attributes,
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://{store.domain}/{store.id}/orders/{order.id}/authenticate",
        "payment_gateway_names": order.gateways,
        "phone": order.phone,
        "po_number": order.po_number,
        "presentment_currency": order.currencies.presentment,
        "processed_at": store.local(order.processed_at),
        "reference": None,
        "referring_site": "",
        "source_identifier": order.source_identifier,
        "source_name": order.source_name,
        "source_url": order.source_url,
        "tags": ", ".join(order.tags),
        "tax_exempt": False,
        "tax_lines": [tax_line(tax) for tax in order_taxes(order)],
        "taxes_included": order.taxes_included,
        "test": order.test,
        "total_outstanding": sums.outstanding.rest(),
        "total_tip_received": rest(sums.total.shop * 0, order.currencies.shop),
        "total_weight": sum(line.grams * line.quantity for line in order.lines),
        "updated_at": store.local(order.updated_at),
        "user_id": None,
        "billing_address": address(order.billing_address),
        "shipping_address": address(order.shipping_address),
        "customer": _customer(store, order),
        "discount_applications": [_discount_application(order, index) for index in range(len(order.discounts))],
        "fulfillments": [fulfillment(store, order, one) for one in order.fulfillments],
        "line_items": lines,
        "payment_terms": None,
        "refunds": [refund(store, order, one) for one in order.refunds],
        "shipping_lines": [_shipping_line(order, line) for line in order.shipping_lines],
        "original_total_duties_set": None,
        "current_total_duties_set": None,
    }
    amounts = {
        "subtotal_price": sums.subtotal,
        "total_discounts": sums.discounts,
        "total_line_items_price": sums.line_items,
        "total_price": sums.total,
        "total_tax": sums.tax,
        "current_subtotal_price": sums.current_subtotal,
        "current_total_discounts": sums.current_discounts,
        "current_total_price": sums.current_total,
        "current_total_tax": sums.current_tax,
    }
    for name, bag in amounts.items():
        body |= {name: bag.rest(), f"{name}_set": bag.rest_set()}
    return body | {"total_shipping_price_set": sums.shipping.rest_set()}


def line_item(order: Order, line: Line) -> dict[str, Any]:
    """One line item. `total_discount` holds line discounts only; the money of all is in `discount_allocations`."""
    own = line.price.times(0)
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
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


def fulfillment(store: Store, order: Order, one: Fulfillment) -> dict[str, Any]:
    """One fulfillment, as in an order and in `fulfillments/create`."""
    lines = [(order.line(line_id), quantity) for _, _, line_id, quantity in one.taken]
    numbers = [info["number"] for info in one.tracking if info["number"]]
    urls = [info["url"] for info in one.tracking if info["url"]]
    return {
        "id": one.id,
        "admin_graphql_api_id": gid("Fulfillment", one.id),
        "created_at": store.local(one.created_at),
        "location_id": one.location_id,
        "name": one.name,
        "order_id": order.id,
        "origin_address": {},
        "receipt": {},
        "service": "manual",
        "shipment_status": one.events[-1]["status"].lower() if one.events else None,
        "status": one.status.lower(),
        "tracking_company": one.tracking[0]["company"] if one.tracking else None,
        "tracking_number": numbers[0] if numbers else None,
        "tracking_numbers": numbers,
        "tracking_url": urls[0] if urls else None,
        "tracking_urls": urls,
        "updated_at": store.local(one.updated_at),
        "line_items": [line_item(order, line) | {"quantity": quantity} for line, quantity in lines],
    }


def refund(store: Store, order: Order, one: Refund) -> dict[str, Any]:
    """One refund, as in an order and in `refunds/create`."""
    lines = []
    for number, line_id, quantity, restock_type, location_id in one.lines:
        line = order.line(line_id)
        subtotal = line.price.times(quantity)
        lines.append(
            {
                "id": number,
                "line_item_id": line_id,
                "location_id": location_id,
                "quantity": quantity,
                "restock_type": restock_type,
                "subtotal": float(subtotal.shop),
                "subtotal_set": subtotal.rest_set(),
                "total_tax": 0.0,
                "total_tax_set": line.price.times(0).rest_set(),
                "line_item": line_item(order, line),
            }
        )
    return {
        "id": one.id,
        "admin_graphql_api_id": gid("Refund", one.id),
        "created_at": store.local(one.created_at),
        "note": one.note,
        "order_id": order.id,
        "processed_at": store.local(one.created_at),
        "restock": any(line["restock_type"] != "no_restock" for line in lines),
        "total_duties_set": one.amount.times(0).rest_set(),
        "user_id": None,
        "duties": [],
        "order_adjustments": [],
        "refund_line_items": lines,
        "refund_shipping_lines": [],
        "return": None,
        "transactions": _refund_transactions(store, order, one),
    }


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


def routing_complete(one: FulfillmentOrder) -> dict[str, Any]:
    """`fulfillment_orders/order_routing_complete`: an id and a status, to be read again."""
    return {"fulfillment_order": {"id": gid("FulfillmentOrder", one.id), "status": one.status.lower()}}


def order_edited(store: Store, order: Order, edit_id: int, changes: dict[int, int]) -> dict[str, Any]:
    """`orders/edited`: which lines gained or lost units; `changes` maps line id to the difference."""

    def delta(line_id: int, amount: int) -> dict[str, Any]:
        return {"id": line_id, "delta": abs(amount)}

    return {
        "order_edit": {
            "id": edit_id,
            "app_id": None,
            "created_at": store.local(order.updated_at),
            "notify_customer": False,
            "order_id": order.id,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [delta(line, amount) for line, amount in changes.items() if amount > 0],
                "removals": [delta(line, amount) for line, amount in changes.items() if amount < 0],
            },
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
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


def fulfillment_status(order: Order) -> str | None:
    """REST's word: None while nothing was shipped."""
    shipped = [line.fulfilled for line in order.lines]
    if not any(shipped):
        return None
    return "fulfilled" if all(line.unfulfilled == 0 for line in order.lines) else "partial"


def picked(body: Any, paths: list[str]) -> Any:
    """The part of a payload that `includeFields` names by dot paths; lists are walked through."""
    wanted: dict[str, list[str]] = {}
    for path in paths:
        head, _, rest_of_path = path.partition(".")
        wanted.setdefault(head, [])
        if rest_of_path:
            wanted[head].append(rest_of_path)
    cut: Callable[[Any, list[str]], Any] = lambda value, below: picked(value, below) if below else value  # noqa: E731
    if isinstance(body, list):
        return [picked(one, paths) for one in body]
    if not isinstance(body, dict):
        return body
    return {key: cut(body[key], below) for key, below in wanted.items() if key in body}


def _line_status(line: Line) -> str | None:
    if line.fulfilled == 0:
        return None
    return "fulfilled" if line.unfulfilled == 0 else "partial"


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


def _discount_codes(order: Order) -> list[dict[str, Any]]:
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


def _discount_application(order: Order, index: int) -> dict[str, Any]:
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


def _allocation(allocation: Allocation) -> dict[str, Any]:
    return {
        "amount": allocation.amount.rest(),
        "amount_set": allocation.amount.rest_set(),
        "discount_application_index": allocation.discount.index,
    }


def _shipping_line(order: Order, line: ShippingLine) -> dict[str, Any]:
    paid = shipping_price(line, order)
    return {
        "id": line.id,
        "carrier_identifier": None,
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


def _customer(store: Store, order: Order) -> dict[str, Any] | None:
    if order.customer is None:
        return None
    given = order.customer
    return {
        "id": given["id"],
        "admin_graphql_api_id": gid("Customer", given["id"]),
        "email": given.get("email"),
        "created_at": store.local(order.created_at),
        "updated_at": store.local(order.updated_at),
        "first_name": given.get("first_name"),
        "last_name": given.get("last_name"),
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "phone": given.get("phone"),
        "currency": order.currencies.shop,
        "tax_exemptions": [],
        "tags": "",
        "default_address": address(order.shipping_address),
    }


def _refund_transactions(store: Store, order: Order, one: Refund) -> list[dict[str, Any]]:
    if not one.amount.shop:
        return []
    return [
        {
            "id": one.id + 1,
            "order_id": order.id,
            "kind": "refund",
            "gateway": order.gateways[0] if order.gateways else "manual",
            "status": "success",
            "created_at": store.local(one.created_at),
            "test": order.test,
            "amount": one.amount.rest(),
            "currency": order.currencies.shop,
            "admin_graphql_api_id": gid("OrderTransaction", one.id + 1),
        }
    ]
