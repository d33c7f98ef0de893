"""What became of an order between two states of its channel, line by line, and what a refund was for (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from order_ingest.domain.order import Line, Order, Refund, Snapshot, Units

ChangeKind = Literal["line_added", "line_removed", "line_more", "line_less", "line_sku", "address"]
DetailKind = Literal["ship_by", "deliver_by", "service", "bundle"]
RefundKind = Literal["restocked", "kept", "exchange", "appeasement", "unshipped"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an edit did. For a line: its position, SKU and the units wanted of it `before` and `after`."""

    kind: ChangeKind
    position: int = 0
    sku: str = ""
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Detail:
    """What is told of an order beside its content and is news: `before` is None or blank where nothing was known. A
    `bundle` is that of the line at `position`."""

    kind: DetailKind
    before: datetime | str | None
    after: datetime | str | None
    position: int = 0
    sku: str = ""


def details_of(old: Snapshot, new: Snapshot) -> tuple[Detail, ...]:
    """Dates, the shipping asked for, and names of bundles that differ between two states."""
    found = [
        Detail("ship_by", old.ship_by, new.ship_by),
        Detail("deliver_by", old.deliver_by, new.deliver_by),
        Detail("service", old.service, new.service),
    ]
    bundles = {line.line_id: line.bundle for line in old.lines}
    found += [
        Detail("bundle", bundles[line.line_id], line.bundle, line.position, line.sku)
        for line in new.lines
        if line.line_id in bundles
    ]
    return tuple(detail for detail in found if detail.before != detail.after)


def changes_of(old: Snapshot, new: Snapshot, before: Units, after: Units) -> tuple[Change, ...]:
    """What changed of each line, by line id, with the units that were and are wanted of it."""
    known = {line.line_id: line for line in old.lines}
    now = {line.line_id: line for line in new.lines}
    found = [_change(known.get(line.line_id), line, before, after) for line in new.lines]
    gone = [
        Change("line_removed", line.position, line.sku, before.get(line.line_id, 0))
        for line in old.lines
        if line.line_id not in now and before.get(line.line_id, 0)
    ]
    return tuple(change for change in [*found, *gone] if change is not None)


def _change(old: Line | None, new: Line, before: Units, after: Units) -> Change | None:
    had, has = before.get(new.line_id, 0), after.get(new.line_id, 0)
    if old is None:
        return Change("line_added", new.position, new.sku, 0, has)
    if had and not has:
        return Change("line_removed", new.position, new.sku, had)
    if had != has:
        return Change("line_more" if has > had else "line_less", new.position, new.sku, had, has)
    return Change("line_sku", new.position, new.sku, had, has) if old.sku != new.sku else None


def moved(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Whether the address changed; what it says is personal, and not told here."""
    return (Change("address"),) if old is not None and _where(old) != _where(new) else ()


def _where(recipient: Mapping[str, Any]) -> dict[str, Any]:
    """Where a parcel goes: a phone number moves none, and fulfillment stops no request for it."""
    return {name: said for name, said in (recipient.get("address") or {}).items() if name != "phone"}


def refunds_to_tell(order: Order, refunds: tuple[Refund, ...]) -> tuple[Refund, ...]:
    """Refunds of the newest state that are not known, and those that were told and turn out to be for another thing: an
    exchange shows once its new lines and its money are known, whichever delivery brings them. Which units came back
    never changes; money that a state is silent of takes nothing back."""
    found = []
    for refund in refunds:
        told, kind = order.refund_kinds.get(refund.refund_id, ()), refund_kind(refund, order.extended)
        shows = told and told[-1] != kind and "exchange" in (told[-1], kind) and refund.paid_back is not None
        if shows or refund.refund_id not in order.refunds:
            found.append(replace(refund, kind=kind, kind_version=len(told) + 1))
    return tuple(found)


def refund_kind(refund: Refund, lines_added: bool) -> RefundKind:
    """What a refund was for. `exchange`: goods came back and others went out for them, which a channel tells by lines
    that were added to the order and by less money than the goods cost. `kept`: the customer keeps the goods, or they
    came back unfit for sale. `unshipped`: the goods never left."""
    if not refund.lines:
        return "unshipped" if refund.unshipped else "appeasement"
    if lines_added and refund.paid_back is not None and refund.paid_back < refund.worth:
        return "exchange"
    return "restocked" if any(restock for _, _, restock in refund.lines) else "kept"
