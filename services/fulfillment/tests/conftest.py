"""Fixtures of fulfillment's tests: a bench, and a hub with a store and a 3PL that are really there."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from sqlalchemy import text

from crossdock.channels.http import close_client
from crossdock.channels.protocols import ChannelAccess
from crossdock.contracts.base import Event, Money
from crossdock.contracts.gateway import ChannelConfigured, FulfillmentWebhookReceived
from crossdock.contracts.inventory import ReservedItem, StockReserved
from crossdock.contracts.order_ingest import (
    Address,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    OrderState,
    OrderUpdated,
    Recipient,
    RecipientRecorded,
)
from crossdock.messaging.transaction import transaction
from crossdock.service.access import AccessClient
from crossdock.service.app import Context
from crossdock.service.health import Health
from crossdock.testing.bench import HandlerBench, event_of
from crossdock.testing.database import TestDatabase
from fulfillment import dispatcher, handlers, tables, workers
from fulfillment.settings import Settings
from sandbox.app import create_app
from sandbox.testing import Sandbox, serve

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE, DEPOT = UUID(int=7), UUID(int=8)
SHOP = "one.example.com"


@pytest.fixture
def place(databases: Callable[..., TestDatabase]) -> TestDatabase:
    """A database in which fulfillment is migrated."""
    return databases("fulfillment")


@pytest.fixture
async def bench(place: TestDatabase) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(place.open("fulfillment"), handlers.consumer, tables.metadata)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    yield from serve(create_app(seed=1))


@pytest.fixture
def sandbox(sandbox_url: str) -> Iterator[Sandbox]:
    """An empty sandbox with a store and a 3PL that ships only when told and keeps its notices to itself."""
    with httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False) as client:
        running = Sandbox(sandbox_url, client)
        running.control("reset")
        running.store()
        secret = "whsec_" + b64encode(b"a secret of the tests").decode()
        account = {"name": "depot", "token": "depot-token", "secret": secret, "behaviour": {"ship_after": None}}
        running.control("3pl/accounts", account)
        yield running
        running.control("reset")


class KnownAccess(AccessClient):
    """Tells of the sandbox's channels what the gateway would tell; counts the tokens that were refused."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "k" * 32, "fulfillment")
        self.refused: list[UUID] = []
        self.tokens = {STORE: ["token"], DEPOT: ["depot-token"]}
        self.patience = {STORE: 0.5, DEPOT: 0.5}
        self._paths = {STORE: f"{url}/shopify/{SHOP}", DEPOT: f"{url}/3pl"}

    def add(self, channel_id: UUID, url: str, *, patience: float) -> None:
        """Tell of another channel, whose calls may take so many seconds."""
        self.tokens[channel_id], self._paths[channel_id], self.patience[channel_id] = ["token"], url, patience

    async def channel(self, channel_id: UUID) -> ChannelAccess:
        settings = {"timeout_seconds": self.patience[channel_id]}
        return ChannelAccess(self._paths[channel_id], self.tokens[channel_id][0], settings)

    def forget(self, channel_id: UUID) -> None:
        self.refused.append(channel_id)
        if len(self.tokens[channel_id]) > 1:
            self.tokens[channel_id].pop(0)


