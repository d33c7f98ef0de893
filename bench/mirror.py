"""Measure lists, counts and search of order-ingest over many orders: `python bench/mirror.py --orders 5000000`.

Orders are made by SQL in a database of their own on CROSSDOCK_TEST_POSTGRES_URL, and asked for through the service's
own functions, each set of filters many times; beside the times stand the indexes that Postgres used. `--keep NAME`
leaves the database, so that `--use NAME` can measure it again.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx, transaction
from crossdock.storage.engine import Database
from crossdock.storage.migrations import owner_engine
from crossdock.testing.database import Templates, TestDatabase
from order_ingest.domain.search import query_of
from order_ingest.domain.tabs import TABS
from order_ingest.store import counts, pages
from order_ingest.store.pages import Wanted

CHANNELS = 5
CALLS = 60
LATER = ("orders_status", "orders_channel", "orders_number", "orders_held", "orders_channel_status", "orders_due",
         "orders_retention", "recipient_terms")  # fmt: skip
ORDERS = """
    INSERT INTO orders (order_id, channel_id, channel_kind, external_id, number, number_key, placed_at, status,
                        hold_codes, source, progress, ship_by)
    SELECT (lpad(to_hex(m.ms), 12, '0') || '8' || substr(m.h, 1, 3) || 'a' || substr(m.h, 4, 15))::uuid,
           lpad(to_hex(m.i % {channels} + 1), 32, '0')::uuid, 'shopify', (7000000000000 + m.i)::text, '#' || m.i,
           m.i::text, to_timestamp(m.ms / 1000.0), m.status,
           CASE WHEN m.status <> 'on_hold' THEN '{{}}' WHEN m.i % 4 = 0 THEN '{{stock}}'::text[]
                WHEN m.i % 400 = 1 THEN '{{sku_unknown}}' ELSE '{{payment}}' END,
           jsonb_build_object('updated_at', to_timestamp(m.ms / 1000.0), 'number', '#' || m.i, 'placed_at',
               to_timestamp(m.ms / 1000.0), 'paid', true, 'cancelled', false, 'test', false, 'addressed', true,
               'total', '20.00', 'currency', 'EUR', 'financial_status', 'paid', 'totals', '{{}}'::jsonb, 'lines',
               '[]'::jsonb),
           '{{}}',
           CASE WHEN m.status IN ('on_hold', 'outstanding')
                THEN now() + make_interval(hours => (m.i % 240)::int - 60) END
    FROM (SELECT i, md5(i::text) AS h, 1700000000000 + i * 16000 AS ms,
                 CASE WHEN i % 1000 < 10 THEN 'on_hold' WHEN i % 1000 < 20 THEN 'outstanding'
                      WHEN i % 1000 < 21 THEN 'waiting' WHEN i % 1000 < 50 THEN 'cancelled'
                      WHEN i % 1000 < 52 THEN 'rejected' WHEN i % 1000 < 60 THEN 'record_only'
                      WHEN i % 1000 < 110 THEN 'shipped' ELSE 'delivered' END AS status
          FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) AS i) AS m
"""
SKUS = """
    INSERT INTO order_sku SELECT 'sku-' || CASE WHEN h % 10 = 0 THEN 1 WHEN h % 10 < 4 THEN h % 100 ELSE h % 100000 END,
                                 order_id
    FROM (SELECT order_id, abs(hashtext(order_id::text)) AS h FROM orders) AS o
"""
RECIPIENTS = """
    INSERT INTO recipient (order_id, recipient_version, recipient, terms)
    SELECT o.order_id, 1, '{{}}', array_to_tsvector(ARRAY[
        'nname' || o.h % 2000, 'nlast' || o.h % 50000, 'eperson' || o.number_key || '@example.com',
        'p' || reverse((1000000000 + o.h % 1000000000)::text), 'z' || o.h % 20000])
    FROM (SELECT order_id, number_key, abs(hashtext(order_id::text))::bigint AS h FROM orders
          WHERE CAST(number_key AS bigint) % {share} = 0) AS o
