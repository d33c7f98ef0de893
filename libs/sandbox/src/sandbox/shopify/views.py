"""The store's things as GraphQL sees them: dicts by field name; what takes arguments is a function, called by need."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify import catalog_views as catalog
from sandbox.shopify.fulfilling import display_status, supported_actions
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.money import Bag
from sandbox.shopify.paging import Item, connection, sortable
from sandbox.shopify.shipping import Fulfillment, FulfillmentOrder, FulfillmentOrderLine, MerchantRequest
from sandbox.shopify.state import Allocation, Discount, Line, Order, Refund, ShippingLine, Store, TaxLine
from sandbox.shopify.totals import discounted, order_taxes, shipping_price, totals

View = dict[str, Any]


def bag(amount: Bag) -> View:
    """A MoneyBag."""
    return amount.graphql_bag()


def paged(things: list[Any], view: Callable[[Any], View], number: Callable[[Any], int]) -> Any:
    """A connection in the order of the list."""
    items = [
        Item(sortable(index), number(thing), lambda thing=thing: view(thing))  # type: ignore[misc]
        for index, thing in enumerate(things)
    ]
    return lambda _info, **args: connection(items, args)


def listed(things: list[Any]) -> Any:
    """A plain list that takes `first`."""
    return lambda _info, first=None, **_args: things[:first]


def order(store: Store, order: Order) -> View:
    """An Order."""
    sums = totals(order)
    return _order_facts(store, order) | {
        "subtotalPriceSet": bag(sums.subtotal),
        "currentSubtotalPriceSet": bag(sums.current_subtotal),
        "totalDiscountsSet": bag(sums.discounts),
        "totalShippingPriceSet": bag(sums.shipping),
        "totalTaxSet": bag(sums.tax),
        "totalPriceSet": bag(sums.total),
        "currentTotalPriceSet": bag(sums.current_total),
        "totalReceivedSet": bag(order.received),
        "totalRefundedSet": bag(sums.refunded),
        "totalOutstandingSet": bag(sums.outstanding),
        "taxLines": [_tax(tax) for tax in order_taxes(order)],
        "shippingLines": paged(order.shipping_lines, lambda one: _shipping(order, one), lambda one: one.id),
        "lineItems": paged(order.lines, lambda one: line_item(store, order, one), lambda one: one.id),
        "fulfillmentOrders": paged(
            order.fulfillment_orders, lambda one: fulfillment_order(store, one), lambda one: one.id
        ),
        "fulfillments": lambda _info, first=None, **_args: [
            fulfillment(store, one) for one in order.fulfillments[:first]
        ],
        "fulfillmentsCount": {"count": len(order.fulfillments), "precision": "EXACT"},
        "refunds": lambda _info, first=None: [_refund(store, order, one) for one in order.refunds[:first]],
        "transactions": listed([_sale(order, sums.total)] if order.received.shop else []),
    }


def _order_facts(store: Store, order: Order) -> View:
    return {
        "__typename": "Order",
        "id": gid("Order", order.id),
        "legacyResourceId": order.id,
        "name": order.name,
        "number": order.number,
        "createdAt": order.created_at,
        "processedAt": order.processed_at,
        "updatedAt": order.updated_at,
        "cancelledAt": order.cancelled_at,
        "cancelReason": order.cancel_reason,
        "closedAt": order.closed_at,
        "closed": order.closed_at is not None,
        "test": order.test,
        "edited": order.edited,
        "email": order.email,
        "phone": order.phone,
        "note": order.note,
        "tags": order.tags,
        "poNumber": order.po_number,
        "sourceName": order.source_name,
        "sourceIdentifier": order.source_identifier,
        "currencyCode": order.currencies.shop,
        "presentmentCurrencyCode": order.currencies.presentment,
        "taxesIncluded": order.taxes_included,
        "displayFinancialStatus": order.financial_status,
        "displayFulfillmentStatus": display_status(order),
        "returnStatus": "NO_RETURN",
        "requiresShipping": any(line.requires_shipping for line in order.lines),
        "fulfillable": any(one.remaining for one in order.fulfillment_orders),
        "paymentGatewayNames": order.gateways,
        "customAttributes": [{"key": one["name"], "value": one["value"]} for one in order.note_attributes],
        "customer": _customer(order.customer),
        "billingAddress": _address(order.id, order.billing_address),
        "shippingAddress": _address(order.id, order.shipping_address),
        "currentSubtotalLineItemsQuantity": sum(line.current_quantity for line in order.lines),
        "totalWeight": sum(line.grams * line.quantity for line in order.lines),
    }


def line_item(store: Store, order: Order, line: Line) -> View:
    """A LineItem."""
    variant = store.variants.get(line.variant_id or 0)
    product = store.products.get(line.product_id or 0)
    left = discounted(line, order)
    open_units = 0 if order.cancelled_at else line.unfulfilled
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", line.id),
        "title": line.title,
        "variantTitle": line.variant_title,
        "name": f"{line.title} - {line.variant_title}" if line.variant_title else line.title,
        "sku": line.sku or None,
        "vendor": line.vendor,
        "quantity": line.quantity,
        "currentQuantity": line.current_quantity,
        "unfulfilledQuantity": open_units,
        "fulfillableQuantity": open_units,
        "nonFulfillableQuantity": line.quantity - open_units,
        "refundableQuantity": line.current_quantity,
        "requiresShipping": line.requires_shipping,
        "isGiftCard": line.gift_card,
        "lineItemGroup": {"id": gid("LineItemGroup", line.group[0]), "title": line.group[1]} if line.group else None,
        "taxable": line.taxable,
        "customAttributes": [{"key": one["name"], "value": one["value"]} for one in line.properties],
        "variant": catalog.variant(store, variant) if variant else None,
        "product": catalog.product(store, product) if product else None,
        "originalUnitPriceSet": bag(line.price),
        "discountedUnitPriceAfterAllDiscountsSet": bag(left.times(Decimal(1) / max(1, line.quantity))),
        "discountAllocations": [_allocation(one) for one in line.allocations],
        "taxLines": listed([_tax(tax) for tax in line.tax_lines]),
    }


def fulfillment_order(store: Store, one: FulfillmentOrder) -> View:
    """A FulfillmentOrder."""
    owner = store.orders[one.order_id]
    place = store.locations[one.location_id]
    others = [location for location in store.locations.values() if location.id != one.location_id]
    return {
        "__typename": "FulfillmentOrder",
        "id": gid("FulfillmentOrder", one.id),
        "status": one.status,
        "requestStatus": one.request_status,
        "orderId": gid("Order", owner.id),
        "orderName": owner.name,
        "order": lambda _info: order(store, owner),
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "fulfillAt": one.fulfill_at or one.created_at,
        "fulfillBy": one.fulfill_by,
        "assignedLocation": {"name": place.name, "location": catalog.location(store, place)},
        "deliveryMethod": {
            "id": gid("DeliveryMethod", one.id),
            "methodType": one.method,
            "presentedName": owner.shipping_lines[0].title if owner.shipping_lines else None,
            "minDeliveryDateTime": None,
            "maxDeliveryDateTime": one.deliver_by,
        },
        "destination": _destination(one.id, owner),
        "supportedActions": [{"action": action, "externalUrl": None} for action in supported_actions(one)],
        "fulfillmentHolds": one.holds,
        "merchantRequests": lambda _info, **args: _requests(one, args),
        "lineItems": paged(one.lines, lambda slot: _slot(store, owner, slot), lambda slot: slot.id),
        "locationsForMove": paged(
            others,
            lambda other: {"movable": True, "message": None, "location": catalog.location(store, other)},
            lambda other: other.id,
        ),
    }


def _requests(one: FulfillmentOrder, args: dict[str, Any]) -> View:
    asked = [each for each in one.requests if args.get("kind") in (None, each.kind)]
    items = [Item(sortable(each.id), each.id, lambda each=each: _request(each)) for each in asked]  # type: ignore[misc]
    return connection(items, args)


def _request(one: MerchantRequest) -> View:
    return {
        "__typename": "FulfillmentOrderMerchantRequest",
        "id": gid("FulfillmentOrderMerchantRequest", one.id),
        "kind": one.kind,
        "message": one.message,
        "sentAt": one.sent_at,
    }


def _slot(store: Store, owner: Order, slot: FulfillmentOrderLine) -> View:
    line = owner.line(slot.line_id)
    variant = store.variants.get(line.variant_id or 0)
    return {
        "__typename": "FulfillmentOrderLineItem",
        "id": gid("FulfillmentOrderLineItem", slot.id),
        "totalQuantity": slot.total,
        "remainingQuantity": slot.remaining,
        "sku": line.sku or None,
        "requiresShipping": line.requires_shipping,
        "inventoryItemId": gid("InventoryItem", variant.inventory_item_id) if variant else None,
        "productTitle": line.title,
        "variantTitle": line.variant_title,
        "vendor": line.vendor,
        "variant": catalog.variant(store, variant) if variant else None,
        "lineItem": lambda _info: line_item(store, owner, line),
    }


def fulfillment(store: Store, one: Fulfillment) -> View:
    """A Fulfillment."""
    owner = store.orders[one.order_id]
    delivered = next((event["happenedAt"] for event in one.events if event["status"] == "DELIVERED"), None)
    return {
        "__typename": "Fulfillment",
        "id": gid("Fulfillment", one.id),
        "legacyResourceId": one.id,
        "name": one.name,
        "order": lambda _info: order(store, owner),
        "status": one.status,
        "displayStatus": one.display_status,
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "deliveredAt": delivered,
        "estimatedDeliveryAt": None,
        "requiresShipping": any(owner.line(line_id).requires_shipping for _, _, line_id, _ in one.taken),
        "location": catalog.location(store, store.locations[one.location_id]),
        "trackingInfo": listed(list(one.tracking)),
        "totalQuantity": sum(count for _, _, _, count in one.taken),
        "fulfillmentLineItems": paged(
            one.taken,
            lambda taken: {
                "id": gid("FulfillmentLineItem", taken[0]),
                "quantity": taken[3],
                "lineItem": lambda _info: line_item(store, owner, owner.line(taken[2])),
            },
            lambda taken: taken[0],
        ),
        "events": paged(one.events, lambda event: event, lambda event: int(event["id"].rsplit("/", 1)[1])),
    }


def _refund(store: Store, owner: Order, one: Refund) -> View:
    def line(taken: tuple[int, int, int, str, int | None]) -> View:
        number, line_id, count, kind, place = taken
        sold = owner.line(line_id)
        return {
            "id": gid("RefundLineItem", number),
            "quantity": count,
            "restockType": kind.upper(),
            "restocked": kind != "no_restock",
            "location": catalog.location(store, store.locations[place]) if place else None,
            "subtotalSet": bag(sold.price.times(count)),
            "totalTaxSet": bag(sold.price.times(0)),
            "lineItem": lambda _info: line_item(store, owner, sold),
        }

    return {
        "__typename": "Refund",
        "id": gid("Refund", one.id),
        "legacyResourceId": one.id,
        "createdAt": one.created_at,
        "updatedAt": one.created_at,
        "note": one.note,
        "totalRefundedSet": bag(one.amount),
        "refundLineItems": paged(one.lines, line, lambda taken: taken[0]),
    }


def _sale(owner: Order, paid: Bag) -> View:
    return {
        "id": gid("OrderTransaction", owner.id + 1),
        "kind": "SALE",
        "status": "SUCCESS",
        "gateway": owner.gateways[0] if owner.gateways else None,
        "processedAt": owner.processed_at,
        "test": owner.test,
        "amountSet": bag(paid),
        "parentTransaction": None,
    }


def _tax(tax: TaxLine) -> View:
    return {
        "title": tax.title,
        "rate": float(tax.rate),
        "ratePercentage": float(tax.rate * 100),
        "channelLiable": False,
        "priceSet": bag(tax.price),
    }


def _allocation(one: Allocation) -> View:
    return {"allocatedAmountSet": bag(one.amount), "discountApplication": _application(one.discount)}


def _application(one: Discount) -> View:
    return {
        "__typename": "DiscountCodeApplication" if one.kind == "discount_code" else "ManualDiscountApplication",
        "index": one.index,
        "targetSelection": one.selection.upper(),
        "targetType": one.target.upper(),
        "allocationMethod": one.method.upper(),
        "code": one.title,
        "title": one.title,
    }


def _shipping(owner: Order, one: ShippingLine) -> View:
    return {
        "id": gid("ShippingLine", one.id),
        "title": one.title,
        "code": one.code or one.title,
        "source": "shopify",
        "isRemoved": False,
        "originalPriceSet": bag(one.price),
        "discountedPriceSet": bag(shipping_price(one, owner)),
        "discountAllocations": [_allocation(each) for each in one.allocations],
        "taxLines": [_tax(tax) for tax in one.tax_lines],
    }


def _customer(given: dict[str, Any] | None) -> View | None:
    if given is None:
        return None
    email, phone = given.get("email"), given.get("phone")
    return {
        "id": gid("Customer", given["id"]),
        "defaultEmailAddress": {"emailAddress": email} if email else None,
        "defaultPhoneNumber": {"phoneNumber": phone} if phone else None,
        "firstName": given.get("first_name"),
        "lastName": given.get("last_name"),
        "displayName": " ".join(part for part in (given.get("first_name"), given.get("last_name")) if part),
    }


def _address(number: int, given: dict[str, Any] | None) -> View | None:
    if given is None:
        return None
    return {
        "id": gid("MailingAddress", number),
        "firstName": given.get("first_name"),
        "lastName": given.get("last_name"),
        "name": " ".join(part for part in (given.get("first_name"), given.get("last_name")) if part),
        "company": given.get("company"),
        "address1": given.get("address1"),
        "address2": given.get("address2"),
        "city": given.get("city"),
        "zip": given.get("zip"),
        "province": given.get("province"),
        "provinceCode": given.get("province_code"),
        "country": given.get("country"),
        "countryCodeV2": given.get("country_code"),
        "phone": given.get("phone"),
    }


def _destination(number: int, owner: Order) -> View | None:
    view = _address(number, owner.shipping_address)
    if view is None:
        return None
    return view | {
        "id": gid("FulfillmentOrderDestination", number),
        "countryCode": view["countryCodeV2"],
        "email": owner.email,
    }


def moment(value: datetime) -> str:
    """A DateTime in UTC, to the second: `2026-11-21T09:30:00Z`."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
