"""`orderCreate`: an order made by an app. There is no idempotency: a repeated call makes a second order."""

from decimal import Decimal
from typing import Any

from sandbox.shopify import actions, fulfilling, views
from sandbox.shopify.build import Unknown, order_of
from sandbox.shopify.catalog_views import number_of
from sandbox.shopify.context import Context, Info, user_errors
from sandbox.shopify.describe import (
    DiscountDescription,
    LineDescription,
    OrderDescription,
    ShippingDescription,
    TaxDescription,
)
from sandbox.shopify.money import split
from sandbox.shopify.state import Order, Store, TaxLine
from sandbox.shopify.totals import discounted

View = dict[str, Any]
ADDRESS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "company": "company",
    "address1": "address1",
    "address2": "address2",
    "city": "city",
    "zip": "zip",
    "province": "province",
    "provinceCode": "province_code",
    "country": "country",
    "countryCode": "country_code",
    "phone": "phone",
}
CUSTOMER = {"email": "email", "phone": "phone", "firstName": "first_name", "lastName": "last_name"}


def order_create(_root: Any, info: Info, **args: Any) -> View:
    """`orderCreate`."""
    context: Context = info.context
    given, options = args["order"], args.get("options") or {}
    if refusal := _refusal(context, given):
        return {"order": None} | refusal
    try:
        made = order_of(context.store, description(given))
    except Unknown as unknown:
        return {"order": None} | user_errors(str(unknown), ["order", "lineItems"], code="INVALID")
    _exact_taxes(made, given)
    _payments(made, given)
    behaviour = options.get("inventoryBehaviour") or "BYPASS"
    if behaviour == "DECREMENT_OBEYING_POLICY" and _short(context.store, made):
        message = "Unable to claim inventory for one or more line items."
        return {"order": None} | user_errors(message, ["order", "lineItems"], code="INVENTORY_CLAIM_FAILED")
    context.store.api_orders.append(context.world.clock.now())
    made.source_url, made.po_number = given.get("sourceUrl"), given.get("poNumber")
    delay, claims = 0 if given.get("fulfillment") else None, behaviour != "BYPASS"
    actions.place(context.world, context.store, made, delay=delay, claims_stock=claims)
    if given.get("fulfillment"):
        _shipped(context, made, given["fulfillment"])
    return {"order": views.order(context.store, made), "userErrors": []}


def description(given: dict[str, Any]) -> OrderDescription:
    """The compact description of what the input asks for."""
    lines = given.get("lineItems") or []
    customer = (given.get("customer") or {}).get("toUpsert")
    return OrderDescription(
        lines=[_line(one) for one in lines],
        name=given.get("name"),
        presentment_currency=given.get("presentmentCurrency"),
        presentment_rate=_rate(lines),
        financial_status=given.get("financialStatus") or _status(given),
        shipping=[
            ShippingDescription(title=one["title"], price=_amount(one["priceSet"]), code=one.get("code"))
            for one in given.get("shippingLines") or []
        ],
        taxes=[TaxDescription(title=one["title"], rate=_number(one["rate"])) for one in given.get("taxLines") or []],
        taxes_included=bool(given.get("taxesIncluded")),
        discount=_discount(given.get("discountCode")),
        note=given.get("note"),
        note_attributes={one["key"]: one["value"] for one in given.get("customAttributes") or []},
        tags=given.get("tags") or [],
        test=bool(given.get("test")),
        source_name=given.get("sourceName") or "347082227713",
        source_identifier=given.get("sourceIdentifier"),
        email=given.get("email"),
        phone=given.get("phone"),
        customer=None if customer is None else {CUSTOMER[key]: customer[key] for key in CUSTOMER if customer.get(key)},
        shipping_address=_address(given.get("shippingAddress")),
        billing_address=_address(given.get("billingAddress")),
    )


def _refusal(context: Context, given: dict[str, Any]) -> View | None:
    settings = context.store.settings
    now = context.world.clock.now()
    recent = [moment for moment in context.store.api_orders if now - moment < 60]
    if settings.orders_per_minute is not None and len(recent) >= settings.orders_per_minute:
        return user_errors("Too many attempts. Please try again later.", None, code="INVALID")
    if not given.get("lineItems"):
        return user_errors("Line items must have at least one line item", ["order", "lineItems"], code="INVALID")
    if given.get("customerId") and given.get("customer"):
        message = "Only one of customerId or customer can be set."
        return user_errors(message, ["order"], code="REDUNDANT_CUSTOMER_FIELDS")
    return None


