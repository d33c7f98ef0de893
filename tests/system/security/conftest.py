"""A running system in which everything that must stay secret carries a mark, and every place where it could show."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from crossdock.cli.stack import SERVICES
from crossdock.local.servers import Broker
from crossdock.testing.market import Market
from crossdock.testing.shared import shared_system
from crossdock.testing.subscriber import Subscriber
from crossdock.testing.system import System


@dataclass
class Guarded:
    """A running system, its market, and what was said where."""

    system: System
    market: Market
    folder: Path
    subscriber: Subscriber
    errors: list[str] = field(default_factory=list)

    @property
    def client(self) -> httpx.Client:
        """A client of the gateway with the admin's key; every answer of 4xx or 5xx is kept in `errors`."""

        def keep(reply: httpx.Response) -> None:
            if reply.status_code >= 400:
                reply.read()
                self.errors.append(f"{reply.request.method} {reply.status_code} {reply.headers} {reply.text}")

        return httpx.Client(
            base_url=self.system.stack.gateway_url,
            headers={"authorization": f"Bearer {self.system.stack.secret('api key')}"},
            event_hooks={"response": [keep]},
            timeout=30,
            trust_env=False,
        )

    def logs(self) -> str:
        """What every process of the hub wrote."""
        names = [*SERVICES, *(f"{name}.log.1" for name in SERVICES)]
        paths = [self.folder / "logs" / (name if "." in name else f"{name}.log") for name in names]
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())

    def metrics(self) -> str:
        """What every service tells a scraper."""
        return "\n".join(
            httpx.get(f"{self.system.stack.url(name)}/metrics", timeout=10, trust_env=False).text for name in SERVICES
        )


@contextmanager
def opened(folder: Path, postgres_url: str, broker: Broker) -> Iterator[Guarded]:
    """The whole system at work on the servers of this run, with one store, one warehouse, and every line logged."""
    with shared_system(folder, postgres_url, broker, {"LOG_LEVEL": "DEBUG"}) as system:
        market = Market(system.stack.gateway_url, system.stack.sandbox_url, system.stack.secret("api key"))
        made = Guarded(system, market, folder, Subscriber(system))
        market.open({"SHIRT-M": 1000, "MUG-BLUE": 1000})
        yield made
        market.close()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, broker: Broker) -> Iterator[Guarded]:
    """One for the tests that leave its books in order."""
    with opened(tmp_path_factory.mktemp("guarded"), postgres_url, broker) as made:
        yield made


@pytest.fixture
def expendable(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, broker: Broker) -> Iterator[Guarded]:
    """One that a test may leave in any state."""
    with opened(tmp_path_factory.mktemp("expendable"), postgres_url, broker) as made:
        yield made
