"""The three laws that every handler keeps: grouping, repetition and constancy, checked on a real Postgres."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from crossdock.contracts.base import Event
from crossdock.messaging.envelope import Incoming
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench, event_of, message_of, splits


@dataclass(frozen=True)
class Scenario:
    """What a handler is tried with. `events(n)` makes n different events of every kind the handler reads, several of
    them about the same row; `given` prepares the tables."""

    handler: str
    events: Callable[[int], Sequence[Event]]
    given: tuple[Callable[[Tx], Awaitable[None]], ...] = ()


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    tables: dict[str, list[str]]
    published: Counter[str]


async def check_laws(bench: HandlerBench, scenario: Scenario) -> None:
    """All three laws for one handler. Raises AssertionError with the first difference."""
    await check_grouping(bench, scenario)
    await check_repetition(bench, scenario)
    await check_constancy(bench, scenario)


async def check_grouping(bench: HandlerBench, scenario: Scenario, *, seeds: Sequence[int] = (1, 2, 3, 4)) -> None:
    """Any split of the same events into batches gives the same tables and the same events out."""
    messages = [message_of(event) for event in scenario.events(14)]
    singly = await _run(bench, scenario, [[message] for message in messages])
    assert singly.published or any(singly.tables.values()), f"{scenario.handler}: the scenario has no effect"
    for batches in ([messages], *(splits(messages, seed) for seed in seeds)):
        sizes = [len(batch) for batch in batches]
        _same(singly, await _run(bench, scenario, batches), f"{scenario.handler} in batches of {sizes}")


async def check_repetition(bench: HandlerBench, scenario: Scenario, *, seeds: Sequence[int] = (1, 2, 3)) -> None:
    """Duplicates anywhere change nothing: neither a redelivery (same id) nor the same event sent again (new id)."""
    events = list(scenario.events(14))
    messages = [message_of(event) for event in events]
    once = await _run(bench, scenario, [messages])
    for seed in seeds:
        _same(once, await _run(bench, scenario, _with_duplicates(messages, seed)), f"{scenario.handler}, redelivered")
    for seed in seeds:
        copies = [message_of(event) for event in events]
        mixed = _with_duplicates(messages, seed, copies)
        _same(once, await _run(bench, scenario, mixed), f"{scenario.handler}, sent again")


async def check_constancy(bench: HandlerBench, scenario: Scenario) -> None:
    """A batch's round trips do not depend on its size."""
    counts = {}
    for size in (10, 60):
        messages = [message_of(event) for event in scenario.events(size)]
        await _prepare(bench, scenario)
        with bench.counting() as statements:
            await bench.deliver(scenario.handler, messages)
        counts[size] = statements
    few, many = counts.values()
    extra = Counter(many) - Counter(few)
    assert len(few) == len(many), f"{scenario.handler}: {len(few)} statements for 10, {len(many)} for 60: {extra}"


async def _prepare(bench: HandlerBench, scenario: Scenario) -> None:
    await bench.empty()
    await bench.given(*scenario.given)
    bench.published.clear()


async def _run(bench: HandlerBench, scenario: Scenario, batches: Sequence[Sequence[Incoming]]) -> Result:
    await _prepare(bench, scenario)
    for batch in batches:
        await bench.deliver(scenario.handler, batch)
    tables = await bench.snapshot()
    assert not tables.get("parked_message"), f"{scenario.handler}: the scenario parks {tables['parked_message']}"
    assert not await bench.table("scheduled"), f"{scenario.handler}: the scenario makes the handler fail"
    published = Counter(_plain(event_of(row)) for row in bench.published if row.exchange)
    return Result(tables, published)


def _plain(event: Event) -> str:
    return f"{event.type} {event.model_dump(mode='json', exclude={'occurred_at'})}"


def _with_duplicates(messages: Sequence[Incoming], seed: int, copies: Sequence[Incoming] = ()) -> list[list[Incoming]]:
    """Each message, and after it at random distances one or two more of its kind."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable shuffle
    placed = [(float(n), message) for n, message in enumerate(messages)]
    for n, message in enumerate(copies or messages):
        placed += [(n + chance.uniform(0.1, len(messages)), message) for _ in range(chance.randint(1, 2))]
    return splits([message for _, message in sorted(placed, key=lambda pair: pair[0])], seed)


def _same(expected: Result, found: Result, how: str) -> None:
    for table, rows in expected.tables.items():
        assert found.tables[table] == rows, f"{how}: table {table} differs"
    missing, extra = expected.published - found.published, found.published - expected.published
    assert not missing, f"{how}: not published {list(missing)[:2]}"
    assert not extra, f"{how}: published too {list(extra)[:2]}"
