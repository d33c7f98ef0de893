"""The tabs under which an operator sees orders: which statuses each shows, in one place.

Late and Due today go by the clock and not by the status alone: an order is late once its ship-by time has passed, and
due today from now until its channel's day ends, as long as something of it may still have to leave.
"""

from collections.abc import Mapping

TABS: dict[str, tuple[str, ...]] = {
    "outstanding": ("received", "matching", "reserving", "outstanding", "partially_shipped", "cancel_requested"),
    "on_hold": ("on_hold",),
    "waiting": ("waiting",),
    "shipped": ("shipped", "delivered"),
    "cancelled": ("cancelled", "cancelled_shipped_anyway"),
    "rejected": ("rejected",),
}
"""Statuses by tab. `record_only` is shown under `all` alone: there is nothing to do about it."""

BY_CLOCK = ("due_today", "late")
ALL = "all"
EVERY_TAB = ("outstanding", "on_hold", "waiting", *BY_CLOCK, "shipped", "cancelled", "rejected", ALL)

TO_SHIP = ("received", "matching", "reserving", "outstanding", "partially_shipped", "on_hold", "waiting")
"""Statuses in which something may still have to leave, so that a ship-by time says something."""


def counts_of(by_status: Mapping[str, int]) -> dict[str, int]:
    """Orders by tab, out of orders by status; the tabs that go by the clock are not among them."""
    found = {tab: sum(by_status.get(status, 0) for status in statuses) for tab, statuses in TABS.items()}
    return found | {ALL: sum(by_status.values())}
