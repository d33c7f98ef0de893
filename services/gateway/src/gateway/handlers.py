"""Every message that the gateway reacts to: what a channel tells of itself, and whose personal data is to go."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crossdock.channels.model import AccessChanged, AppUninstalled
from crossdock.contracts.gateway import ChannelWebhookReceived
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging import deliveries, redaction
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.transaction import Tx
from gateway.store import connections

consumer = Consumer()


@consumer.on(RedactionOrdered)
async def keep_redactions(events: Sequence[RedactionOrdered], tx: Tx) -> None:
    """Remember whose personal data is to go from the bodies of deliveries; a worker looks for it."""
    await redaction.keep(tx, events)


@consumer.on(ChannelWebhookReceived)
async def heed_channels(events: Sequence[ChannelWebhookReceived], tx: Tx) -> None:
    """Look at once at a channel that says it was uninstalled or allows something else; the worker `check-connections`
    asks it, and decides."""
    uninstalled: dict[UUID, datetime] = {}
    changed: set[UUID] = set()
    for event in events:
        for told in deliveries.read(event):
            if isinstance(told, AppUninstalled):
                at = event.triggered_at or event.received_at
                uninstalled[event.channel_id] = max(at, uninstalled.get(event.channel_id, at))
            elif isinstance(told, AccessChanged):
                changed.add(event.channel_id)
    await connections.told_uninstalled(tx, uninstalled)
    await connections.check_now(tx, changed)
