"""Fixtures of inventory's tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from inventory import handlers, tables


@pytest.fixture
async def bench(databases: Callable[..., TestDatabase]) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(databases("inventory").open("inventory"), handlers.consumer, tables.metadata)
    yield made
    await made.close()
