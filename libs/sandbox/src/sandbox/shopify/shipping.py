"""What a simulated store knows of shipping: what is assigned to whom, what was asked of a service, and what left."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.clock import second


@dataclass
class FulfillmentOrderLine:
    """A line of a fulfillment order; its id is not the order line's."""

    id: int
    line_id: int
    total: int
    remaining: int


@dataclass
class Service:
    """A fulfillment service of the installed app. `notified` is when its callback was last called, by kind."""

    id: int
    name: str
    location_id: int
    callback_url: str | None
    notified: dict[str, float] = field(default_factory=dict)


@dataclass
class MerchantRequest:
    """What a merchant asked of a fulfillment service: `FULFILLMENT_REQUEST` or `CANCELLATION_REQUEST`."""

    id: int
    kind: str
    message: str
    sent_at: datetime = field(default_factory=second)


@dataclass
class FulfillmentOrder:
    """Work assigned to one location by one delivery method."""

    id: int
    order_id: int
    location_id: int
    method: str
    lines: list[FulfillmentOrderLine]
    status: str = "OPEN"
    request_status: str = "UNSUBMITTED"
    holds: list[dict[str, Any]] = field(default_factory=list)
    requests: list[MerchantRequest] = field(default_factory=list)
    answers: list[dict[str, str]] = field(default_factory=list)
    fulfill_at: datetime | None = None
    fulfill_by: datetime | None = None
    deliver_by: datetime | None = None
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)

    def part(self, number: int, location_id: int, lines: list[FulfillmentOrderLine]) -> "FulfillmentOrder":
        """A new one, with this id, for some of its units; what was promised of them still is."""
        return FulfillmentOrder(
            number,
            self.order_id,
            location_id,
            self.method,
            lines,
            fulfill_by=self.fulfill_by,
            deliver_by=self.deliver_by,
        )

    @property
    def remaining(self) -> int:
        """Units of all lines that may still be shipped."""
        return sum(line.remaining for line in self.lines)


@dataclass
class Fulfillment:
    """One shipment as the store knows it. `taken` says what came from which fulfillment order line."""

    id: int
    order_id: int
    name: str
    location_id: int
    taken: list[tuple[int, int, int, int]]  # (fulfillment line id, fulfillment order line id, line id, quantity)
    tracking: list[dict[str, str | None]] = field(default_factory=list)
    status: str = "SUCCESS"
    display_status: str = "FULFILLED"
    notified: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)
