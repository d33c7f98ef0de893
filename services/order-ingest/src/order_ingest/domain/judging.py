"""What a policy means for one order: whether it is ours, what of it is wanted, and what it waits for. Pure.

An order that others were told of never becomes unknown to them again: what is not ours any more wants nothing. What
fulfilment itself changes in the channel (its fulfillment status) decides only before an order is told.
"""

from datetime import timedelta

from order_ingest.domain.content import wanted_of
from order_ingest.domain.order import WITHDRAWN, Hold, Order, Snapshot, Units, Verdict
from order_ingest.domain.policy import ANYWHERE, PAID, Policy
from order_ingest.domain.requests import asked_of
from order_ingest.domain.routing import NOT_REQUESTED, PATIENCE, Route, Routing, Share, share_of, unplaced
from order_ingest.domain.units import total

TEST, LEFT_OUT, TOO_OLD, STATUS, ELSEWHERE, NO_LOCATION, DECLINED = (
    "test",
    "left_out",
    "too_old",
    "status_excluded",
    "other_location",
    "no_location",
    "declined",
)
AGE, CURRENCY, SCHEDULED, CHANNEL_HOLD, NOT_ASKED = ("age", "currency", "scheduled", "channel_hold", "not_requested")


def judged(order: Order, source: Snapshot) -> Order:
    """An order as its channel's policy takes what the channel says of it."""
    terms, policy = order.terms, order.terms.policy
    follows = order.follows or (policy.scoped and terms.routes)
    routing = source.routing if follows and not order.brought_in else None
    late = follows and not order.brought_in and _is_late(order, source, routing)
    share = _share(source, policy, routing, late=late)
    before_ours = order.before_ours
    if share is not None and (before_ours is None or not order.told):
        before_ours = {line: min(units, share.left.get(line, 0)) for line, units in order.before_import.items()}
    refusal = None if order.brought_in else _refusal(order, source, share, late=late)
    status = _cancelling(policy, source)
    wanted = {} if order.cancelled or status or refusal else wanted_of(source, order.before_import, policy)
    if share is not None:
        wanted = {line: min(units, _ours(share, line, before_ours or {})) for line, units in wanted.items()}
    return order._replace(
        asked=asked_of(source, policy),
        judged=terms.version,
        follows=follows,
        refetching=order.refetching or late,
        before_ours=before_ours,
        paid=_lets_ship(policy, source),
        wanted=wanted,
        verdict=Verdict(
            refusal=refusal,
            waits=_waits(order, source, share),
            unrouted=late and policy.scoped and refusal is None and not order.told,
            cancelled_by=status,
        ),
    )


def marked(before: Order, after: Order) -> Order:
    """An order that becomes ours to ship with the tag that the policy has for it by then; one that has a tag keeps it,
    and one that was ours before gets none, so that another policy marks what comes in from then on."""
    tag = after.terms.policy.written_back.tag
    if not tag or before.tag or before.ours_to_ship or not after.ours_to_ship:
        return after
    return after._replace(tag=tag)


def _share(source: Snapshot, policy: Policy, routing: Routing | None, *, late: bool) -> Share | None:
    """Our part of an order; None when all of it is ours. Units that no location has for long are ours if the policy
    takes orders without a location."""
    if routing is None or not (routing.routes or policy.scoped):
        return None
    share = share_of(routing, policy)
    if late or not policy.without_location:
        return share
    return share._replace(to_ship=total((share.to_ship, unplaced(routing, _kept(source, policy)))))


def _ours(share: Share, line: str, before_ours: Units) -> int:
    """Units of a line that are ours: those that left since the import, and those still to leave."""
    return max(share.left.get(line, 0) - before_ours.get(line, 0), 0) + share.to_ship.get(line, 0)


def _is_late(order: Order, source: Snapshot, routing: Routing | None) -> bool:
    """Whether the channel has yet to say to which locations it assigns the order."""
    if order.cancelled or source.cancelled:
        return False
    kept = _kept(source, order.terms.policy)
    if not any(kept.values()):
        return False
    if routing is not None and not unplaced(routing, kept):
        return False
    return routing is None or order.terms.at is None or order.terms.at - source.updated_at < PATIENCE


