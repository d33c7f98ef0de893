"""What only shows over time: throughput with years of orders stored, and memory over a million messages."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg
import chain
import psutil
from chain import Flow, Hub
from system import System, Wrong

from crossdock.cli.stack import PACKAGES, SERVICES

OVERLOAD = 400
"""Orders a second that the hub cannot keep up with on two cores: what it then finishes a second is its throughput. Far
more than it can take would only try the senders' patience."""

ROUNDS, SECONDS = 3, 12.0
CHUNK = 250_000
STEADY_RATE, STEADY_SECONDS = 150, 40.0

# Ids sort by time, as real ones do; these orders were placed before those of the run.
ID = "(lpad(to_hex(1600000000000 + n::bigint), 12, '0') || substr(md5(n::text), 1, 20))::uuid"
BY_ORDER = {"order_id": ID}
COPIED: Mapping[str, Mapping[str, str]] = {
    "gateway.delivery": {"id": ID, "external_delivery_id": "'stored-' || n"},
    "order_ingest.orders": BY_ORDER
    | {"external_id": "'stored-' || n", "number": "'#S' || n", "number_key": "'s' || n"},
    "order_ingest.recipient": BY_ORDER,
    "order_ingest.timeline": BY_ORDER,
    "sku_matcher.order_match": BY_ORDER,
    "inventory.claim": BY_ORDER,
    "fulfillment.desk": BY_ORDER,
    "fulfillment.recipient": BY_ORDER,
    "fulfillment.request": BY_ORDER,
    "fulfillment.write_back": BY_ORDER | {"id": ID, "target": "'stored-' || n"},
}
"""Each table that keeps a row or several of every order, and what differs between two orders' rows."""

COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
MESSAGES = " + ".join(f"(SELECT count(*) FROM {PACKAGES[name]}.inbox)" for name in SERVICES)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Messages handled so far by all services, and each one's resident memory in MB then."""

    messages: int
    megabytes: dict[str, float]


async def throughput(system: System, hub: Hub) -> AsyncIterator[Flow]:
    """Orders through the whole chain a second when more come than it can take, several rounds."""
    for _ in range(ROUNDS):
        yield await chain.run_round(system, hub, OVERLOAD, SECONDS)


async def store(system: System, hub: Hub, orders: int) -> None:
    """Copy one shipped-to-be order of the run so many times, into every service's own tables, and tell the planner."""
    async with system.sql() as sql:
        template = await sql.fetchval("SELECT order_id FROM fulfillment.request LIMIT 1")
        for table, differing in COPIED.items():
            await _copy(sql, table, differing, template, orders)
        await sql.execute("VACUUM ANALYZE")
        await sql.execute("CHECKPOINT")
    hub.stored += orders


async def _copy(
    sql: "asyncpg.Connection[asyncpg.Record]", table: str, differing: Mapping[str, str], template: object, orders: int
) -> None:
    names = [row["attname"] for row in await sql.fetch(COLUMNS, table)]
    values = ", ".join(differing.get(name, f't."{name}"') for name in names)
    chosen = f"WHERE order_id = '{template}'" if "order_id" in names else "LIMIT 1"
    listed = ", ".join(f'"{name}"' for name in names)
    if not await sql.fetchval(f"SELECT count(*) FROM (SELECT 1 FROM {table} {chosen}) AS t"):
        raise Wrong(f"{table} keeps nothing of an order: `COPIED` is out of date")
    for first in range(1, orders + 1, CHUNK):
        last = min(first + CHUNK - 1, orders)
        await sql.execute(
            f"INSERT INTO {table} ({listed}) SELECT {values} "
            f"FROM (SELECT * FROM {table} {chosen}) AS t, generate_series({first}, {last}) AS n",
            timeout=3600,
        )


async def weigh(system: System, hub: Hub, messages: int) -> AsyncIterator[Weighed]:
    """Steady traffic until so many messages were handled; what each process weighs after each part of it."""
    handled = 0
    while handled < messages:
        await chain.run_round(system, hub, STEADY_RATE, STEADY_SECONDS)
        async with system.sql() as sql:
            handled = await sql.fetchval(f"SELECT {MESSAGES}")
        yield Weighed(handled, {name: _resident(child.pid) for name, child in hub.services.items()})


def _resident(pid: int | None) -> float:
    return round(psutil.Process(pid).memory_info().rss / 1e6, 1)
