"""Fixtures of fulfillment's tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from fulfillment import handlers, tables


@pytest.fixture
def place(databases: Callable[..., TestDatabase]) -> TestDatabase:
    """A database in which fulfillment is migrated."""
    return databases("fulfillment")


@pytest.fixture
async def bench(place: TestDatabase) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(place.open("fulfillment"), handlers.consumer, tables.metadata)
    yield made
    await made.close()
