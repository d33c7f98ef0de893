"""Reads values out of JSON that strangers sent; what comes out is safe to store, what cannot be is named by its path.

Every reader takes the value and the path of its field; a wrong value raises `Bad`, whose sentence holds the path and
never the value, because any value may be personal.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_QUANTITY = 1_000_000
"""Units of one line; more is taken for a mistake of the sender (and Postgres integers end at 2,147,483,647)."""

MAX_AMOUNT = Decimal(10) ** 15
"""No order costs this much in any currency; sums below it stay exact in Decimal's 28 digits."""

_PLAIN_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_SMALLEST = Decimal("0.000001")
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_GID = re.compile(r"gid://[^\s?]*/([^\s/?]+)(\?\S*)?")


class Bad(ValueError):
    """A field that cannot be read: its path and what is wrong with it, without its value."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path} {what}" if path else what)


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


def clean(text: str) -> str:
    """The text as Postgres can store it: without NULs, lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text(value: Any, limit: int = 1000) -> str:
    """A text of at most `limit` characters; blank when missing or no text at all."""
    if isinstance(value, str):
        return clean(value)[:limit]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)[:limit]
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
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**30:
        return str(value)
    if isinstance(value, str):
        gid = _GID.fullmatch(value.strip())
        found = clean(gid.group(1) if gid else value).strip()
        if len(found) <= 100 and found.split() == [found]:
            return found
    raise Bad(path, "is not an id")


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
        raise Bad(path, "is not a whole number")
    if value < low:
        raise Bad(path, "is negative" if low == 0 else f"is less than {low}")
    if value > high:
        raise Bad(path, f"is more than {high}")
    return value


def amount(value: Any, path: str) -> Decimal | None:
    """An amount of money, at most six decimals, or None when missing; accepts numbers and texts. Raises Bad."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _PLAIN_AMOUNT.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Bad(path, "is not an amount of money")
    if not isinstance(value, str) and value != 0 and abs(Decimal(value).adjusted()) > 30:
        raise Bad(path, "is not a plausible amount of money")
    written = str(value).strip()
    if not _AMOUNT.fullmatch(written):
        raise Bad(path, "is not an amount of money")
    found = Decimal(written)
    if abs(found) >= MAX_AMOUNT:
        raise Bad(path, "is not a plausible amount of money")
    return found if found.as_tuple().exponent >= -6 else found.quantize(_SMALLEST)  # type: ignore[operator]


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
    if not isinstance(value, Mapping):
        raise Bad(path, "is not an object")
    return value


def records(value: Any, path: str) -> Sequence[Mapping[str, Any]]:
    """A list of JSON objects; an empty one when missing. Raises Bad."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Bad(path, "is not a list")
    for position, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise Bad(f"{path}[{position}]", "is not an object")
    return value
