"""The one door to writing: a transaction whose events reach the outbox in the same commit, or not at all."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause

from crossdock.contracts.base import Event, utc_now
from crossdock.messaging import outbox
from crossdock.messaging.envelope import Outgoing, Received, outgoing
from crossdock.service import telemetry
from crossdock.storage.engine import Database, Row, positional

if TYPE_CHECKING:
    from crossdock.storage.engine import Connection


class Tx:
    """What a handler gets: SQL through `rows` and `run`, events through `publish`. It never commits by itself."""

    def __init__(self, connection: "Connection", service: str, causes: Mapping[int, Received]) -> None:
        self.now = utc_now()
        self.outgoing: list[Outgoing] = []
        self.in_outbox: list[Outgoing] = []
        self._connection = connection
        self._service = service
        self._causes = causes
        self._told: deque[tuple[Event, Received | None, str]] = deque()

    async def rows(self, statement: TextClause, **parameters: Any) -> Sequence[Row]:
        """Run a statement and fetch what it returns."""
        sql, names = positional(statement)
        return await self._connection.fetch(sql, *[parameters[name] for name in names])

    async def run(self, statement: TextClause, **parameters: Any) -> int:
        """Run a statement; returns how many rows it touched."""
        sql, names = positional(statement)
        outcome = await self._connection.execute(sql, *[parameters[name] for name in names])
        return int(outcome.rpartition(" ")[2]) if outcome[-1:].isdigit() else 0

    def publish(self, event: Event, *, cause: Event | None = None, trace: str | None = None) -> None:
        """Publish an event when, and only when, this transaction commits. `cause` is the event being handled; an event
        that no message caused goes on in `trace`, the trace context of what did cause it."""
        received = None if cause is None else self._causes.get(id(cause))
        parent = self.trace_of(cause) if trace is None else trace
        if not self._told:
            asyncio.get_running_loop().call_soon(self._write_down)
        self._told.append((event, received, parent))

    def _write_down(self) -> None:
        """Make messages of the events told so far. It takes as long as a statement of the handler, so it has its turn
        while Postgres works on one; what no turn came for, or failed in it, is left to `written`."""
        while self._told:
            event, received, parent = self._told[0]
            self.outgoing.append(outgoing(event, source=self._service, cause=received, traceparent=parent))
            self._told.popleft()

    def written(self) -> list[Outgoing]:
        """The messages of every event that was published."""
        self._write_down()
        return self.outgoing

    def trace_of(self, cause: Event | None) -> str:
        """The trace context (W3C traceparent) of what follows from an event being handled, or a new trace."""
        received = None if cause is None else self._causes.get(id(cause))
        return telemetry.traceparent(None if received is None else received.traceparent, received)

    def trace_followed(self, trace: str | None, cause: Event) -> str:
        """The trace context of what an event from outside says of something that has a `trace` of its own already."""
        return telemetry.followed(trace, self._causes.get(id(cause))) if trace else self.trace_of(cause)

    def send(self, message: Outgoing) -> None:
        """Publish a ready message (a replay) when this transaction commits."""
        self.outgoing.append(message)

    def stored(self, messages: Iterable[Outgoing]) -> None:
        """A statement of this transaction wrote these to the outbox itself (`outbox.INSERT_FRESH`)."""
        self.in_outbox.extend(messages)

    def received(self, event: Event) -> Received:
        """The message that carried an event being handled."""
        return self._causes[id(event)]


@asynccontextmanager
async def transaction(database: Database, causes: Iterable[Received] = ()) -> AsyncIterator[Tx]:
    """Open a transaction: everything inside commits together with its events, or nothing does.

    Raises what Postgres raises; then nothing was written.
    """
    async with database.connection() as connection:
        async with connection.transaction():
            tx = Tx(connection, database.service, {id(cause.event): cause for cause in causes})
            yield tx
            if written := tx.written():
                await outbox.insert(tx, written)
    if tx.in_outbox or tx.outgoing:
        database.committed([*tx.in_outbox, *tx.outgoing])


@asynccontextmanager
async def single_statement(database: Database) -> AsyncIterator[Tx]:
    """A transaction of one statement, which writes its messages itself (`outbox.INSERT_FRESH`, `Tx.stored`).

    Postgres commits it by itself: one round trip instead of three, for the edge, where every sender waits for it.
    More statements than one would not be one transaction, so `Tx.publish` and `Tx.send` are not for this form.
    """
    async with database.connection() as connection:
        tx = Tx(connection, database.service, {})
        yield tx
    if tx.written():
        raise RuntimeError("a single statement published messages that it did not write")
    if tx.in_outbox:
        database.committed(tx.in_outbox)
