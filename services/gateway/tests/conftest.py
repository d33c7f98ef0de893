"""A real gateway: uvicorn on a free port, its own database, and a broker only where the test has one."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from sqlalchemy import text

from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.outbox import COLUMNS
from crossdock.messaging.transaction import transaction
from crossdock.service import exporters, tokens
from crossdock.service.app import Process
from crossdock.testing.database import Templates, TestDatabase
from crossdock.testing.waiting import until
from gateway.main import service
from gateway.parts import parts_of
from gateway.settings import Settings
from gateway.telling import complete
from sandbox.app import create_app
from sandbox.testing import Sandbox, serve

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves it to us to find `connecting_examples`

SERVICE_KEY = "a-service-key-of-at-least-32-characters"
API_KEY = "xd_first-key-of-the-tests"
SECRET = "webhook-secret-of-the-shop"
SHOP = "test-shop.myshopify.com"
NO_BROKER = "amqp://guest:guest@127.0.0.1:9/nowhere"


def some_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def made_key(name: str = "k1") -> str:
    return f"{name}:{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}"


@dataclass
class Running:
    """A running gateway and a client of it."""

    process: Process
    client: httpx.AsyncClient
    url: str

    def service_token(self, issuer: str = "order-ingest") -> dict[str, str]:
        return {"authorization": f"Bearer {tokens.issue(SERVICE_KEY, issuer=issuer, audience='gateway')}"}

    async def connect(self, **changes: Any) -> dict[str, Any]:
        """Connect the test shop."""
        body = {
            "kind": "shopify",
            "name": "Test shop",
            "shop": SHOP,
            "base_url": "http://127.0.0.1:9",
            "secrets": {"webhook_secret": SECRET, "access_token": "token-of-the-shop"},
        }
        reply = await self.client.post("/v1/channels", json=body | changes)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    async def deliver(
        self,
        body: bytes = b'{"id":1}',
        *,
        secret: str = SECRET,
        delivery_id: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Send a webhook as Shopify does; `headers` replace or add to the usual ones."""
        sent = {
            "content-type": "application/json",
            "x-shopify-topic": "orders/create",
            "x-shopify-shop-domain": SHOP,
            "x-shopify-webhook-id": delivery_id or secrets.token_hex(8),
            "x-shopify-event-id": "event-1",
            "x-shopify-triggered-at": "2026-11-01T10:00:00.000000000Z",
            "x-shopify-hmac-sha256": signature(body, secret),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/webhooks/shopify", content=body, headers=sent)

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        async with transaction(self.process.database) as tx:
            return [dict(row) for row in await tx.rows(text(statement))]

    async def published(self) -> list[dict[str, Any]]:
        """The events in the outbox, oldest first, as a relay that found them lost would publish them."""
        async with transaction(self.process.database) as tx:
            kept = [Outgoing(*row) for row in await tx.rows(text(f"SELECT {COLUMNS} FROM outbox ORDER BY id"))]
            return [{"type": message.type, **json.loads(message.body)} for message in await complete(tx, kept)]


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


StartGateway = Callable[..., Any]


@pytest.fixture(scope="session")
def counters() -> Callable[..., float]:
    """Read a counter as a scraper sees it: `counters("webhook_refused_total", reason="bad_signature")`."""
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        exporters.configure("gateway", "")

    def read(name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = exporters.prometheus_text().decode().splitlines()
        found = [line for line in lines if line.startswith(name) and all(label in line for label in wanted)]
        return sum(float(line.split()[-1]) for line in found)

    return read


@pytest.fixture
def sealing_key() -> Callable[[str], str]:
    """A sealing key by its id, as the setting has it."""
    return made_key


@pytest.fixture
def service_key() -> str:
    return SERVICE_KEY


@pytest.fixture
def free_port() -> int:
    return some_port()


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """One sandbox for the run."""
    yield from serve(create_app(seed=1))


@pytest.fixture
def shopify(sandbox_url: str) -> Iterator[Sandbox]:
    """A simulated Shopify with the test shop, whose app has the id `app-1` and the test secret."""
    with httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False) as client:
        running = Sandbox(sandbox_url, client, SHOP)
        running.control("reset")
        running.store(secret=SECRET, client_id="app-1")
        yield running
        running.control("reset")


@pytest.fixture
def database(databases: Callable[..., TestDatabase]) -> TestDatabase:
    return databases("gateway")


@asynccontextmanager
async def run_gateway(database: TestDatabase, *, wait_for: str = "/readyz", **settings: Any) -> AsyncIterator[Running]:
    """Run a gateway on a free port until the end of the block."""
    port = some_port()
    url = f"http://127.0.0.1:{port}"
    values: dict[str, Any] = {
        "database_url": database.url("gateway"),
        "broker_url": NO_BROKER,
        "service_key": SERVICE_KEY,
        "sealing_keys": made_key(),
        "bootstrap_api_key": API_KEY,
        "port": port,
        "public_url": url,
        "stop_seconds": 2.0,
    } | settings
    process = Process(service, Settings(**values))
    task = asyncio.create_task(process.serve())
    async with httpx.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=10, trust_env=False
    ) as client:
        try:
            await until(lambda: answers(client, wait_for, 200))
            yield Running(process, client, url)
        finally:
            process.context.stopping.set()
            await asyncio.wait_for(task, 15)


@pytest.fixture
def start(database: TestDatabase) -> StartGateway:
    """Start a gateway on this test's own database: `async with start(setting=value) as gateway`."""
    return partial(run_gateway, database)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(templates: Templates) -> AsyncIterator[Running]:
    """One gateway for the tests of a module, since a start takes longer than most of them."""
    database = templates.copy(("gateway",))
    async with run_gateway(database) as running:
        yield running
    templates.drop(database)


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(shared_gateway: Running) -> Running:
    """The module's gateway with empty tables: no channel, no delivery, and the first API key alone."""
    async with transaction(shared_gateway.process.database) as tx:
        for table in ("delivery", "delivery_body", "outbox", "credential", "connection", "approval", "channel"):
            await tx.run(text(f"DELETE FROM {table}"))
        await tx.run(text("DELETE FROM api_key WHERE name <> 'bootstrap'"))
    await parts_of(shared_gateway.process.context).directory.refresh()
    return shared_gateway


async def answers(client: httpx.AsyncClient, path: str, status: int) -> bool:
    try:
        return (await client.get(path)).status_code == status
    except httpx.HTTPError:
        return False
