"""Deliveries of channels as their connectors read them."""

from collections.abc import Sequence

from crossdock.channels.model import Parsed
from crossdock.channels.protocols import WebhookSource
from crossdock.channels.registry import UnknownChannelKind, can, connector
from crossdock.contracts.gateway import WebhookReceived
from crossdock.messaging.failures import Poison


def read(event: WebhookReceived) -> Sequence[Parsed]:
    """What a delivery tells. Raises Poison when no connector that is installed reads the webhooks of its channel."""
    try:
        source: WebhookSource = connector(event.channel_kind)
    except UnknownChannelKind as unknown:
        raise Poison(event, f"{unknown}: install the connector, then replay the message.") from None
    if not can(event.channel_kind, WebhookSource):
        raise Poison(event, f"Channels of kind {event.channel_kind} take no webhooks: discard the message.")
    return source.parse(event.topic, event.body)
