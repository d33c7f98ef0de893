"""Connections with Shopify's cursors, which hold the place in the sort order and so stay right when data changes."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PAGE_LIMIT = 250


class BadPage(ValueError):
    """Paging arguments that Shopify refuses."""


@dataclass(frozen=True)
class Item:
    """One thing to page through: what it is sorted by, its number, and how to make its view."""

    value: str
    number: int
    view: Callable[[], Any]

    @property
    def place(self) -> tuple[str, int]:
        """Where it stands in the sort order."""
        return self.value, self.number


def sortable(value: Any) -> str:
    """Text that sorts as the value does."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:024d}" if isinstance(value, int) else str(value)


def connection(items: Sequence[Item], args: dict[str, Any]) -> dict[str, Any]:
    """One page of `items` by first/after/last/before/reverse. Raises: BadPage."""
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise BadPage("you must provide one of first or last")
    if max(first or 0, last or 0) > PAGE_LIMIT:
        raise BadPage(f"The limit of items per page is {PAGE_LIMIT}.")
    backward = bool(args.get("reverse"))
    ordered = sorted(items, key=lambda item: item.place, reverse=backward)
    if after := args.get("after"):
        start = _decode(after)
        ordered = [item for item in ordered if (item.place < start if backward else item.place > start)]
    if before := args.get("before"):
        end = _decode(before)
        ordered = [item for item in ordered if (item.place > end if backward else item.place < end)]
    page = ordered[:first] if first is not None else ordered[max(0, len(ordered) - (last or 0)) :]
    views = [item.view() for item in page]
    cursors = [_encode(item) for item in page]
    more = len(page) < len(ordered)
    return {
        "nodes": views,
        "edges": [{"cursor": cursor, "node": view} for cursor, view in zip(cursors, views, strict=True)],
        "pageInfo": {
            "hasNextPage": more if first is not None else bool(args.get("before")),
            "hasPreviousPage": bool(args.get("after")) if first is not None else more,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def _encode(item: Item) -> str:
    return base64.b64encode(json.dumps({"last_id": item.number, "last_value": item.value}).encode()).decode()


def _decode(cursor: str) -> tuple[str, int]:
    try:
        place = json.loads(base64.b64decode(cursor, validate=True))
        return str(place["last_value"]), int(place["last_id"])
    except (ValueError, KeyError, TypeError):
        raise BadPage(f"`{cursor}` is not a valid cursor.") from None
