"""One validator for the orders that people give, in a file or one by one (pure): every wrong field is named, none is
guessed. The columns of the template are described here and nowhere else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import pycountry

from crossdock.channels.model import CanonicalAddress, CanonicalLine, CanonicalOrder, CanonicalRecipient, Totals
from crossdock.channels.reading import MAX_AMOUNT, MAX_QUANTITY, Bad, amount, clean, moment

T = TypeVar("T")

MAX_LINES = 1000
"""Lines of one order; more is taken for a column of order numbers that was filled wrongly."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Spreadsheets and programs write an empty date as 1899, 1900 or 1970."""

LATEST_AHEAD = timedelta(days=1)
"""So far ahead an order may be placed: somewhere it is tomorrow already."""

LATEST_DUE = timedelta(days=730)
"""So far ahead an order may be due; more is taken for a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the template. `of_order`: it says something of the whole order, and is the same on all its rows."""

    name: str
    meaning: str
    of_order: bool = True
    required: bool = False
    limit: int = 255
    example: str = ""


COLUMNS = (
    Column("order_number", "What you call the order; once per channel", required=True, limit=100, example="PO-1001"),
    Column("placed_at", "When it was placed, such as 2026-11-21 or 2026-11-21T14:30+01:00; UTC unless it says "
           "otherwise. Blank: when it was given", example="2026-11-21"),
    Column("ship_by", "By when it has to leave; a day alone counts until it ends in UTC", example="2026-11-25"),
    Column("deliver_by", "By when it has to arrive, likewise", example="2026-11-28"),
    Column("service", "The shipping that was asked for, in your words", example="Express"),
    Column("currency", "ISO 4217 code of all amounts", required=True, example="EUR"),
    Column("sku", "The SKU, letter by letter", of_order=False, required=True, example="SHIRT-M"),
    Column("quantity", f"Units, 1 to {MAX_QUANTITY:,}", of_order=False, required=True, example="2"),
    Column("title", "What the line is called", of_order=False, limit=1000, example="Shirt, M"),
    Column("unit_price", "Price of one unit; blank is 0", of_order=False, example="19.90"),
    Column("discount", "Taken off the line as a whole; blank is 0", of_order=False, example="0"),
    Column("tax", "Tax of the line as a whole, on top of its price; blank is 0", of_order=False, example="0"),
    Column("requires_shipping", "yes or no; blank is yes", of_order=False, example="yes"),
    Column("shipping", "What shipping costs, for the whole order; blank is 0", example="4.90"),
    Column("name", "Who receives it", example="Test Person"),
    Column("company", "Company of whoever receives it"),
    Column("street1", "Street and number; needed where anything ships", example="1 Example Street"),
    Column("street2", "What else the address needs"),
    Column("city", "City; needed where anything ships", example="Sampletown"),
    Column("region", "State, province or county"),
    Column("postcode", "Postcode, as text", limit=50, example="00000"),
    Column("country", "ISO 3166 code of two letters; needed where anything ships", example="IE"),
    Column("phone", "Phone number, as text", limit=50),
    Column("email", "E-mail address", example="person@example.com"),
    Column("note", "For whoever packs it", limit=5000),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}
OF_ORDER = tuple(column.name for column in COLUMNS if column.of_order)
OF_LINE = tuple(column.name for column in COLUMNS if not column.of_order)
REQUIRED = tuple(column.name for column in COLUMNS if column.required)
_UNREADABLE = "\ufffd"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ANY_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHOLE = re.compile(r"(-?\d{1,30})([.,]0{1,6})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}", re.ASCII)
_COMMA_AND_THREE = re.compile(r"\d{1,3},\d{3}", re.ASCII)
_GROUPED_COMMA = re.compile(r"\d{1,3}(\.\d{3})+,\d{1,6}", re.ASCII)
_GROUPED_POINT = re.compile(r"\d{1,3}(,\d{3})+\.\d{1,6}", re.ASCII)
_COMMA = re.compile(r"-?\d{1,15},\d{1,6}", re.ASCII)
_WORDS = {"yes": True, "true": True, "1": True, "": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field, without its value. `line` counts the order's lines from 0; None: of the order."""

    line: int | None
    field: str
    what: str


def order_of(
    head: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], now: datetime
) -> CanonicalOrder | tuple[Fault, ...]:
    """An order from the fields of the template, texts or JSON values, or everything that is wrong with them."""
    form = _Form(head, None)
    number = form.read("order_number", _key)
    placed_at = form.read("placed_at", lambda value, name: _placed_at(value, name, now))
    currency = form.read("currency", _currency)
    shipping = form.read("shipping", _money)
    ship_by = form.read("ship_by", lambda value, name: _due(value, name, now))
    deliver_by = form.read("deliver_by", lambda value, name: _due(value, name, now))
    texts = {name: form.read(name, _text) for name in OF_ORDER if name not in _READ_OTHERWISE}
    country = form.read("country", _country)
    found = [_line_of(position, line) for position, line in enumerate(lines)]
    faults = [
        *form.faults,
        *_date_faults(placed_at, ship_by, deliver_by),
        *(fault for _, wrong in found for fault in wrong),
    ]
    if not lines:
        faults.append(Fault(None, "lines", "are missing: an order has at least one"))
    if len(lines) > MAX_LINES:
        faults.append(Fault(None, "lines", f"are more than {MAX_LINES:,}: split the order"))
    made = tuple(line for line, _ in found if line is not None)
    faults += _address_faults(texts, country, made, faults)
    if faults:
        return tuple(faults)
    assert number is not None
    assert placed_at is not None
    assert currency is not None
    totals = _totals(currency, made, shipping or Decimal(0))
    if totals.total >= MAX_AMOUNT:
        return (Fault(None, "unit_price", "makes the order cost more than is plausible"),)
    return CanonicalOrder(
        external_id=number,
        number=number,
        placed_at=placed_at,
        updated_at=now,
        financial_status="paid",
        paid=True,
        cancelled=False,
        test=False,
        currency=currency,
        totals=totals,
        lines=made,
        recipient=_recipient(texts, country),
        source="manual",
        ship_by=ship_by,
        deliver_by=deliver_by,
        service=texts["service"] or "",
    )


