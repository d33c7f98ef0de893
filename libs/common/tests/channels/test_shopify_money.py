"""An order's parts add up to its total, or the difference is recorded with its likely cause."""

import json
from decimal import Decimal
from typing import Any

import pytest

from crossdock.channels.model import CanonicalOrder, Totals, Unreadable
from crossdock.channels.shopify import connector
from crossdock.channels.shopify.money import as_written


def totals_of(payload: dict[str, Any]) -> Totals:
    (found,) = connector.parse("orders/create", json.dumps(payload).encode())
    assert isinstance(found, CanonicalOrder), found
    totals = found.totals
    summed = totals.lines - totals.discounts + totals.shipping + totals.tips + totals.duties + totals.difference
    assert totals.total == summed + (0 if totals.taxes_included else totals.tax)
    return totals


def tip_line(**more: Any) -> dict[str, Any]:
    line = {"id": 7002, "variant_id": None, "product_id": None, "title": "Tip", "quantity": 1, "price": "3.00"}
    return line | {"requires_shipping": False} | more


def test_allocations_are_summed_and_never_recomputed(plain_order: dict[str, Any]) -> None:
    line = plain_order["line_items"][0]
    plain_order["line_items"] = [
        line | {"id": i, "quantity": 1, "total_discount": "0.00", "discount_allocations": [{"amount": off}]}
        for i, off in enumerate(["2.39", "2.54", "2.54", "2.53"], start=1)
    ]
    plain_order |= {"total_price": "30.00", "total_discounts": "10.00"}
    totals = totals_of(plain_order)
    assert (totals.discounts, totals.difference) == (Decimal("10.00"), Decimal(0))


def test_without_allocations_the_orders_total_discounts_count(plain_order: dict[str, Any]) -> None:
    plain_order |= {"total_price": "15.00", "total_discounts": "5.00"}
    assert totals_of(plain_order).discounts == Decimal("5.00")


def test_shipping_counts_before_its_discount_and_the_discount_with_the_others(plain_order: dict[str, Any]) -> None:
    plain_order["line_items"][0]["discount_allocations"] = [{"amount": "1.00"}]
    plain_order["shipping_lines"] = [{"price": "8.00", "discounted_price": "6.00"}, {"price": "9", "is_removed": True}]
    plain_order |= {"total_price": "25.00", "total_discounts": "3.00"}
    totals = totals_of(plain_order)
    assert (totals.shipping, totals.discounts, totals.difference) == (Decimal("8.00"), Decimal("3.00"), Decimal(0))


def test_taxes_that_are_included_are_told_and_not_added(plain_order: dict[str, Any]) -> None:
    plain_order |= {"taxes_included": True, "total_tax": "3.19"}
    totals = totals_of(plain_order)
    assert (totals.tax, totals.taxes_included, totals.difference) == (Decimal("3.19"), True, Decimal(0))


def test_a_missing_total_tax_is_the_sum_of_the_tax_lines(plain_order: dict[str, Any]) -> None:
    del plain_order["total_tax"]
    plain_order["line_items"][0]["tax_lines"] = [{"price": "1.20"}, {"price": "0.30"}]
    plain_order["shipping_lines"] = [{"price": "2.00", "tax_lines": [{"price": "0.10"}]}]
    plain_order["total_price"] = "23.60"
    totals = totals_of(plain_order)
    assert (totals.tax, totals.difference) == (Decimal("1.60"), Decimal(0))


@pytest.mark.parametrize("marked", [{"tip_payment_gateway": "test"}, {}])
def test_a_tip_that_is_also_a_line_counts_once(plain_order: dict[str, Any], marked: dict[str, str]) -> None:
    plain_order["line_items"].append(tip_line(**marked))
    plain_order |= {"total_tip_received": "3.00", "total_price": "23.00"}
    totals = totals_of(plain_order)
    assert (totals.lines, totals.tips, totals.difference) == (Decimal("20.00"), Decimal("3.00"), Decimal(0))


