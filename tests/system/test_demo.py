"""The demonstration, run as a person runs it: real processes, real servers, every kind of order."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.cli.stack import SERVICES
from crossdock.local.servers import Broker
from crossdock.storage.engine import async_url
from crossdock.storage.roles import quoted, roles_of


class Run:
    """The command line in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = os.environ | environment

    def crossdock(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "crossdock.cli.main", *arguments],
            cwd=self.folder, env=self._environment | settings, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def orders(self, *arguments: str) -> list[dict[str, object]]:
        shown = self.crossdock("order", "list", "--json", "--limit", "200", *arguments)
        assert shown.returncode == 0, shown.stderr
        return list(json.loads(shown.stdout)["orders"])


@pytest.fixture
def run(tmp_path: Path, postgres_url: str, broker: Broker, vhost: str) -> Iterator[Run]:
    database = f"demo_{token_hex(4)}"
    made = Run(
        tmp_path,
        {
            "CROSSDOCK_DATABASE": database,
            "CROSSDOCK_POSTGRES_ADMIN_URL": postgres_url,
            "CROSSDOCK_BROKER_URL": vhost,
            "CROSSDOCK_MANAGEMENT_URL": broker.management_url,
            "CROSSDOCK_RUN_DIR": str(tmp_path / ".run"),
            "COLUMNS": "200",
        },
    )
    yield made
    made.crossdock("down")
    _drop(postgres_url, database)


def _drop(postgres_url: str, database: str) -> None:
    async def drop() -> None:
        engine = create_async_engine(async_url(postgres_url), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)"))
            for service in SERVICES:
                for role in (roles_of(database, service).owner, roles_of(database, service).runtime):
                    await connection.execute(text(f"DROP ROLE IF EXISTS {quoted(role)}"))
        await engine.dispose()

    asyncio.run(drop())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_kind_of_order_ends_where_it_should_and_an_operator_can_go_on_from_there(run: Run) -> None:
    played = run.crossdock("demo")
    assert played.returncode == 0, played.stdout[-4000:] + played.stderr[-2000:]
    assert "25 orders arrive" in played.stdout
    assert "✗" not in played.stdout

    [waiting] = run.orders("--hold", "stock")
    assert "2 of CAP-RED, 0 available at Main" in str(waiting["holds"])
    assert run.crossdock("stock", "set", "CAP-RED", "10").returncode == 0
    end = time.monotonic() + 30
    while waiting["order_id"] not in {order["order_id"] for order in run.orders("--status", "shipped")}:
        assert time.monotonic() < end, "new stock did not release the order that waited"
        time.sleep(0.3)

    shown = run.crossdock("order", "show", str(waiting["order_id"]))
    assert "Timeline" in shown.stdout
    assert run.crossdock("topology", "verify").returncode == 0
    assert "Nothing is parked" in run.crossdock("parked", "list").stdout

    unknown = run.crossdock("order", "show", "#99999")
    assert unknown.returncode == 1
    assert len(unknown.stderr.strip().splitlines()) == 1
    again = run.crossdock("up")
    assert again.returncode == 1
    assert "already running" in again.stderr
