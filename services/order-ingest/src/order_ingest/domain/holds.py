"""Why an order waits: the open holds, a pure function of what is stored of it."""

from order_ingest.domain.order import Hold, Order, shipped_net

OBSERVING = "observing"
WAREHOUSE_OBSERVING = "warehouse_observing"
PAYMENT = "payment"
ROUTING = "routing"
STOCK = "stock"
ADDRESS_MISSING = "address_missing"
REJECTED = "rejected"

JUDGED_BY_OTHERS = frozenset({"sku_blank", "sku_unknown", "sku_ambiguous", "sku_doubled", "sku_unheard", STOCK})
"""Holds that sku-matcher or inventory answer anew for every content version."""

NOT_DUE = frozenset({ROUTING, "scheduled", "channel_hold", "not_requested"})
"""Holds of an order whose time has not come: it waits, and nobody has to do anything about it here."""

TO_APPROVE = frozenset({"age", "currency"})
"""Holds of the policy that a person may lift."""

NOTHING_TO_EXPLAIN = frozenset(
    {"shipped", "delivered", "record_only", "cancelled", "cancelled_shipped_anyway", "rejected", "received"}
)
"""Statuses in which nothing waits, so that a hold that formally stands is not shown."""


def holds_of(order: Order, content_version: int) -> tuple[Hold, ...]:
    """The open holds. Those of sku-matcher and inventory count for this content version only. An order of which
    nothing is wanted has none; what has shipped does not matter, because a voided shipment is wanted again."""
    if not any(order.wanted.values()):
        return ()
    holds = []
    if order.observing:
        holds.append(Hold(OBSERVING, quantities={"channel": order.observing}))
    if order.warehouse_observing:
        holds.append(Hold(WAREHOUSE_OBSERVING, quantities={"warehouse": order.warehouse_observing}))
    if not order.paid:
        holds.append(Hold(PAYMENT))
    holds += order.verdict.waits
    if order.match.content_version == content_version and not order.match.matched:
        holds += order.match.holds
    if order.reservation.content_version == content_version and not order.reservation.reserved:
        holds.append(Hold(STOCK, quantities={"shortages": "; ".join(order.reservation.shortages)}))
    if not order.addressed and (not order.redacted or something_left(order)):
        holds.append(Hold(ADDRESS_MISSING))
    newest = max(order.rejected, default=0)
    if newest > order.answered:
        why = order.rejected[newest]
        told = {"destination": why.destination, "revision": str(newest), "reason": why.reason}
        holds.append(Hold(REJECTED, quantities=told))
    return tuple(holds)


def something_left(order: Order) -> bool:
    """Whether something that is wanted has not left: the address of what has is not missed once it is redacted."""
    left = shipped_net(order)
    return any(left.get(line_id, 0) < units for line_id, units in order.wanted.items())


def shown_holds(order: Order, status: str) -> tuple[Hold, ...]:
    """The holds that explain a status to an operator."""
    if order.verdict.unrouted:
        return (Hold(ROUTING),)
    return () if status in NOTHING_TO_EXPLAIN else holds_of(order, order.published.content_version)
