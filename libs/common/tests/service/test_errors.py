"""Every failure of an API is one body: a code, a sentence, and what to do next."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from starlette.types import Message

from crossdock.messaging.transaction import transaction
from crossdock.service import errors, logs
from crossdock.storage.engine import Database
from crossdock.testing.probe import Probe


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://api")


async def test_a_database_that_is_away_is_503_with_what_to_do() -> None:
    app = FastAPI()
    errors.install(app)
    database = Database("postgresql://nobody:x@127.0.0.1:9/none", "probe")

    @app.get("/")
    async def read() -> None:
        async with transaction(database):
            pass

    async with client(app) as api:
        reply = await api.get("/")
    assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
    assert reply.headers["retry-after"] == "5"
    await database.close()


@pytest.mark.parametrize(
    ("statement", "value"), [("SELECT CAST(:it AS int)", 2**40), ("SELECT CAST(:it AS text)", "a\0b")]
)
async def test_a_value_that_no_column_can_hold_is_422(probe: Probe, statement: str, value: Any) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    async def read() -> None:
        async with transaction(probe.database) as tx:
            await tx.rows(text(statement), it=value)

    async with client(app) as api:
        reply = await api.get("/")
    assert (reply.status_code, reply.json()["code"]) == (422, "unstorable")


async def test_a_mistake_is_500_and_neither_answer_nor_log_quotes_what_it_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/people/{name}")
    async def read(name: str) -> None:
        raise ValueError(name)

    async with client(app) as api:
        reply = await api.get("/people/Person-of-the-test")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "ValueError" in caplog.text
    assert "/people/{name}" in caplog.text
    assert "Person-of-the-test" not in caplog.text + reply.text


async def test_a_reply_that_breaks_off_is_not_ended_as_if_it_were_whole() -> None:
    app = FastAPI()
    errors.install(app)

    async def halves() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("person@example.com")

    @app.get("/")
    async def read() -> StreamingResponse:
        return StreamingResponse(halves())

    async with client(app) as api:
        with pytest.raises(errors.BrokenOff):
            await api.get("/")


@pytest.mark.parametrize("address", ["/a%00b", "/?name=a%00b"])
async def test_an_address_with_a_nul_is_refused(address: str) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/{rest:path}")
    async def read(rest: str, name: str = "") -> str:
        return rest + name

    async with client(app) as api:
        reply = await api.get(address)
    assert (reply.status_code, reply.json()["code"]) == (400, "nul")


async def test_log_lines_tell_where_an_error_arose_and_not_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    person = "@".join(("person", "example.com"))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("DEBUG", "probe")
        try:
            raise ValueError(person)
        except ValueError:
            logging.getLogger("a.library").exception("it failed")
    finally:
        root.handlers[:], root.level = before
    line = capsys.readouterr().err
    assert "it failed" in line
    assert "ValueError" in line
    assert "test_errors.py" in line
    assert person not in line


async def test_a_caller_who_hangs_up_is_no_mistake_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    errors.install(app)

    @app.post("/upload")
    async def upload(request: Request) -> None:
        async for _ in request.stream():
            pass

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise AssertionError("nobody waits for an answer")

    scope = {"type": "http", "method": "POST", "path": "/upload", "query_string": b"", "headers": []}
    with caplog.at_level("INFO"):
        await app(scope, receive, send)
    assert [record.levelname for record in caplog.records] == ["INFO"]
