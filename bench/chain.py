"""The chain benchmark: orders as webhooks, until each is requested of a warehouse, through all five services.

The hub runs as `crossdock up` runs it; a store that is only a signature and a warehouse that only answers stand around
it, so that what is measured is the hub. After each load the outcome is checked: every order requested once, every
unit reserved, nothing parked, nothing left in a queue.
"""

import asyncio
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from chain_load import SKUS
from system import ROOT, System, Wrong, peak_memory, until
from webhooks import SHOP

from crossdock.cli.setup import topology_of_installed
from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.local.processes import Child, Process, clean_environment, free_ports
from crossdock.testing.shared import take_live

UNITS_EACH = 100_000_000
FILL = f"""
    TRUNCATE inventory.stock;
    INSERT INTO inventory.stock (sku, location_id, on_hand, reserved, counted_at)
    SELECT format('SKU-%s', lpad(n::text, 5, '0')), location_id, {UNITS_EACH}, 0, 'epoch'
    FROM inventory.location, generate_series(0, {SKUS - 1}) AS n WHERE is_default;
    INSERT INTO sku_matcher.listing
           (channel_id, listing_id, product_id, listing_version, sku, title, sku_since, removed)
    SELECT '{{channel}}', (1000 + n)::text, n::text, 1, format('SKU-%s', lpad(n::text, 5, '0')), 'Product', 'epoch',
           false
    FROM generate_series(0, {SKUS - 1}) AS n;
    INSERT INTO sku_matcher.sku_presence (channel_id, sku, listings)
    SELECT '{{channel}}', format('SKU-%s', lpad(n::text, 5, '0')), 1 FROM generate_series(0, {SKUS - 1}) AS n;
    INSERT INTO sku_matcher.sku (sku, sku_version, title)
    SELECT format('SKU-%s', lpad(n::text, 5, '0')), 1, 'Product' FROM generate_series(0, {SKUS - 1}) AS n;
"""
PARKED = " + ".join(f"(SELECT count(*) FROM {PACKAGES[name]}.parked_message)" for name in SERVICES)
OUTBOXES = " + ".join(f"(SELECT count(*) FROM {PACKAGES[name]}.outbox)" for name in SERVICES)
# Each by the index of its state: `NOT IN ('done', 'failed')` reads the whole table, and counts as Postgres's work.
UNSENT = " + ".join(
    f"(SELECT count(*) FROM fulfillment.write_back WHERE state = '{state}')"
    for state in ("pending", "sending", "in_doubt")
)
REFUSED = "(SELECT count(*) FROM fulfillment.write_back WHERE state = 'failed')"


# The shop is only a signature: nobody there could be asked for what no webhook told. The warehouse is on this machine.
SETTINGS: dict[str, dict[str, Any]] = {
    "order-ingest": {"poll_seconds": "86400"},
    "fulfillment": {"private_hosts": "127.0.0.1"},
}
NONE: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Flow:
    """Figures of one load on the whole chain: orders per second, milliseconds from due to requested, whether the rate
    was sustained, CPU µs for each order by process, and the share of the machine that other programs took."""

    sent: int
    rate: float
    per_second: float
    sustained: bool
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    cpu: dict[str, float]
    others: float


@dataclass
class Hub:
    """The five services, a warehouse, and a shop; how many orders were sent, and how many stored without being sent."""

    services: dict[str, Child]
    warehouse: Child
    channel_id: str
    secret: str
    sent: int = 0
    stored: int = 0

    @property
    def children(self) -> tuple[Child, ...]:
        """Every process."""
        return (*self.services.values(), self.warehouse)


