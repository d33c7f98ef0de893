"""What the generic channel can do: WebhookSource for ship notices, FulfillmentProvider for a 3PL."""

from collections.abc import Sequence
from datetime import datetime

from crossdock.channels.generic import client, mapper, webhooks
from crossdock.channels.model import Parsed, RawWebhook, Refused, Verified
from crossdock.channels.protocols import ChannelAccess, RequestAnswer, ShipRequest


class GenericConnector:
    """Verifies Standard Webhooks, reads ship notices, and asks a 3PL to ship."""

    kind = "generic"

    def verify(self, webhook: RawWebhook, secrets: Sequence[bytes], now: datetime) -> Verified | Refused:
        """See WebhookSource; `secrets` are `whsec_…` texts or raw keys."""
        return webhooks.verify_webhook(webhook, secrets, now)

    def category(self, topic: str) -> str | None:
        """See WebhookSource."""
        return webhooks.category_of(topic)

    def parse(self, topic: str, body: bytes) -> Sequence[Parsed]:
        """See WebhookSource."""
        return mapper.parse_webhook(topic, body)

    def people_named(self, topic: str, body: bytes) -> frozenset[str] | None:
        """See PersonalPayloads: a notice names our own reference alone."""
        return None

    def without_people(self, topic: str, body: bytes) -> bytes:
        """See PersonalPayloads: what a notice is read for, and nothing else."""
        return mapper.without_people(body)

    async def submit(self, access: ChannelAccess, request: ShipRequest) -> RequestAnswer:
        """See FulfillmentProvider."""
        return await client.submit_request(access, request)

    async def cancel(self, access: ChannelAccess, external_id: str, reference: str) -> RequestAnswer:
        """See FulfillmentProvider."""
        return await client.cancel_request(access, external_id)

    async def status(self, access: ChannelAccess, reference: str) -> RequestAnswer | None:
        """See FulfillmentProvider."""
        return await client.request_status(access, reference)
