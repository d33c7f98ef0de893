"""The operator's word for where an order stands: a pure function of stored milestones, so that it cannot regress."""

from datetime import datetime

from order_ingest.domain.holds import NOT_DUE, holds_of
from order_ingest.domain.order import WITHDRAWN, Order, Units, shipped_net
from order_ingest.domain.units import total

STATUSES = (
    "received",
    "matching",
    "reserving",
    "outstanding",
    "partially_shipped",
    "shipped",
    "delivered",
    "on_hold",
    "waiting",
    "cancel_requested",
    "cancelled",
    "cancelled_shipped_anyway",
    "rejected",
    "record_only",
)
OPEN = ("matching", "reserving", "outstanding", "partially_shipped", "on_hold", "waiting", "cancel_requested")
"""Statuses of orders that may still move."""

ENDED = ("shipped", "delivered", "cancelled", "cancelled_shipped_anyway", "rejected", "record_only")
"""Statuses in which nobody needs the recipient any more, as things stand."""


def last_dispatch(order: Order) -> datetime | None:
    """When goods of an order left last; None when none did."""
    times = (one.dispatched_at for name, one in order.shipments.items() if name not in order.voids)
    return max(times, default=None)


def status(order: Order) -> str:
    """One of STATUSES."""
    if not order.known:
        return "received"
    if not order.ours:
        return "rejected" if order.verdict.refusal else "waiting"
    wanted, left = order.wanted, shipped_net(order)
    if not any(wanted.values()):
        return _nothing_wanted(order, left)
    standing = order.settlement.standing if _settled(order) else {}
    goal = {line_id: max(units, standing.get(line_id, 0)) for line_id, units in {**standing, **wanted}.items()}
    if all(left.get(line_id, 0) >= units for line_id, units in goal.items()):
        return _arrived(order)
    if any(left.values()):
        return "partially_shipped"
    if holds := holds_of(order, order.published.content_version):
        if _destination_has_it(order, wanted):
            return "outstanding"
        return "waiting" if all(hold.code in NOT_DUE for hold in holds) else "on_hold"
    if any(revision not in order.rejected for revision in order.requested):
        return "outstanding"
    matched = order.match.content_version == order.published.content_version and order.match.matched
    return "reserving" if matched else "matching"


def _nothing_wanted(order: Order, left: dict[str, int]) -> str:
    refused = order.verdict.refusal is not None and not order.called_off
    if not order.ever_wanted and not order.called_off:
        return "rejected" if refused else "record_only"
    if not _settled(order) or _positive(order.settlement.standing) != _positive(left):
        return "cancel_requested"
    if order.called_off:
        return "cancelled_shipped_anyway" if any(left.values()) else "cancelled"
    withdrawn = refused and order.verdict.refusal is not None and order.verdict.refusal.code == WITHDRAWN
    if refused and not withdrawn and not any(left.values()):
        return "rejected"
    return _arrived(order) if any(left.values()) else "cancelled"  # an edit removed the rest, or everything


def _settled(order: Order) -> bool:
    return order.settlement.content_version >= order.published.content_version


def _arrived(order: Order) -> str:
    """Everything left; did every shipment reach its recipient?"""
    on_the_way = order.shipments.keys() - order.voids.keys() - set(order.delivered)
    return "shipped" if on_the_way else "delivered"


def _destination_has_it(order: Order, wanted: Units) -> bool:
    """Whether a destination took a request for all that is wanted: a hold that comes later stops nothing."""
    newest = max(order.requested, default=0)
    if newest not in order.accepted or newest in order.rejected:
        return False
    back = total(
        order.shipments[shipment_id].units()
        for shipment_id, reship in order.voids.items()
        if not reship and shipment_id in order.shipments
    )
    asked = total(
        request.units
        for revision, request in order.requested.items()
        if revision in order.accepted and revision not in order.rejected
    )
    return all(asked.get(line_id, 0) - back.get(line_id, 0) >= units for line_id, units in wanted.items())


def _positive(units: Units) -> dict[str, int]:
    return {line_id: count for line_id, count in units.items() if count}
