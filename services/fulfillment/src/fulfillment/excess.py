"""Shipments of more than was asked: parked for a person, after a look."""

from typing import Any

from crossdock.contracts.gateway import FulfillmentWebhookReceived
from crossdock.messaging.envelope import Incoming, outgoing
from crossdock.messaging.parked import ToPark, park
from crossdock.messaging.topology import queue_name
from crossdock.messaging.transaction import Tx
from fulfillment.desks import Desks
from fulfillment.domain.desk import Dismissed
from fulfillment.domain.protocol import may_leave, shipped_under
from fulfillment.domain.units import minus
from fulfillment.store import writes

HANDLER = "receive_notices"


async def hand_over(tx: Tx, held: Desks, doubt: Any, said: str) -> None:
    """Park the notice of a doubted shipment, unless its void came meanwhile; replayed, it is judged anew."""
    desk = held.held[doubt.order_id]
    shipment = desk.doubt(doubt.shipment_id)
    await writes.drop_doubt(tx, doubt.order_id, doubt.shipment_id)
    if shipment is None:
        return
    room = dict(minus(may_leave(desk, shipment.revision), shipped_under(desk, shipment.revision)))
    too_much = ", ".join(
        f"{n} of line {line} where {max(room.get(line, 0), 0)} may leave"
        for line, n in shipment.units
        if n > room.get(line, 0)
    )
    reason = f"More left than was asked: {too_much}; {said}. Ask it, correct the notice, then replay."
    event = FulfillmentWebhookReceived.model_validate_json(doubt.notice)
    sent = outgoing(event, source="gateway", cause=None, traceparent=None)
    message = Incoming(str(sent.message_id), sent.type, sent.correlation_id, sent.headers, sent.body)
    await park(tx, HANDLER, queue_name("fulfillment", HANDLER), [ToPark(message, reason)])
    held.learn(doubt.order_id, Dismissed(doubt.shipment_id))
    await held.save()
