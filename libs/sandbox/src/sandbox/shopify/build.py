"""Makes products and orders of compact descriptions; amounts are shared and taxed in minor units, so that sums hold."""

from datetime import UTC
from decimal import Decimal
from typing import Any

from sandbox.clock import second
from sandbox.shopify.describe import (
    DiscountDescription,
    LineDescription,
    OrderDescription,
    ProductDescription,
    VariantDescription,
)
from sandbox.shopify.money import Bag, Currencies, rounded, split, total
from sandbox.shopify.state import Allocation, Discount, Line, Order, Product, ShippingLine, Store, TaxLine, Variant
from sandbox.shopify.totals import discounted, shipping_price, totals

ZERO = Decimal(0)


class Unknown(LookupError):
    """A description names something that the store doesn't have; the message says what."""


def location_id(store: Store, name: str | None) -> int:
    """The location of that name, or the store's first. Raises: Unknown."""
    for location in store.locations.values():
        if name is None or location.name == name:
            return location.id
    raise Unknown(f"Store {store.domain} has no location named {name}.")


def variant_of(store: Store, product_id: int, position: int, given: VariantDescription) -> Variant:
    """A new variant of a product, or the one of that id, known to the store from now on."""
    place, known = location_id(store, given.location), store.variants.get(given.id or 0)
    variant = Variant(
        id=known.id if known else store.ids.next_mixed(),
        product_id=product_id,
        inventory_item_id=known.inventory_item_id if known else store.ids.next(),
        created_at=known.created_at if known else second(),
        title=given.title,
        sku=given.sku,
        price=given.price,
        barcode=given.barcode,
        requires_shipping=given.requires_shipping,
        tracked=given.tracked,
        grams=given.grams,
        position=position,
        location_id=place,
        available={place: given.available},
        on_hand={place: given.available},
    )
    store.variants[variant.id] = variant
    return variant


def product_of(store: Store, given: ProductDescription) -> Product:
    """A new product of the store, or the known one changed. Raises: Unknown."""
    if given.id is None:
        title = given.title or "Product"
        number = store.ids.next()
        handle = f"{'-'.join(title.lower().split())}-{number % 10_000}"
        product = Product(number, title, handle, given.vendor, given.product_type, given.status, given.tags, [])
        store.products[number] = product
    elif (found := store.products.get(given.id)) is None:
        raise Unknown(f"Store {store.domain} has no product {given.id}.")
    else:
        product = found
        changed = given.model_dump(exclude_unset=True, include={"title", "vendor", "product_type", "status", "tags"})
        for name, value in changed.items():
            setattr(product, name, value)
    if given.variants is not None or not product.variants:
        if strangers := {one.id for one in given.variants or [] if one.id} - {one.id for one in product.variants}:
            raise Unknown(f"Product {product.id} has no variant {min(strangers)}.")
        wanted = given.variants or [VariantDescription()]
        made = [variant_of(store, product.id, number, one) for number, one in enumerate(wanted, 1)]
        for gone in {one.id for one in product.variants} - {one.id for one in made}:
            del store.variants[gone]
        product.variants = made
    product.updated_at = second()
    return product


def find_variant(store: Store, given: LineDescription) -> Variant | None:
    """The variant that a line means; None for a custom line. Raises: Unknown."""
    if given.custom:
        return None
    if given.variant_id is not None:
        if (by_id := store.variants.get(given.variant_id)) is None:
            raise Unknown(f"Store {store.domain} has no variant {given.variant_id}.")
        return by_id
    for variant in store.variants.values():
        if given.sku is not None and variant.sku == given.sku:
            return variant
    raise Unknown(f"Store {store.domain} has no variant with SKU {given.sku}; set custom for a line without one.")


def line_of(store: Store, given: LineDescription, money: Currencies) -> Line:
    """A line before discounts and taxes."""
    variant = find_variant(store, given)
    price = money.bag(given.price if given.price is not None else variant.price if variant else ZERO)
    product = store.products.get(variant.product_id) if variant else None
    shipped = given.requires_shipping
    if shipped is None:
        shipped = variant.requires_shipping if variant else not given.gift_card
    place = location_id(store, given.location) if given.location or variant is None else variant.location_id
    return Line(
        id=store.ids.next_mixed(),
        title=given.title or (product.title if product else "Custom line"),
        quantity=given.quantity,
        current_quantity=given.quantity,
        price=price,
        sku=variant.sku if variant else given.sku,
        variant_id=variant.id if variant else None,
        product_id=product.id if product else None,
        variant_title=variant.title if variant and variant.title != "Default Title" else None,
        vendor=product.vendor if product else None,
        requires_shipping=shipped,
        taxable=given.taxable,
        gift_card=given.gift_card,
        grams=variant.grams if variant else 0,
        location_id=place or location_id(store, None),
        properties=[{"name": name, "value": value} for name, value in given.properties.items()],
        line_discount=given.discount,
    )


