"""Every message that the gateway reacts to."""

from collections.abc import Sequence

from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging import redaction
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.transaction import Tx

consumer = Consumer()


@consumer.on(RedactionOrdered)
async def keep_redactions(events: Sequence[RedactionOrdered], tx: Tx) -> None:
    """Remember whose personal data is to go from the bodies of deliveries; a worker looks for it."""
    await redaction.keep(tx, events)
