"""The gateway benchmark: webhooks accepted durably, against the same server that only checks their signature.

Both are the same FastAPI and uvicorn process; the load comes from a third one. First the most that each takes (a
closed loop), then our latency at half of our most (an open loop). After each round the outcome is checked: every
delivery that was answered with 200 is stored with its body, and told to its subscribers or in the outbox.
"""

import asyncio
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import httpx
import usual_doors
from system import ROOT, System, Wrong, peak_memory, until

from crossdock.local.processes import Child, free_ports

SHOP = "bench-shop.myshopify.com"
BODY_BYTES = 6 * 1024
DELIVERIES = "SELECT count(*) FROM gateway.delivery d JOIN gateway.delivery_body b ON b.delivery_id = d.id"
EMPTY = "TRUNCATE gateway.delivery, gateway.delivery_body, gateway.outbox, usual_door.delivery"
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Figures of one load: requests per second, milliseconds, CPU µs for each request by process, and the share of the
    machine that other programs took."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu: dict[str, float]
    others: float


@dataclass(frozen=True, slots=True)
class Doors:
    """The process of each contestant, and what signs for the shop."""

    children: dict[str, Child]
    ports: dict[str, int]
    secret: str


async def open_doors(system: System) -> Doors:
    """Start ours and the usual ones and connect a shop."""
    secret = secrets.token_hex(16)
    async with system.sql() as sql:
        await sql.execute(usual_doors.DDL)
    children = {OURS: system.service("gateway")}
    ports = {OURS: system.stack.ports["gateway"]}
    shop = {
        "kind": "shopify",
        "name": "Bench shop",
        "shop": SHOP,
        "secrets": {"webhook_secret": secret, "access_token": secrets.token_hex(16)},
    }
    key = {"authorization": f"Bearer {system.stack.secret('api key')}"}
    async with httpx.AsyncClient(base_url=system.stack.gateway_url, headers=key, trust_env=False) as http:
        (await http.post("/v1/channels", json=shop)).raise_for_status()
    env = {
        "BENCH_DATABASE_URL": system.database_url("postgresql+asyncpg"),
        "BENCH_BROKER_URL": system.stack.servers.broker.amqp_url,
    }
    for name, port in zip(usual_doors.KEEPERS, free_ports(len(usual_doors.KEEPERS)), strict=True):
        argv = (str(ROOT / "bench/usual_doors.py"),)
        children[name] = system.service("gateway", argv=argv, env=env | {"BENCH_DOOR": name}, port=str(port))
        ports[name] = port
    doors = Doors(children, ports, secret)
    for name in ports:
        await until(partial(_answers, doors, name), f"the shop known to {name}", seconds=20)
    return doors


async def run_round(system: System, doors: Doors, name: str, seconds: float, rate: float | None = None) -> Accepted:
    """One load on one of the two doors; then check what was stored. Raises Wrong."""
    async with system.sql() as sql:
        await until(lambda: _published(system), "the publishing of what came before", seconds=60)
        await system.purge()
        await sql.execute(EMPTY)
        await sql.execute("CHECKPOINT")
        child = doors.children[name]
        before = system.usage(service=child)
        told = await _load(doors, name, seconds, rate)
        loaded = system.usage(service=child)
        if told["failed"]:
            raise Wrong(f"{name}: {told['failed']} of {told['requests']} webhooks were refused")
        await _check(system, sql, name, told["requests"])
        cpu = before.per_message(system.usage(service=child), told["requests"])
    return Accepted(
        per_second=round(told["per_second"], 1),
        p50_ms=round(told["p50_ms"], 2),
        p99_ms=round(told["p99_ms"], 2),
        cpu=cpu,
        others=before.others(loaded),
    )


async def _check(system: System, sql: "asyncpg.Connection[asyncpg.Record]", name: str, answered: int) -> None:
    """Whatever was answered with 200 is kept as the contestant keeps it. Raises Wrong."""
    kept = {"row": "SELECT count(*) FROM usual_door.delivery", OURS: DELIVERIES}
    if name in kept and (stored := await sql.fetchval(kept[name])) != answered:
        raise Wrong(f"{name}: {answered} webhooks were answered with 200, and {stored} are stored")
    if name in ("publish", OURS):
        await until(lambda: _published(system), "the publishing of every delivery", seconds=60)
        queues = await system.depths(system.subscribers("webhook.orders.received.v1"))
        if not queues or any(depth != answered for depth in queues.values()):
            raise Wrong(f"{name}: {answered} webhooks were answered with 200, and the subscribers hold {queues}")


def memory(doors: Doors) -> float:
    """The most memory that our process has had, in MB."""
    return round(peak_memory(doors.children[OURS]), 1)


async def _published(system: System) -> bool:
    async with system.sql() as sql:
        return not await sql.fetchval("SELECT count(*) FROM gateway.outbox")


async def _answers(doors: Doors, name: str) -> bool:
    try:
        return not (await _load(doors, name, 0.2, 5.0))["failed"]
    except Wrong:
        return False


async def _load(doors: Doors, name: str, seconds: float, rate: float | None) -> dict[str, Any]:
    options = {"port": doors.ports[name], "shop": SHOP, "secret": doors.secret, "seconds": seconds, "size": BODY_BYTES}
    if rate is not None:
        options["rate"] = rate
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    command = (sys.executable, str(ROOT / "bench/webhook_load.py"), *words)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer, problem = await process.communicate()
    if process.returncode:
        raise Wrong(f"{name}: the load broke off: {problem.decode()[-500:]}")
    return dict(json.loads(answer))
