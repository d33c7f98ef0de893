"""A Shopify order payload becomes the order that a merchant's operator would recognise."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from crossdock.channels.model import (
    CanonicalOrder,
    CanonicalRefundLine,
    Ignored,
    OrderCancelledNotice,
    OrderTouched,
    Parsed,
    Unreadable,
)
from crossdock.channels.shopify import connector


def read(payload: Any, topic: str = "orders/updated") -> Parsed:
    """The one answer to a payload."""
    (found,) = connector.parse(topic, json.dumps(payload).encode())
    return found


def order_of(payload: Any) -> CanonicalOrder:
    found = read(payload)
    assert isinstance(found, CanonicalOrder), found
    return found


def reason_of(payload: Any, topic: str = "orders/updated") -> str:
    found = read(payload, topic)
    assert isinstance(found, Unreadable), found
    return found.reason


def test_an_id_beyond_double_precision_stays_exact(mixed_order: dict[str, Any]) -> None:
    assert order_of(mixed_order).external_id == "9223372036854775801"


def test_amounts_and_ids_beyond_double_precision_stay_exact_when_they_are_numbers(plain_order: dict[str, Any]) -> None:
    body = json.dumps(plain_order | {"id": "ID", "total_price": "TOTAL"}).encode()
    body = body.replace(b'"ID"', b"36893488147419103233").replace(b'"TOTAL"', b"123456789012345.678901")
    (found,) = connector.parse("orders/updated", body)
    assert isinstance(found, CanonicalOrder), found
    assert (found.external_id, str(found.totals.total)) == ("36893488147419103233", "123456789012345.678901")


def test_times_become_utc(mixed_order: dict[str, Any]) -> None:
    order = order_of(mixed_order)
    assert order.placed_at == datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    assert order.updated_at == datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
    assert order.updated_at.tzinfo is UTC


def test_lines_carry_listing_sku_title_and_whether_they_ship(mixed_order: dict[str, Any]) -> None:
    shirt, crate, card = order_of(mixed_order).lines
    assert (shirt.listing_id, shirt.sku, shirt.title, shirt.requires_shipping) == (
        "21",
        "SHIRT-RED-M",
        "Test Shirt / Red / M",
        True,
    )
    assert (crate.listing_id, crate.product_id, crate.sku, crate.requires_shipping) == (None, None, "", True)
    assert (card.title, card.sku, card.requires_shipping) == ("Gift card", "", False)


def test_kept_and_fulfilled_units_of_a_partly_shipped_and_partly_cancelled_line(mixed_order: dict[str, Any]) -> None:
    shirt = order_of(mixed_order).lines[0]
    assert (shirt.quantity, shirt.kept, shirt.fulfilled) == (3, 2, 1)


def test_a_refund_tells_what_had_shipped_and_what_goes_back_to_stock(mixed_order: dict[str, Any]) -> None:
    line = CanonicalRefundLine("11", 1, shipped=False, restock=True)
    [refund] = order_of(mixed_order).refunds
    assert (refund.refund_id, refund.lines) == ("61", (line,))


def test_money_paid_back_is_told_in_shop_currency_or_not_at_all(mixed_order: dict[str, Any]) -> None:
    def paid(currency: str, kind: str = "refund", status: str = "success") -> Any:
        told = {"kind": kind, "status": status, "amount": "4.20", "currency": currency}
        mixed_order["refunds"][0]["transactions"] = [told]
        return order_of(mixed_order).refunds[0].paid_back

    shop = mixed_order["currency"]
    assert (paid(shop), paid(shop, kind="void"), paid(shop, status="failure")) == (Decimal("4.20"), 0, 0)
    assert paid("XTS") is None


def test_money_is_exact_and_in_shop_currency(mixed_order: dict[str, Any]) -> None:
    order = order_of(mixed_order)
    totals = order.totals
    assert order.currency == totals.currency == "EUR"
    assert (totals.lines, totals.discounts, totals.tax, totals.shipping) == (
        Decimal("80.00"),
        Decimal("7.00"),
        Decimal("9.50"),
        Decimal("5.00"),
    )
    assert (totals.total, totals.difference, totals.difference_reason) == (Decimal("87.50"), Decimal(0), "")
    assert [str(line.discount) for line in order.lines] == ["4.00", "3.00", "0.00"]
    assert [str(line.tax) for line in order.lines] == ["4.50", "5.00", "0.00"]


def test_the_recipient_holds_address_note_attributes_and_line_properties(mixed_order: dict[str, Any]) -> None:
    recipient = order_of(mixed_order).recipient
    assert recipient.address is not None
    assert recipient.address.street == ("1 Example Street",)
    assert (recipient.address.region, recipient.address.country) == ("EX", "XX")
    assert recipient.email == "test.person@example.com"
    assert recipient.attributes == (("wrap", "blue"), ("line 11: engraving", "made up"))


def test_an_order_without_shipping_address_has_none(plain_order: dict[str, Any]) -> None:
    assert order_of(plain_order).recipient.address is None


def test_tags_are_trimmed_unique_and_sorted(mixed_order: dict[str, Any]) -> None:
    assert order_of(mixed_order).tags == ("gift", "wholesale")


@pytest.mark.parametrize(
    ("status", "paid"),
    [
        ("paid", True),
        ("partially_refunded", True),
        ("pending", False),
        ("authorized", False),
        ("partially_paid", False),
        ("voided", False),
        ("refunded", False),
        ("expired", False),
        ("a word of next year", False),
    ],
)
def test_only_paid_and_partially_refunded_orders_count_as_paid(
    plain_order: dict[str, Any], status: str, paid: bool
) -> None:
    plain_order["financial_status"] = status
    assert order_of(plain_order).paid is paid


def test_an_order_without_status_is_paid_only_when_it_costs_nothing(plain_order: dict[str, Any]) -> None:
    del plain_order["financial_status"]
    assert order_of(plain_order).paid is False
    plain_order["total_price"] = "0.00"
    assert order_of(plain_order).paid is True


def test_a_cancelled_order_says_so(plain_order: dict[str, Any]) -> None:
    plain_order["cancelled_at"] = "2026-11-20T10:00:06-05:00"
    assert order_of(plain_order).cancelled is True


@pytest.mark.parametrize("missing", [["updated_at"], ["updated_at", "created_at"]])
def test_the_time_of_change_falls_back_to_the_other_times(plain_order: dict[str, Any], missing: list[str]) -> None:
    plain_order["processed_at"] = "2026-11-20T10:00:00-05:00"
    for name in missing:
        plain_order[name] = None
    assert order_of(plain_order).updated_at == datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def test_an_order_without_any_time_is_unreadable(plain_order: dict[str, Any]) -> None:
    del plain_order["updated_at"], plain_order["created_at"]
    assert reason_of(plain_order) == "order.updated_at is missing, and so are created_at and processed_at"


def test_a_wrapped_order_and_a_list_of_orders_are_unwrapped(plain_order: dict[str, Any]) -> None:
    other = plain_order | {"id": 5002}
    assert order_of({"order": plain_order}).external_id == "5001"
    found = connector.parse("orders/create", json.dumps({"orders": [plain_order, {"id": 1}, {}, other]}).encode())
    assert [type(one).__name__ for one in found] == ["CanonicalOrder", "OrderTouched", "Unreadable", "CanonicalOrder"]
    assert isinstance(found[2], Unreadable)
    assert found[2].reason.startswith("orders[2].id is missing")


@pytest.mark.parametrize(
    ("payload", "updated_at"),
    [
        ({"id": 5001}, None),
        ({"admin_graphql_api_id": "gid://shopify/Order/5001", "updated_at": "2026-11-20T10:00:00-05:00"}, 15),
        ({"id": 5001, "updated_at": "2026-11-20T15:00:00Z", "line_items": [{"sku": "SHIRT"}]}, 15),
        ({"order": {"id": 5001, "name": "#1001", "financial_status": "paid"}}, None),
    ],
)
def test_an_order_without_its_lines_is_only_named(payload: dict[str, Any], updated_at: int | None) -> None:
    at = None if updated_at is None else datetime(2026, 11, 20, updated_at, 0, tzinfo=UTC)
    assert read(payload) == OrderTouched("5001", at)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not UTF-8"),
        (b'{"id": NaN}', "the body holds NaN, which is no JSON number"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'"hello"', "the body is JSON, but no order"),
        (b"{}", "order.id is missing: the payload does not say which order it is about"),
        (b'{"id": "five"}', "order.id is not the id of an order"),
        (b'{"id": 5, "line_items": null}', "order.line_items is missing: the payload does not say what was ordered"),
        (b'{"id": ' + b"9" * 5000 + b"}", "the body is not JSON"),
    ],
)
def test_what_is_no_order_is_unreadable_with_one_sentence(body: bytes, reason: str) -> None:
    assert connector.parse("orders/create", body) == (Unreadable(reason),)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("quantity", -1, "order.line_items[0].quantity is negative"),
        ("quantity", 10**12, "order.line_items[0].quantity is more than 1000000"),
        ("quantity", 1.5, "order.line_items[0].quantity is not a whole number"),
        ("quantity", None, "order.line_items[0].quantity is missing"),
        ("quantity", True, "order.line_items[0].quantity is not a whole number"),
        ("current_quantity", "many", "order.line_items[0].current_quantity is not a whole number"),
        ("price", "ten", "order.line_items[0].price is not an amount of money"),
        ("price", 1e300, "order.line_items[0].price is not a plausible amount of money"),
        ("price", {}, None),
        ("sku", "S" * 256, "order.line_items[0].sku is longer than 255 characters"),
        ("variant_id", [1], "order.line_items[0].variant_id is not an id"),
        ("discount_allocations", {"amount": 1}, "order.line_items[0].discount_allocations is not a list"),
        ("properties", [["a", "b"]], "order.line_items[0].properties[0] is not an object"),
    ],
)
def test_a_wrong_field_of_a_line_is_named_by_its_path(
    plain_order: dict[str, Any], field: str, value: Any, reason: str | None
) -> None:
    plain_order["line_items"][0][field] = value
    if reason is None:
        order_of(plain_order)
    else:
        assert reason_of(plain_order) == reason


def test_a_reason_never_quotes_what_may_be_personal(plain_order: dict[str, Any]) -> None:
    plain_order["shipping_address"] = "Test Person, 1 Example Street"
    assert reason_of(plain_order) == "order.shipping_address is not an object"


def test_numbers_may_come_as_text(plain_order: dict[str, Any]) -> None:
    plain_order["id"] = "5001"
    plain_order["line_items"][0] |= {"id": "7001", "quantity": "2", "price": 10}
    order = order_of(plain_order)
    assert (order.external_id, order.lines[0].line_id, order.lines[0].quantity) == ("5001", "7001", 2)
    assert str(order.totals.lines) == "20.00"


def test_text_that_postgres_refuses_is_made_storable(plain_order: dict[str, Any]) -> None:
    plain_order["note"] = "a\0b\ud800c"
    plain_order["line_items"][0]["title"] = "Shi\0rt \udfff 🚚"
    order = order_of(plain_order)
    assert order.recipient.note == "ab\ufffdc"
    assert order.lines[0].title == "Shirt \ufffd 🚚 / M"
    repr(order).encode("utf-8")


def test_ten_thousand_lines_are_an_order(plain_order: dict[str, Any]) -> None:
    line = plain_order["line_items"][0]
    plain_order["line_items"] = [line | {"id": 7001 + i} for i in range(10_000)]
    plain_order["total_price"] = "200000.00"
    order = order_of(plain_order)
    assert len(order.lines) == 10_000
    assert order.totals.difference == 0


def test_a_line_without_id_is_known_by_its_position(plain_order: dict[str, Any]) -> None:
    del plain_order["line_items"][0]["id"]
    assert order_of(plain_order).lines[0].line_id == "line-1"


def test_the_same_line_id_twice_is_unreadable(plain_order: dict[str, Any]) -> None:
    plain_order["line_items"] *= 2
    assert reason_of(plain_order) == "order.line_items holds the same line id twice"


def test_a_gift_card_does_not_ship_even_when_it_says_so_and_a_custom_line_does(plain_order: dict[str, Any]) -> None:
    [shirt] = plain_order["line_items"]
    card = shirt | {"id": 7002, "gift_card": True, "requires_shipping": True}
    custom = shirt | {"id": 7003, "variant_id": None, "product_id": None, "sku": None}
    plain_order |= {"line_items": [shirt, card, custom], "total_price": "60.00"}
    assert [one.requires_shipping for one in order_of(plain_order).lines] == [True, False, True]


def test_of_a_bundle_the_component_lines_ship(plain_order: dict[str, Any]) -> None:
    """Since 2025-01 a line names its group by `sales_line_item_group_id`: the group itself is no line."""
    [shirt] = plain_order["line_items"]
    group = {"id": 3001, "title": "Gift Set", "quantity": 1, "variant_sku": "SET"}
    parts = [shirt | {"id": 7002, "sku": "MUG", "sales_line_item_group_id": 3001, "line_item_group": group}]
    parts += [shirt | {"id": 7003, "sku": "TEA", "sales_line_item_group_id": 3001, "line_item_group": group}]
    plain_order |= {"line_items": parts, "line_item_groups": [group], "total_price": "40.00"}
    assert [(one.sku, one.kept, one.requires_shipping) for one in order_of(plain_order).lines] == [
        ("MUG", 2, True),
        ("TEA", 2, True),
    ]


def test_a_draft_is_no_order_and_the_order_that_it_becomes_is_one_like_any_other(plain_order: dict[str, Any]) -> None:
    assert isinstance(read({"id": 9, "status": "completed", "order_id": 5001}, "draft_orders/update"), Ignored)
    assert order_of(plain_order | {"source_name": "shopify_draft_order"}).lines == order_of(plain_order).lines


def test_an_order_edited_to_nothing_keeps_its_lines_and_wants_none(plain_order: dict[str, Any]) -> None:
    plain_order["line_items"][0] |= {"current_quantity": 0, "fulfillable_quantity": 0}
    [line] = order_of(plain_order).lines
    assert (line.quantity, line.kept) == (2, 0)


def test_an_order_of_nothing_is_an_order_with_no_lines(plain_order: dict[str, Any]) -> None:
    plain_order |= {"line_items": [], "total_price": "0.00"}
    assert order_of(plain_order).lines == ()


def test_a_deleted_order_is_a_cancellation_notice() -> None:
    assert read({"id": 5001}, "orders/delete") == OrderCancelledNotice("5001")
    assert reason_of({}, "orders/delete") == "order.id is missing: the payload does not say which order was deleted"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("refunds/create", {"id": 1, "order_id": 5001, "refund_line_items": []}),
        ("refunds/create", {"refund": {"id": 1, "order_id": 5001}}),
        ("orders/edited", {"order_edit": {"id": 1, "order_id": 5001}}),
        ("order_transactions/create", {"id": 1, "order_id": 5001, "kind": "sale", "status": "success"}),
    ],
)
def test_refunds_edits_and_payments_only_name_their_order(topic: str, payload: dict[str, Any]) -> None:
    assert read(payload, topic) == OrderTouched("5001")


@pytest.mark.parametrize(("kind", "status"), [("authorization", "success"), ("sale", "failure"), ("sale", None)])
def test_a_transaction_that_moves_no_money_is_ignored(kind: str, status: str | None) -> None:
    payload = {"id": 1, "order_id": 5001, "kind": kind, "status": status}
    assert isinstance(read(payload, "order_transactions/create"), Ignored)


@pytest.mark.parametrize("topic", ["refunds/create", "orders/edited"])
def test_a_refund_or_edit_of_no_order_is_unreadable(topic: str) -> None:
    assert ".order_id is missing: the payload does not say which order" in reason_of({"id": 1}, topic)
    assert reason_of({"id": 1, "order_id": "five"}, topic).endswith(".order_id is not the id of an order")


@pytest.mark.parametrize("topic", ["orders/link_requested", "fulfillments/create", "carts/update", "", "nonsense"])
def test_a_topic_that_nobody_needs_is_ignored_whatever_its_body(topic: str) -> None:
    (found,) = connector.parse(topic, b"\x00 not even JSON")
    assert isinstance(found, Ignored)
