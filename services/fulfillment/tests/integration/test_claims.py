"""What a claim reads: by index what is due and may go, and nothing of what waits."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import create_async_engine

from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import async_url
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from fulfillment.store import writes

BUSY, OTHER = UUID(int=1), UUID(int=2)
CHANNEL = text("""
    INSERT INTO channel (channel_id, channel_version, kind, name, mode, settings, connected)
    VALUES (:channel, 1, 'shopify', 'Store', 'live', '{}', true)
""")
FILL = text("""
    INSERT INTO write_back (id, kind, target, order_id, channel_id, revision, payload, traceparent, state, next_at)
    SELECT gen_random_uuid(), CAST(:kind AS text), CAST(:channel AS uuid) || '/' || n, gen_random_uuid(),
           CAST(:channel AS uuid), 0, '{}', '', :state, now() - make_interval(secs => n)
    FROM generate_series(1, :count) AS n
""")
REST = text("UPDATE channel SET tags_resume_at = now() + interval '1 h' WHERE channel_id = :channel")


@pytest.fixture
def analyze(place: TestDatabase) -> Callable[[], Awaitable[None]]:
    """Lets Postgres know what stands in the tables now."""

    async def run() -> None:
        engine = create_async_engine(async_url(place.url("fulfillment", owner=True)), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text("ANALYZE"))
        await engine.dispose()

    return run


async def fill(bench: HandlerBench, channel: UUID, kind: str, count: int, state: str = "pending") -> None:
    async with transaction(bench.database) as tx:
        await tx.run(FILL, channel=channel, kind=kind, count=count, state=state)


async def connect(bench: HandlerBench) -> None:
    async with transaction(bench.database) as tx:
        for channel in (BUSY, OTHER):
            await tx.run(CHANNEL, channel=channel)


async def claimed(bench: HandlerBench, statement: TextClause) -> tuple[int, int]:
    """How many writes a claim takes, and how many pages it reads."""
    about: dict[str, Any] = {"limit": 32, "per_channel": 24, "lease": 30.0, "channel_ids": [], "under_way": []}
    async with transaction(bench.database) as tx:
        explained = text(f"EXPLAIN (ANALYZE, BUFFERS) {statement.text}")
        plan = [row[0] for row in await tx.rows(explained, token=new_id(), **about)]
        rows = await tx.rows(text("SELECT id FROM write_back WHERE state = 'sending'"))
    pages = re.search(r"shared hit=(\d+)(?: read=(\d+))?", plan[1])
    assert pages, plan[1]
    return len(rows), sum(int(n) for n in pages.groups() if n)


@pytest.mark.parametrize("known", [False, True])
async def test_what_is_due_is_claimed_without_reading_20_000_tags_that_rest(
    bench: HandlerBench, analyze: Callable[[], Awaitable[None]], known: bool
) -> None:
    await connect(bench)
    async with transaction(bench.database) as tx:
        await tx.run(REST, channel=BUSY)
    await fill(bench, BUSY, "tag", 20_000)
    await fill(bench, OTHER, "tracking", 100)
    if known:
        await analyze()
    taken, pages = await claimed(bench, writes.CLAIM_PROMPT)
    assert taken == 24
    assert pages < 1_500
    none, pages = await claimed(bench, writes.CLAIM_TAGS)
    assert (none, pages < 100) == (24, True)  # the 24 that were taken before, and no tag


async def test_what_waits_behind_a_doubt_is_skipped_by_index_though_nothing_was_in_doubt_when_it_was_planned(
    bench: HandlerBench, analyze: Callable[[], Awaitable[None]]
) -> None:
    await connect(bench)
    await fill(bench, BUSY, "tracking", 2_000)
    await analyze()
    await fill(bench, BUSY, "tracking", 2_000, "in_doubt")
    await fill(bench, OTHER, "tracking", 10)
    taken, pages = await claimed(bench, writes.CLAIM_PROMPT)
    assert taken == 10
    assert pages < 20_000
