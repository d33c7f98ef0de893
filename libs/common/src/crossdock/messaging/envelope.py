"""An event as it travels: CloudEvents 1.0 in binary mode over AMQP 0-9-1 properties and headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from crossdock.contracts.base import Event
from crossdock.contracts.registry import EVENTS

Headers = Mapping[str, str | int]


def new_id() -> UUID:
    """A UUIDv7: sorts by the time at which it was made (RFC 9562, section 5.7)."""
    return uuid7()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish. `exchange` is "" for one handler's own queue, whose name is then the `routing_key`."""

    message_id: UUID
    type: str
    exchange: str
    routing_key: str
    correlation_id: str
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the broker delivered it; nothing in it is trusted yet."""

    message_id: str | None
    type: str | None
    correlation_id: str | None
    headers: Mapping[str, Any]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message: the event, and what retries, replays and traces need to know of it.

    `origin_id` is the id under which the event was first published; `attempt` counts from 0.
    """

    message_id: UUID
    origin_id: UUID
    attempt: int
    event: Event
    traceparent: str | None
    raw: Incoming


class Undecodable(Exception):
    """A message that cannot be read; its text is one sentence without input values."""


def outgoing(event: Event, *, source: str, cause: Received | None, traceparent: str | None) -> Outgoing:
    """Wrap a new event for publishing by service `source`; `traceparent` ties it to the trace of its cause."""
    message_id, subject = new_id(), event.subject
    if _names_order(event):
        correlation = subject
    else:
        correlation = (cause.raw.correlation_id if cause is not None else None) or event.correlation
    headers = cloud_headers(event.type, source, str(message_id), event.occurred_at, subject, traceparent)
    return Outgoing(
        message_id=message_id,
        type=event.type,
        exchange=event.exchange,
        routing_key=event.type,
        correlation_id=storable(correlation),
        headers=headers,
        body=event.__pydantic_serializer__.to_json(event),
    )


def storable(value: str) -> str:
    """Text that Postgres takes: it holds no NUL character."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


def cloud_headers(
    type_: str, source: str, message_id: str, occurred_at: datetime, subject: str, traceparent: str | None
) -> dict[str, str | int]:
    """The CloudEvents headers of a message from service `source`."""
    headers: dict[str, str | int] = {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": message_id,
        "cloudEvents_source": f"/{source}",
        "cloudEvents_type": type_,
        "cloudEvents_time": occurred_at.isoformat(),
        "cloudEvents_subject": subject,
    }
    if traceparent is not None:
        headers["traceparent"] = traceparent
    return headers


def _names_order(event: Event) -> bool:
    return hasattr(event, "order_id")


def again(message: Incoming, *, queue: str, attempt: int, origin_id: UUID) -> Outgoing:
    """The same message once more for one handler's own queue, under a new id that remembers where it came from."""
    message_id = new_id()
    kept = {key: value for key, value in message.headers.items() if isinstance(value, str | int) and value is not None}
    headers = kept | {"cloudEvents_id": str(message_id), "x-attempt": attempt, "x-origin-id": str(origin_id)}
    return Outgoing(
        message_id=message_id,
        type=storable(message.type or ""),
        exchange="",
        routing_key=queue,
        correlation_id=storable(message.correlation_id or ""),
        headers=headers,
        body=message.body,
    )


def made_at(message_id: UUID) -> float:
    """The moment at which a UUIDv7 was made, in seconds since 1970. Raises Undecodable for any other version."""
    if message_id.version != 7:
        raise Undecodable("the message id is not a UUIDv7")
    return (message_id.int >> 80) / 1000


def decode(message: Incoming, accepted: Mapping[str, type[Event]] = EVENTS) -> Received:
    """Read a delivered message. Raises Undecodable with the reason: no v7 id, unknown type, or a body that does not
    fit the type. The reason names fields, never their values, which may be personal."""
    message_id = _uuid(message.message_id, "message id")
    made_at(message_id)
    if message.type is None or message.type not in accepted:
        raise Undecodable(f"nothing here reads messages of type {message.type!r}")
    try:
        event = accepted[message.type].__pydantic_validator__.validate_json(message.body)
    except ValueError as problem:
        raise Undecodable(_explain(message.type, problem)) from None
    origin = message.headers.get("x-origin-id")
    attempt = message.headers.get("x-attempt", 0)
    return Received(
        message_id=message_id,
        origin_id=_uuid(origin, "x-origin-id header") if origin else message_id,
        attempt=attempt if isinstance(attempt, int) else 0,
        event=event,
        traceparent=message.headers.get("traceparent"),
        raw=message,
    )


def _uuid(text: Any, what: str) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise Undecodable(f"the {what} is not a UUID") from None


def _explain(kind: str, problem: ValueError) -> str:
    errors = getattr(problem, "errors", None)
    if errors is None:
        return f"the body is no {kind}: {type(problem).__name__}"
    first = errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return f"the body is no {kind}: {where}: {first['type']}"
