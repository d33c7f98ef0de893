"""Events of the gateway: raw webhooks as they arrived, and the channels they came from. All of them are internal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Base64Bytes

from crossdock.contracts.base import Event, RedactionReport

ChannelMode = Literal["observe", "live"]


class WebhookReceived(Event):
    """One verified delivery. `body` holds the exact bytes that were signed; `triggered_at` is the sender's time."""

    publisher = "gateway"
    exchange = "internal"

    delivery_id: UUID
    channel_id: UUID
    channel_kind: str
    topic: str
    external_delivery_id: str
    external_event_id: str | None = None
    triggered_at: datetime | None = None
    received_at: datetime
    body: Base64Bytes

    @property
    def subject(self) -> str:
        """The delivery's id: which order it speaks of is not known before its body is read."""
        return str(self.delivery_id)


class OrdersWebhookReceived(WebhookReceived):
    """A webhook about orders, refunds or edits."""

    type = "webhook.orders.received.v1"
    consumers = ("order-ingest",)


class CatalogWebhookReceived(WebhookReceived):
    """A webhook about products and variants."""

    type = "webhook.catalog.received.v1"
    consumers = ("sku-matcher",)


class StockWebhookReceived(WebhookReceived):
    """A webhook about stock levels in the channel."""

    type = "webhook.stock.received.v1"


class FulfillmentWebhookReceived(WebhookReceived):
    """A webhook from a destination (ship notices), or about fulfillment orders."""

    type = "webhook.fulfillment.received.v1"
    consumers = ("fulfillment",)


class ChannelWebhookReceived(WebhookReceived):
    """A webhook about the channel itself (uninstalled, scopes) or about privacy requests."""

    type = "webhook.channel.received.v1"
    consumers = ("gateway", "order-ingest")


class ChannelConfigured(Event):
    """A channel was connected or changed. Carries settings and never a secret."""

    type = "channel.configured.v1"
    publisher = "gateway"
    exchange = "internal"
    consumers = ("order-ingest", "sku-matcher", "fulfillment")

    channel_id: UUID
    channel_version: int
    kind: str
    name: str
    mode: ChannelMode
    settings: Mapping[str, Any] = {}
    resets: int = 0
    """Rises when a person wants the channel read from its beginning again; orders stay."""

    @property
    def subject(self) -> str:
        """The channel's id."""
        return str(self.channel_id)


class ChannelDisconnected(Event):
    """A channel was disconnected: nothing more comes from it, nothing may be sent to it."""

    type = "channel.disconnected.v1"
    publisher = "gateway"
    exchange = "internal"
    consumers = ("order-ingest", "sku-matcher", "fulfillment")

    channel_id: UUID
    channel_version: int

    @property
    def subject(self) -> str:
        """The channel's id."""
        return str(self.channel_id)


class DeliveriesRedacted(RedactionReport):
    """Bodies of deliveries, and messages, were searched for people to be redacted."""

    type = "recipient.deliveries.redacted.v1"
    publisher = "gateway"
    consumers = ("order-ingest",)


WEBHOOKS: tuple[type[WebhookReceived], ...] = (
    OrdersWebhookReceived,
    CatalogWebhookReceived,
    StockWebhookReceived,
    FulfillmentWebhookReceived,
    ChannelWebhookReceived,
)
WEBHOOK_OF_CATEGORY: dict[str, type[WebhookReceived]] = {webhook.type.split(".")[1]: webhook for webhook in WEBHOOKS}
"""The event for each category that a connector may give a topic."""
EVENTS: tuple[type[Event], ...] = (*WEBHOOKS, ChannelConfigured, ChannelDisconnected, DeliveriesRedacted)
