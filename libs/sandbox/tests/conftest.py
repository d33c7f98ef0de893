"""A running sandbox, empty before every test, and a receiver of its webhooks."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from sandbox.app import create_app
from sandbox.testing import Received, Receiver, Sandbox, serve


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    yield from serve(create_app(seed=1))


@pytest.fixture(scope="session")
def receiver_app() -> Iterator[Receiver]:
    receiver, app = Receiver(), FastAPI()

    @app.post("/hooks/{rest:path}")
    async def take(request: Request) -> Response:
        status = receiver.reply(len(receiver.received))
        receiver.received.append(Received(httpx.Headers(request.headers.raw), await request.body()))
        return Response(status_code=status)

    for url in serve(app):
        receiver.url = f"{url}/hooks/shop"
        yield receiver


@pytest.fixture
def receiver(receiver_app: Receiver) -> Receiver:
    receiver_app.received.clear()
    receiver_app.reply = lambda _count: 200
    return receiver_app


@pytest.fixture
def sandbox(sandbox_url: str) -> Iterator[Sandbox]:
    """An empty sandbox."""
    with httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False) as client:
        running = Sandbox(sandbox_url, client)
        running.control("reset")
        yield running
        running.control("reset")
