"""REST-shaped Shopify orders, as webhooks carry them, to canonical orders (pure); only `Bad` is ever raised.

Paid: `paid` and `partially_refunded` may ship. `pending`, `authorized`, `partially_paid`, `voided`, `refunded`,
`expired` and words not known may not; what of a refunded order is still kept is left to a person. An order without a
status is paid when it costs nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from crossdock.channels.model import (
    CanonicalAddress,
    CanonicalLine,
    CanonicalOrder,
    CanonicalRecipient,
    CanonicalRefund,
    CanonicalRefundLine,
)
from crossdock.channels.reading import Bad, identifier, key_text, moment, record, records, text, whole
from crossdock.channels.shopify.money import (
    ZERO,
    as_written,
    currency_of,
    is_tip,
    line_discount,
    paid_back,
    shop_amount,
    taxes_of,
    totals_of,
    worth_of,
)
from crossdock.channels.shopify.quantities import LineCounts, LineUnits, RefundedUnits, ShippedUnits, settle_line

PAID = frozenset({"paid", "partially_refunded"})
_NOT_LEAVING = frozenset({"cancelled", "canceled", "error", "failure"})
_RESTOCKED = frozenset({"cancel", "return", "legacy_restock"})
MAX_LINES = 20_000


def order_of(payload: Mapping[str, Any], path: str = "order") -> CanonicalOrder:
    """Map one REST-shaped order. Raises Bad when it lacks an id, a time or its lines, or a field is not readable."""
    try:
        return _order_of(payload)
    except Bad as bad:
        bad.within(path)
        raise


def _order_of(payload: Mapping[str, Any]) -> CanonicalOrder:
    external_id = _id_of(payload)
    if external_id is None:
        raise Bad("id", "is missing: this is no order")
    if not isinstance(payload.get("line_items"), list):
        raise Bad("line_items", "is missing: the payload does not say what was ordered")
    items = records(payload["line_items"], "line_items")
    if len(items) > MAX_LINES:
        raise Bad("line_items", f"holds more than {MAX_LINES} lines")
    placed_at, updated_at = _times(payload)
    currency = currency_of(payload)
    lines, refunds = _lines_and_refunds(payload, items, currency)
    totals = totals_of(payload, items, lines, currency)
    status = text(payload.get("financial_status"), 50).lower()
    shipping = _shipping(payload)
    return CanonicalOrder(
        external_id=external_id,
        number=_number(payload, external_id),
        placed_at=placed_at,
        updated_at=updated_at,
        financial_status=status,
        paid=status in PAID if status else totals.total == 0,
        cancelled=bool(payload.get("cancelled_at")),
        test=payload.get("test") is True,
        currency=currency,
        totals=totals,
        lines=lines,
        recipient=_recipient(payload, items, lines),
        refunds=refunds,
        tags=_tags(payload.get("tags")),
        source=text(payload.get("source_name"), 100),
        ship_by=moment(payload.get("fulfill_by"), "fulfill_by"),
        deliver_by=moment(payload.get("deliver_by"), "deliver_by"),
        service=text(shipping.get("title") or payload.get("delivery_method"), 255).strip(),
        service_code=text(shipping.get("code"), 255).strip(),
        service_source=text(shipping.get("source"), 255).strip(),
        fulfillment_status=text(payload.get("fulfillment_status"), 50).lower() or "unfulfilled",
    )


def _shipping(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shipping that the buyer chose: the first shipping line that still stands."""
    lines = records(payload.get("shipping_lines"), "shipping_lines")
    return next((line for line in lines if not line.get("is_removed")), {})


def _id_of(thing: Mapping[str, Any]) -> str | None:
    return identifier(thing.get("id"), "id") or identifier(thing.get("admin_graphql_api_id"), "admin_graphql_api_id")


