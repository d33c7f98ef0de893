"""By when an order has to leave and to arrive, and how: its fulfillment orders say so, and no webhook does (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DONE = frozenset({"CLOSED", "CANCELLED", "INCOMPLETE"})
"""Statuses of fulfillment orders that leave nothing to be shipped."""


class Promise(NamedTuple):
    """Times as Shopify writes them; None and blank where it is silent."""

    ship_by: str | None = None
    deliver_by: str | None = None
    service: str = ""


def promise_of(nodes: Sequence[Mapping[str, Any]]) -> Promise:
    """What is promised of what is left to ship, the earliest first: `fulfillBy`, and `maxDeliveryDateTime` and
    `presentedName` of the delivery method (Shopify, `FulfillmentOrder` and `DeliveryMethod` in 2026-10)."""
    left = [node for node in nodes if node.get("status") not in DONE]
    methods = [node.get("deliveryMethod") or {} for node in left]
    return Promise(
        min((node["fulfillBy"] for node in left if node.get("fulfillBy")), default=None),
        min((one["maxDeliveryDateTime"] for one in methods if one.get("maxDeliveryDateTime")), default=None),
        next((one["presentedName"] for one in methods if one.get("presentedName")), ""),
    )
