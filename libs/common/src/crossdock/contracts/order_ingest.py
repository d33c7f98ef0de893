"""Events of order-ingest: an order's whole state whenever it changes, its refunds, and (internal) its recipient."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from crossdock.contracts.base import Event, Money, OrderScoped, Value
from crossdock.contracts.holds import Hold


class OrderLine(Value):
    """One line; `position` counts from 1. `wanted` is what is left of `quantity` after edits and refunds of units that
    had not shipped. `bundle` is the name of what it was sold as a part of, in the channel's words; it may come
    later than the line."""

    line_id: str
    position: int
    listing_id: str | None
    sku: str
    title: str
    quantity: int
    wanted: int
    requires_shipping: bool
    unit_price: Money
    bundle: str = ""


class OrderState(OrderScoped):
    """The whole state of one order. Skip it when `order_version` is not newer than what you have."""

    publisher = "order-ingest"

    order_id: UUID
    channel_id: UUID
    channel_kind: str
    external_id: str
    number: str
    placed_at: datetime
    order_version: int
    content_version: int
    total: Money
    lines: tuple[OrderLine, ...]
    holds: tuple[Hold, ...] = ()
    cancelled: bool = False
    answered_revision: int = 0
    """The highest rejected fulfillment revision that a person or rule has answered."""
    ship_by: datetime | None = None
    """When it has to leave, where the channel says so; it may come later than the order, as `deliver_by`, `service` and
    the lines' `bundle` may: then `order.updated` tells it with the same `content_version`."""
    deliver_by: datetime | None = None
    service: str = ""
    """The shipping that the buyer asked for, in the channel's words; may be blank."""
    tag: str = ""
    """What the order is to be tagged with in its channel, decided once, when it became ours to ship; blank: nothing."""


class OrderPlaced(OrderState):
    """An order was imported."""

    type = "order.placed.v1"
    consumers = ("sku-matcher", "fulfillment")


class OrderUpdated(OrderState):
    """An order's content changed, or with the same `content_version` a date, the shipping asked for, or a bundle's
    name."""

    type = "order.updated.v1"
    consumers = ("sku-matcher", "fulfillment")


class OrderCancelled(OrderState):
    """An order was cancelled in its channel: nothing is wanted any more."""

    type = "order.cancelled.v1"
    consumers = ("sku-matcher", "fulfillment")


class OrderHeld(OrderState):
    """An order got a hold that it did not have."""

    type = "order.held.v1"
    consumers = ("fulfillment",)


class OrderReleased(OrderState):
    """A hold of an order went away, or a rejection was answered."""

    type = "order.released.v1"
    consumers = ("fulfillment",)


class RefundedLine(Value):
    """Units of one line that were refunded after they had shipped."""

    line_id: str
    quantity: int
    restock: bool


RefundKind = Literal["restocked", "kept", "exchange", "appeasement", "unshipped"]


class RefundRecorded(OrderScoped):
    """A fact: an order was refunded. Deduplicate by (`order_id`, `refund_id`). `lines` are units that had shipped.

    `kind`: shipped goods came back for sale (`restocked`), do not (`kept`), came back for other goods (`exchange`),
    never left (`unshipped`: the order's own update lowers what is wanted), or none moved (`appeasement`). What goes
    back to stock is said by each line alone. It is told again, with a higher `kind_version` and the same lines, when a
    later state of the order shows that goods came back for others, or did not: the highest counts.
    """

    type = "refund.recorded.v1"
    publisher = "order-ingest"
    consumers = ("inventory",)

    order_id: UUID
    refund_id: str
    lines: tuple[RefundedLine, ...]
    kind: RefundKind | None = None
    kind_version: int = 1


RequestAnswer = Literal["accept", "reject", "accept_cancellation", "reject_cancellation"]
"""Our answers to a merchant's request that our fulfillment service ships, or that it stops."""


class ChannelRequestDecided(OrderScoped):
    """A fact: a request that a merchant made of our fulfillment service is to be answered so. Deduplicate by
    (`channel_id`, `route_id`, `request_id`). `message` is for the merchant; `reason` belongs to `reject`."""

    type = "channel_request.decided.v1"
    publisher = "order-ingest"
    consumers = ("fulfillment",)

    order_id: UUID
    channel_id: UUID
    route_id: str
    request_id: str
    answer: RequestAnswer
    reason: Literal["other", "nothing_to_ship"] = "other"
    message: str = ""


class Address(Value):
    """Where a parcel goes. Every field may be missing."""

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


class Recipient(Value):
    """The personal data of an order."""

    address: Address | None = None
    email: str = ""
    note: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


class RecipientEvent(OrderScoped):
    """Personal data of one order; internal. Skip it when `recipient_version` is not newer."""

    publisher = "order-ingest"
    exchange = "internal"

    order_id: UUID
    recipient_version: int


class RecipientRecorded(RecipientEvent):
    """The recipient of an order, as far as the channel tells; published for every order, even when empty."""

    type = "recipient.recorded.v1"
    consumers = ("fulfillment",)

    recipient: Recipient


class RecipientRedacted(RecipientEvent):
    """The recipient was removed on request: forget it."""

    type = "recipient.redacted.v1"
    consumers = ("fulfillment",)


class PolicyChanged(Event):
    """A channel's import policy changed. Internal; it tells what other services act on. Skip it when `policy_version`
    is not newer. Until one comes, the standard policy counts."""

    type = "channel.policy.changed.v1"
    publisher = "order-ingest"
    exchange = "internal"
    consumers = ("fulfillment",)

    channel_id: UUID
    policy_version: int
    notify_customer: bool = False
    """Whether the channel is to tell the customer of each parcel."""

    @property
    def subject(self) -> str:
        """The channel's id."""
        return str(self.channel_id)


class RedactionOrdered(Event):
    """Personal data of these orders is to be removed from whatever copies a service keeps: webhooks as they came,
    messages that wait or are parked. Internal. Answer each `page_id` once. Where `request_id` is the zero UUID, data
    came again for what had been redacted: nobody waits for an answer."""

    type = "recipient.redaction.ordered.v1"
    publisher = "order-ingest"
    exchange = "internal"
    consumers = ("gateway", "fulfillment")

    page_id: UUID
    request_id: UUID
    channel_id: UUID
    channel_kind: str
    whole_channel: bool = False
    """Everything that came from the channel is meant."""
    order_ids: tuple[UUID, ...] = ()
    names: tuple[str, ...] = ()
    """The channel's own ids of the orders, and of their customer."""
    delivery_ids: tuple[UUID, ...] = ()

    @property
    def subject(self) -> str:
        """The request's id."""
        return str(self.request_id)


ORDER_STATES: tuple[type[OrderState], ...] = (OrderPlaced, OrderUpdated, OrderCancelled, OrderHeld, OrderReleased)
EVENTS: tuple[type[Event], ...] = (
    *ORDER_STATES,
    RefundRecorded,
    ChannelRequestDecided,
    RecipientRecorded,
    RecipientRedacted,
    PolicyChanged,
    RedactionOrdered,
)