def _times(payload: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """When it was placed and when it was last changed; each falls back to the other times of the payload."""
    created = moment(payload.get("created_at"), "created_at")
    processed = moment(payload.get("processed_at"), "processed_at")
    updated = moment(payload.get("updated_at"), "updated_at") or created or processed
    if updated is None:
        raise Bad("updated_at", "is missing, and so are created_at and processed_at")
    return created or processed or updated, updated


def _number(payload: Mapping[str, Any], external_id: str) -> str:
    name = text(payload.get("name"), 100).strip()
    if name:
        return name
    number = text(payload.get("order_number"), 50).strip()
    return f"#{number}" if number else external_id


def _tags(value: Any) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return tuple(sorted({text(word, 255).strip() for word in words} - {""}))


def _line_ids(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The id of each line; a line without one (drafts, imports) is known by its position. No id comes twice."""
    found: list[str] = []
    for position, item in enumerate(items):
        try:
            found.append(_id_of(item) or f"line-{position + 1}")
        except Bad as bad:
            bad.within(f"line_items[{position}]")
            raise
    if len(set(found)) < len(found):
        raise Bad("line_items", "holds the same line id twice")
    return found


def _lines_and_refunds(
    payload: Mapping[str, Any], items: Sequence[Mapping[str, Any]], currency: str
) -> tuple[tuple[CanonicalLine, ...], tuple[CanonicalRefund, ...]]:
    ids = _line_ids(items)
    groups = _groups(payload)
    refunds = _refunds(payload, currency)
    shipped = _shipped(payload)
    of_line: dict[str, list[RefundedUnits]] = defaultdict(list)
    for units in (units for one in refunds for units in one.units):
        of_line[units.line_id].append(units)
    order_status = text(payload.get("fulfillment_status"), 50).lower()
    lines = []
    after_shipping: dict[int, int] = {}
    for position, (line_id, item) in enumerate(zip(ids, items, strict=True)):
        refunded = of_line.get(line_id, ())
        try:
            counts = _counts(item, order_status)
            outcome = settle_line(counts, refunded, shipped.get(line_id, ()))
            line = _line(line_id, position, item, counts.quantity, outcome, currency)
            lines.append(replace(line, bundle=groups.get(_group_id(item), "")) if groups else line)
        except Bad as bad:
            bad.within(f"line_items[{position}]")
            raise
        for units, count in zip(refunded, outcome.refunded_after_shipping, strict=True):
            after_shipping[id(units)] = count
    canonical = tuple(
        CanonicalRefund(one.refund_id, tuple(_refund_lines(one.units, after_shipping)), one.paid_back, one.worth)
        for one in refunds
    )
    return tuple(lines), canonical


def _groups(payload: Mapping[str, Any]) -> dict[str | None, str]:
    """Titles of the bundles that lines are parts of, by the id of their line item group; since 2025-01."""
    groups = records(payload.get("line_item_groups"), "line_item_groups")
    return {identifier(one.get("id"), "line_item_groups.id"): text(one.get("title"), 255).strip() for one in groups}


def _group_id(item: Mapping[str, Any]) -> str | None:
    return identifier(item.get("sales_line_item_group_id"), "sales_line_item_group_id") or ""


def _counts(item: Mapping[str, Any], order_status: str) -> LineCounts:
    quantity = whole(item.get("quantity"), "quantity")
    if quantity is None:
        raise Bad("quantity", "is missing")
    return LineCounts(
        quantity=quantity,
        current=whole(item.get("current_quantity"), "current_quantity"),
        fulfillable=whole(item.get("fulfillable_quantity"), "fulfillable_quantity"),
        status=text(item.get("fulfillment_status"), 50).lower() or ("fulfilled" if order_status == "fulfilled" else ""),
    )


def _line(
    line_id: str, position: int, item: Mapping[str, Any], quantity: int, units: LineUnits, currency: str
) -> CanonicalLine:
    gift_card = item.get("gift_card") is True
    title = text(item.get("title")) or text(item.get("name"))
    variant = text(item.get("variant_title"), 255).strip()
    ships = item.get("requires_shipping")
    return CanonicalLine(
        line_id=line_id,
        position=position + 1,
        listing_id=identifier(item.get("variant_id"), "variant_id"),
        product_id=identifier(item.get("product_id"), "product_id"),
        sku=key_text(item.get("sku"), "sku"),
        title=f"{title} / {variant}" if variant and variant != "Default Title" else title,
        quantity=quantity,
        kept=units.kept,
        fulfilled=units.fulfilled,
        requires_shipping=ships is not False and not gift_card and not is_tip(item),
        unit_price=_money(shop_amount(item, "price"), currency),
        discount=_money(line_discount(item), currency),
        tax=_money(taxes_of(item), currency),
    )


def _money(value: Decimal | None, currency: str) -> Decimal:
    return as_written(value or ZERO, currency)


class _Refund(NamedTuple):
    refund_id: str
    units: list[RefundedUnits]
    paid_back: Decimal | None
    worth: Decimal


def _refunds(payload: Mapping[str, Any], currency: str) -> list[_Refund]:
    found = []
    for i, refund in enumerate(records(payload.get("refunds"), "refunds")):
        try:
            found.append(_refund(refund, i, currency))
        except Bad as bad:
            bad.within(f"refunds[{i}]")
            raise
    return found


def _refund(refund: Mapping[str, Any], i: int, currency: str) -> _Refund:
    refund_id = identifier(refund.get("id"), "id") or f"refund-{i + 1}"
    at = moment(refund.get("created_at") or refund.get("processed_at"), "created_at")
    several = []
    for j, item in enumerate(records(refund.get("refund_line_items"), "refund_line_items")):
        try:
            line_id = identifier(item.get("line_item_id"), "line_item_id") or identifier(
                record(item.get("line_item"), "line_item").get("id"), "line_item.id"
            )
            quantity = whole(item.get("quantity"), "quantity") or 0
            word = text(item.get("restock_type"), 50).lower()
        except Bad as bad:
            bad.within(f"refund_line_items[{j}]")
            raise
        if line_id is not None and quantity:
            several.append(RefundedUnits(refund_id, line_id, quantity, word, at))
    back = paid_back(refund, currency)
    return _Refund(
        refund_id, several, None if back is None else _money(back, currency), _money(worth_of(refund), currency)
    )


def _refund_lines(several: Sequence[RefundedUnits], after_shipping: Mapping[int, int]) -> list[CanonicalRefundLine]:
    """One refund line may cover units that had shipped and units that had not: these become two."""
    lines = []
    for units in several:
        shipped = after_shipping.get(id(units), 0)
        restock = units.restock_type in _RESTOCKED
        for quantity, left in ((shipped, True), (units.quantity - shipped, False)):
            if quantity:
                lines.append(CanonicalRefundLine(units.line_id, quantity, left, restock))
    return lines


def _shipped(payload: Mapping[str, Any]) -> dict[str, list[ShippedUnits]]:
    found: dict[str, list[ShippedUnits]] = defaultdict(list)
    for i, fulfillment in enumerate(records(payload.get("fulfillments"), "fulfillments")):
        try:
            for units in _left(fulfillment):
                found[units.line_id].append(units)
        except Bad as bad:
            bad.within(f"fulfillments[{i}]")
            raise
    return found


def _left(fulfillment: Mapping[str, Any]) -> list[ShippedUnits]:
    status = text(fulfillment.get("status"), 50).lower()
    if status in _NOT_LEAVING:
        return []
    at = moment(fulfillment.get("created_at"), "created_at")
    found = []
    for j, item in enumerate(records(fulfillment.get("line_items"), "line_items")):
        try:
            line_id = identifier(item.get("id"), "id")
            quantity = whole(item.get("quantity"), "quantity") or 0
        except Bad as bad:
            bad.within(f"line_items[{j}]")
            raise
        if line_id is not None and quantity:
            found.append(ShippedUnits(line_id, quantity, status == "success", at))
    return found


def _recipient(
    payload: Mapping[str, Any], items: Sequence[Mapping[str, Any]], lines: Sequence[CanonicalLine]
) -> CanonicalRecipient:
    customer = record(payload.get("customer"), "customer")
    address = record(payload.get("shipping_address"), "shipping_address")
    attributes = _pairs(payload.get("note_attributes"), "note_attributes", "")
    for item, line in zip(items, lines, strict=True):
        if properties := item.get("properties"):
            where = f"line_items[{line.position - 1}].properties"
            attributes += _pairs(properties, where, f"line {line.line_id}: ")
    return CanonicalRecipient(
        address=_address(address) if address else None,
        email=text(payload.get("email") or payload.get("contact_email") or customer.get("email"), 320),
        note=text(payload.get("note"), 5000),
        attributes=tuple(attributes),
    )


def _pairs(value: Any, path: str, prefix: str) -> list[tuple[str, str]]:
    """Custom attributes: a list of name and value; very old payloads hold an object instead."""
    if isinstance(value, dict):
        return [(prefix + text(name, 255), text(told, 5000)) for name, told in value.items()]
    return [(prefix + text(one.get("name"), 255), text(one.get("value"), 5000)) for one in records(value, path)]


def _address(address: Mapping[str, Any]) -> CanonicalAddress:
    name = text(address.get("name"), 255).strip()
    if not name:
        name = f"{text(address.get('first_name'), 120)} {text(address.get('last_name'), 120)}".strip()
    streets = (text(address.get("address1"), 255).strip(), text(address.get("address2"), 255).strip())
    return CanonicalAddress(
        name=name,
        company=text(address.get("company"), 255),
        street=tuple(street for street in streets if street),
        city=text(address.get("city"), 255),
        region=text(address.get("province_code"), 100) or text(address.get("province"), 100),
        postcode=text(address.get("zip"), 50),
        country=text(address.get("country_code"), 100) or text(address.get("country"), 100),
        phone=text(address.get("phone"), 50),
    )
