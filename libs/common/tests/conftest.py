"""Fixtures of the runtime's tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from crossdock.testing.database import TestDatabase
from crossdock.testing.probe import Probe, open_probe


@pytest.fixture
async def probe(databases: Callable[..., TestDatabase]) -> AsyncIterator[Probe]:
    async with open_probe(databases()) as made:
        yield made
