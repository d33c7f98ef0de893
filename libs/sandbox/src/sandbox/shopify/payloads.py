"""REST-shaped webhook bodies, as Shopify sends them in every API version: numeric ids, amounts as text."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.shopify.line_payloads import discount_application, discount_codes, gid, line_item, shipping_line, tax_line
from sandbox.shopify.shipping import Fulfillment, FulfillmentOrder
from sandbox.shopify.state import Order, Refund, Store
from sandbox.shopify.totals import order_taxes, totals

ADDRESS = (
    *("first_name", "address1", "phone", "city", "zip", "province", "country", "last_name", "address2", "company"),
    *("latitude", "longitude", "name", "country_code", "province_code"),
)

NULL_IN_ORDERS = (
    *("browser_ip", "cart_token", "checkout_token", "client_details", "device_id", "landing_site", "landing_site_ref"),
    *("location_id", "merchant_of_record_app_id", "original_total_additional_fees_set", "original_total_duties_set"),
    *("current_total_additional_fees_set", "current_total_duties_set", "payment_terms", "reference", "user_id"),
)

NULL_IN_TRANSACTIONS = (
    *("amount_rounding", "authorization", "device_id", "error_code", "location_id", "message", "parent_id", "user_id"),
)


def address(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """An address in REST form, with Shopify's derived `name`."""
    if given is None:
        return None
    whole = dict.fromkeys(ADDRESS) | {key: value for key, value in given.items() if key in ADDRESS}
    whole["name"] = " ".join(part for part in (whole["first_name"], whole["last_name"]) if part)
    return whole


def order(store: Store, order: Order) -> dict[str, Any]:
    """The whole order as `orders/*` webhooks carry it."""
    nothing = order.currencies.bag(Decimal(0))
    body: dict[str, Any] = dict.fromkeys(NULL_IN_ORDERS) | {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "app_id": 580111,
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason.lower() if order.cancel_reason else None,
        "cancelled_at": store.local(order.cancelled_at),
        "closed_at": store.local(order.closed_at),
        "confirmed": True,
        "confirmation_number": f"X{order.number}",
        "contact_email": order.email,
        "created_at": store.local(order.created_at),
        "currency": order.currencies.shop,
        "customer_locale": "en",
        "discount_codes": discount_codes(order),
        "duties_included": False,
        "email": order.email or "",
        "estimated_taxes": False,
        "financial_status": order.financial_status.lower(),
        "fulfillment_status": fulfillment_status(order),
        "merchant_business_entity_id": "c2FuZGJveA",
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
        "referring_site": "",
        "source_identifier": order.source_identifier,
        "source_name": order.source_name,
        "source_url": order.source_url,
        "tags": ", ".join(order.tags),
        "tax_exempt": False,
        "tax_lines": [tax_line(tax) for tax in order_taxes(order)],
        "taxes_included": order.taxes_included,
        "test": order.test,
        "total_tip_received": nothing.rest(),
        "total_cash_rounding_payment_adjustment_set": nothing.rest_set(),
        "total_cash_rounding_refund_adjustment_set": nothing.rest_set(),
        "total_weight": sum(line.grams * line.quantity for line in order.lines),
        "updated_at": store.local(order.updated_at),
        "token": f"{order.id:032x}",
    }
    return body | _parts(store, order) | _amounts(order)


def _parts(store: Store, order: Order) -> dict[str, Any]:
    return {
        "billing_address": address(order.billing_address),
        "shipping_address": address(order.shipping_address),
        "customer": _customer(store, order),
        "discount_applications": [discount_application(order, index) for index in range(len(order.discounts))],
        "fulfillments": [fulfillment(store, order, one) for one in order.fulfillments],
        "line_items": [line_item(order, line) for line in order.lines],
        "line_item_groups": [
            {"id": number, "title": title, "quantity": 1, "properties": []}
            for number, title in dict.fromkeys(line.group for line in order.lines if line.group)
        ],
        "returns": [],
        "refunds": [refund(store, order, one) for one in order.refunds],
        "shipping_lines": [shipping_line(order, line) for line in order.shipping_lines],
    }


def _amounts(order: Order) -> dict[str, Any]:
    sums = totals(order)
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
    body: dict[str, Any] = {}
    for name, bag in amounts.items():
        body |= {name: bag.rest(), f"{name}_set": bag.rest_set()}
    shipping = sums.shipping.rest_set()
    body |= {"total_outstanding": sums.outstanding.rest()}
    return body | {"total_shipping_price_set": shipping, "current_shipping_price_set": shipping}


def fulfillment(store: Store, order: Order, one: Fulfillment) -> dict[str, Any]:
    """One fulfillment, as in an order and in `fulfillments/create`."""
    lines = [(order.line(line_id), quantity) for _, _, line_id, quantity in one.taken]
    numbers = [info["number"] for info in one.tracking if info["number"]]
    urls = [info["url"] for info in one.tracking if info["url"]]
    return {
        "id": one.id,
        "admin_graphql_api_id": gid("Fulfillment", one.id),
        "created_at": store.local(one.created_at),
        "destination": address(order.shipping_address),
        "email": order.email,
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
        "default_address": _default_address(given["id"], order),
    }


def _default_address(customer_id: int, order: Order) -> dict[str, Any] | None:
    known = address(order.shipping_address)
    if known is None:
        return None
    return known | {
        "id": customer_id + 1,
        "customer_id": customer_id,
        "country_name": known["country"],
        "default": True,
    }


def _refund_transactions(store: Store, order: Order, one: Refund) -> list[dict[str, Any]]:
    if not one.amount.shop:
        return []
    unsettled = {"amount": "0.0", "currency": order.currencies.shop}
    return [
        {
            "id": one.id + 1,
            "order_id": order.id,
            **dict.fromkeys(NULL_IN_TRANSACTIONS),
            "receipt": {},
            "manual_payment_gateway": False,
            "payment_id": f"{order.name}.{len(order.refunds)}",
            "processed_at": store.local(one.created_at),
            "source_name": "web",
            "total_unsettled_set": {"presentment_money": unsettled, "shop_money": unsettled},
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
