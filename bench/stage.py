"""The stage benchmark: reserve stock for orders of three lines, out of a full queue.

Both contestants find the same messages in a quorum queue, reserve on 5,000 SKUs and publish `stock.reserved` to the
queues of its subscribers. The rate runs from the first to the last commit, by Postgres' own clock of commits. After
each round the outcome is checked: every order once, every unit reserved, every event in every subscriber's queue.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
import dramatiq_handler
import usual_handler
from system import ROOT, System, Wrong, peak_memory, until

from crossdock.contracts.base import utc_now
from crossdock.contracts.inventory import StockReserved
from crossdock.contracts.sku_matcher import Component, MatchedLine, OrderMatched
from crossdock.local.processes import Child, Process, clean_environment
from crossdock.messaging.broker import LARGEST_WINDOW, Broker
from crossdock.messaging.envelope import new_id, outgoing
from crossdock.messaging.topology import Topology, queue_name

SKUS = 5_000
UNITS_EACH = 1_000_000
OUR_QUEUE = queue_name("inventory", "reserve_stock")
CHANNEL = UUID(int=7)
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"
COMMITS = """
    WITH commits AS MATERIALIZED (SELECT pg_xact_commit_timestamp(xmin) AS at FROM {})
    SELECT clock_timestamp() AS now, min(at), max(at), count(*) FILTER (WHERE at = (SELECT min(at) FROM commits))
    FROM commits
"""
EMPTY_OURS = "TRUNCATE inventory.claim, inventory.ledger, inventory.inbox, inventory.outbox, inventory.stock"
FILL_OURS = f"""
    INSERT INTO inventory.stock (sku, location_id, on_hand, reserved, counted_at)
    SELECT format('SKU-%s', lpad(n::text, 5, '0')), location_id, {UNITS_EACH}, 0, 'epoch'
    FROM inventory.location, generate_series(0, {SKUS - 1}) AS n WHERE is_default
"""
FILL_USUAL = f"""
    INSERT INTO usual.stock (sku, on_hand, reserved)
    SELECT format('SKU-%s', lpad(n::text, 5, '0')), {UNITS_EACH}, 0 FROM generate_series(0, {SKUS - 1}) AS n
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant's figures: orders per second until committed and until published, CPU µs for each order by
    process, the most memory that the process had in MB, and the share of the machine that other programs took."""

    per_second: float
    published_per_second: float
    cpu: dict[str, float]
    memory_mb: float
    others: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A queue, what starts its process, the table that gets one row for each order, where its stock lies, and whether
    it has an outbox. `fill` is for one whose queue takes messages of its own form."""

    queue: str
    start: Callable[[System], Child]
    done: str
    stock: str
    outbox: str | None = None
    fill: Callable[[str, str, Sequence[OrderMatched]], None] | None = None