def _line(given: dict[str, Any]) -> LineDescription:
    variant = number_of(given["variantId"]) if given.get("variantId") else None
    taxes = given.get("taxLines") or []
    return LineDescription(
        variant_id=variant,
        custom=variant is None,
        sku=given.get("sku"),
        title=given.get("title"),
        quantity=given["quantity"],
        price=_amount(given["priceSet"]) if given.get("priceSet") else None,
        # A custom line doesn't ship unless it says so; a variant's line follows the variant.
        requires_shipping=given.get("requiresShipping", False if variant is None else None),
        gift_card=bool(given.get("giftCard")),
        taxable=given.get("taxable", True),
        properties={one["name"]: one["value"] for one in given.get("properties") or []},
        tax_rate=_number(taxes[0]["rate"]) if taxes else None,
    )


def _discount(given: dict[str, Any] | None) -> DiscountDescription | None:
    if not given:
        return None
    if fixed := given.get("itemFixedDiscountCode"):
        return DiscountDescription(code=fixed["code"], amount=_amount(fixed["amountSet"]))
    if percentage := given.get("itemPercentageDiscountCode"):
        return DiscountDescription(code=percentage["code"], percentage=_number(percentage.get("percentage") or 0))
    return DiscountDescription(code=given["freeShippingDiscountCode"]["code"], free_shipping=True)


def _exact_taxes(made: Order, given: dict[str, Any]) -> None:
    """Taxes as stated, where the input states amounts; order taxes are spread over the taxable lines."""
    for line, asked in zip(made.lines, given["lineItems"], strict=True):
        if taxes := asked.get("taxLines"):
            line.tax_lines = [
                TaxLine(tax["title"], _number(tax["rate"]), made.currencies.bag(_amount(tax["priceSet"])))
                for tax in taxes
                if tax.get("priceSet")
            ]
    stated = [tax for tax in given.get("taxLines") or [] if tax.get("priceSet")]
    if not stated:
        return
    taxable = [line for line in made.lines if line.taxable]
    for line in made.lines:
        line.tax_lines = []
    for shipping in made.shipping_lines:
        shipping.tax_lines = []
    for tax in stated:
        whole = made.currencies.bag(_amount(tax["priceSet"]))
        parts = split(whole, [discounted(line, made) for line in taxable])
        for line, part in zip(taxable, parts, strict=True):
            line.tax_lines.append(TaxLine(tax["title"], _number(tax["rate"]), part))


def _payments(made: Order, given: dict[str, Any]) -> None:
    paid = [one for one in given.get("transactions") or [] if one.get("kind") in ("SALE", "CAPTURE")]
    made.gateways = [one.get("gateway") or "manual" for one in paid] or ["manual"]
    done = [one for one in paid if one.get("status") == "SUCCESS"]
    if done:
        made.received = made.currencies.bag(sum((_amount(one["amountSet"]) for one in done), Decimal(0)))


def _short(store: Store, made: Order) -> bool:
    """Whether a tracked variant has fewer units available than the order wants."""
    wanted = [(store.variants[line.variant_id], line) for line in made.lines if line.variant_id]
    return any(
        variant.tracked and variant.available.get(line.location_id, 0) < line.quantity for variant, line in wanted
    )


def _shipped(context: Context, made: Order, given: dict[str, Any]) -> None:
    numbers = given.get("trackingNumbers") or ([given["trackingNumber"]] if given.get("trackingNumber") else [])
    tracking = [{"number": number, "url": None, "company": given.get("trackingCompany")} for number in numbers]
    for one in list(made.fulfillment_orders):
        fulfilling.ship(context.world, context.store, [fulfilling.Group(one.id, [])], tracking)


def _status(given: dict[str, Any]) -> str:
    done = [one for one in given.get("transactions") or [] if one.get("status") == "SUCCESS"]
    return "PAID" if done else "PENDING"


def _rate(lines: list[dict[str, Any]]) -> Decimal:
    for line in lines:
        money = line.get("priceSet") or {}
        if money.get("presentmentMoney") and _amount(money):
            return _number(money["presentmentMoney"]["amount"]) / _amount(money)
    return Decimal(1)


def _amount(money: dict[str, Any]) -> Decimal:
    return _number(money["shopMoney"]["amount"])


def _number(value: Any) -> Decimal:
    return Decimal(str(value))


def _address(given: dict[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    blank = dict.fromkeys(ADDRESS.values())
    return blank | {name: given[key] for key, name in ADDRESS.items() if given.get(key) is not None}
