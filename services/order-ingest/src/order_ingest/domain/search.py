"""The terms by which a recipient is found, and what somebody who searches may mean.

Each term starts with a letter for its kind, so that digits of a phone never match a postcode: `n` a word of a name or
company, `e` an e-mail address, `p` the digits of a phone in reverse (its end is what all ways of writing it share), `z`
a postcode.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 100
SHORTEST_BEGINNING = 3
"""A shorter word is looked up whole: as a beginning it would name a large part of all people."""

SHORTEST_PHONE = 5
_WORD = re.compile(r"\w+")
_PHONE = re.compile(r"[\d\s+()./\-]+")


def plain(text: str) -> str:
    """Letters without case and accents, so that `Müller` is found as `muller`."""
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def terms_of(recipient: Mapping[str, Any]) -> list[str]:
    """The terms of a recipient as it is stored; none once it is redacted."""
    address = recipient.get("address") or {}
    found = [*_names(f"{address.get('name', '')} {address.get('company', '')}")]
    found += [f"e{_compact(email)}" for email in [recipient.get("email", "")] if email]
    found += [f"p{digits}" for digits in [_reversed_digits(address.get("phone", ""))] if digits]
    found += [f"z{code}" for code in [_postcode(address.get("postcode", ""))] if code]
    return sorted({term[:LONGEST] for term in found})


def query_of(text: str) -> str:
    """A tsquery for whatever a text may mean; blank when it can mean no person. Words must all be found; every other
    reading (e-mail, phone, postcode) is one more way to match."""
    readings = []
    if "@" in text:
        return _beginning(f"e{_compact(text)}")
    if words := _names(text):
        readings.append(" & ".join(_beginning(word) for word in words))
    if _PHONE.fullmatch(text) and len(digits := _reversed_digits(text)) >= SHORTEST_PHONE:
        readings.append(_beginning(f"p{digits}"))
    code = _postcode(text)
    if any(letter.isdigit() for letter in code):
        readings.append(_beginning(f"z{code}"))
    return " | ".join(f"({reading})" for reading in readings)


def email_query(email: str) -> str:
    """A tsquery for exactly this e-mail address; blank for a blank one."""
    return f"'{_quoted(f'e{_compact(email)}'[:LONGEST])}'" if email.strip() else ""


def phone_query(phone: str) -> str:
    """A tsquery for exactly this phone, however it is written; blank for one without enough digits."""
    digits = _reversed_digits(phone)
    return f"'p{digits[:LONGEST]}'" if len(digits) >= SHORTEST_PHONE else ""


def _names(text: str) -> list[str]:
    return [f"n{word}" for word in _WORD.findall(plain(text))]


def _compact(text: str) -> str:
    return "".join(plain(text).split())


def _postcode(text: str) -> str:
    return "".join(_WORD.findall(plain(text)))


def _reversed_digits(text: str) -> str:
    return "".join(_digits(text)).lstrip("0")[::-1]


def _digits(text: str) -> Iterator[str]:
    return (str(unicodedata.digit(letter)) for letter in text if letter.isdigit())


def _beginning(term: str) -> str:
    found = f"'{_quoted(term[:LONGEST])}'"
    return f"{found}:*" if len(term) > SHORTEST_BEGINNING else found


def _quoted(term: str) -> str:
    return term.replace("\\", "").replace("'", "''")
