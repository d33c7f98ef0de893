"""What merchants ask of our fulfillment service, and what is answered: pure functions of an order.

A request to ship is accepted when the order is ours and every line that ships is matched; what holds the order after
that (payment, stock, an address) is our matter. It is rejected when the policy rejects the order. It waits while a
person may yet decide that it is not ours. A request to stop has gone through the order's content like any other change;
it is answered by what fulfilment settled.
"""

from order_ingest.domain.holds import TO_APPROVE
from order_ingest.domain.order import Asked, Order, Reply, Snapshot, shipped_net
from order_ingest.domain.policy import Policy

SUBMITTED, CANCEL = "submitted", "cancellation_requested"
NOTHING_TO_SHIP = "nothing_to_ship"


def asked_of(source: Snapshot, policy: Policy) -> tuple[Asked, ...]:
    """The requests that wait for an answer as of the newest read of the order's routes."""
    if source.routing is None or not policy.service_location:
        return ()
    goods = {line.line_id for line in source.lines if line.requires_shipping or not policy.physical_only}
    return tuple(
        Asked(
            route.route_id,
            route.request_id,
            route.request == CANCEL,
            {line: units for line, units in route.units.items() if units},
            any(line in goods for line in route.units),
        )
        for route in source.routing.routes
        if route.location == policy.service_location
        and route.request in (SUBMITTED, CANCEL)
        and route.state != "closed"
    )


def replies_due(order: Order) -> dict[str, Reply]:
    """The answers that can be given by now, by the keys of their requests. A channel that only observes gets none, and
    nothing is decided by what is about to be read again."""
    if not order.asked or order.observing or order.refetching:
        return {}
    open_ones = [asked for asked in order.asked if asked.key not in order.replies]
    found = {asked.key: _cancellation(order, asked) if asked.cancel else _request(order, asked) for asked in open_ones}
    return {key: reply for key, reply in found.items() if reply is not None}


def _request(order: Order, asked: Asked) -> Reply | None:
    verdict, published = order.verdict, order.published
    if order.cancelled or verdict.unrouted:
        return None
    if verdict.refusal is not None:
        return Reply("reject")
    if verdict.cancelled_by:
        return Reply("reject", f"The order counts as cancelled here: it is {verdict.cancelled_by}")
    if not asked.ships:
        return Reply("reject", "Nothing of it needs shipping", NOTHING_TO_SHIP)
    if not any(order.wanted.get(line, 0) for line in asked.units):
        return None
    if any(hold.code in TO_APPROVE for hold in verdict.waits):
        return None
    matched = order.match.matched and order.match.content_version == published.content_version
    return Reply("accept") if order.told and matched else None


def _cancellation(order: Order, asked: Asked) -> Reply | None:
    """Nothing was asked of anybody for units that were never wanted, which is so of all that the first content left
    out; else fulfilment settles each content once."""
    content = order.published.content_version
    if content > 1 and order.settlement.content_version < content:
        return None
    standing = order.settlement.standing if order.settlement.content_version == content else {}
    excess = {line: standing.get(line, 0) - order.wanted.get(line, 0) for line in asked.units}
    kept = {line: min(units, asked.units[line]) for line, units in excess.items() if units > 0}
    if not kept:
        return Reply("accept_cancellation")
    if sum(kept.values()) < sum(asked.units.values()) and _is_being_told(order, kept):
        return None
    total = sum(asked.units.values())
    return Reply("reject_cancellation", f"{sum(kept.values())} of {total} units have left or can no longer be stopped")


def _is_being_told(order: Order, kept: dict[str, int]) -> bool:
    """Whether what was not stopped has left and the channel is about to know: then only the rest is called back, and
    the request can be accepted for it."""
    left = shipped_net(order)
    if any(left.get(line, 0) < units for line, units in kept.items()):
        return False
    return all(one.state != "failed" for one in order.tracking.values())
