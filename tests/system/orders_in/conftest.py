"""One hub for every way an order comes in and changes: all that it says is read from outside."""

from collections.abc import Iterator

import pytest

from crossdock.local.servers import Broker
from crossdock.testing.shared import shared_system
from crossdock.testing.stores import Hub

LEASE_SECONDS = "6"
"""So long a test waits for a run whose process died."""


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, broker: Broker) -> Iterator[Hub]:
    """The five services and the sandbox as processes; each test connects stores and a warehouse of its own."""
    folder = tmp_path_factory.mktemp("hub")
    with shared_system(folder, postgres_url, broker, {"RUN_LEASE_SECONDS": LEASE_SECONDS}, public=True) as system:
        made = Hub(system, folder)
        yield made
        made.close()
