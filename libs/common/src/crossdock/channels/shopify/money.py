"""The money of an order: its parts, and the recorded difference between their sum and the channel's total (pure).

Guards: lines - discounts + tax (unless included) + shipping + tips + duties + difference == total, exactly.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from crossdock.channels.model import CanonicalLine, Totals
from crossdock.channels.reading import MAX_AMOUNT, Bad, amount, record, records, text

ZERO = Decimal(0)

_NO_DECIMALS = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def currency_decimals(currency: str) -> int:
    """Decimals of a currency's smallest unit, by ISO 4217."""
    return 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


def currency_of(order: Mapping[str, Any]) -> str:
    """The shop currency of an order; `XXX`, which ISO 4217 reserves for none, when the payload names none."""
    return text(order.get("currency"), 3).upper() or "XXX"


@lru_cache(maxsize=8192)
def as_written(value: Decimal, currency: str) -> Decimal:
    """The same amount with the currency's decimals, more only where it needs them: 13.5 and 13.500 become 13.50."""
    decimals = currency_decimals(currency)
    if value and value.as_tuple().exponent == -decimals:
        return value
    needed = -int(value.normalize().as_tuple().exponent) if value else 0
    return value.quantize(Decimal(1).scaleb(-max(needed, decimals))) + ZERO


def shop_amount(owner: Mapping[str, Any], key: str) -> Decimal | None:
    """`owner[key]`, or the shop money of `owner[key_set]`, or None when neither is there. Raises Bad."""
    plain = owner.get(key)
    if plain is not None and plain != "" and not isinstance(plain, dict):
        return amount(plain, key)
    bag = owner.get(f"{key}_set")
    if bag is None:
        return None
    money = record(record(bag, f"{key}_set").get("shop_money"), f"{key}_set")
    return amount(money.get("amount"), f"{key}_set.shop_money.amount")


def _sum(parts: Sequence[Mapping[str, Any]], key: str, name: str) -> Decimal:
    """The sum of one amount over the members of the list `name`. Raises Bad."""
    total = ZERO
    for i, part in enumerate(parts):
        try:
            total += shop_amount(part, key) or ZERO
        except Bad as bad:
            bad.within(f"{name}[{i}]")
            raise
    return total


def allocated(owner: Mapping[str, Any]) -> Decimal | None:
    """The discounts allocated to a line or a shipping line, or None when there is no allocation."""
    allocations = records(owner.get("discount_allocations"), "discount_allocations")
    return _sum(allocations, "amount", "discount_allocations") if allocations else None


def line_discount(line: Mapping[str, Any]) -> Decimal:
    """The discount of one line: its allocations, never recomputed; else its `total_discount`."""
    found = allocated(line)
    return found if found is not None else shop_amount(line, "total_discount") or ZERO


def taxes_of(owner: Mapping[str, Any]) -> Decimal:
    """The sum of the tax lines of an order, a line or a shipping line."""
    return _sum(records(owner.get("tax_lines"), "tax_lines"), "price", "tax_lines")


def paid_back(refund: Mapping[str, Any], currency: str) -> Decimal | None:
    """What a refund paid to the customer, in shop currency; None where it tells another currency only. Raises Bad."""
    if (told := shop_amount(refund, "total_refunded")) is not None:
        return told
    done = [
        one
        for one in records(refund.get("transactions"), "transactions")
        if one.get("kind") == "refund" and one.get("status") == "success"
    ]
    if any(text(one.get("currency"), 3).upper() not in ("", currency) for one in done):
        return None
    return _sum(done, "amount", "transactions")


def worth_of(refund: Mapping[str, Any]) -> Decimal:
    """What the units of a refund cost, with tax where that comes on top, in shop currency. Raises Bad."""
    lines = records(refund.get("refund_line_items"), "refund_line_items")
    return _sum(lines, "subtotal", "refund_line_items") + _sum(lines, "total_tax", "refund_line_items")


def is_tip(line: Mapping[str, Any]) -> bool:
    """Whether a line is the tip itself: only tips carry a tip payment gateway or method."""
    return bool(line.get("tip_payment_gateway") or line.get("tip_payment_method"))


