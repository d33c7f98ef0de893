"""Values kept once: equal values are one object, so that a world of many parts is compared and hashed by identity.

Guards: two states that are equal are the same state, however the mappings inside them came to be.
"""

from collections.abc import Hashable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class Frozen(dict[Any, Any]):
    """A mapping that is never changed again; equal to any mapping with the same entries, in whatever order."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


LEAVES = {Frozen, str, int, bool, type(None), datetime, Decimal, UUID}
_NAMES: dict[type, tuple[str, ...]] = {}


def frozen(value: Any) -> Any:
    """The same value with every mapping in it hashable; the same object, where there was nothing to do."""
    kind = type(value)
    if kind in LEAVES:
        return value
    if kind is dict:
        return Frozen({key: frozen(one) for key, one in value.items()})
    if isinstance(value, tuple):
        parts = [frozen(one) for one in value]
        if all(new is old for new, old in zip(parts, value, strict=True)):
            return value
        return kind(*parts) if hasattr(value, "_fields") else tuple(parts)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(value)) if is_dataclass(value) else ()
    mine = [(name, getattr(value, name)) for name in _NAMES[kind]]
    changed = {name: new for name, old in mine if (new := frozen(old)) is not old}
    return replace(value, **changed) if changed else value


class Kept(Generic[T]):
    """A value that exists once; compared by identity. `number` counts up in the order of first meeting, `text` is for
    whoever describes it."""

    __slots__ = ("number", "text", "value")

    def __init__(self, value: T, number: int) -> None:
        self.value = value
        self.number = number
        self.text = ""

    def __repr__(self) -> str:
        return repr(self.value)


class Keep:
    """All values that were met so far."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Kept[Any]] = {}

    def __call__(self, value: T) -> Kept[T]:
        """The one keeping of this value."""
        plain: Any = frozen(value)
        key = type(plain), plain  # named tuples of two kinds may be equal
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Kept(plain, len(self._known))
        return found
