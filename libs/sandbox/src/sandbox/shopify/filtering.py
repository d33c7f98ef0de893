"""Filters of webhook subscriptions: search syntax over the payload, but exact, and an unknown field never matches."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.search import TOKEN

Test = Callable[[Any], bool]


class BadFilter(ValueError):
    """A filter that Shopify refuses when the subscription is made."""


def passes(text: str | None, body: Any) -> bool:
    """Whether a payload passes a subscription's filter. Raises: BadFilter."""
    return parse(text)(body) if text else True


def parse(text: str) -> Test:
    """The test that a filter means: AND, OR, `-`, parentheses, `:`, `:>=`, `:<`, a trailing `*`. Raises: BadFilter."""
    reader = _Reader(text)
    test = reader.either()
    if reader.tokens:
        raise BadFilter(text)
    return test


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [match for match in TOKEN.finditer(text) if match.group().strip()]

    def _next(self, group: str, word: str | None = None) -> bool:
        found = bool(self.tokens and self.tokens[0][group] and (word is None or self.tokens[0][group] == word))
        if found:
            self.tokens.pop(0)
        return found

    def either(self) -> Test:
        parts = [self.both()]
        while self._next("word", "OR"):
            parts.append(self.both())
        return lambda body: any(part(body) for part in parts)

    def both(self) -> Test:
        parts = [self.term()]
        while self.tokens and not self.tokens[0]["close"] and self.tokens[0]["word"] != "OR":
            self._next("word", "AND")
            parts.append(self.term())
        return lambda body: all(part(body) for part in parts)

    def term(self) -> Test:
        if self._next("word", "NOT"):
            inner = self.term()
            return lambda body: not inner(body)
        if self._next("open"):
            inner = self.either()
            if not self._next("close"):
                raise BadFilter(self.text)
            return inner
        if not self.tokens or not self.tokens[0]["field"]:
            raise BadFilter(self.text)
        token = self.tokens.pop(0)
        path, op, wanted = token["field"].split("."), token["op"] or ":", token["value"].strip("'\"")
        test: Test = lambda body: any(_matches(have, op, wanted) for have in _values(body, path))  # noqa: E731
        return (lambda body: not test(body)) if token["minus"] else test


def _values(body: Any, path: list[str]) -> list[Any]:
    """What stands at a dot path; of a list, each element counts."""
    if isinstance(body, list):
        return [found for one in body for found in _values(one, path)]
    if not path:
        return [body]
    return _values(body[path[0]], path[1:]) if isinstance(body, dict) and path[0] in body else []


def _matches(have: Any, op: str, wanted: str) -> bool:
    text = str(have).lower() if isinstance(have, bool) else str(have)
    if op == ":":
        return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted
    try:
        left, right = float(text), float(wanted)
    except ValueError:
        return {">": text > wanted, ">=": text >= wanted, "<": text < wanted, "<=": text <= wanted}[op]
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[op]
