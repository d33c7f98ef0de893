"""The HTTP APIs of all five services at work, on a migrated database; no handler runs."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import uvicorn

from crossdock.channels.http import close_client
from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.messaging.envelope import Incoming, new_id
from crossdock.messaging.parked import ToPark, park
from crossdock.messaging.transaction import transaction
from crossdock.service.app import Process
from crossdock.testing.apis import Api, apis_of
from crossdock.testing.database import Templates
from crossdock.testing.market import Background
from gateway.workers import refresh_directory, store_first_key

SERVICE_KEY = "a-service-key-of-at-least-32-characters"
API_KEY = "xd_first-key-of-the-tests"
SEALING_KEY = "k1:" + "A" * 43 + "="


@dataclass(frozen=True)
class Running:
    """The API of one service at work."""

    process: Process
    server: uvicorn.Server
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.task
        await self.process.context.access.close()
        await self.process.database.close()


async def start(name: str, listener: socket.socket, settings: dict[str, Any]) -> Running:
    service = import_module(f"{PACKAGES[name]}.main").service
    process = Process(service, service.settings.model_validate(settings))
    server = uvicorn.Server(uvicorn.Config(process.app, log_config=None, access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    if name == "gateway":
        await store_first_key(process.context)
        await refresh_directory(process.context)
    await park_something(process, name)
    return Running(process, server, task)


async def park_something(process: Process, name: str) -> None:
    """A few parked messages, for people to fix, replay and discard."""
    messages = [Incoming(str(new_id()), "order.placed.v1", "1", {"attempt": 0}, b"{}") for _ in range(8)]
    async with transaction(process.database) as tx:
        await park(tx, "some_handler", f"{name}.some_handler", [ToPark(one, "A test parked it") for one in messages])


async def stop(running: list[Running]) -> None:
    for one in running:
        await one.stop()
    await close_client()


@pytest.fixture(scope="session")
def apis(templates: Templates) -> Iterator[dict[str, Api]]:
    """Every API by the name of its service; `gateway/inventory` is inventory's as people reach it."""
    database = templates.copy(SERVICES)
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in SERVICES}
    urls = {name: f"http://127.0.0.1:{listener.getsockname()[1]}" for name, listener in listeners.items()}
    settings = {f"{PACKAGES[name]}_url": url for name, url in urls.items()}
    settings |= {"broker_url": "amqp://nobody@127.0.0.1:9/", "service_key": SERVICE_KEY}
    settings |= {"sealing_keys": SEALING_KEY, "bootstrap_api_key": API_KEY}
    background = Background()
    running: list[Running] = []
    try:
        for name, listener in listeners.items():
            own = settings | {"database_url": database.url(name)}
            running.append(background.run(start(name, listener, own)))
        yield apis_of(urls, API_KEY, SERVICE_KEY)
    finally:
        background.run(stop(running))
        background.close()
        templates.drop(database)
