"""Every failure of an API is one body: a code, a sentence, and what to do next."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from crossdock.messaging.transaction import transaction
from crossdock.service import errors
from crossdock.storage.engine import open_database
from crossdock.testing.probe import Probe


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://api")


async def test_a_database_that_is_away_is_503_with_what_to_do() -> None:
    app = FastAPI()
    errors.install(app)
    database = open_database("postgresql://nobody:x@127.0.0.1:9/none", "probe")

    @app.get("/")
    async def read() -> None:
        async with transaction(database):
            pass

    async with client(app) as api:
        reply = await api.get("/")
    assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
    assert reply.headers["retry-after"] == "5"
    await database.engine.dispose()


async def test_a_value_that_the_database_refuses_is_our_mistake_and_not_an_outage(probe: Probe) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    async def read() -> None:
        async with transaction(probe.database) as tx:
            await tx.rows(text("SELECT 1 / 0"))

    async with client(app) as api:
        with pytest.raises(DBAPIError):
            await api.get("/")