def usual(script: str, *, driver: str = "postgresql+asyncpg", **more: Any) -> Contestant:
    """One of this folder's usual ways, which share their tables."""
    queue = f"bench.{script}"

    def start(system: System) -> Child:
        options = {
            "database-url": system.database_url(driver),
            "broker-url": system.stack.servers.broker.amqp_url,
            "queue": queue,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        argv = (sys.executable, str(ROOT / f"bench/{script}.py"), *words)
        return system.run(Process(script, argv, clean_environment()))

    return Contestant(queue, start, "usual.processed_message", "usual.stock", **more)


OURS = Contestant(
    OUR_QUEUE, lambda system: system.service("inventory"), "inventory.claim", "inventory.stock", "inventory.outbox"
)
USUAL = {
    "usual handler": usual("usual_handler"),
    "FastStream": usual("faststream_handler"),
    "Dramatiq": usual("dramatiq_handler", driver="postgresql+psycopg", fill=dramatiq_handler.fill),
}


def matched_orders(number: int) -> list[OrderMatched]:
    """So many matched orders, each of one or two units of three different SKUs."""
    chance = random.Random(4)
    return [
        OrderMatched(
            order_id=new_id(),
            channel_id=CHANNEL,
            content_version=1,
            match_version=1,
            placed_at=utc_now(),
            lines=tuple(
                MatchedLine(
                    line_id=f"gid://shopify/LineItem/{n}{position}",
                    wanted=chance.randint(1, 2),
                    components=(Component(sku=f"SKU-{sku:05d}"),),
                )
                for position, sku in enumerate(chance.sample(range(SKUS), 3))
            ),
        )
        for n in range(number)
    ]


async def run_round(system: System, contestant: Contestant, orders: Sequence[OrderMatched]) -> Round:
    """Empty tables, fill the queue, start the process and let it work; then check what it did. Raises Wrong."""
    async with system.sql() as sql:
        if contestant is OURS:
            await sql.execute(f"{EMPTY_OURS}; {FILL_OURS}")
        else:
            await sql.execute(f"{usual_handler.DDL}; {FILL_USUAL}")
            if contestant.fill is None:
                await system.declare(contestant.queue)
        if contestant.fill is None:
            await _load(system, contestant.queue, orders)
        else:
            url = system.stack.servers.broker.amqp_url
            await asyncio.to_thread(contestant.fill, url, contestant.queue, orders)
        await sql.execute("ANALYZE")
        await sql.execute("CHECKPOINT")
        child = contestant.start(system)
        try:
            return await _measure(system, sql, contestant, orders, child)
        finally:
            system.stop(child)
            await system.purge()


async def _measure(
    system: System, sql: "asyncpg.Connection[asyncpg.Record]", contestant: Contestant, orders: Sequence[OrderMatched],
    child: Child,
) -> Round:  # fmt: skip
    count = f"SELECT count(*) FROM {contestant.done}"

    async def committed(so_many: int) -> bool:
        return int(await sql.fetchval(count)) >= so_many

    async def published() -> bool:
        return contestant.outbox is None or not await sql.fetchval(f"SELECT count(*) FROM {contestant.outbox}")

    # CPU counts from when it is at work: what starting Python costs is not part of an order.
    await until(lambda: committed(1), "a first commit", seconds=60, every=0.02)
    already, before = int(await sql.fetchval(count)), system.usage(service=child)
    await until(lambda: committed(len(orders)), "the last commit", seconds=300)
    await until(published, "the publishing of every event", seconds=30, every=0.05)
    after = system.usage(service=child)
    commits = await sql.fetchrow(COMMITS.format(contestant.done))
    assert commits is not None
    now, first, last, in_first = commits
    await _check(system, sql, contestant, orders)
    rest = len(orders) - in_first
    return Round(
        per_second=round(rest / (last - first).total_seconds(), 1),
        published_per_second=round(rest / (now - first).total_seconds(), 1),
        cpu=before.per_message(after, len(orders) - already),
        memory_mb=round(peak_memory(child), 1),
        others=before.others(after),
    )


async def _check(
    system: System, sql: "asyncpg.Connection[asyncpg.Record]", contestant: Contestant, orders: Sequence[OrderMatched]
) -> None:
    units = sum(line.wanted for order in orders for line in order.lines)
    reserved = await sql.fetchval(f"SELECT sum(reserved) FROM {contestant.stock}")
    if reserved != units:
        raise Wrong(f"{contestant.done}: {reserved} units are reserved, and the orders want {units}")
    told = await system.depths(system.subscribers(StockReserved.type))
    if any(depth != len(orders) for depth in told.values()) or not told:
        raise Wrong(f"{contestant.done}: {len(orders)} orders were reserved, and the subscribers hold {told}")


async def _load(system: System, queue: str, orders: Sequence[OrderMatched]) -> None:
    """Publish the orders straight into one queue, under new message ids."""
    url = system.stack.servers.broker.amqp_url
    broker = Broker(url, name="bench", topology=Topology((), ()), mandatory_types=frozenset())
    running = asyncio.create_task(broker.run())
    try:
        await broker.wait_connected(10)
        for start in range(0, len(orders), LARGEST_WINDOW):
            window = [
                replace(outgoing(order, source="bench", cause=None, traceparent=TRACE), exchange="", routing_key=queue)
                for order in orders[start : start + LARGEST_WINDOW]
            ]
            published = await broker.publish(window)
            if len(published.confirmed) != len(window):
                raise Wrong(f"the broker refused part of the backlog: {published.refused}")
    finally:
        await broker.close()
        with suppress(asyncio.CancelledError):
            await running
