"""What an order asks for: the units wanted of each line, and the content whose change raises `content_version`.

Content is what other services are told of an order and nothing else: not its recipient, its payment, its holds, nor
anything that fulfilment or our own writes change in the channel.
"""

from typing import Any

from order_ingest.domain.order import Arrival, Line, Order, Snapshot, Units


def wanted_of_line(line: Line, before_import: Units) -> int:
    """Units of a line that are ours to ship: kept, and not shipped before the order was imported."""
    if not line.requires_shipping:
        return 0
    return max(line.kept - before_import.get(line.line_id, 0), 0)


def wanted_of(order: Order) -> dict[str, int]:
    """Units wanted by line; nothing of a cancelled order."""
    if order.source is None or order.cancelled:
        return {}
    return {line.line_id: wanted_of_line(line, order.before_import) for line in order.source.lines}


def content_of(order: Order) -> tuple[Any, ...] | None:
    """The canonical content, to be compared."""
    source = order.source
    if source is None:
        return None
    lines = [
        (line.line_id, line.position, line.listing_id, line.sku, line.title, line.quantity, line.requires_shipping,
         line.unit_price)
        for line in source.lines
    ]  # fmt: skip
    wanted = wanted_of(order)
    return source.number, source.placed_at, source.total, source.currency, order.cancelled, lines, wanted


def content_changed(before: Order, after: Order) -> bool:
    """Whether a fold changed the content."""
    if after.source is before.source and after.cancelled == before.cancelled:
        return False
    return content_of(before) != content_of(after)


def says_the_same(known: Snapshot, new: Arrival, same_recipient: bool) -> bool:
    """Whether two states with the same time agree in all that matters here."""
    return same_recipient and _meaning(known) == _meaning(new.snapshot)


def _meaning(snapshot: Snapshot) -> tuple[Any, ...]:
    return (snapshot.number, snapshot.placed_at, snapshot.paid, snapshot.cancelled, snapshot.test, snapshot.total,
            snapshot.currency, snapshot.lines)  # fmt: skip
