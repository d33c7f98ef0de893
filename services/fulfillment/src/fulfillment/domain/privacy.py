"""What others write about an order, without the words of its recipient: reasons travel in public events."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "…"
SHORTEST = 4
"""Shorter words name nobody, and hiding them would make every sentence unreadable."""

_WORD = re.compile(r"[^\s,;:/()]+")
_DIGITS = re.compile(r"\+?\d[\d\s().-]{5,}\d")
_TELLING_NOBODY = frozenset({"country", "region"})


def without_recipient(text: str, recipient: Mapping[str, Any] | None) -> str:
    """The text with every word of the recipient's name, address, contact, note and attributes hidden, and every
    sequence of digits that is the phone number, however it is grouped."""
    if not text or not recipient:
        return text
    values = list(_values(recipient))
    phones = {digits for value in values if len(digits := re.sub(r"\D", "", value)) >= 7}
    shown = _DIGITS.sub(lambda found: HIDDEN if _is_one_of(found[0], phones) else found[0], text)
    words = {word.strip(".'\"").casefold() for value in values for word in _WORD.findall(value)}
    words = {word for word in words if len(word) >= SHORTEST}
    return _WORD.sub(lambda found: HIDDEN if found[0].strip(".'\"!?").casefold() in words else found[0], shown)


def _is_one_of(found: str, phones: set[str]) -> bool:
    digits = re.sub(r"\D", "", found)
    return any(digits.endswith(phone[-7:]) for phone in phones)


def _values(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner, name)
    elif isinstance(value, str) and name not in _TELLING_NOBODY:
        yield value