"""


async def fill(place: TestDatabase, orders: int, share: int) -> None:
    """Make orders, one of `share` with a recipient, then the indexes, as a restore would."""
    engine = owner_engine(place.url("order-ingest", owner=True), "order-ingest")
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    async with engine.begin() as one:
        listed = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'order_ingest'"
        found = {row.indexname: row.indexdef for row in await one.execute(text(listed))}
        for name in LATER:
            await one.execute(text(f"DROP INDEX {name}"))
        for table in ("orders", "order_sku", "recipient"):
            await one.execute(text(f"ALTER TABLE {table} SET UNLOGGED"))
        for n in range(CHANNELS):
            add = "INSERT INTO channel (channel_id, channel_version, kind, name, mode, connected) VALUES (:id, 1, 'shopify', :name, 'live', true)"  # noqa: E501
            await one.execute(text(add), {"id": UUID(int=n + 1), "name": f"Store {n + 1}"})
    step = 250_000
    for low in range(1, orders + 1, step):
        async with engine.begin() as one:
            about = {"low": low, "high": min(low + step - 1, orders)}
            await one.execute(text(ORDERS.format(channels=CHANNELS)), about)
    say("orders")
    async with engine.begin() as one:
        await one.execute(text("SET maintenance_work_mem = '1GB'"))
        await one.execute(text(SKUS))
        say("SKUs")
        await one.execute(text(RECIPIENTS.format(share=share)))
        say("recipients")
        for name in LATER:
            await one.execute(text(found[name]))
        say("indexes")
        await one.execute(text("INSERT INTO order_count SELECT channel_id, status, count(*) FROM orders GROUP BY 1, 2"))
        changes = "INSERT INTO order_count_delta (channel_id, status, orders) SELECT :id, 'outstanding', 0 FROM generate_series(1, 2000)"  # noqa: E501
        await one.execute(text(changes), {"id": UUID(int=1)})
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as one:
        await one.execute(text("VACUUM ANALYZE"))
    say("vacuumed")
    await engine.dispose()


async def measured(database: Database, ask: Callable[[Tx, int], Awaitable[object]]) -> dict[str, float]:
    """Milliseconds of one question asked many times, each in a transaction of its own as the API opens it."""
    took = []
    for n in range(CALLS):
        began = time.perf_counter()
        async with transaction(database) as tx:
            await ask(tx, n)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {"p50": round(took[CALLS // 2], 1), "p95": round(took[int(CALLS * 0.95) - 1], 1), "max": round(took[-1], 1)}


def questions(orders: int) -> dict[str, Callable[[int], Wanted]]:
    """Mixtures of filters as people use them: common, rare, and common together with rare."""
    channel = UUID(int=2)

    def at(share: float) -> datetime:
        return datetime.fromtimestamp((1700000000000 + orders * share * 16000) / 1000, UTC)

    month = timedelta(days=30)
    return {
        "newest": lambda n: Wanted(),
        "oldest": lambda n: Wanted(sort="oldest"),
        "tab shipped (two statuses)": lambda n: Wanted(TABS["shipped"]),
        "tab rejected": lambda n: Wanted(TABS["rejected"]),
        "tab on hold, one channel": lambda n: Wanted(TABS["on_hold"], channel_id=channel),
        "tab outstanding, oldest": lambda n: Wanted(TABS["outstanding"], sort="oldest"),
        "one channel": lambda n: Wanted(channel_id=channel),
        "hold stock": lambda n: Wanted(hold="stock"),
        "hold sku_unknown (rare)": lambda n: Wanted(hold="sku_unknown"),
        "hold payment, one channel": lambda n: Wanted(hold="payment", channel_id=channel),
        "SKU in a tenth of all orders": lambda n: Wanted(sku="sku-1"),
        "rare SKU": lambda n: Wanted(sku=f"sku-{n * 97 + 5000}"),
        "common SKU on hold": lambda n: Wanted(TABS["on_hold"], sku="sku-1"),
        "rare SKU on hold": lambda n: Wanted(TABS["on_hold"], sku=f"sku-{n * 97 + 5000}"),
        "a month, on hold": lambda n: Wanted(TABS["on_hold"], since=at(0.3 + n / 200), until=at(0.3 + n / 200) + month),
        "a month, channel, SKU": lambda n: Wanted(
            channel_id=channel, sku="sku-7", since=at(0.3 + n / 200), until=at(0.3 + n / 200) + month
        ),
        "late, by ship-by time": lambda n: Wanted(clock="late", sort="due"),
        "due today": lambda n: Wanted(clock="due_today", sort="due"),
        "late, one channel, newest": lambda n: Wanted(clock="late", channel_id=channel),
        "text: a number": lambda n: Wanted(text=f"#{orders // 2 + n}"),
        "text: a marketplace number": lambda n: Wanted(text=str(7000000000000 + orders // 3 + n)),
        "text: an e-mail address": lambda n: _person(f"person{(orders // 50 + n) * 5}@example.com"),
        "text: first and last name": lambda n: _person(f"name{n + 7} last{n + 7}"),
        "text: first name (500 people)": lambda n: _person(f"name{n + 1000}"),
        "text: first name, on hold": lambda n: _person(f"name{n + 1000}", TABS["on_hold"]),
    }


def _person(typed: str, statuses: tuple[str, ...] | None = None) -> Wanted:
    return Wanted(statuses, text=typed, person=query_of(typed))


async def indexes(database: Database, wanted: Wanted) -> list[str]:
    """The indexes that a page is served by."""
    given = pages._given(wanted)
    statement = pages._page(frozenset(given), wanted.clock, wanted.sort)
    async with transaction(database) as tx:
        await tx.run(pages.CUSTOM_PLANS)
        [[plan]] = await tx.rows(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), limit=50, **given)
    found = json.loads(plan) if isinstance(plan, str) else plan
    return sorted(set(_names(found)) - {"channel_pkey"})


def _names(plan: Any) -> list[str]:
    if isinstance(plan, list):
        return [name for one in plan for name in _names(one)]
    if not isinstance(plan, dict):
        return []
    here = [plan["Index Name"]] if "Index Name" in plan else []
    if plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") != "channel":
        here.append(f"SEQ SCAN {plan['Relation Name']}")
    return here + [name for value in plan.values() for name in _names(value)]


async def measure(database: Database, orders: int) -> dict[str, Any]:
    """Everything, most important first."""

    async def count(tx: Tx, _: int) -> None:
        await counts.by_status(tx)
        await counts.by_clock(tx)

    found: dict[str, Any] = {"counts of every tab, by channel": await measured(database, count)}
    print("counts of every tab, by channel", found["counts of every tab, by channel"], flush=True)
    for name, question in questions(orders).items():

        async def ask(tx: Tx, n: int, question: Callable[[int], Wanted] = question) -> None:
            await pages.page(tx, question(n), 50)

        found[name] = await measured(database, ask) | {"indexes": await indexes(database, question(1))}
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--share", type=int, default=5, help="one order of so many has a recipient")
    parser.add_argument("--keep", help="leave the database, and write here how to find it")
    parser.add_argument("--use", help="measure the database that --keep left")
    given = parser.parse_args()
    if given.use:
        place = TestDatabase(**json.loads(Path(given.use).read_text()))
        found = asyncio.run(measure(place.open("order-ingest"), given.orders))
    else:
        templates = Templates(os.environ["CROSSDOCK_TEST_POSTGRES_URL"])
        place = templates.copy(["order-ingest"])
        asyncio.run(fill(place, given.orders, given.share))
        if given.keep:
            Path(given.keep).write_text(json.dumps(place.__dict__))
            return
        found = asyncio.run(measure(place.open("order-ingest"), given.orders))
        templates.drop(place)
        templates.close()
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
