"""Runs on a real Postgres: a context as a service has it, and kinds whose turns the tests write."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.health import Health
from crossdock.service.runs import store, worker
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, ChannelRow, Kind, Runs, Turn
from crossdock.service.runs.schedule import Schedule
from crossdock.testing.database import TestDatabase

SHOP = UUID(int=7)
SETTINGS = SimpleNamespace(
    run_channels=4, run_lease_seconds=60.0, run_retry_seconds=5.0, run_gap_seconds=60.0, run_days=14
)


class Access:
    """Notes what was forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[UUID] = []

    def forget(self, channel_id: UUID) -> None:
        self.forgotten.append(channel_id)


@dataclass
class Desk:
    """A service's runs, turned by hand."""

    context: Context
    kinds: list[Kind]
    channel: ChannelRow

    @property
    def runs(self) -> Runs:
        async def channels(_: Tx) -> list[ChannelRow]:
            return [self.channel]

        return Runs(self.kinds, channels)

    def kind(
        self, name: str, turn: Callable[[Job], Awaitable[Turn]], lane: str = "orders", every: float | None = None
    ) -> Kind:
        """A kind of this service from now on."""
        made = Kind(name, lane, "{channel}", "here", object, turn, lambda _: Schedule(every))
        self.kinds.append(made)
        return made

    async def schedule(self) -> None:
        """One look of a scheduler."""
        await worker.schedule(self.runs, self.context)

    async def turn(self, lane: str = "orders", *, failing: bool = False) -> bool:
        """One look of a lane's worker."""
        return await worker.turn(self.runs, lane, failing, self.context)

    async def start(self, kind: Kind, **request: Any) -> UUID | None:
        """Somebody starts an integration."""
        async with self.context.transaction() as tx:
            one = await store.of_channel(tx, SHOP, kind.name)
            assert one is not None
            return await worker.queue_now(tx, kind, one, request)

    async def rows(self, name: str = "run", order: str = "scheduled_at") -> list[dict[str, Any]]:
        """A table."""
        async with self.context.transaction() as tx:
            found = await tx.rows(text(f"SELECT * FROM {name} ORDER BY {order}"))
        return [dict(row) for row in found]

    async def sql(self, statement: str) -> None:
        """What only a test does to the tables."""
        async with self.context.transaction() as tx:
            await tx.run(text(statement))

    def disconnected(self) -> None:
        self.channel = replace(self.channel, connected=False)


@pytest.fixture
async def desk(databases: Callable[..., TestDatabase]) -> AsyncIterator[Desk]:
    """In the schema of a service that has runs; the service itself does nothing here."""
    database = databases("sku-matcher").open("sku-matcher")
    context = Context(SimpleNamespace(**vars(SETTINGS)), database, Access(), Health())  # type: ignore[arg-type]
    yield Desk(context, [], ChannelRow(SHOP, "shopify", "Main", True))
    await database.close()


@pytest.fixture
def done() -> Callable[[Job], Awaitable[Turn]]:
    """A turn with nothing to do."""

    async def turn(_: Job) -> Turn:
        return DONE

    return turn
