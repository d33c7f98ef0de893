"""What an order asks for: the units wanted of each line, and the content whose change raises `content_version`.

Content is what other services are told of an order and nothing else: not its recipient, its payment, its holds, nor
anything that fulfilment or our own writes change in the channel.
"""

from dataclasses import replace
from typing import Any

from order_ingest.domain.order import Line, Snapshot, Units
from order_ingest.domain.policy import STANDARD, Policy
from order_ingest.domain.routing import promised


def wanted_of(source: Snapshot, before_import: Units, policy: Policy = STANDARD) -> dict[str, int]:
    """Units by line that are to be shipped: kept, and not shipped before the order was imported."""
    return {line.line_id: _wanted(line, before_import, policy) for line in source.lines}


def _wanted(line: Line, before_import: Units, policy: Policy) -> int:
    if policy.physical_only and not line.requires_shipping:
        return 0
    return max(line.kept - before_import.get(line.line_id, 0), 0)


def content_of(source: Snapshot) -> tuple[Any, ...]:
    """The canonical content beside what is wanted, to be compared."""
    lines = [
        (line.line_id, line.position, line.listing_id, line.sku, line.title, line.quantity, line.requires_shipping,
         line.unit_price)
        for line in source.lines
    ]  # fmt: skip
    return source.number, source.placed_at, source.total, source.currency, lines


def keeping(old: Snapshot | None, new: Snapshot) -> Snapshot:
    """The new state with what the old one promised and named and of which it is silent: a webhook tells less than a
    read."""
    if old is None:
        return new
    if names := {line.line_id: line.bundle for line in old.lines if line.bundle}:
        lines = (replace(line, bundle=line.bundle or names.get(line.line_id, "")) for line in new.lines)
        new = replace(new, lines=tuple(lines))
    if old.ship_by is None and old.deliver_by is None and not old.service:
        return new
    return replace(
        new,
        ship_by=new.ship_by or old.ship_by,
        deliver_by=new.deliver_by or old.deliver_by,
        service=new.service or (old.service if new.service_from == old.service_from else ""),
    )


def promising(source: Snapshot, policy: Policy) -> Snapshot:
    """The state with the dates of our routes, where they are known: what another location promised is not ours."""
    if source.routing is None:
        return source
    ship_by, deliver_by = promised(source.routing, policy)
    return replace(source, ship_by=ship_by or source.ship_by, deliver_by=deliver_by or source.deliver_by)


def promises_else(old: Snapshot, new: Snapshot) -> bool:
    """Whether two states promise other dates. Where routes are known, they alone say which dates are ours."""
    pairs = ((old.ship_by, new.ship_by), (old.deliver_by, new.deliver_by))
    return old.routing is None and any(told and kept and told != kept for kept, told in pairs)


def meaning_of(source: Snapshot) -> tuple[Any, ...]:
    """What two states with the same time must agree in."""
    return (source.number, source.placed_at, source.paid, source.cancelled, source.test, source.total, source.currency,
            source.lines)  # fmt: skip
