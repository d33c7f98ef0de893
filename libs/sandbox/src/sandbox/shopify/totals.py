"""The sums of an order, taken from its lines in each currency, so that lines, discounts, tax and shipping add up."""

from dataclasses import dataclass
from decimal import Decimal

from sandbox.shopify.money import Bag, total
from sandbox.shopify.state import Line, Order, ShippingLine, TaxLine


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums as placed, and (`current_…`) after edits and refunds."""

    line_items: Bag
    discounts: Bag
    subtotal: Bag
    shipping: Bag
    tax: Bag
    total: Bag
    current_discounts: Bag
    current_subtotal: Bag
    current_tax: Bag
    current_total: Bag
    refunded: Bag
    outstanding: Bag


def discounted(line: Line, order: Order) -> Bag:
    """What all units of a line cost after every discount."""
    return line.price.times(line.quantity) - line.discounts(order.currencies)


def shipping_price(line: ShippingLine, order: Order) -> Bag:
    """The price of a shipping line after discounts."""
    return line.price - total([allocation.amount for allocation in line.allocations], order.currencies)


def of_current(bag: Bag, line: Line) -> Bag:
    """The share of a whole line's amount that falls on the units left after edits and refunds."""
    if line.current_quantity == line.quantity or not line.quantity:
        return bag
    return bag.times(Decimal(line.current_quantity) / line.quantity)


def order_taxes(order: Order) -> list[TaxLine]:
    """The taxes of all lines and shipping, one per title and rate."""
    sums: dict[tuple[str, Decimal], Bag] = {}
    for holder in order.priced:
        for tax in holder.tax_lines:
            key = (tax.title, tax.rate)
            sums[key] = sums[key] + tax.price if key in sums else tax.price
    return [TaxLine(title, rate, price) for (title, rate), price in sums.items()]


def totals(order: Order) -> Totals:
    """Every sum of `order`."""
    money = order.currencies
    line_items = total([line.price.times(line.quantity) for line in order.lines], money)
    subtotal = total([discounted(line, order) for line in order.lines], money)
    shipping = total([line.price for line in order.shipping_lines], money)
    shipping_paid = total([shipping_price(line, order) for line in order.shipping_lines], money)
    shipping_tax = total([tax.price for line in order.shipping_lines for tax in line.tax_lines], money)
    line_taxes = [(line, total([tax.price for tax in line.tax_lines], money)) for line in order.lines]
    tax = total([tax for _, tax in line_taxes], money) + shipping_tax
    added_tax = money.bag(Decimal(0)) if order.taxes_included else tax

    cancelled = order.cancelled_at is not None
    current_subtotal = total([of_current(discounted(line, order), line) for line in order.lines], money)
    current_tax = total([of_current(tax, line) for line, tax in line_taxes], money) + shipping_tax
    current = current_subtotal + shipping_paid
    if not order.taxes_included:
        current += current_tax
    if cancelled:
        current, current_tax = current.times(0), current_tax.times(0)
    refunded = total([refund.amount for refund in order.refunds], money)
    return Totals(
        line_items=line_items,
        discounts=line_items - subtotal + shipping - shipping_paid,
        subtotal=subtotal,
        shipping=shipping,
        tax=tax,
        total=subtotal + shipping_paid + added_tax,
        current_discounts=total([of_current(line.discounts(money), line) for line in order.lines], money)
        + shipping
        - shipping_paid,
        current_subtotal=current_subtotal,
        current_tax=current_tax,
        current_total=current,
        refunded=refunded,
        outstanding=current - (order.received - refunded),
    )
