"""What goes wrong while a channel is asked for its changes delays, and neither loses nor doubles anything."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from ingest_examples import status_of, story_of
from polling_examples import OTHER, SHOPIFY, connected, feed_of, order, placed_numbers, poll, schedule, turn
from sqlalchemy import text

from crossdock.channels.errors import Permanent, Retryable
from crossdock.service.app import Context
from crossdock.testing.bench import HandlerBench
from order_ingest import reconcile
from order_ingest.asking import ask
from order_ingest.store import feeds
from sandbox.testing import Sandbox


def failing_from(monkeypatch: pytest.MonkeyPatch, number: int, problem: Exception) -> None:
    """From the read of that number on, the channel answers with a problem."""
    count = itertools.count(1)

    async def sometimes(*arguments: Any) -> Any:
        return problem if next(count) >= number else await ask(*arguments)

    monkeypatch.setattr(reconcile, "ask", sometimes)


async def test_a_page_that_fails_halfway_keeps_what_was_read_and_is_read_again(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        order(shop)
    before = await feed_of(bench)
    with monkeypatch.context() as patch:
        failing_from(patch, 3, Retryable("Away", after=30.0))
        await poll(context)
    assert len(placed_numbers(bench)) == 2
    feed = await feed_of(bench)
    assert (feed["since"], feed["reached"]) == (before["since"], before["reached"])
    assert (feed["failures"], feed["problem"], feed["token"]) == (1, "Away", None)
    assert feed["due_at"] > datetime.now(UTC) + timedelta(seconds=20)
    await poll(context)
    assert len(placed_numbers(bench)) == len(set(placed_numbers(bench))) == 6
    feed = await feed_of(bench)
    assert (feed["failures"], feed["problem"], feed["since"] > before["since"]) == (0, "", True)


async def test_the_place_in_the_list_and_the_orders_of_the_page_are_stored_together_or_not_at_all(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    before = await feed_of(bench)

    async def breaks(*_: Any) -> None:
        raise ValueError("no place to keep it")

    with monkeypatch.context() as patch:
        patch.setattr(feeds, "save", breaks)
        await schedule(context)
        assert await turn(context)
    assert await bench.table("orders") == []
    feed = await feed_of(bench)
    assert (feed["since"], feed["state"]) == (before["since"], "failed")
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_an_order_that_cannot_be_read_is_shown_and_holds_up_nobody(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = order(shop), order(shop)

    async def unreadable(context: Context, channel: UUID, kind: str, name: str, seconds: float) -> Any:
        if name == str(bad["id"]):
            return Permanent("Shopify's order cannot be read", "unreadable")
        return await ask(context, channel, kind, name, seconds)

    monkeypatch.setattr(reconcile, "ask", unreadable)
    for _ in range(2):
        await poll(context)
    assert (await status_of(bench, bad["id"]), len(placed_numbers(bench))) == ("received", 1)
    assert (await story_of(bench)).count("Found by reconciliation") == 2
    feed = await feed_of(bench)
    assert (feed["state"], feed["failures"]) == ("finished_partially", 0)
    errors = await bench.table("run_error")
    assert {error["subject"] for error in errors} == {f"order {bad['id']}"}


async def test_a_channel_that_is_away_delays_no_other(
    bench: HandlerBench, context: Context, shop: Sandbox, gateway: Any
) -> None:
    gateway.elsewhere[str(OTHER)] = "http://127.0.0.1:1"
    await bench.handle("learn_channels", [connected(OTHER)])
    order(shop)
    await poll(context)
    assert len(placed_numbers(bench)) == 1
    assert (await feed_of(bench))["failures"] == 0
    away = await feed_of(bench, OTHER)
    assert (away["failures"], away["problem"]) == (1, "Shopify could not be reached")
    await schedule(context)
    assert await turn(context)
    assert not await turn(context), "the one that is away is not asked by this loop"
    assert await turn(context, failing=True)
    assert (await feed_of(bench, OTHER))["failures"] == 2


async def test_a_filter_that_the_channel_ignores_is_an_error_and_imports_nothing(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    with monkeypatch.context() as patch:
        patch.setattr(SHOPIFY, "changed_since", lambda since: f"changed_at:>='{since.isoformat()}'")
        await poll(context)
    assert await bench.table("orders") == []
    assert "ignored a filter" in (await feed_of(bench))["problem"]
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_a_token_that_is_no_longer_accepted_is_fetched_anew(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    order(shop)
    shop.control(f"shopify/{shop.shop}/faults", {"operation": "*", "kind": "token_expired", "times": 1})
    await poll(context)
    assert (await feed_of(bench))["failures"] == 1
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_two_processes_never_poll_one_channel_together_and_a_lost_poll_stores_nothing(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    before = await feed_of(bench)
    await schedule(context)
    read = reconcile._read

    async def lost(*arguments: Any) -> Any:
        answers = await read(*arguments)
        async with context.transaction() as tx:
            await tx.run(text("UPDATE run SET token = gen_random_uuid()"))
        return answers

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "_read", lost)
        assert await turn(context)
    assert await bench.table("orders") == []
    assert (await feed_of(bench))["since"] == before["since"]
    assert not await turn(context)
    async with context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now()"))
    await asyncio.gather(turn(context), turn(context))
    assert len(placed_numbers(bench)) == 1
