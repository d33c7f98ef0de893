"""A delivery is read by its channel's connector, or parked with what to do about it."""

from uuid import uuid4

import pytest

from crossdock.contracts.base import utc_now
from crossdock.contracts.gateway import CatalogWebhookReceived
from crossdock.messaging import deliveries
from crossdock.messaging.failures import Poison


@pytest.mark.parametrize(
    ("kind", "what_to_do"),
    [
        ("nonesuch", r"no connector for channel kind 'nonesuch'; .*: install the connector, then replay the message\."),
        ("manual", r"Channels of kind manual take no webhooks: discard the message\."),
    ],
)
def test_a_delivery_that_no_connector_reads_is_the_messages_fault(kind: str, what_to_do: str) -> None:
    event = CatalogWebhookReceived(
        delivery_id=uuid4(),
        channel_id=uuid4(),
        channel_kind=kind,
        topic="products/update",
        external_delivery_id="1",
        received_at=utc_now(),
        body=b"e30=",
    )
    with pytest.raises(Poison, match=what_to_do):
        deliveries.read(event)
