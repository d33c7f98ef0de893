"""Reads values out of JSON that strangers sent; what comes out is safe to store, what cannot be is named by its path.

Every reader takes the value and the path of its field, as far as its caller knows it; a wrong value raises `Bad`,
whose sentence holds the path and never the value, because any value may be personal.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Self

import orjson

MAX_QUANTITY = 1_000_000
"""Units of one line; more is taken for a mistake of the sender (and Postgres integers end at 2,147,483,647)."""

MAX_AMOUNT = Decimal(10) ** 15
"""No order costs this much in any currency; sums below it stay exact in Decimal's 28 digits."""

MAX_ID = 10**30
_PLAIN_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)
_PLAIN_LENGTH = 19
_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_SMALLEST = Decimal("0.000001")
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_GID = re.compile(r"gid://[^\s?]*/([^\s/?]+)(\?\S*)?")


class Bad(ValueError):
    """A field that cannot be read: its path and what is wrong with it, without its value."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(path, what)
        self.path = path
        self.what = what

    def __str__(self) -> str:
        return f"{self.path} {self.what}" if self.path else self.what

    def within(self, outer: str) -> Self:
        """The same, seen from what holds the field: readers name a field, whoever walks a list names its place. So a
        path costs nothing until something is wrong."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{outer}{dot}{self.path}"
        return self


class Inexact(Bad):
    """A number that `read_quickly` may have rounded: read the body with `read_json`."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "is a number that has to be read exactly")


def _no_constant(name: str) -> Any:
    raise Bad("", f"the body holds {name}, which is no JSON number")


def read_json(body: bytes) -> Any:
    """Parse UTF-8 JSON: whole numbers of any size stay exact, others are Decimal. Raises Bad."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except Bad:
        raise
    except UnicodeDecodeError:
        raise Bad("", "the body is not UTF-8") from None
    except RecursionError:
        raise Bad("", "the body is nested too deeply") from None
    except (ValueError, InvalidOperation):
        raise Bad("", "the body is not JSON") from None


def read_quickly(body: bytes) -> Any:
    """The same, several times as fast, but numbers that are not whole, or beyond 64 bits, are float: every reader that
    is given one raises Inexact. Raises Bad."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return read_json(body)


def clean(text: str) -> str:
    """The text as Postgres can store it: without NULs, lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text(value: Any, limit: int = 1000) -> str:
    """A text of at most `limit` characters; blank when missing or no text at all."""
    if value is None:
        return ""
    if isinstance(value, str):
        found = clean(value)
        return found if len(found) <= limit else found[:limit]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)[:limit]
    if isinstance(value, float):
        raise Inexact("")
    return ""


def key_text(value: Any, path: str, limit: int = 255) -> str:
    """A text that something is found by: too long is an error, because cutting it could make two things one."""
    found = text(value, limit + 1).strip()
    if len(found) > limit:
        raise Bad(path, f"is longer than {limit} characters")
    return found


def identifier(value: Any, path: str) -> str | None:
    """An id as text (the last part of a `gid://…`), or None when missing. Raises Bad."""
    if value is None or value == "":
        return None
    if isinstance(value, Decimal):
        value = _integral(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_ID:
        return str(value)
    if isinstance(value, str):
        gid = _GID.fullmatch(value.strip())
        found = clean(gid.group(1) if gid else value).strip()
        if len(found) <= 100 and found.split() == [found]:
            return found
    raise Inexact(path) if isinstance(value, float) else Bad(path, "is not an id")


def _integral(value: Decimal) -> int | None:
    """The number when it is whole and of a size that is worth expanding (1e999999999 is not)."""
    return int(value) if value.adjusted() <= 30 and value == value.to_integral_value() else None


def whole(value: Any, path: str, *, low: int = 0, high: int = MAX_QUANTITY) -> int | None:
    """A whole number between `low` and `high`, or None when missing. Raises Bad."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value.strip()) else None
    elif isinstance(value, Decimal):
        value = _integral(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Inexact(path) if isinstance(value, float) else Bad(path, "is not a whole number")
    if value < low:
        raise Bad(path, "is negative" if low == 0 else f"is less than {low}")
    if value > high:
        raise Bad(path, f"is more than {high}")
    return value


def amount(value: Any, path: str) -> Decimal | None:
    """An amount of money, at most six decimals, or None when missing; accepts numbers and texts. Raises Bad."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= _PLAIN_LENGTH and (plain := _plain_amount(value)) is not None:
        return plain
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Inexact(path) if isinstance(value, float) else Bad(path, "is not an amount of money")
    if not isinstance(value, str) and value != 0 and abs(Decimal(value).adjusted()) > 30:
        raise Bad(path, "is not a plausible amount of money")
    written = str(value).strip()
    if not _AMOUNT.fullmatch(written):
        raise Bad(path, "is not an amount of money")
    found = Decimal(written)
    if abs(found) >= MAX_AMOUNT:
        raise Bad(path, "is not a plausible amount of money")
    return found if found.as_tuple().exponent >= -6 else found.quantize(_SMALLEST)  # type: ignore[operator]


@lru_cache(maxsize=8192)
def _plain_amount(written: str) -> Decimal | None:
    """An amount as most are written; a delivery repeats a few of them many times."""
    return Decimal(written) if _PLAIN_AMOUNT.fullmatch(written) else None


def moment(value: Any, path: str) -> datetime | None:
    """An ISO 8601 time in UTC, or None when missing; one without an offset is taken as UTC. Raises Bad."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Bad(path, "is not a time")
    try:
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Bad(path, "is not a time") from None


def record(value: Any, path: str) -> Mapping[str, Any]:
    """A JSON object; an empty one when missing. Raises Bad."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Bad(path, "is not an object")
    return value


def records(value: Any, path: str) -> Sequence[Mapping[str, Any]]:
    """A list of JSON objects; an empty one when missing. Raises Bad."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Bad(path, "is not a list")
    for position, item in enumerate(value):
        if not isinstance(item, dict):
            raise Bad(f"{path}[{position}]", "is not an object")
    return value
