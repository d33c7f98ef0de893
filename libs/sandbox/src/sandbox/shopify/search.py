"""Shopify's search syntax: `field:>='value'`, AND, OR, NOT, parentheses. An unknown field is dropped with a warning."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Values = list[Any]
Getter = Callable[[Any], Values]
Test = Callable[[Any], bool]

TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\()|(?P<close>\))
      |(?P<word>AND|OR|NOT)(?=\s|\()
      |(?P<minus>-)?(?P<field>[A-Za-z0-9_.]+):(?P<op><=|>=|<|>)?(?P<value>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s():]*)
      |(?P<bare>'[^']*'|"[^"]*"|[^\s():]+)
      |(?P<colon>:)
    )""",
    re.VERBOSE,
)


class Unsupported(ValueError):
    """A filter that Shopify has and the sandbox doesn't play."""


@dataclass
class Search:
    """A parsed query: a test of one thing, the fields it names, and the warnings Shopify would reply."""

    test: Test
    fields: set[str]
    warnings: list[dict[str, str]]


def everything(_thing: Any) -> bool:
    """The test of an empty query."""
    return True


def parse(query: str | None, getters: Mapping[str, Getter], known: frozenset[str] = frozenset()) -> Search:
    """Parse `query`. `getters` give the values of each field; `known` names are real but not played.

    Raises: Unsupported, for a filter in `known`.
    """
    parser = _Parser(query or "", getters, known)
    test = parser.disjunction()
    return Search(test, parser.fields, parser.warnings)


class _Parser:
    def __init__(self, query: str, getters: Mapping[str, Getter], known: frozenset[str]) -> None:
        self.tokens = [match for match in TOKEN.finditer(query) if match.group().strip()]
        self.place = 0
        self.getters, self.known = getters, known
        self.fields: set[str] = set()
        self.warnings: list[dict[str, str]] = []

    def _peek(self) -> re.Match[str] | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def disjunction(self) -> Test:
        parts = [self.conjunction()]
        while (token := self._peek()) is not None and token["word"] == "OR":
            self.place += 1
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else lambda thing: any(part(thing) for part in parts)

    def conjunction(self) -> Test:
        parts: list[Test] = []
        while (token := self._peek()) is not None and token["word"] != "OR" and not token["close"]:
            if token["word"] == "AND":
                self.place += 1
                continue
            parts.append(self.term())
        return lambda thing: all(part(thing) for part in parts)

    def term(self) -> Test:
        token = self._peek()
        assert token is not None
        self.place += 1
        if token["word"] == "NOT":
            inner = self.term() if self._peek() is not None else everything
            return lambda thing: not inner(thing)
        if token["open"]:
            inner = self.disjunction()
            if (after := self._peek()) is not None and after["close"]:
                self.place += 1
            return inner
        if token["field"] is None:
            return everything if token["colon"] else self._bare(token["bare"])
        return self._field(token)

    def _field(self, token: re.Match[str]) -> Test:
        name, op, value = token["field"], token["op"] or ":", _unquoted(token["value"])
        if name not in self.getters:
            if name in self.known:
                raise Unsupported(f"The sandbox does not play the search filter {name}.")
            message = "Invalid search field for this query."
            self.warnings.append({"field": name, "message": message, "code": "invalid_field"})
            return everything
        self.fields.add(name)
        getter = self.getters[name]
        wanted = matcher(op, value)
        if token["minus"]:
            return lambda thing: not any(wanted(one) for one in getter(thing))
        return lambda thing: any(wanted(one) for one in getter(thing))

    def _bare(self, text: str) -> Test:
        wanted = matcher(":", _unquoted(text))
        return lambda thing: any(wanted(one) for getter in self.getters.values() for one in getter(thing))


def matcher(op: str, value: str) -> Callable[[Any], bool]:
    """A test of one value of a field against what the query says."""

    def matches(have: Any) -> bool:
        if have is None:
            return False
        if isinstance(have, datetime):
            return _compare(op, have, _moment(value))
        if isinstance(have, bool):
            return str(have).lower() == value.lower()
        if isinstance(have, int):
            return value.isdigit() and _compare(op, have, int(value))
        return _text(str(have), value)

    return matches


def _text(have: str, value: str) -> bool:
    """Case-insensitive token match; a trailing `*` matches beginnings; `*` alone anything but blank."""
    if value == "*":
        return bool(have)
    tokens = re.findall(r"\w+", have.lower())
    wanted = re.findall(r"\w+\*?", value.lower())
    return bool(wanted) and all(
        any(token.startswith(one[:-1]) if one.endswith("*") else token == one for token in tokens) for one in wanted
    )


def _compare(op: str, have: Any, wanted: Any) -> bool:
    if wanted is None:
        return False
    return bool(
        {
            ":": have == wanted,
            ">": have > wanted,
            ">=": have >= wanted,
            "<": have < wanted,
            "<=": have <= wanted,
        }[op]
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
