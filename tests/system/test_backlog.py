"""A hundred thousand old orders come in within the store's rate limit, in constant memory, across a death half-way."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.messaging.transaction import transaction
from crossdock.service.runs import store
from crossdock.service.runs.worker import queue_now
from crossdock.testing.database import TestDatabase
from order_ingest import handlers
from order_ingest.backlog import BACKLOG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHOP = "old.example.com"
ARCHIVES = ((59_900, False), (100, True), (40_000, False))
"""Orders that are alike, and whether something of them was refunded: those are read one by one, from the budget."""

ORDERS = sum(count for count, _ in ARCHIVES)
DEATH_AT = 50_000
CHANNEL = UUID(int=7)
PROGRAM = Path(__file__).with_name("importing.py")
SETTLED_AFTER, GROWTH_MB = 10_000, 20
LEFT = 0.45
"""Of the budget: imports stop at a half, but a process that starts learns what is left from its first reply."""


@pytest.fixture
def sandbox() -> Iterator[httpx.Client]:
    """A sandbox of its own with one store that holds the orders of years, and Shopify's usual rate limit."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "sandbox", "--port", str(port)])
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        end = time.monotonic() + 30
        while True:
            try:
                client.get("/healthz")
                break
            except httpx.TransportError:
                assert time.monotonic() < end, "the sandbox does not start"
                time.sleep(0.1)
        made = {"domain": SHOP, "token": "token", "secret": "secret"}
        client.post("/_control/shopify/stores", json=made).raise_for_status()
        for sku in ("SHIRT", "MUG"):
            product = {"title": sku, "variants": [{"sku": sku}], "webhooks": []}
            client.post(f"/_control/shopify/{SHOP}/products", json=product).raise_for_status()
        lines = [{"sku": "SHIRT", "quantity": 2}, {"sku": "MUG", "quantity": 1}]
        for count, refunded in ARCHIVES:
            back = [{"line": "SHIRT", "quantity": 1, "restock_type": "cancel"}] if refunded else []
            archive = {"count": count, "order": {"lines": lines}, "refund": back}
            client.post(f"/_control/shopify/{SHOP}/archive", json=archive).raise_for_status()
        yield client
    process.terminate()
    process.wait(10)


async def test_a_hundred_thousand_old_orders_come_in_once_in_constant_memory_across_a_death(
    databases: Callable[..., TestDatabase], sandbox: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails where a place is saved apart from its orders (lost or twice), a file is held in memory, an import begins
    anew, or reads one by one without heed of the budget."""
    made = databases("order-ingest")
    database = made.open("order-ingest")
    async with transaction(database) as tx:
        told = ChannelConfigured(channel_id=CHANNEL, channel_version=1, kind="shopify", name="Old", mode="live")
        await handlers.learn_channels([told], tx)
        await store.add(tx, [(CHANNEL, "backlog")])
        integration = await store.of_channel(tx, CHANNEL, "backlog")
        assert integration is not None
        await queue_now(tx, BACKLOG, integration, {"since": "2020-01-01T00:00:00Z"}, expected=ORDERS)
    began = time.monotonic()
    arguments = [made.url("order-ingest"), f"{sandbox.base_url}/shopify/{SHOP}"]
    first = await importing(arguments, until=DEATH_AT)
    second = await importing(arguments)
    seconds = time.monotonic() - began
    async with transaction(database) as tx:
        [run] = await tx.rows(text("SELECT * FROM run WHERE kind = 'backlog'"))
        [counted] = await tx.rows(text("SELECT count(*) AS orders, count(DISTINCT external_id) AS ids FROM orders"))
        [placed] = await tx.rows(text("SELECT count(*) AS placed FROM timeline WHERE kind = 'order.placed'"))
    await database.close()
    told_at, ended_at = settled_and_most(first), settled_and_most(second)
    asked = sandbox.get(f"/_control/shopify/{SHOP}").json()
    spent, maximum = asked["spent"], asked["bucket"]["maximumAvailable"]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{ORDERS:,} old orders in {seconds:.0f} s, killed at {first[-1][0]:,}, gone on at {second[0][0]:,}; "
            f"lost {ORDERS - counted.ids}, duplicated {placed.placed - counted.ids}; memory before and after the death "
            f"{told_at[0]:.1f} and {ended_at[0]:.1f} MB once 10,000 were in, at most {told_at[1]:.1f} and "
            f"{ended_at[1]:.1f} MB later; {spent['answered']} requests, {spent['throttled']} of them throttled, never "
            f"less than {spent['lowest']:g} of {maximum:g} points left\n"
        )
    assert (run.state, run.seen, run.imported, run.failed) == ("finished", ORDERS, ORDERS, 0)
    assert (counted.orders, counted.ids, placed.placed) == (ORDERS, ORDERS, ORDERS)
    assert second[0][0] >= first[-1][0]
    assert max(most - settled for settled, most in (told_at, ended_at)) < GROWTH_MB
    assert spent["throttled"] == 0
    assert spent["lowest"] >= LEFT * maximum


def settled_and_most(told: list[tuple[int, int]]) -> tuple[float, float]:
    """MB of memory of a process that had taken its first orders, and the most that it had from then on."""
    later = [memory / 1024 for seen, memory in told if seen >= told[0][0] + SETTLED_AFTER]
    return later[0], max(later)


async def importing(arguments: list[str], until: int | None = None) -> list[tuple[int, int]]:
    """What a process that imports says of itself: orders seen and KB of memory; killed once it has seen so many."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told: list[tuple[int, int]] = []
    async for line in process.stdout:
        seen, memory = map(int, line.split())
        told.append((seen, memory))
        if until is not None and seen >= until:
            process.kill()
            break
    code = await process.wait()
    assert until is not None or code == 0, "the import broke off"
    return told
