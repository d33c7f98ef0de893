"""What an orchestrator is told: whether a process is alive, and whether it can do its work."""

import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.channels.generic.webhooks import signature_of
from crossdock.local.processes import Child, Process, clean_environment, free_ports
from crossdock.service import tokens
from crossdock.storage.engine import async_url
from crossdock.testing.database import TestDatabase
from crossdock.testing.market import Background
from crossdock.testing.proxy import FaultProxy, between
from crossdock.testing.shared import metric
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KEY = "k" * 32
IMPATIENT = """
import runpy, sys
from crossdock.service import health
health.LIVE_SECONDS = 3.0
runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
"""
"""Runs a service whose loops are stuck after three seconds instead of a minute."""


@dataclass(frozen=True)
class Running:
    """One service as a process of its own."""

    name: str
    url: str
    child: Child

    def ask(self, path: str) -> tuple[int, Any]:
        reply = httpx.get(f"{self.url}{path}", timeout=10, trust_env=False)
        return reply.status_code, reply.json()

    def unready(self) -> dict[str, str]:
        return dict(self.ask("/readyz")[1]["unready"])

    def count_stock(self, sku: str, units: int) -> int:
        """Ask inventory, as another service would, to note a count: it publishes that, and reads it itself."""
        token = tokens.issue(KEY, issuer="gateway", audience="inventory")
        headers = {"authorization": f"Bearer {token}"}
        body = {"on_hand": units}
        return httpx.put(f"{self.url}/stock/{sku}", json=body, headers=headers, trust_env=False).status_code


@contextmanager
def running(folder: Path, name: str, database: str, broker: str, **settings: str) -> Iterator[Running]:
    """Start a service that need not become ready."""
    [port] = free_ports(1)
    own = {"DATABASE_URL": database, "BROKER_URL": broker, "SERVICE_KEY": KEY, "PORT": str(port)} | settings
    env = clean_environment({f"CROSSDOCK_{key}": value for key, value in own.items()})
    argv = (sys.executable, "-c", IMPATIENT, name.replace("-", "_"))
    child = Child(Process(name, argv, env, stop_within=15.0), folder)
    child.start()
    made = Running(name, f"http://127.0.0.1:{port}", child)
    try:
        eventually(lambda: child.exit_code() is not None or _answers(made), 60)
        assert child.exit_code() is None, child.last_log_lines()
        yield made
        assert child.exit_code() is None, f"it ended by itself:\n{child.last_log_lines()}"
    finally:
        child.signal_stop()
        child.finish(15)


def _answers(service: Running) -> bool:
    try:
        return service.ask("/readyz")[0] in (200, 503)
    except httpx.TransportError:
        return False


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background()
    yield made
    made.close()


@pytest.fixture
def behind(background: Background) -> Iterator[Callable[[str], tuple[FaultProxy, str]]]:
    """Put a proxy that can be away before a server."""
    ending = AsyncExitStack()

    def put(url: str) -> tuple[FaultProxy, str]:
        return background.run(ending.enter_async_context(between(url)))

    yield put
    background.run(ending.aclose())


def sql(database: TestDatabase, statement: str) -> None:
    """Run a statement as an administrator of the database."""

    async def run() -> None:
        url = async_url(database.admin_url).set(database=database.name)
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    made = Background()
    made.run(run())
    made.close()


def test_a_service_whose_servers_are_not_there_yet_waits_unready_and_does_not_end(
    tmp_path: Path, databases: Callable[..., TestDatabase], vhost: str, behind: Any, background: Background
) -> None:
    postgres, database = behind(databases("inventory").url("inventory"))
    rabbitmq, broker = behind(vhost)
    background.run(postgres.refuse())
    background.run(rabbitmq.refuse())
    with running(tmp_path, "inventory", database, broker) as service:
        assert service.ask("/healthz") == (200, {"live": True, "stuck": []})
        assert set(service.unready()) == {"database", "broker"}
        background.run(postgres.listen())
        eventually(lambda: set(service.unready()) == {"broker"})
        background.run(rabbitmq.listen())
        eventually(lambda: service.ask("/readyz") == (200, {"ready": True, "unready": {}}))


