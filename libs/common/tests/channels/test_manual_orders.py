"""The one validator for orders that people give: what is wrong is named by field, and nothing is guessed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossdock.channels.manual.orders import COLUMNS, MAX_LINES, Fault, order_of, unknown_fields
from crossdock.channels.model import CanonicalOrder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = {"order_number": "PO-1", "currency": "EUR", "street1": "1 Example Street", "city": "Sampletown", "country": "IE"}
LINE = {"sku": "SHIRT", "quantity": "2", "unit_price": "10"}


def judged(line: dict[str, Any] | None = None, **head: Any) -> CanonicalOrder | list[tuple[str, str]]:
    found = order_of(HEAD | head, [LINE | (line or {})], NOW)
    return found if isinstance(found, CanonicalOrder) else [(fault.field, fault.what) for fault in found]


def order(line: dict[str, Any] | None = None, **head: Any) -> CanonicalOrder:
    found = judged(line, **head)
    assert isinstance(found, CanonicalOrder), found
    return found


def test_an_order_is_read_with_its_totals() -> None:
    made = order({"discount": "1", "tax": "3.80"}, shipping="4,90", currency="eur")
    totals = made.totals
    assert (totals.currency, totals.lines, totals.discounts, totals.tax, totals.shipping, totals.total) == (
        "EUR", Decimal(20), Decimal(1), Decimal("3.80"), Decimal("4.90"), Decimal("27.70"),
    )  # fmt: skip
    assert (made.paid, made.placed_at, made.lines[0].line_id, made.lines[0].title) == (True, NOW, "1", "SHIRT")


@pytest.mark.parametrize(
    ("text", "value"),
    [("12,50", "12.50"), ("1.234,56", "1234.56"), ("1,234.56", "1234.56"), ("0.005", "0.005"), ("", "0"), (" 7 ", "7")],
)
def test_amounts_are_read_as_they_are_meant(text: str, value: str) -> None:
    assert order({"unit_price": text}).lines[0].unit_price == Decimal(value)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("unit_price", "1,234", "can be read as two amounts: write it with a point, and without thousands separators"),
        ("unit_price", "-1", "is negative"),
        ("unit_price", "ten", "is not an amount of money"),
        ("unit_price", "1e99", "is not a plausible amount of money"),
        ("discount", "20.01", "is more than the line costs"),
        ("quantity", "0", "is less than 1"),
        ("quantity", "-1", "is less than 1"),
        ("quantity", "1000000000", "is more than 1,000,000"),
        ("quantity", "1.5", "is not a whole number"),
        ("quantity", "", "is missing"),
        ("quantity", True, "is not a text or number"),
        ("sku", "", "is missing"),
        ("sku", "A\nB", "holds a line break or another control character"),
        ("sku", "S" * 256, "is longer than 255 characters"),
        ("title", "a\0b", "holds a character that cannot be read: save the file as UTF-8"),
        ("title", "a\ufffdb", "holds a character that cannot be read: save the file as UTF-8"),
        ("requires_shipping", "perhaps", "is neither yes nor no"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(field: str, value: Any, what: str) -> None:
    assert judged({field: value}) == [(field, what)]


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("order_number", " ", "is missing"),
        ("currency", "XX", "is no currency code of ISO 4217, such as EUR"),
        ("currency", "", "is missing"),
        ("country", "Ireland", "is no country code of ISO 3166 with two letters, such as IE"),
        ("placed_at", "1970-01-01", "is before 2000, which looks like an empty date"),
        ("placed_at", "2026-03-03", "is in the future"),
        ("placed_at", "21/11/2026", "is no date such as 2026-11-21"),
        ("placed_at", "0001-01-01T00:00+14:00", "is no date such as 2026-11-21"),
        ("ship_by", "25/11/2026", "is no date such as 2026-11-21"),
        ("ship_by", "1900-01-00", "is no date such as 2026-11-21"),
        ("ship_by", "1970-01-01", "is before 2000, which looks like an empty date"),
        ("ship_by", "2206-03-02", "is more than two years ahead"),
        ("ship_by", "2026-02-27", "is before the order was placed"),
        ("deliver_by", "2026-02-27", "is before the order was placed"),
        ("service", "S" * 256, "is longer than 255 characters"),
        ("city", "", "is missing: the order ships"),
        ("note", "\x07", "holds a control character"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(field: str, value: Any, what: str) -> None:
    assert judged(**{field: value}) == [(field, what)]


def test_everything_is_said_at_once_with_the_line_it_is_in() -> None:
    found = order_of(HEAD | {"currency": ""}, [LINE, LINE | {"quantity": "x"}], NOW)
    assert found == (
        Fault(None, "currency", "is missing"),
        Fault(1, "quantity", "is not a whole number"),
    )


def test_what_does_not_ship_needs_no_address() -> None:
    assert order({"requires_shipping": "no"}, street1="", city="", country="").recipient.address is None


def test_times_are_utc_and_tomorrow_elsewhere_is_no_future() -> None:
    assert order(placed_at="2026-03-01T14:30+01:00").placed_at == datetime(2026, 3, 1, 13, 30, tzinfo=UTC)
    assert order(placed_at="2026-03-02").placed_at == NOW + timedelta(hours=12)


def test_a_day_that_an_order_is_due_ends_at_midnight_and_a_time_is_that_time() -> None:
    made = order(ship_by="2026-03-01", deliver_by="2026-03-05T18:00+01:00", service="Express")
    assert made.ship_by == datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    assert (made.deliver_by, made.service) == (datetime(2026, 3, 5, 17, tzinfo=UTC), "Express")
    assert (order().ship_by, order().deliver_by, order().service) == (None, None, "")


def test_an_order_is_not_delivered_before_it_leaves() -> None:
    assert judged(ship_by="2026-03-05", deliver_by="2026-03-04") == [("deliver_by", "is before ship_by")]


def test_html_and_formulas_are_text() -> None:
    made = order({"title": "<b>x</b>", "sku": "=1+1"})
    assert (made.lines[0].title, made.lines[0].sku) == ("<b>x</b>", "=1+1")


def test_an_order_has_some_lines_and_not_too_many() -> None:
    assert order_of(HEAD, [], NOW) == (Fault(None, "lines", "are missing: an order has at least one"),)
    found = order_of(HEAD, [LINE] * (MAX_LINES + 1), NOW)
    assert found == (Fault(None, "lines", "are more than 1,000: split the order"),)


def test_a_sum_that_is_not_plausible_is_refused() -> None:
    assert judged({"quantity": "1000000", "unit_price": "999999999999999"}) == [
        ("unit_price", "makes the order cost more than is plausible")
    ]


def test_names_that_nothing_has_are_named_unless_they_are_odd() -> None:
    assert unknown_fields({"colour": 1, "person@example.com": 1}, [{"size": 1}]) == [
        Fault(None, "colour", "is no field of an order"),
        Fault(None, "a field with an odd name", "is no field of an order"),
        Fault(0, "size", "is no field of a line"),
    ]


def test_the_template_names_every_column_once() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS) == 25


def test_the_page_describes_every_column_as_the_validator_reads_it() -> None:
    page = (Path(__file__).parents[4] / "docs/architecture/csv-import.md").read_text()
    for column in COLUMNS:
        of, needed = "order" if column.of_order else "line", "yes" if column.required else ""
        assert f"| `{column.name}` | {column.meaning} | {of} | {needed} | {column.example} |" in page
