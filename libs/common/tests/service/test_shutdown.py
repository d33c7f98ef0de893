"""A process ends in order although what it would tell of its end cannot be told.

It would fail: with the mark of the orderly stop written without a net, an absent database ends the stop half-way, and
connections stay open.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import MetaData

from crossdock.messaging.consumer import Consumer
from crossdock.service.app import Process, Service
from crossdock.service.settings import ServiceSettings


def away() -> Process:
    """A process whose database and broker nobody serves."""
    settings = {
        "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
        "broker_url": "amqp://nobody@127.0.0.1:1/",
        "service_key": "a key that only tests use, long enough",
        "port": 0,
        "stop_seconds": 10,
    }
    service = Service("tester", ServiceSettings, Consumer(), MetaData(), lambda _: APIRouter(), needs_broker=False)
    return Process(service, ServiceSettings.model_validate(settings))


async def test_every_step_of_a_stop_is_taken_with_the_database_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process, closed = away(), []
    for name, owner in (("broker", process.broker), ("access", process.context.access)):
        close: Any = owner.close

        async def noted(name: str = name, close: Any = close) -> None:
            closed.append(name)
            await close()
            raise OSError("the connection is gone already")

        monkeypatch.setattr(owner, "close", noted)
    caplog.set_level(logging.WARNING)
    serving = asyncio.create_task(process.serve())
    await asyncio.sleep(0.3)
    process.context.stopping.set()
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(serving), 15)
    assert serving.done()
    assert serving.exception() is None
    assert closed == ["broker", "access"]
    assert "an orderly stop could not be noted" in caplog.text
