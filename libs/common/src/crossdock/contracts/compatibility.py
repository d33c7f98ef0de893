"""Whether a newer schema of an event still serves those who read the older one: only additions are allowed."""

from collections.abc import Iterator
from typing import Any


def incompatibilities(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a reader of `old` would miss or misread in `new`, one sentence each; empty when nothing.

    Both describe what is written, so a new field harms nobody, required or not.
    """
    if not old:
        return []
    found = list(_compare("event", old, new))
    for name, definition in old.get("$defs", {}).items():
        if name in new.get("$defs", {}):
            found += _compare(name, definition, new["$defs"][name])
    return found


def _compare(where: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name, field in old_fields.items():
        if name not in new_fields:
            yield f"{where}.{name} was removed"
        elif _kind(field) != _kind(new_fields[name]):
            yield f"{where}.{name} was {_kind(field)} and is {_kind(new_fields[name])}"
    old_values, new_values = set(old.get("enum", ())), set(new.get("enum", ()))
    if old_values - new_values:
        yield f"{where} no longer has the values {sorted(old_values - new_values)}"


def _kind(field: dict[str, Any]) -> Any:
    """What a reader must know of a field's type, without titles, texts and defaults."""
    return {key: value for key, value in field.items() if key not in ("title", "description", "default", "examples")}