def test_a_tip_that_is_no_line_counts_too(plain_order: dict[str, Any]) -> None:
    plain_order |= {"total_tip_received": "3.00", "total_price": "23.00"}
    assert totals_of(plain_order).difference == 0


def test_duties_count(plain_order: dict[str, Any]) -> None:
    plain_order["original_total_duties_set"] = {"shop_money": {"amount": "4.00", "currency_code": "USD"}}
    plain_order["total_price"] = "24.00"
    totals = totals_of(plain_order)
    assert (totals.duties, totals.difference) == (Decimal("4.00"), Decimal(0))


def test_amounts_are_in_shop_currency_when_the_buyer_paid_in_another(plain_order: dict[str, Any]) -> None:
    del plain_order["total_price"]
    plain_order["total_price_set"] = {
        "shop_money": {"amount": "20.00", "currency_code": "USD"},
        "presentment_money": {"amount": "3000", "currency_code": "JPY"},
    }
    totals = totals_of(plain_order)
    assert (totals.currency, totals.total, totals.difference) == ("USD", Decimal("20.00"), Decimal(0))


def test_a_currency_without_decimals_stays_without(plain_order: dict[str, Any]) -> None:
    plain_order |= {"currency": "JPY", "total_price": "5900", "total_tax": "0", "total_discounts": "0"}
    plain_order["line_items"][0] |= {"price": "2950"}
    totals = totals_of(plain_order)
    assert (str(totals.lines), str(totals.total), totals.difference) == ("5900", "5900", Decimal(0))


@pytest.mark.parametrize(
    ("change", "difference", "reason"),
    [
        ({"total_price": "25.00", "total_shipping_price_set": None}, "5.00", "payload has no shipping lines"),
        (
            {"total_price": "15.00", "total_line_items_price": "15.00"},
            "-5.00",
            "the lines do not add up to total_line_items_price",
        ),
        ({"total_price": "19.99"}, "-0.01", "amounts rounded per line"),
        (
            {"total_price": "20.05", "total_cash_rounding_payment_adjustment_set": {"shop_money": {"amount": "0.05"}}},
            "0.05",
            "cash rounding at payment",
        ),
        (
            {"total_price": "21.50", "original_total_additional_fees_set": {"shop_money": {"amount": "1.50"}}},
            "1.50",
            "additional fees, which are no part of the sum",
        ),
        ({"total_price": "99.00"}, "79.00", "the parts of the payload do not add up to total_price"),
    ],
)
def test_a_difference_is_recorded_with_its_likely_cause(
    plain_order: dict[str, Any], change: dict[str, Any], difference: str, reason: str
) -> None:
    totals = totals_of(plain_order | change)
    assert (str(totals.difference), totals.difference_reason) == (difference, reason)


def test_discounts_without_allocations_on_some_lines_are_named(plain_order: dict[str, Any]) -> None:
    plain_order["line_items"][0]["discount_allocations"] = [{"amount": "1.00"}]
    plain_order |= {"total_price": "15.00", "total_discounts": "5.00"}
    totals = totals_of(plain_order)
    assert totals.difference == Decimal("-4.00")
    assert totals.difference_reason.startswith("discount amount without allocations")


def test_sums_that_no_order_has_are_unreadable(plain_order: dict[str, Any]) -> None:
    plain_order["line_items"][0] |= {"price": "999999999999999", "quantity": 1_000_000}
    (found,) = connector.parse("orders/create", json.dumps(plain_order).encode())
    assert found == Unreadable("order adds up to no plausible amount of money")


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("13.5", "USD", "13.50"),
        ("13.500", "USD", "13.50"),
        ("13", "USD", "13.00"),
        ("1.2345", "USD", "1.2345"),
        ("5900.0", "JPY", "5900"),
        ("5.9E+3", "JPY", "5900"),
        ("1.5", "KWD", "1.500"),
        ("-0.00", "USD", "0.00"),
        ("0", "JPY", "0"),
    ],
)
def test_equal_amounts_are_written_alike(amount: str, currency: str, written: str) -> None:
    assert str(as_written(Decimal(amount), currency)) == written
