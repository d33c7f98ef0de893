"""Fixtures of order-ingest's tests."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from order_ingest import handlers, tables

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves it to us to find `ingest_examples`


@pytest.fixture
def ingest_database(databases: Callable[..., TestDatabase]) -> TestDatabase:
    return databases("order-ingest")


@pytest.fixture
async def bench(ingest_database: TestDatabase) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(ingest_database.open("order-ingest"), handlers.consumer, tables.metadata)
    yield made
    await made.close()
