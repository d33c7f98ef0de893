"""A running order-ingest: its API over real HTTP, a gateway that tells how to reach channels, and the sandbox."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from polling_examples import connected

from crossdock.channels import http
from crossdock.service import tokens
from crossdock.service.app import Context, Process
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from order_ingest import handlers, tables
from order_ingest.main import service
from order_ingest.settings import Settings
from sandbox.app import create_app
from sandbox.testing import Sandbox, serve

KEY = "a key that only tests use, long enough"


@dataclass
class Gateway:
    """Stands in for the gateway's internal API: where every channel is reached, and where those are that differ."""

    url: str
    base_url: str = ""
    elsewhere: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    app = FastAPI()
    known = Gateway("")

    @app.get("/internal/channels/{channel_id}/access")
    def access(channel_id: str) -> dict[str, object]:
        base_url = known.elsewhere.get(channel_id, known.base_url)
        return {"base_url": base_url, "token": "token", "settings": {"timeout_seconds": 5}, "seconds": 60}

    for url in serve(app):
        known.url = url
        yield known


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    yield from serve(create_app(seed=3))


@pytest.fixture
def sandbox(sandbox_url: str, gateway: Gateway) -> Iterator[Sandbox]:
    """A sandbox with one empty store, which every channel is."""
    with httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False) as client:
        running = Sandbox(sandbox_url, client)
        running.control("reset")
        running.store(locations=[{"name": "Main"}])
        gateway.base_url = f"{sandbox_url}/shopify/{running.shop}"
        yield running
        running.control("reset")


@pytest.fixture
async def shop(bench: HandlerBench, sandbox: Sandbox) -> Sandbox:
    """A store with a product, connected an hour ago, that sends no webhooks."""
    await bench.handle("learn_channels", [connected()])
    sandbox.product("SHIRT")
    return sandbox


@pytest.fixture
async def process(ingest_database: TestDatabase, gateway: Gateway) -> AsyncIterator[Process]:
    """The service's process without its loops: tests turn the workers themselves."""
    values = {
        "database_url": ingest_database.url("order-ingest"),
        "broker_url": "amqp://nobody@127.0.0.1:1/",
        "service_key": KEY,
        "gateway_url": gateway.url,
        "refetch_retry_seconds": 0.05,
        "run_retry_seconds": 0.05,
        "poll_grace_seconds": 0,
    }
    made = Process(service, Settings.model_validate(values))
    yield made
    await made.context.access.close()
    await made.database.close()
    await http.close_client()


@pytest.fixture
def context(process: Process) -> Context:
    return process.context


@pytest.fixture
async def bench(process: Process) -> HandlerBench:
    """The handlers, on the process's own database."""
    return HandlerBench(process.database, handlers.consumer, tables.metadata)


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running API that shows the token of another service."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(process.app, log_level="error", access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    token = tokens.issue(KEY, issuer="gateway", audience="order-ingest")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=10
    ) as client:
        yield client
    server.should_exit = True
    await task
    listener.close()
