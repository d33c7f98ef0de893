"""The message that tells of a delivery: made when it comes in, and made again when the relay lost that one.

Invariant: a body is stored once, with its delivery. Whoever deletes it stores what is still to be told of it first.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import orjson

from crossdock.contracts.gateway import WebhookReceived
from crossdock.messaging import redaction
from crossdock.messaging.envelope import Outgoing, cloud_headers
from crossdock.messaging.transaction import Tx
from crossdock.service import telemetry
from gateway import store
from gateway.domain.deliveries import Delivery


def message_of(delivery: Delivery, event_type: type[WebhookReceived], kind: str) -> Outgoing:
    """The message that tells of a delivery, under the delivery's id."""
    about = str(delivery.id)
    trace = telemetry.traceparent(None, None)
    return Outgoing(
        message_id=delivery.id,
        type=event_type.type,
        exchange=event_type.exchange,
        routing_key=event_type.type,
        correlation_id=about,
        headers=cloud_headers(event_type.type, "gateway", about, delivery.received_at, about, trace),
        body=body_of(delivery, kind),
    )


def body_of(delivery: Delivery, kind: str) -> bytes:
    """The body of that message.

    Written by hand (the event's own fields, what was delivered in base64): the model takes about twice as long for
    6 KB, and this runs for every webhook. A test compares the two.
    """
    fields = orjson.dumps(
        {
            "occurred_at": delivery.received_at,
            "delivery_id": delivery.id,
            "channel_id": delivery.channel_id,
            "channel_kind": kind,
            "topic": delivery.topic,
            "external_delivery_id": delivery.external_delivery_id,
            "external_event_id": delivery.event_id,
            "triggered_at": delivery.triggered_at,
            "received_at": delivery.received_at,
        },
        default=str,  # the UUIDs that Postgres gives are a class of the driver's
    )
    return b"".join((fields[:-1], b',"body":"', b2a_base64(delivery.body, newline=False), b'"}'))


async def complete(tx: Tx, messages: Sequence[Outgoing]) -> list[Outgoing]:
    """Messages as the outbox has them, with the bodies that it leaves to their deliveries."""
    untold = await store.untold(tx, [message.message_id for message in messages if not message.body])
    bodies = {delivery.id: body_of(delivery, kind) for delivery, kind in untold}
    return [replace(message, body=bodies.get(message.message_id, message.body)) for message in messages]


async def drop_bodies(tx: Tx, ids: Sequence[UUID]) -> int:
    """Delete the bodies of these deliveries, for the sake of the people in them; what happened to their orders is still
    told where it was not yet. The deliveries stay known. Returns how many went."""
    people_gone = [
        (replace(delivery, body=redaction.cleaned_payload(kind, delivery.topic, delivery.body)), kind)
        for delivery, kind in await store.untold(tx, ids)
    ]
    if people_gone:
        bodies = {delivery.id: body_of(delivery, kind) for delivery, kind in people_gone}
        await redaction.replace_bodies(tx, "outbox", bodies)
    return await store.drop_bodies(tx, ids)
