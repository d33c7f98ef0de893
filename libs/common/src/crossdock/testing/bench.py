"""The handler bench: one handler's real batches on a real Postgres, without a broker."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import MetaData, text

from crossdock.contracts.base import Event
from crossdock.contracts.registry import EVENTS
from crossdock.messaging.batch import BatchProcessor, Window
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.envelope import Incoming, Outgoing, outgoing
from crossdock.messaging.transaction import Tx, transaction
from crossdock.storage.engine import Database
from crossdock.testing.database import statements_to

DAY = 86_400.0
RUNTIME_TABLES = ("inbox", "outbox", "scheduled", "suspect")


class HandlerBench:
    """Runs a service's handlers. `published` holds what every transaction since the last `clear` left in the outbox."""

    def __init__(self, database: Database, consumer: Consumer, metadata: MetaData) -> None:
        self.database = database
        self.published: list[Outgoing] = []
        self._consumer = consumer
        self._metadata = metadata
        database.on_commit.append(self.published.extend)

    async def close(self) -> None:
        """Close the connections."""
        await self.database.close()

    async def given(self, *steps: Callable[[Tx], Awaitable[None]]) -> None:
        """Run steps in one transaction each, as a worker or the API would."""
        for step in steps:
            async with transaction(self.database) as tx:
                await step(tx)

    async def handle(self, handler: str, events: Sequence[Event]) -> list[Event]:
        """Offer new messages as one batch; returns what was published because of them."""
        return await self.deliver(handler, [message_of(event) for event in events])

    async def deliver(self, handler: str, messages: Sequence[Incoming]) -> list[Event]:
        """Offer ready messages as one batch, so that the same one can come twice."""
        already = len(self.published)
        await self.processor(handler).settle(messages)
        return [event_of(row) for row in self.published[already:] if row.exchange]

    def processor(self, handler: str) -> BatchProcessor:
        """The batch processor that the service would run for a handler."""
        return BatchProcessor(self.database, self._consumer.handler(handler), window=Window(14 * DAY, 14 * DAY))

    async def table(self, name: str, *, order_by: str = "1") -> list[dict[str, Any]]:
        """All rows of a table."""
        async with transaction(self.database) as tx:
            rows = await tx.rows(text(f"SELECT * FROM {name} ORDER BY {order_by}"))  # noqa: S608
        return [dict(row) for row in rows]

    async def snapshot(self) -> dict[str, list[str]]:
        """Every table of the service but the runtime's, as sorted lines; columns marked volatile are left out. Of a
        table with a `summed` column only its sums count, by the other columns."""
        lines = {}
        for table in self._metadata.sorted_tables:
            if table.name in RUNTIME_TABLES:
                continue
            volatile = {column.name for column in table.columns if column.info.get("volatile")}
            volatile |= (
                {"parked_at", "settled_at", "id", "message_id", "origin_id"}
                if table.name == "parked_message"
                else set()
            )
            rows = await self.table(table.name)
            if "summed" in table.info:
                rows = _summed(rows, table.info["summed"], volatile)
            lines[table.name] = sorted(str({k: v for k, v in row.items() if k not in volatile}) for row in rows)
        return lines

    async def empty(self) -> None:
        """Empty every table of the service, but for those marked as reference data."""
        async with transaction(self.database) as tx:
            for table in reversed(self._metadata.sorted_tables):
                if not table.info.get("reference"):
                    await tx.run(text(f"DELETE FROM {table.name}"))  # noqa: S608
        self.published.clear()

    def counting(self) -> AbstractContextManager[list[str]]:
        """Collect the statements that are sent to Postgres meanwhile."""
        return statements_to(self.database)


def message_of(event_: Event, *, source: str = "bench") -> Incoming:
    """A message as the broker would deliver it, under a new id."""
    sent = outgoing(event_, source=source, cause=None, traceparent=None)
    return Incoming(str(sent.message_id), sent.type, sent.correlation_id, sent.headers, sent.body)


def event_of(row: Outgoing) -> Event:
    """The event inside a message that was published."""
    return EVENTS[row.type].model_validate_json(row.body)


def splits(messages: Sequence[Incoming], seed: int) -> list[list[Incoming]]:
    """Cut messages into batches at random places, their order unchanged."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable split
    batches: list[list[Incoming]] = [[]]
    for message in messages:
        if batches[-1] and chance.random() < 0.4:
            batches.append([])
        batches[-1].append(message)
    return batches


def _summed(rows: Sequence[dict[str, Any]], column: str, volatile: set[str]) -> list[dict[str, Any]]:
    sums: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for row in rows:
        sums[tuple((name, value) for name, value in row.items() if name not in {column, *volatile})] += row[column]
    return [{**dict(key), column: total} for key, total in sums.items() if total]
