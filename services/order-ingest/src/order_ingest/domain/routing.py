"""To which locations a channel assigned an order, and which of its units are ours by that.

A route is what Shopify calls a fulfillment order. The units that are ours are those that left from our locations and
those that our locations still have to ship, both as one read of the channel told them: so nothing is counted twice,
wherever a shipment was recorded last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from order_ingest.domain.policy import Policy
from order_ingest.domain.units import total

PATIENCE = timedelta(minutes=10)
"""So long after an order's last change a unit may be assigned to no location because the assignment is late."""
STOPPED = ("rejected", "cancellation_requested", "cancellation_accepted")
NOT_REQUESTED = ("", "unsubmitted")


@dataclass(frozen=True, slots=True)
class Route:
    """Units still to be shipped from one location. `serviced`: the location belongs to a fulfillment service, which
    works only on `request`, the newest of which is `request_id`; `state` is `open`, `scheduled` (until `due_at`),
    `held` (for `reasons`), or `closed` where the service gave the request back."""

    route_id: str
    location: str
    serviced: bool
    state: str
    units: Mapping[str, int]
    request: str = ""
    due_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Shipped:
    """Units that left from one location."""

    location: str
    serviced: bool
    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Routing:
    """What one read told of an order's routes."""

    routes: tuple[Route, ...] = ()
    shipped: tuple[Shipped, ...] = ()


class Share(NamedTuple):
    """What of an order is ours: units that left from our locations, units that they still have to ship, the routes that
    hold all of the latter back, and whether anything is assigned elsewhere. `stopped` is the request status of a route
    of ours that is worked on no more, blank if there is none."""

    left: Mapping[str, int]
    to_ship: Mapping[str, int]
    held_back: tuple[Route, ...]
    elsewhere: bool
    stopped: str = ""


def is_ours(location: str, serviced: bool, policy: Policy) -> bool:
    """Whether what is assigned to a location is our work."""
    if location and location == policy.service_location:
        return True
    if policy.locations:
        return location in policy.locations
    return not policy.service_location and not serviced


def share_of(routing: Routing, policy: Policy) -> Share:
    """Our part of an order. Routes that wait are left for later while others can go; if none can, they are what the
    order waits for."""
    placed = [route for route in routing.routes if is_ours(route.location, route.serviced, policy)]
    ours = [route for route in placed if route.request not in STOPPED]
    waiting = tuple(route for route in ours if waits(route, policy))
    ready = [route for route in ours if route not in waiting and any(route.units.values())]
    left = [one for one in routing.shipped if is_ours(one.location, one.serviced, policy)]
    elsewhere = len(placed) < len(routing.routes) or len(left) < len(routing.shipped)
    return Share(
        left=total(one.units for one in left),
        to_ship=total(route.units for route in (ready or waiting)),
        held_back=() if ready else waiting,
        elsewhere=elsewhere,
        stopped=next((route.request for route in placed if route.request in STOPPED), ""),
    )


def promised(routing: Routing, policy: Policy) -> tuple[datetime | None, datetime | None]:
    """By when our part has to leave and to arrive: the earliest that is promised of a route of ours."""
    ours = [route for route in routing.routes if is_ours(route.location, route.serviced, policy)]
    return (
        min((route.ship_by for route in ours if route.ship_by is not None), default=None),
        min((route.deliver_by for route in ours if route.deliver_by is not None), default=None),
    )


def waits(route: Route, policy: Policy) -> bool:
    """Whether a route of ours may not be shipped yet."""
    if route.serviced and route.location == policy.service_location and route.request in NOT_REQUESTED:
        return True
    return (route.state == "scheduled" and policy.scheduled_waits) or (route.state == "held" and policy.held_waits)


def unplaced(routing: Routing, kept: Mapping[str, int]) -> dict[str, int]:
    """Units that are kept and neither left anywhere nor are assigned to any location."""
    placed = total([*(route.units for route in routing.routes), *(one.units for one in routing.shipped)])
    return {line: units - placed.get(line, 0) for line, units in kept.items() if units > placed.get(line, 0)}