def test_the_gateway_needs_its_database_alone_and_takes_webhooks_without_a_broker(
    tmp_path: Path, databases: Callable[..., TestDatabase], vhost: str, behind: Any, background: Background
) -> None:
    rabbitmq, broker = behind(vhost)
    background.run(rabbitmq.refuse())
    sealing = "local:" + urlsafe_b64encode(b"s" * 32).decode()
    own = {"SEALING_KEYS": sealing, "BOOTSTRAP_API_KEY": "a-key-of-the-tests-that-is-long-enough"}
    with running(tmp_path, "gateway", databases("gateway").url("gateway"), broker, **own) as service:
        eventually(lambda: service.ask("/readyz")[0] == 200)
        channel = connect(service, own["BOOTSTRAP_API_KEY"])
        assert deliver(service, channel) == 200
        assert metric(service.url, "webhook_accepted_total") == 1
        eventually(lambda: (metric(service.url, "outbox_age_seconds") or 0) > 2)
        background.run(rabbitmq.listen())
        eventually(lambda: metric(service.url, "outbox_refused_total"))  # no queue is there to take it
        assert (metric(service.url, "outbox_rows") or 0) >= 1


def connect(service: Running, key: str) -> Any:
    """Connect a channel."""
    body = {"kind": "generic", "name": "Depot", "mode": "live", "base_url": "http://127.0.0.1:9",
            "settings": {"role": "destination"}, "secrets": {"api_key": "x", "webhook_secret": "a secret"}}  # fmt: skip

    def made() -> Any:
        headers = {"authorization": f"Bearer {key}"}
        reply = httpx.post(f"{service.url}/v1/channels", json=body, headers=headers, trust_env=False)
        return reply.json() if reply.status_code == 201 else None

    return eventually(made)


def deliver(service: Running, channel: Mapping[str, Any]) -> int:
    """Send a signed webhook."""
    body, now = b'{"type": "shipment.delivered"}', str(int(time.time()))
    signature = signature_of(b"a secret", "1", now, body)
    headers = {"webhook-id": "1", "webhook-timestamp": now, "webhook-signature": signature}
    door = f"{service.url}{channel['webhook_path']}"
    return httpx.post(door, content=body, headers=headers, trust_env=False).status_code


def test_a_paused_service_is_alive_but_not_ready_until_it_goes_on(
    tmp_path: Path, databases: Callable[..., TestDatabase], vhost: str
) -> None:
    database = databases("inventory")
    with running(tmp_path, "inventory", database.url("inventory"), vhost) as service:
        eventually(lambda: service.ask("/readyz")[0] == 200)
        role = urlsplit(database.url("inventory")).username
        sql(database, f"REVOKE INSERT ON inventory.inbox FROM {role}")
        assert service.count_stock("SHIRT", 5) == 200
        paused = eventually(service.unready)
        assert list(paused) == ["inventory.serve-waiting-orders"]
        assert "42501" in paused["inventory.serve-waiting-orders"]
        assert metric(service.url, "consumer_paused") == 1
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert service.ask("/healthz")[0] == 200, "a paused loop turns all the same"
            assert service.ask("/readyz")[0] == 503
            time.sleep(0.5)
        sql(database, f"GRANT INSERT ON inventory.inbox TO {role}")
        eventually(lambda: service.ask("/readyz")[0] == 200)
        assert metric(service.url, "consumer_paused") == 0
        assert metric(service.url, "parked_message_count") == 0


def test_a_loop_that_stops_turning_makes_the_process_dead_to_its_orchestrator(
    tmp_path: Path, databases: Callable[..., TestDatabase], vhost: str
) -> None:
    database = databases("inventory").url("inventory")
    with running(tmp_path, "inventory", database, vhost, FAULTS="before_claim=stall:600") as service:
        eventually(lambda: service.ask("/readyz")[0] == 200)
        assert service.ask("/healthz")[0] == 200
        assert service.count_stock("SHIRT", 5) == 200
        assert eventually(lambda: service.ask("/healthz")[1]["stuck"]) == ["inventory.serve-waiting-orders"]
        assert service.ask("/healthz")[0] == 503