async def open_hub(system: System) -> Hub:
    """Start everything, connect the shop and the warehouse, list products and put stock on the shelf."""
    port = free_ports(1)[0]
    argv = (sys.executable, str(ROOT / "bench/warehouse.py"), "--port", str(port))
    warehouse = system.run(Process("warehouse", argv, clean_environment()))
    services = {name: system.service(name, **SETTINGS.get(name, NONE)) for name in SERVICES}
    key = {"authorization": f"Bearer {system.stack.secret('api key')}"}
    secret = secrets.token_hex(16)
    async with httpx.AsyncClient(base_url=system.stack.gateway_url, headers=key, trust_env=False) as http:
        place = await _connect(
            http, kind="generic", name="Warehouse", mode="live", base_url=f"http://127.0.0.1:{port}",
            settings={"role": "destination"}, secrets={"api_key": secret},
        )  # fmt: skip
        shop = await _connect(
            http, kind="shopify", name="Chain shop", shop=f"chain-{SHOP}", settings={"destination": place},
            secrets={"webhook_secret": secret, "access_token": secret},
        )  # fmt: skip
    with httpx.Client(base_url=system.stack.gateway_url, headers=key, trust_env=False) as client:
        await asyncio.to_thread(take_live, client, shop)
    async with system.sql() as sql:
        await sql.execute(FILL.format(channel=shop))
        await sql.execute("ANALYZE")
    hub = Hub(services, warehouse, shop, secret)
    await until(partial(_quiet, system), "the quiet before the load", seconds=60)
    await asyncio.sleep(2.5)  # the gateway reads its directory of channels every 2 s
    return hub


async def warm_up(system: System, hub: Hub) -> None:
    """A small load, then statistics: a hub that runs for days has plans that know how full its tables are."""
    await run_round(system, hub, 50, 4.0)
    async with system.sql() as sql:
        await sql.execute("VACUUM ANALYZE")


async def run_round(system: System, hub: Hub, rate: float, seconds: float) -> Flow:
    """One load; then wait until nothing is left to do, and check the outcome. Raises Wrong."""
    count = int(rate * seconds)
    async with system.sql() as sql:
        await sql.execute("CHECKPOINT")
    before = system.usage(**hub.services)
    told = await _load(system, hub, count, rate)
    loaded = system.usage(**hub.services)
    hub.sent += count
    await until(partial(_quiet, system), "the end of all work", seconds=120)
    cpu = before.per_message(system.usage(**hub.services), count)
    await _check(system, hub, told)
    names = ("per_second", "p50_ms", "p95_ms", "p99_ms", "longest_ms")
    figures = {name: round(told[name], 1) for name in names}
    return Flow(sent=count, rate=rate, sustained=told["sustained"], cpu=cpu, others=before.others(loaded), **figures)


def memory(hub: Hub) -> dict[str, float]:
    """The most memory that each service has had, in MB."""
    return {name: round(peak_memory(child), 1) for name, child in hub.services.items()}


async def _check(system: System, hub: Hub, told: dict[str, Any]) -> None:
    if told["failed"] or told["requested"] != told["sent"] or told["twice"]:
        raise Wrong(f"the chain lost or doubled orders: {told}")
    async with system.sql() as sql:
        requests = await sql.fetchval("SELECT count(*) FROM fulfillment.request")
        reserved = await sql.fetchval("SELECT sum(reserved) FROM inventory.stock")
        parked = await sql.fetchval(f"SELECT {PARKED}")
        refused = await sql.fetchval(f"SELECT {REFUSED}")
    outcome = {"requests": requests, "units": reserved, "parked": parked, "refused": refused}
    if outcome != {"requests": hub.sent + hub.stored, "units": 3 * hub.sent, "parked": 0, "refused": 0}:
        raise Wrong(f"the chain's outcome for {hub.sent} orders is {outcome}")


async def _quiet(system: System) -> bool:
    async with system.sql() as sql:
        if await sql.fetchval(f"SELECT {OUTBOXES} + {UNSENT}"):
            return False
    depths = await system.depths([queue.name for queue in topology_of_installed().queues])
    return not any(depths.values())


async def _connect(http: httpx.AsyncClient, **channel: Any) -> str:
    answer = await http.post("/v1/channels", json=channel)
    if answer.is_error:
        raise Wrong(f"the {channel['name']} cannot be connected: {answer.text}")
    return str(answer.json()["id"])


async def _load(system: System, hub: Hub, count: int, rate: float) -> dict[str, Any]:
    options = {
        "port": system.stack.ports["gateway"],
        "broker-url": system.stack.servers.broker.amqp_url,
        "shop": f"chain-{SHOP}",
        "secret": hub.secret,
        "channel": hub.channel_id,
        "first": 1 + hub.sent,
        "count": count,
        "rate": rate,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = (sys.executable, str(ROOT / "bench/chain_load.py"), *words)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer, problem = await process.communicate()
    if process.returncode:
        raise Wrong(f"the load broke off: {problem.decode()[-500:]}")
    return dict(json.loads(answer))