def totals_of(
    order: Mapping[str, Any], items: Sequence[Mapping[str, Any]], lines: Sequence[CanonicalLine], currency: str
) -> Totals:
    """Add up an order's parts in its shop `currency` and compare them with its total; `lines` are those of `items`.

    Raises Bad.
    """
    total = shop_amount(order, "total_price")
    tips = shop_amount(order, "total_tip_received") or ZERO
    amounts = [line.unit_price * line.quantity for line in lines]
    tip_lines = _tip_lines(items, amounts, tips)
    tips = tips or sum((amounts[i] for i in tip_lines), ZERO)
    goods = sum((value for i, value in enumerate(amounts) if i not in tip_lines), ZERO)
    shipping, shipping_off = _shipping(order)
    off = _discounts(order, items, lines, shipping_off)
    tax = _tax(order, lines)
    duties = shop_amount(order, "original_total_duties") or ZERO
    included = order.get("taxes_included") is True
    summed = goods - off + (ZERO if included else tax) + shipping + tips + duties
    if total is None:
        total = summed
    difference = total - summed
    reason = _reason(order, difference, goods, off, len(lines), currency) if difference else ""
    if any(abs(part) >= MAX_AMOUNT for part in (goods, off, tax, shipping, tips, duties, total, difference)):
        raise Bad("", "adds up to no plausible amount of money")
    return Totals(
        currency=currency,
        lines=as_written(goods, currency),
        discounts=as_written(off, currency),
        tax=as_written(tax, currency),
        shipping=as_written(shipping, currency),
        tips=as_written(tips, currency),
        duties=as_written(duties, currency),
        total=as_written(total, currency),
        difference=as_written(difference, currency),
        difference_reason=reason,
        taxes_included=included,
    )


def _tip_lines(items: Sequence[Mapping[str, Any]], amounts: Sequence[Decimal], tips: Decimal) -> set[int]:
    """The lines that are the tip, which `total_tip_received` counts too: the marked ones, else the first line of no
    product that does not ship and costs exactly the tip."""
    marked = {i for i, item in enumerate(items) if is_tip(item)}
    if marked or not tips:
        return marked
    for i, item in enumerate(items):
        bare = item.get("variant_id") is None and item.get("product_id") is None and not item.get("gift_card")
        if bare and item.get("requires_shipping") is False and amounts[i] == tips:
            return {i}
    return set()


def _shipping(order: Mapping[str, Any]) -> tuple[Decimal, Decimal | None]:
    """Shipping before discounts, and its discounts (None when the payload allocates none)."""
    lines = records(order.get("shipping_lines"), "shipping_lines")
    if not lines:
        return shop_amount(order, "total_shipping_price") or ZERO, None
    price = ZERO
    off: Decimal | None = None
    for i, line in enumerate(lines):
        if line.get("is_removed") is True:
            continue
        try:
            full = shop_amount(line, "price") or ZERO
            lowered = shop_amount(line, "discounted_price")
            found = allocated(line)
        except Bad as bad:
            bad.within(f"shipping_lines[{i}]")
            raise
        price += full
        if found is None and lowered is not None and lowered != full:
            found = full - lowered
        if found is not None:
            off = (off or ZERO) + found
    return price, off


def _discounts(
    order: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    lines: Sequence[CanonicalLine],
    shipping_off: Decimal | None,
) -> Decimal:
    """Allocations of lines and shipping; where the payload allocates nothing to lines, the order's own total."""
    told = shop_amount(order, "total_discounts")
    if told is not None and not any(item.get("discount_allocations") for item in items):
        return told
    return sum((line.discount for line in lines), ZERO) + (shipping_off or ZERO)


def _tax(order: Mapping[str, Any], lines: Sequence[CanonicalLine]) -> Decimal:
    told = shop_amount(order, "total_tax")
    if told is not None:
        return told
    if order.get("tax_lines"):
        return taxes_of(order)
    total = sum((line.tax for line in lines), ZERO)
    for i, one in enumerate(records(order.get("shipping_lines"), "shipping_lines")):
        try:
            total += taxes_of(one)
        except Bad as bad:
            bad.within(f"shipping_lines[{i}]")
            raise
    return total


def _reason(
    order: Mapping[str, Any], difference: Decimal, goods: Decimal, off: Decimal, count: int, currency: str
) -> str:
    """The likely cause of a difference: the first part whose own difference is exactly it, else every suspect."""
    suspects = _suspects(order, goods, off)
    for explained, sentence in suspects:
        if explained == difference:
            return sentence
    if abs(difference) <= Decimal(1).scaleb(-currency_decimals(currency)) * max(count, 1):
        return "amounts rounded per line"
    if suspects:
        return "; ".join(sentence for _, sentence in suspects)
    return "the parts of the payload do not add up to total_price"


def _suspects(order: Mapping[str, Any], goods: Decimal, off: Decimal) -> list[tuple[Decimal | None, str]]:
    found: list[tuple[Decimal | None, str]] = []
    told_goods = shop_amount(order, "total_line_items_price")
    if told_goods is not None and told_goods != goods:
        found.append((told_goods - goods, "the lines do not add up to total_line_items_price"))
    told_off = shop_amount(order, "total_discounts")
    if told_off is not None and told_off != off:
        found.append((off - told_off, "discount amount without allocations: they do not add up to total_discounts"))
    fees = shop_amount(order, "original_total_additional_fees")
    if fees:
        found.append((fees, "additional fees, which are no part of the sum"))
    rounding = shop_amount(order, "total_cash_rounding_payment_adjustment")
    if rounding:
        found.append((rounding, "cash rounding at payment"))
    if not order.get("shipping_lines") and shop_amount(order, "total_shipping_price") is None:
        found.append((None, "payload has no shipping lines"))
    return found
