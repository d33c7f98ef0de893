"""Events of fulfillment: what a destination was asked, what it answered, what left, and what the channel was told."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from crossdock.contracts.base import Event, OrderScoped, RedactionReport, Value


class RequestedLine(Value):
    """Units of one order line that a destination is asked to ship, as order-line units."""

    line_id: str
    quantity: int


class StandingLine(Value):
    """The larger of what is wanted and of what has left or may yet leave, in order-line units."""

    line_id: str
    quantity: int


class RequestEvent(OrderScoped):
    """About one revision of the request for an order."""

    publisher = "fulfillment"

    order_id: UUID
    revision: int


class FulfillmentRequested(RequestEvent):
    """A destination is going to be asked to ship; the intent is committed."""

    type = "fulfillment.requested.v1"
    consumers = ("order-ingest",)

    destination: str
    lines: tuple[RequestedLine, ...]


class FulfillmentAccepted(RequestEvent):
    """The destination took the request."""

    type = "fulfillment.accepted.v1"
    consumers = ("order-ingest",)

    destination: str
    evidence: str = ""
    """How we know, where the destination did not answer itself: what a look found."""


class FulfillmentRejected(RequestEvent):
    """The destination refused the request; it is not asked again until somebody answers."""

    type = "fulfillment.rejected.v1"
    consumers = ("order-ingest",)

    destination: str
    reason: str


class SettlementEvent(OrderScoped):
    """What stands of one content version. Skip it when `settlement_version` is not newer. A line not named stands
    at 0."""

    publisher = "fulfillment"

    order_id: UUID
    content_version: int
    settlement_version: int
    standing: tuple[StandingLine, ...]


class FulfillmentCancelled(SettlementEvent):
    """Nothing more will leave than is wanted."""

    type = "fulfillment.cancelled.v1"
    consumers = ("inventory", "order-ingest")


class FulfillmentCancelRefused(SettlementEvent):
    """The destination will ship, or has shipped, more than is wanted; or it will not stop the requests in `old_address`
    (revisions), which ship to an address that the order no longer has."""

    type = "fulfillment.cancel_refused.v1"
    consumers = ("inventory", "order-ingest")

    old_address: tuple[int, ...] = ()


class PackedLine(Value):
    """Units of one order line inside a package, as order-line units."""

    line_id: str
    quantity: int


class Package(Value):
    """One parcel of a shipment, with its tracking."""

    package_ref: str
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    lines: tuple[PackedLine, ...]


class ShipmentDispatched(OrderScoped):
    """A fact: goods left. Deduplicate by `shipment_id`."""

    type = "shipment.dispatched.v1"
    publisher = "fulfillment"
    consumers = ("inventory", "order-ingest")

    order_id: UUID
    shipment_id: str
    revision: int
    dispatched_at: datetime
    packages: tuple[Package, ...]


class ShipmentVoided(OrderScoped):
    """A fact: a shipment did not happen after all. `reship`: the destination will ship its units again."""

    type = "shipment.voided.v1"
    publisher = "fulfillment"
    consumers = ("inventory", "order-ingest")

    order_id: UUID
    shipment_id: str
    revision: int
    reship: bool


class ShipmentDelivered(OrderScoped):
    """A fact: a shipment reached its recipient."""

    type = "shipment.delivered.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)

    order_id: UUID
    shipment_id: str
    delivered_at: datetime


class TrackingWritten(OrderScoped):
    """The channel knows the shipment and its tracking. `adopted` when a look found it there already."""

    type = "tracking.written.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)

    order_id: UUID
    shipment_id: str
    package_ref: str
    external_fulfillment_id: str
    adopted: bool = False
    evidence: str = ""
    """What a look found, where the channel did not answer itself."""


class TrackingFailed(OrderScoped):
    """The channel could not be told; a person decides."""

    type = "tracking.failed.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)

    order_id: UUID
    shipment_id: str
    package_ref: str
    reason: str


class OrderTagged(OrderScoped):
    """The order has its tag in the channel. `adopted` when a look found it there already."""

    type = "order.tagged.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)

    order_id: UUID
    tag: str
    adopted: bool = False
    evidence: str = ""
    """What a look found, where the channel did not answer itself."""


class OrderTagFailed(OrderScoped):
    """The order could not be tagged in its channel. It goes on all the same; a person may decide."""

    type = "order.tag_failed.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)

    order_id: UUID
    tag: str
    reason: str


class ChannelRequestEvent(OrderScoped):
    """About our answer to a request that a merchant made of our fulfillment service."""

    publisher = "fulfillment"

    order_id: UUID
    route_id: str
    request_id: str
    answer: Literal["accept", "reject", "accept_cancellation", "reject_cancellation"]


class ChannelRequestAnswered(ChannelRequestEvent):
    """The channel knows our answer; `adopted` when a look found it there. `overtaken`: it waits for none any more."""

    type = "channel_request.answered.v1"
    consumers = ("order-ingest",)

    adopted: bool = False
    overtaken: bool = False
    evidence: str = ""


class ChannelRequestFailed(ChannelRequestEvent):
    """The channel could not be told our answer; a person gives it there, or decides."""

    type = "channel_request.failed.v1"
    consumers = ("order-ingest",)

    reason: str


class RequestsRedacted(RedactionReport):
    """Requests, writes to the outside and messages were searched for people to be redacted."""

    type = "recipient.requests.redacted.v1"
    publisher = "fulfillment"
    consumers = ("order-ingest",)


EVENTS: tuple[type[Event], ...] = (
    RequestsRedacted,
    FulfillmentRequested,
    FulfillmentAccepted,
    FulfillmentRejected,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    ShipmentDispatched,
    ShipmentVoided,
    ShipmentDelivered,
    TrackingWritten,
    TrackingFailed,
    OrderTagged,
    OrderTagFailed,
    ChannelRequestAnswered,
    ChannelRequestFailed,
)
