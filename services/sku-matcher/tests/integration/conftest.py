"""A real sku-matcher: uvicorn on a free port, its own database, and a broker where the test has one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from crossdock.contracts.base import Event
from crossdock.messaging.transaction import Tx, transaction
from crossdock.service import tokens
from crossdock.service.app import Process
from crossdock.testing.database import TestDatabase
from sku_matcher.main import service
from sku_matcher.settings import Settings

SERVICE_KEY = "a-service-key-of-at-least-32-characters"
NO_BROKER = "amqp://guest:guest@127.0.0.1:9/nowhere"


@dataclass
class Running:
    """A running matcher and a client of it."""

    process: Process
    client: httpx.AsyncClient

    async def write(self, step: Callable[[Tx], Awaitable[object]]) -> None:
        """Run a step in a transaction of the service; what it publishes goes out as ever."""
        async with transaction(self.process.database) as tx:
            await step(tx)

    async def publish(self, *events: Event) -> None:
        """Publish events, through the service's own outbox."""

        async def step(tx: Tx) -> None:
            for event in events:
                tx.publish(event)

        await self.write(step)

    async def until(self, path: str, seconds: float = 15.0, **expected: Any) -> dict[str, Any]:
        """Wait until the answer holds what is expected."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            reply = await self.client.get(path)
            body: dict[str, Any] = reply.json()
            if reply.status_code == 200 and body | expected == body:
                return body
            assert asyncio.get_running_loop().time() < deadline, f"{path} never held {expected}: {body}"
            await asyncio.sleep(0.05)


@pytest.fixture
def start(database: TestDatabase) -> Callable[..., Any]:
    """Start a matcher: `async with start(broker_url=…) as matcher`."""

    @asynccontextmanager
    async def running(broker_url: str = NO_BROKER) -> AsyncIterator[Running]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        settings = Settings(
            database_url=SecretStr(database.url("sku-matcher")),
            broker_url=SecretStr(broker_url),
            service_key=SecretStr(SERVICE_KEY),
            port=port,
            stop_seconds=2.0,
        )
        process = Process(service, settings)
        task = asyncio.create_task(process.serve())
        token = tokens.issue(SERVICE_KEY, issuer="gateway", audience="sku-matcher")
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {token}"}, trust_env=False
        ) as client:
            try:
                await answers(client, "/readyz" if broker_url != NO_BROKER else "/healthz")
                yield Running(process, client)
            finally:
                process.context.stopping.set()
                await asyncio.wait_for(task, 15)

    return running


async def answers(client: httpx.AsyncClient, path: str) -> None:
    """Wait until the service answers 200."""
    for _ in range(300):
        try:
            if (await client.get(path)).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} never answered 200")