def unknown_fields(head: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Names that no order and no line has."""
    faults = [Fault(None, _shown(name), "is no field of an order") for name in head if name not in OF_ORDER]
    for position, line in enumerate(lines):
        faults += [Fault(position, _shown(name), "is no field of a line") for name in line if name not in OF_LINE]
    return faults


_READ_OTHERWISE = frozenset({"order_number", "placed_at", "ship_by", "deliver_by", "currency", "shipping", "country"})


class _Form:
    """Reads the fields of an order or line, and notes what is wrong with them."""

    def __init__(self, values: Mapping[str, Any], line: int | None) -> None:
        self._values = values
        self._line = line
        self.faults: list[Fault] = []

    def read(self, name: str, reader: Callable[[Any, str], T]) -> T | None:
        """The value of a field, or None where it is wrong."""
        try:
            return reader(self._values.get(name), name)
        except Bad as bad:
            self.faults.append(Fault(self._line, bad.path, bad.what))
            return None


def _line_of(position: int, values: Mapping[str, Any]) -> tuple[CanonicalLine | None, list[Fault]]:
    form = _Form(values, position)
    sku = form.read("sku", _key)
    quantity = form.read("quantity", _quantity)
    title = form.read("title", _text)
    price = form.read("unit_price", _money)
    discount = form.read("discount", _money)
    tax = form.read("tax", _money)
    ships = form.read("requires_shipping", _yes_or_no)
    if form.faults:
        return None, form.faults
    assert sku is not None
    assert quantity is not None
    assert price is not None
    assert discount is not None
    if discount > price * quantity:
        return None, [Fault(position, "discount", "is more than the line costs")]
    line = CanonicalLine(
        line_id=str(position + 1),
        position=position + 1,
        listing_id=None,
        product_id=None,
        sku=sku,
        title=title or sku,
        quantity=quantity,
        kept=quantity,
        fulfilled=0,
        requires_shipping=bool(ships),
        unit_price=price,
        discount=discount,
        tax=tax or Decimal(0),
    )
    return line, []


def _date_faults(placed_at: datetime | None, ship_by: datetime | None, deliver_by: datetime | None) -> list[Fault]:
    faults = []
    if placed_at is not None and ship_by is not None and ship_by < placed_at:
        faults.append(Fault(None, "ship_by", "is before the order was placed"))
    start, what = (placed_at, "is before the order was placed") if ship_by is None else (ship_by, "is before ship_by")
    if start is not None and deliver_by is not None and deliver_by < start:
        faults.append(Fault(None, "deliver_by", what))
    return faults


def _address_faults(
    texts: Mapping[str, str | None], country: str | None, lines: Sequence[CanonicalLine], faults: Sequence[Fault]
) -> list[Fault]:
    """Nobody can correct the address of such an order later, so that what ships must have one from the start."""
    if not any(line.requires_shipping for line in lines):
        return []
    wrong = {fault.field for fault in faults}
    given = {"street1": texts["street1"], "city": texts["city"], "country": country}
    return [
        Fault(None, name, "is missing: the order ships")
        for name, value in given.items()
        if not value and name not in wrong
    ]


def _recipient(texts: Mapping[str, str | None], country: str | None) -> CanonicalRecipient:
    said = {name: value or "" for name, value in texts.items()}
    street = tuple(part for part in (said["street1"], said["street2"]) if part)
    fields = {name: said[name] for name in ("name", "company", "city", "region", "postcode", "phone")}
    anything = any((*fields.values(), *street, country))
    address = CanonicalAddress(street=street, country=country or "", **fields) if anything else None
    return CanonicalRecipient(address=address, email=said["email"], note=said["note"])


def _totals(currency: str, lines: Sequence[CanonicalLine], shipping: Decimal) -> Totals:
    goods = sum((line.unit_price * line.quantity for line in lines), Decimal(0))
    discounts = sum((line.discount for line in lines), Decimal(0))
    tax = sum((line.tax for line in lines), Decimal(0))
    nothing = Decimal(0)
    total = goods - discounts + tax + shipping
    return Totals(currency, goods, discounts, tax, shipping, nothing, nothing, total, nothing)


# ------------------------------------------------------------------ readers of one field
def _plain(value: Any, name: str) -> str:
    """What was given, as text without blanks at its ends. Raises Bad."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Bad(name, "is not a text or number")
    return str(value).strip()


def _text(value: Any, name: str) -> str:
    text = _plain(value, name)
    if _UNREADABLE in text or text != clean(text):
        raise Bad(name, "holds a character that cannot be read: save the file as UTF-8")
    if _CONTROL.search(text):
        raise Bad(name, "holds a control character")
    limit = BY_NAME[name].limit
    if len(text) > limit:
        raise Bad(name, f"is longer than {limit} characters")
    if not text and BY_NAME[name].required:
        raise Bad(name, "is missing")
    return text


def _key(value: Any, name: str) -> str:
    text = _text(value, name)
    if _ANY_CONTROL.search(text):
        raise Bad(name, "holds a line break or another control character")
    return text


def _placed_at(value: Any, name: str, now: datetime) -> datetime:
    found = _date(value, name)
    if found is None:
        return now
    if found > now + LATEST_AHEAD:
        raise Bad(name, "is in the future")
    return found


def _due(value: Any, name: str, now: datetime) -> datetime | None:
    found = _date(value, name)
    if found is None:
        return None
    if _DAY.fullmatch(_plain(value, name)):
        found += timedelta(days=1, seconds=-1)
    if found > now + LATEST_DUE:
        raise Bad(name, "is more than two years ahead")
    return found


def _date(value: Any, name: str) -> datetime | None:
    try:
        found = moment(_plain(value, name), name)
    except Bad:
        raise Bad(name, "is no date such as 2026-11-21") from None
    if found is not None and found < EARLIEST:
        raise Bad(name, "is before 2000, which looks like an empty date")
    return found


def _quantity(value: Any, name: str) -> int:
    text = _plain(value, name)
    if not text:
        raise Bad(name, "is missing")
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise Bad(name, "is not a whole number")
    units = int(whole.group(1))
    if units < 1:
        raise Bad(name, "is less than 1")
    if units > MAX_QUANTITY:
        raise Bad(name, f"is more than {MAX_QUANTITY:,}")
    return units


def _money(value: Any, name: str) -> Decimal:
    text = _plain(value, name)
    if not text:
        return Decimal(0)
    if _COMMA_AND_THREE.fullmatch(text):
        raise Bad(name, "can be read as two amounts: write it with a point, and without thousands separators")
    if _GROUPED_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    elif _GROUPED_POINT.fullmatch(text):
        text = text.replace(",", "")
    elif _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    found = amount(text, name)
    if found is None or found < 0:
        raise Bad(name, "is negative")
    return found


def _yes_or_no(value: Any, name: str) -> bool:
    text = str(value).lower() if isinstance(value, bool) else _plain(value, name).lower()
    if text not in _WORDS:
        raise Bad(name, "is neither yes nor no")
    return _WORDS[text]


def _currency(value: Any, name: str) -> str:
    code = _text(value, name).upper()
    if code not in _codes()[0]:
        raise Bad(name, "is no currency code of ISO 4217, such as EUR")
    return code


def _country(value: Any, name: str) -> str:
    code = _text(value, name).upper()
    if code and code not in _codes()[1]:
        raise Bad(name, "is no country code of ISO 3166 with two letters, such as IE")
    return code


@cache
def _codes() -> tuple[frozenset[str], frozenset[str]]:
    """Currencies (ISO 4217) and countries (ISO 3166-1), read once: a look-up in the library's tables is slow."""
    currencies = frozenset(one.alpha_3 for one in pycountry.currencies)
    return currencies, frozenset(one.alpha_2 for one in pycountry.countries)


def _shown(name: object) -> str:
    """A field's name as it may be shown: whoever wrote it may have put a value there."""
    text = str(name)
    return text if re.fullmatch(r"\w{1,40}", text) else "a field with an odd name"


def shown_number(number: str) -> str:
    """An order's number as it may be stored and shown although it may be wrong: one that is odd is cut."""
    return clean(number)[: BY_NAME["order_number"].limit]