@dataclass
class Hub:
    """Fulfillment between a store and a 3PL, driven step by step."""

    bench: HandlerBench
    context: Context
    sandbox: Sandbox
    access: KnownAccess

    async def connect(self, **settings: Any) -> None:
        """Configure the store and the 3PL, live."""
        about = {"channel_version": 1, "mode": "live"}
        store = ChannelConfigured(channel_id=STORE, kind="shopify", name="Store", settings=settings, **about)
        role = {"role": "destination"}
        depot = ChannelConfigured(channel_id=DEPOT, kind="generic", name="Depot", settings=role, **about)
        await self.bench.handle("learn_channels", [store, depot])

    def state(self, number: int, version: int, wanted: dict[str, int], **more: Any) -> OrderState:
        """The state of an order with these lines, named after their SKUs."""
        skus: dict[str, str] = more.pop("skus", {})
        kind = OrderCancelled if more.get("cancelled") else OrderPlaced if version == 1 else OrderUpdated
        return kind(
            order_id=UUID(int=number),
            channel_id=STORE,
            channel_kind="shopify",
            external_id=more.pop("external_id", str(number)),
            number=f"#{number}",
            placed_at=NOON,
            order_version=version,
            content_version=more.pop("content", version),
            total=Money(amount="9.50", currency="EUR"),
            lines=tuple(order_line(line, n, skus) for line, n in wanted.items()),
            **more,
        )

    async def order(
        self,
        number: int,
        version: int = 1,
        external_id: str = "",
        skus: dict[str, str] | None = None,
        bundles: dict[str, dict[str, int]] | None = None,
        promised: dict[str, Any] | None = None,
        **wanted: int,
    ) -> list[Event]:
        """An order is placed (or changed): its state, stock and recipient arrive. A line's id is its SKU unless `skus`
        says otherwise, or `bundles` of how many units of which SKUs it is made; `promised` to its buyer were a service
        and dates."""
        skus = skus or {}
        order_id = UUID(int=number)
        recipient = Recipient(address=Address(name="Test Person", street=("1 Test Street",), country="IE"))
        recorded = RecipientRecorded(order_id=order_id, recipient_version=1, recipient=recipient)
        items = tuple(
            ReservedItem(line_id=line, sku=sku, location_id=UUID(int=5), quantity=n * per_unit, per_unit=per_unit)
            for line, n in wanted.items()
            for sku, per_unit in (bundles or {}).get(line, {skus.get(line, line): 1}).items()
        )
        stock = StockReserved(
            order_id=order_id, content_version=version, match_version=0, reservation_version=0, items=items
        )
        named = {"external_id": external_id or str(number), "skus": skus}
        state = self.state(number, version, wanted, **named, **(promised or {}))
        said = await self.bench.handle("follow_orders", [recorded])
        said += await self.bench.handle("follow_orders", [state])
        return said + await self.bench.handle("follow_orders", [stock])

    async def cancel(self, number: int, version: int = 2) -> list[Event]:
        """An order is cancelled in its store."""
        return await self.bench.handle("follow_orders", [self.state(number, version, {}, cancelled=True)])

    async def dispatch(self) -> list[Event]:
        """One turn of the dispatcher; what was published."""
        return await self._turn(dispatcher.dispatch)

    async def dispatch_tags(self) -> list[Event]:
        """One turn of the dispatcher of tags; what was published."""
        return await self._turn(dispatcher.dispatch_tags)

    async def look(self) -> list[Event]:
        """One turn of the looks; what was published."""
        return await self._turn(workers.look)

    async def turn(self, worker: Callable[[Context], Any]) -> list[Event]:
        """One turn of any worker."""
        return await self._turn(worker)

    async def _turn(self, worker: Callable[[Context], Any]) -> list[Event]:
        already = len(self.bench.published)
        await worker(self.context)
        return [event_of(row) for row in self.bench.published[already:] if row.exchange]

    async def pass_time(self) -> None:
        """Everything that waits for a time is due, and every deadline has passed."""
        for statement in (
            "UPDATE write_back SET next_at = now() - interval '1 s', deadline = deadline - interval '1 h'",
            "UPDATE channel SET resume_at = '-infinity', tags_resume_at = '-infinity'",
            "UPDATE doubt SET look_at = now(), doubted_at = doubted_at - interval '1 h'",
        ):
            async with transaction(self.bench.database) as tx:
                await tx.run(text(statement))

    async def age_doubts(self) -> None:
        """Every doubt is an hour old."""
        async with transaction(self.bench.database) as tx:
            await tx.run(text("UPDATE write_back SET first_doubt_at = first_doubt_at - interval '1 h'"))

    async def writes(self, kind: str = "submit") -> list[dict[str, Any]]:
        """The writes of a kind, oldest first."""
        return [row for row in await self.bench.table("write_back", order_by="id") if row["kind"] == kind]

    def requests(self) -> list[dict[str, Any]]:
        """What the 3PL has been asked."""
        found: list[dict[str, Any]] = self.sandbox.look("3pl/requests")["requests"]
        return found

    def depot(self, number: int, deed: str, **body: Any) -> Any:
        """The warehouse does something about a request by its order number."""
        return self.sandbox.control(f"3pl/requests/{number}/{deed}", body)

    async def notice(self, kind: str, number: int, revision: int = 1, **body: Any) -> list[Event]:
        """A ship notice arrives from the 3PL."""
        return await self.bench.handle("receive_notices", [notice(kind, number, revision, **body)])


def order_line(line: str, wanted: int, skus: dict[str, str]) -> OrderLine:
    """A line of an order."""
    sku = skus.get(line, line)
    price = Money(amount="9.50", currency="EUR")
    return OrderLine(
        line_id=line,
        position=1,
        listing_id="9",
        sku=sku,
        title=sku.title(),
        quantity=max(wanted, 1),
        wanted=wanted,
        requires_shipping=True,
        unit_price=price,
    )


def notice(kind: str, number: int, revision: int = 1, **body: Any) -> FulfillmentWebhookReceived:
    """A ship notice as the gateway hands it on."""
    whole = {"type": kind, "occurred_at": NOON.isoformat(), "reference": f"{UUID(int=number)}:{revision}"} | body
    return FulfillmentWebhookReceived(
        delivery_id=UUID(int=1),
        channel_id=DEPOT,
        channel_kind="generic",
        topic=kind,
        external_delivery_id="1",
        received_at=NOON,
        body=b64encode(orjson.dumps(whole, default=str)),
    )


@pytest.fixture
async def hub(place: TestDatabase, bench: HandlerBench, sandbox: Sandbox) -> AsyncIterator[Hub]:
    """A hub whose channels are connected."""
    access = KnownAccess(sandbox.url)
    url = place.url("fulfillment")
    settings = Settings(
        database_url=url, broker_url="amqp://127.0.0.1", service_key="k" * 32, call_seconds=5.0, look_seconds=0.0
    )
    made = Hub(bench, Context(settings, bench.database, access, Health()), sandbox, access)
    await made.connect()
    yield made
    await access.close()
    await close_client()