def order_of(store: Store, given: OrderDescription) -> Order:
    """A new order of the store with its discounts and taxes worked out; nothing is sent yet. Raises: Unknown."""
    money = Currencies(store.currency, given.presentment_currency or store.currency, given.presentment_rate)
    number = next(store.numbers)
    customer = _customer(store, given, number)
    order = Order(
        id=store.ids.next_mixed(),
        number=number,
        name=given.name or f"#{number}",
        currencies=money,
        lines=[line_of(store, one, money) for one in given.lines],
        shipping_lines=[
            ShippingLine(store.ids.next(), one.title, money.bag(one.price), one.code) for one in given.shipping
        ],
        discounts=[],
        received=money.bag(ZERO),
        financial_status=given.financial_status.upper(),
        taxes_included=given.taxes_included,
        customer=customer,
        shipping_address=_address(given.shipping_address, number),
        billing_address=_address(given.billing_address, number),
        note=given.note,
        note_attributes=[{"name": name, "value": value} for name, value in given.note_attributes.items()],
        tags=sorted({tag.strip() for tag in given.tags}),
        test=given.test,
        source_name=given.source_name,
        source_identifier=given.source_identifier,
        gateways=["bogus"] if given.financial_status.upper() != "PENDING" else ["manual"],
        email=given.email or (customer or {}).get("email"),
        phone=given.phone,
    )
    if given.created_at is not None:
        order.created_at = order.processed_at = given.created_at.astimezone(UTC).replace(microsecond=0)
    groups = {one.bundle: store.ids.next() for one in given.lines if one.bundle}
    for line, one in zip(order.lines, given.lines, strict=True):
        line.group = (groups[one.bundle], one.bundle) if one.bundle else None
    _discount_lines(order)
    if given.discount is not None:
        discount_order(order, given.discount)
    tax_order(order, given)
    order.received = received(order)
    return order


def discount_order(order: Order, given: DiscountDescription) -> None:
    """Spread an order discount over the lines (or the shipping), as far as their prices go."""
    holders: list[Line | ShippingLine] = [*(order.shipping_lines if given.free_shipping else order.lines)]
    prices = [discounted(one, order) if isinstance(one, Line) else shipping_price(one, order) for one in holders]
    whole = total(prices, order.currencies)
    if given.free_shipping:
        value, value_type, amount = Decimal("100.0"), "percentage", whole
    elif given.percentage is not None:
        value, value_type, amount = given.percentage, "percentage", whole.times(given.percentage / 100)
    else:
        value, value_type = given.amount or ZERO, "fixed_amount"
        amount = order.currencies.bag(min(value, whole.shop))
    discount = Discount(
        index=len(order.discounts),
        kind="discount_code" if given.code else "manual",
        title=given.code or given.title,
        value=value,
        value_type=value_type,
        target="shipping_line" if given.free_shipping else "line_item",
    )
    order.discounts.append(discount)
    for one, part in zip(holders, split(amount, prices), strict=True):
        if part.shop:
            one.allocations.append(Allocation(discount, part))


def tax_order(order: Order, given: OrderDescription) -> None:
    """Tax every taxable line and the shipping; a line with its own rate has that one alone."""
    by_line = {line.id: one.tax_rate for line, one in zip(order.lines, given.lines, strict=True)}
    for line in order.lines:
        own = by_line[line.id]
        rates = [("Tax", own)] if own is not None else [(tax.title, tax.rate) for tax in given.taxes]
        if line.taxable:
            line.tax_lines = [TaxLine(title, rate, _tax(discounted(line, order), rate, order)) for title, rate in rates]
    for shipping in order.shipping_lines:
        price = shipping_price(shipping, order)
        shipping.tax_lines = [TaxLine(tax.title, tax.rate, _tax(price, tax.rate, order)) for tax in given.taxes]


def received(order: Order) -> Bag:
    """What was paid, by the financial status: nothing, half, or all."""
    share = {"PAID": 2, "REFUNDED": 2, "PARTIALLY_REFUNDED": 2, "PARTIALLY_PAID": 1}.get(order.financial_status, 0)
    return totals(order).total.times(Decimal(share) / 2)


def _tax(price: Bag, rate: Decimal, order: Order) -> Bag:
    return price.times(rate / (1 + rate) if order.taxes_included else rate)


def _discount_lines(order: Order) -> None:
    for line in order.lines:
        if not line.line_discount:
            continue
        value = rounded(line.line_discount, order.currencies.shop)
        discount = Discount(
            len(order.discounts), "manual", "Line discount", value, "fixed_amount", selection="explicit", method="one"
        )
        order.discounts.append(discount)
        line.allocations.append(Allocation(discount, order.currencies.bag(value)))


def _customer(store: Store, given: OrderDescription, number: int) -> dict[str, Any] | None:
    if given.customer is None:
        return None
    made_up = {
        "id": store.ids.next(),
        "email": given.email or f"person{number}@example.com",
        "first_name": "Test",
        "last_name": f"Person {number}",
    }
    return made_up | given.customer


def _address(given: dict[str, Any] | None, number: int) -> dict[str, Any] | None:
    if given is None:
        return None
    made_up = {
        "first_name": "Test",
        "last_name": f"Person {number}",
        "address1": f"{number} Example Street",
        "address2": "",
        "city": "Springfield",
        "province": "Illinois",
        "province_code": "IL",
        "country": "United States",
        "country_code": "US",
        "zip": "62701",
        "phone": None,
        "company": None,
    }
    return made_up | given
