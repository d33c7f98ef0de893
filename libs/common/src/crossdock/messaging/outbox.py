"""The outbox: messages that are committed and not yet confirmed by the broker. Deleted on confirmation only."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import text

from crossdock.messaging.envelope import Outgoing
from crossdock.storage.engine import Row

if TYPE_CHECKING:
    from crossdock.messaging.transaction import Tx

WRITER_GRACE_SECONDS = 5
"""How long a row belongs to the process that wrote it; after that any relay may publish it."""

REFUSED_DELAY_SECONDS = 30
"""How long a returned or nacked row waits before it is tried again."""

Complete = Callable[["Tx", Sequence[Outgoing]], Awaitable[Sequence[Outgoing]]]
"""What makes messages whole whose bodies a service keeps outside the outbox."""

COLUMNS = "id, type, exchange, routing_key, correlation_id, headers, body"

INSERT = text(f"""
    INSERT INTO outbox ({COLUMNS}, not_before)
    SELECT m.*, now() + make_interval(secs => {WRITER_GRACE_SECONDS})
    FROM unnest(CAST(:id AS uuid[]), CAST(:type AS text[]), CAST(:exchange AS text[]), CAST(:routing_key AS text[]),
                CAST(:correlation_id AS text[]), CAST(:headers AS bytea[]), CAST(:body AS bytea[])) AS m
""")  # noqa: S608
INSERT_FRESH = f"""
    INSERT INTO outbox ({COLUMNS}, not_before)
    SELECT m.*, '', now() + make_interval(secs => {WRITER_GRACE_SECONDS})
    FROM unnest(CAST(:outbox_id AS uuid[]), CAST(:outbox_type AS text[]), CAST(:outbox_exchange AS text[]),
                CAST(:outbox_routing_key AS text[]), CAST(:outbox_correlation_id AS text[]),
                CAST(:outbox_headers AS bytea[]))
         AS m(id, type, exchange, routing_key, correlation_id, headers)
    WHERE m.id IN (SELECT id FROM fresh)
"""  # noqa: S608
"""For a statement whose `WITH fresh AS (INSERT … ON CONFLICT DO NOTHING RETURNING id)` decides which messages exist;
takes the parameters of `fresh_arrays`. The statement's transaction tells `Tx.stored` which they were.
Their bodies stay out of the outbox: the service has them elsewhere, and gives them to the relay that finds such a row
lost (`Complete`)."""
LOST = text(f"""
    SELECT {COLUMNS} FROM outbox WHERE not_before <= now() ORDER BY not_before LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608
CONFIRM = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))")
DELAY = text(f"""
    UPDATE outbox SET not_before = now() + make_interval(secs => {REFUSED_DELAY_SECONDS})
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")  # noqa: S608
RELEASE_DUE = text(f"""
    WITH due AS (
        DELETE FROM scheduled WHERE id IN (
            SELECT id FROM scheduled WHERE due_at <= now() ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING {COLUMNS})
    SELECT {COLUMNS} FROM due
""")  # noqa: S608
SCHEDULE = text(f"""
    INSERT INTO scheduled ({COLUMNS}, due_at)
    SELECT m.id, m.type, m.exchange, m.routing_key, m.correlation_id, m.headers, m.body,
           now() + make_interval(secs => m.seconds)
    FROM unnest(CAST(:id AS uuid[]), CAST(:type AS text[]), CAST(:exchange AS text[]), CAST(:routing_key AS text[]),
                CAST(:correlation_id AS text[]), CAST(:headers AS bytea[]), CAST(:body AS bytea[]),
                CAST(:seconds AS double precision[]))
         AS m(id, type, exchange, routing_key, correlation_id, headers, body, seconds)
""")  # noqa: S608
STATE = text("""
    SELECT (SELECT count(*) FROM outbox) AS rows,
           (SELECT count(*) FROM outbox WHERE not_before <= now() - interval '5 seconds') AS late,
           (SELECT id FROM outbox ORDER BY id LIMIT 1) AS oldest,
           (SELECT count(*) FROM scheduled) AS scheduled,
           (SELECT count(*) FROM parked_message WHERE state = 'parked') AS parked
""")


def _arrays(messages: Sequence[Outgoing]) -> dict[str, list[Any]]:
    return {
        "id": [m.message_id for m in messages],
        "type": [m.type for m in messages],
        "exchange": [m.exchange for m in messages],
        "routing_key": [m.routing_key for m in messages],
        "correlation_id": [m.correlation_id for m in messages],
        "headers": [orjson.dumps(m.headers) for m in messages],
        "body": [m.body for m in messages],
    }


def fresh_arrays(messages: Sequence[Outgoing]) -> dict[str, list[Any]]:
    """The parameters of INSERT_FRESH."""
    return {f"outbox_{name}": values for name, values in _arrays(messages).items() if name != "body"}


def _message(row: Row) -> Outgoing:
    headers: Mapping[str, str | int] = orjson.loads(row.headers)
    return Outgoing(row.id, row.type, row.exchange, row.routing_key, row.correlation_id, headers, row.body)


async def insert(tx: "Tx", messages: Sequence[Outgoing]) -> None:
    """Write messages in one statement, whatever their number."""
    await tx.run(INSERT, **_arrays(messages))


async def schedule(tx: "Tx", messages: Sequence[Outgoing], seconds: Sequence[float]) -> None:
    """Write messages that become due so many seconds from now."""
    await tx.run(SCHEDULE, **_arrays(messages), seconds=list(seconds))


async def take_lost(tx: "Tx", limit: int) -> list[Outgoing]:
    """Lock rows whose writer did not get them confirmed in time; other relays skip them meanwhile."""
    return [_message(row) for row in await tx.rows(LOST, limit=limit)]


async def as_stored(_: "Tx", messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """How a service completes lost messages whose outbox has them whole."""
    return messages


async def take_due(tx: "Tx", limit: int) -> list[Outgoing]:
    """Remove the scheduled messages that are due, to be sent in the same transaction."""
    return [_message(row) for row in await tx.rows(RELEASE_DUE, limit=limit)]


async def confirm(tx: "Tx", ids: Sequence[UUID]) -> None:
    """Delete what the broker confirmed."""
    await tx.run(CONFIRM, ids=sorted(ids))


async def delay(tx: "Tx", ids: Sequence[UUID]) -> None:
    """Try refused rows again later; they are never deleted."""
    await tx.run(DELAY, ids=sorted(ids))


async def state(tx: "Tx") -> Row:
    """Counts for metrics and for tests: rows, late, scheduled, parked; and the id of the oldest row."""
    return (await tx.rows(STATE))[0]