def _kept(source: Snapshot, policy: Policy) -> dict[str, int]:
    return {line.line_id: line.kept for line in source.lines if line.requires_shipping or not policy.physical_only}


def _refusal(order: Order, source: Snapshot, share: Share | None, *, late: bool) -> Hold | None:
    """Why the order is not ours, if there is a reason."""
    policy = order.terms.policy
    if order.left_out:
        return Hold(LEFT_OUT)
    if not order.told:
        if source.test and not policy.test_orders:
            return Hold(TEST)
        status = source.fulfillment_status or "unfulfilled"
        if status not in policy.fulfillment_statuses:
            return Hold(STATUS, quantities={"status": status})
        if policy.first_import_days is not None and _days(order, source) > policy.first_import_days:
            told = {"days": str(_days(order, source)), "limit": str(policy.first_import_days)}
            return Hold(TOO_OLD, quantities=told)
    if policy.scoped and not order.terms.routes and not policy.without_location:
        return Hold(NO_LOCATION)
    if share is None or late or any(share.left.values()) or any(share.to_ship.values()):
        return None
    if not any(_kept(source, policy).values()):
        return None
    if share.stopped and not share.elsewhere:
        return Hold(DECLINED if share.stopped == "rejected" else WITHDRAWN)
    return Hold(ELSEWHERE if share.elsewhere else NO_LOCATION) if policy.scoped or share.elsewhere else None


def _waits(order: Order, source: Snapshot, share: Share | None) -> tuple[Hold, ...]:
    """What the policy makes the order wait for, payment apart."""
    policy, found = order.terms.policy, []
    if not order.approved:
        if policy.max_age_days is not None and _days(order, source) > policy.max_age_days:
            found.append(Hold(AGE, quantities={"days": str(_days(order, source)), "limit": str(policy.max_age_days)}))
        expected = _expected_currency(policy, source)
        if expected and source.currency not in expected:
            told = {"currency": source.currency, "expected": " or ".join(sorted(expected))}
            found.append(Hold(CURRENCY, quantities=told))
    found += map(_hold_of, share.held_back if share is not None else ())
    return tuple({hold.key: hold for hold in found}.values())


def _hold_of(route: Route) -> Hold:
    lines = tuple(sorted(line for line, units in route.units.items() if units))
    if route.serviced and route.request in NOT_REQUESTED:
        return Hold(NOT_ASKED, lines)
    if route.state == "scheduled":
        when = "a later day" if route.due_at is None else route.due_at.date().isoformat()
        return Hold(SCHEDULED, lines, {"when": when})
    return Hold(CHANNEL_HOLD, lines, {"reason": ", ".join(route.reasons) or "no reason is given"})


def _days(order: Order, source: Snapshot) -> int:
    """How many whole days old the order was when it was imported; 0 when nobody knows."""
    if order.imported_at is None:
        return 0
    return max((order.imported_at - source.placed_at) // timedelta(days=1), 0)


def _expected_currency(policy: Policy, source: Snapshot) -> set[str]:
    """The currencies that are expected at the order's locations; empty when any will do."""
    if not policy.currencies:
        return set()
    places = {route.location for route in source.routing.routes} if source.routing is not None else set()
    found = {policy.currencies.get(place, policy.currencies.get(ANYWHERE, "")) for place in places or {ANYWHERE}}
    return found - {""}


def _lets_ship(policy: Policy, source: Snapshot) -> bool:
    if source.paid and PAID in policy.financial_statuses:
        return True
    return source.financial_status != PAID and source.financial_status in policy.financial_statuses


def _cancelling(policy: Policy, source: Snapshot) -> str:
    """The status of the order by which the policy takes it as cancelled; blank when there is none."""
    stated = (source.financial_status, source.fulfillment_status)
    return next((status for status in stated if status and status in policy.cancel_statuses), "")


def too_early(order: Order, source: Snapshot) -> bool:
    """Whether the order was placed before the orders of its live channel began to be ours."""
    terms = order.terms
    return (
        not order.chosen and not terms.observing and terms.ours_from is not None and source.placed_at < terms.ours_from
    )
