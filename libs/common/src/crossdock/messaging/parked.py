"""Parked messages: those that cannot be handled, kept whole with the reason until a person fixes or discards them."""

import hashlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import orjson
from sqlalchemy import text

from crossdock.messaging.envelope import Incoming, again, storable
from crossdock.storage.engine import Row

if TYPE_CHECKING:
    from crossdock.messaging.transaction import Tx

NAMESPACE = UUID("6f1c4a52-5f0e-5b7a-9d6e-3c1b7d0e9a11")

PARK = text("""
    INSERT INTO parked_message (id, handler, queue, message_id, origin_id, attempt, type, correlation_id, headers,
                                body, reason, traceback)
    SELECT * FROM unnest(CAST(:id AS uuid[]), CAST(:handler AS text[]), CAST(:queue AS text[]),
                         CAST(:message_id AS text[]), CAST(:origin_id AS uuid[]), CAST(:attempt AS int[]),
                         CAST(:type AS text[]), CAST(:correlation_id AS text[]), CAST(:headers AS bytea[]),
                         CAST(:body AS bytea[]), CAST(:reason AS text[]), CAST(:traceback AS text[]))
    ON CONFLICT DO NOTHING
""")
LIST = text("""
    SELECT id, handler, queue, message_id, origin_id, attempt, type, correlation_id, reason, parked_at, state,
           settled_at, octet_length(body) AS size
    FROM parked_message
    WHERE (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:before AS timestamptz) IS NULL OR parked_at < :before)
    ORDER BY parked_at DESC, id LIMIT :limit
""")
SHOW = text("SELECT *, octet_length(body) AS size FROM parked_message WHERE id = :id")
LOCK = text("SELECT * FROM parked_message WHERE id = :id FOR UPDATE")
EDIT = text("UPDATE parked_message SET body = :body WHERE id = :id AND state = 'parked'")
SETTLE = text("UPDATE parked_message SET state = :state, settled_at = now() WHERE id = :id")


@dataclass(frozen=True, slots=True)
class ToPark:
    """A message on its way to the parked ones, and why. `reason` and `trace` hold no personal data."""

    message: Incoming
    reason: str
    trace: str = ""
    origin_id: UUID | None = None
    attempt: int = 0


class NotParked(LookupError):
    """There is no such parked message, or it was settled before."""


def frames_of(error: BaseException) -> str:
    """Where an error arose, without its text: that may quote what a customer wrote."""
    return "".join(traceback.format_tb(error.__traceback__)[-12:]) + type(error).__name__


def parked_id(handler: str, parked: ToPark) -> UUID:
    """The same message parked by the same handler has one id, so that a redelivery does not park it twice."""
    message = parked.message
    digest = hashlib.blake2b(message.body, digest_size=16).hexdigest()
    return uuid5(NAMESPACE, f"{handler}/{message.message_id}/{message.type}/{digest}")


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)


async def park(tx: "Tx", handler: str, queue: str, parked: Sequence[ToPark]) -> None:
    """Store messages with their reasons, in one statement."""
    await tx.run(
        PARK,
        id=[parked_id(handler, p) for p in parked],
        handler=[handler] * len(parked),
        queue=[queue] * len(parked),
        message_id=[_text(p.message.message_id) for p in parked],
        origin_id=[p.origin_id for p in parked],
        attempt=[p.attempt for p in parked],
        type=[_text(p.message.type) for p in parked],
        correlation_id=[_text(p.message.correlation_id) for p in parked],
        headers=[orjson.dumps(dict(p.message.headers), default=str) for p in parked],
        body=[p.message.body for p in parked],
        reason=[p.reason for p in parked],
        traceback=[p.trace for p in parked],
    )


async def parked_messages(
    tx: "Tx", *, state: str | None = "parked", before: Any = None, limit: int = 100
) -> Sequence[Row]:
    """Parked messages, newest first, without their bodies."""
    return await tx.rows(LIST, state=state, before=before, limit=limit)


async def parked_message(tx: "Tx", parked_id: UUID) -> Row:
    """One parked message, whole. Raises NotParked."""
    rows = await tx.rows(SHOW, id=parked_id)
    if not rows:
        raise NotParked(f"there is no parked message {parked_id}")
    return rows[0]


async def edit(tx: "Tx", parked_id: UUID, body: bytes) -> None:
    """Replace the body of a message that is still parked. Raises NotParked."""
    await _lock(tx, parked_id)
    await tx.run(EDIT, id=parked_id, body=body)


async def replay(tx: "Tx", parked_id: UUID) -> None:
    """Send a parked message to its handler once more, under a new id. Raises NotParked when it was settled before."""
    row = await _lock(tx, parked_id)
    message = Incoming(row.message_id, row.type, row.correlation_id, orjson.loads(row.headers), row.body)
    tx.send(again(message, queue=row.queue, attempt=0, origin_id=row.origin_id or row.id))
    await tx.run(SETTLE, id=parked_id, state="replayed")


async def discard(tx: "Tx", parked_id: UUID) -> None:
    """Give a parked message up; it stays readable. Raises NotParked when it was settled before."""
    await _lock(tx, parked_id)
    await tx.run(SETTLE, id=parked_id, state="discarded")


async def _lock(tx: "Tx", parked_id: UUID) -> Row:
    rows = await tx.rows(LOCK, id=parked_id)
    if not rows:
        raise NotParked(f"there is no parked message {parked_id}")
    if rows[0].state != "parked":
        raise NotParked(f"parked message {parked_id} was {rows[0].state} before")
    return rows[0]
