"""What people decide about goods: which SKU a listing is from now on, and which one the line of an order is.

Invariant: only known SKUs are named, and whoever waits for a decision is told of it in the same commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from crossdock.contracts.sku_matcher import ListingMapped
from crossdock.messaging.transaction import Tx
from crossdock.service.errors import Problem, not_found
from sku_matcher import telling
from sku_matcher.domain.matching import Component, assign
from sku_matcher.store import catalogue, mappings, orders, presence
from sku_matcher.store.mappings import Mapping

UNKNOWN_SKU = "SKU {sku} is not known here"
ADD_SKU = "Correct it, or add it: crossdock sku add."


class Wish(NamedTuple):
    """A listing shall be `quantity` units of `sku`; blank: no longer."""

    channel_id: UUID
    listing_id: str
    sku: str
    quantity: int


async def map_listings(tx: Tx, wishes: Sequence[Wish], actor: str, at: datetime) -> list[dict[str, Any]]:
    """Tie listings to SKUs, or untie them. Answers for each wish, in order: `outcome` is `mapped`, `unmapped`,
    `unchanged` or `refused` with a `reason`; one refusal harms no other wish. Of two wishes for one listing the later
    one counts."""
    channels = await catalogue.known_channels(tx, {wish.channel_id for wish in wishes})
    skus = await mappings.known_skus(tx, {wish.sku for wish in wishes if wish.sku})
    reasons = [_refusal(wish, channels, skus) for wish in wishes]
    keys = {(w.channel_id, w.listing_id) for w, reason in zip(wishes, reasons, strict=True) if not reason}
    known = await mappings.lock(tx, keys) if keys else {}
    changed: dict[presence.Key, Mapping] = {}
    answers = []
    for wish, reason in zip(wishes, reasons, strict=True):
        key = (wish.channel_id, wish.listing_id)
        old = changed.get(key) or known.get(key)
        outcome = "refused" if reason else _outcome(wish, old)
        if outcome in ("mapped", "unmapped"):
            version = old.mapping_version + 1 if old is not None else 1
            changed[key] = Mapping(*key, version, wish.sku, wish.quantity, actor, at)
        answers.append({"channel_id": key[0], "listing_id": key[1], "outcome": outcome, "reason": reason})
    await mappings.save(tx, [changed[key] for key in sorted(changed)])
    for mapping in changed.values():
        tx.publish(ListingMapped.model_validate({name: getattr(mapping, name) for name in Mapping._fields[:5]}))
    return answers


def _refusal(wish: Wish, channels: set[UUID], skus: set[str]) -> str:
    if wish.channel_id not in channels:
        return f"There is no channel {wish.channel_id}: crossdock channel list."
    if wish.sku and wish.sku not in skus:
        return f"{UNKNOWN_SKU.format(sku=wish.sku)}. {ADD_SKU}"
    return ""


def _outcome(wish: Wish, old: Mapping | None) -> str:
    if (wish.sku, wish.quantity) == ((old.sku, old.quantity) if old is not None else ("", wish.quantity)):
        return "unchanged"
    return "mapped" if wish.sku else "unmapped"


async def assign_line(tx: Tx, order_id: UUID, line_id: str, component: Component, actor: str) -> dict[str, Any]:
    """A person says which SKU a line is that waits for it; this order alone is touched. Raises Problem: 404 for an
    order or line that is not there, 409 when the line waits for nobody, 422 for a SKU that is not known."""
    if not await mappings.known_skus(tx, [component.sku]):
        raise Problem(422, "unknown_sku", f"{UNKNOWN_SKU.format(sku=component.sku)}.", ADD_SKU)
    row = (await orders.lock_orders(tx, [order_id])).get(order_id)
    if row is None or row.order is None:
        raise not_found("order", order_id)
    line = next((line for line in row.order.lines if line_id in (line.line_id, str(line.position))), None)
    if line is None:
        raise not_found("line", line_id[:100], "Look at the order's lines: crossdock order show.")
    changed, match = assign(row, line.line_id, component, await presence.catalogue_for(tx, [row.order]))
    if match is None:
        sentence = f"Line {line.position} waits for no SKU: it is matched, or nothing is wanted of it."
        raise Problem(409, "nothing_to_assign", sentence, "A match stands; change the order in its channel.")
    await orders.save_orders(tx, {order_id: row}, {order_id: changed})
    units = f"{component.per_unit} units of {component.sku} each" if component.per_unit > 1 else component.sku
    decision = f"{actor} said that line {line.position} is {units}"
    tx.publish(telling.match_event(row.order, match, decision))
    return {"order_id": order_id, "line_id": line.line_id, "matched": match.matched}
