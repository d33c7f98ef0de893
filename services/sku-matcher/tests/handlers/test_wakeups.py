"""No wake-up is lost: whoever judges an order and whoever learns what it waits for meet on a common lock."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.messaging.transaction import Tx, transaction
from crossdock.testing.bench import HandlerBench, event_of
from sku_matcher import handlers
from sku_matcher.api import add_sku
from sku_matcher.deciding import Wish, map_listings
from sku_matcher.store import orders

Change = Callable[[HandlerBench, Any], Awaitable[None]]


async def a_product_brings_it(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(1, minute=60, V11="SHIRT")])


async def one_listing_lets_it_go(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(2, minute=60, V21="TWICE")])


async def a_person_adds_it_for_every_channel(bench: HandlerBench, _: Any) -> None:
    await bench.given(lambda tx: ignore(add_sku(tx, "SHIRT", "", [])))


async def a_person_adds_it_for_one(bench: HandlerBench, make: Any) -> None:
    shop = ChannelConfigured(channel_id=make.shop, channel_version=1, kind="shopify", name="Shop", mode="live")
    await bench.handle("learn_channels", [shop])
    await bench.given(lambda tx: ignore(add_sku(tx, "SHIRT", "", [make.shop])))


async def its_variant_is_given_a_sku(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(3, minute=60, V31="LATE")])


async def know_channel(bench: HandlerBench, make: Any) -> None:
    shop = ChannelConfigured(channel_id=make.shop, channel_version=1, kind="shopify", name="Shop", mode="live")
    await bench.handle("learn_channels", [shop])


async def a_person_maps_its_variant(bench: HandlerBench, make: Any) -> None:
    await know_channel(bench, make)
    await bench.given(lambda tx: ignore(map_listings(tx, [Wish(make.shop, "31", "TWICE", 2)], "somebody", make.noon)))


async def ignore(awaitable: Awaitable[object]) -> None:
    await awaitable


async def hand_on(bench: HandlerBench) -> list[Any]:
    """Hand everything that was told to whoever judges orders again; returns what it says."""
    told = [event_of(row) for row in bench.published if row.exchange]
    bench.published.clear()
    touched = [event for event in told if event.type in ("listing.changed.v1", "listing.mapped.v1", "sku.changed.v1")]
    return await bench.handle("rematch_orders", touched) if touched else []


@pytest.mark.parametrize(
    ("sku", "change"),
    [
        ("SHIRT", a_product_brings_it),
        ("TWICE", one_listing_lets_it_go),
        ("SHIRT", a_person_adds_it_for_every_channel),
        ("", its_variant_is_given_a_sku),
        ("", a_person_maps_its_variant),
        ("SHIRT", a_person_maps_its_variant),
    ],
)
async def test_what_arrives_while_an_order_is_being_judged_releases_it(
    bench: HandlerBench, make: Any, sku: str, change: Change
) -> None:
    await bench.handle(
        "learn_listings", [make.product(2, minute=9, born=9, V21="TWICE", V22="TWICE"), make.product(3, V31="")]
    )
    bench.published.clear()

    async def change_and_hand_on() -> list[Any]:
        await change(bench, make)
        return await hand_on(bench)

    async with transaction(bench.database) as judge:
        await handlers.match_orders([make.order(1, lines=(make.line("L1", sku, listing_id="31"),))], judge)
        learner = asyncio.create_task(change_and_hand_on())
        await asyncio.wait([learner], timeout=0.3)  # without the lock it is through by now, and found nobody waiting
    said = await learner
    assert [type(event) for event in said] == [OrderMatched]
    assert await bench.table("waiting") == []


@pytest.mark.parametrize("change", [a_product_brings_it, a_person_adds_it_for_every_channel, a_person_adds_it_for_one])
async def test_whoever_makes_a_sku_known_releases_an_order_of_a_channel_without_listings(
    bench: HandlerBench, make: Any, change: Change
) -> None:
    async def change_and_hand_on() -> list[Any]:
        await change(bench, make)
        return await hand_on(bench)

    async with transaction(bench.database) as judge:
        order = make.order(1, "SHIRT", channel=UUID(int=70), kind_of_channel="manual")
        await handlers.match_orders([order], judge)
        learner = asyncio.create_task(change_and_hand_on())
        await asyncio.wait([learner], timeout=0.3)
    assert [type(event) for event in await learner] == [OrderMatched]
    assert await bench.table("waiting") == []


async def test_what_is_being_learnt_while_an_order_is_judged_is_seen_or_releases_it(
    bench: HandlerBench, make: Any
) -> None:
    async with transaction(bench.database) as learner:
        await handlers.learn_listings([make.product(1, V11="SHIRT")], learner)
        judge = asyncio.create_task(bench.handle("match_orders", [make.order(1, "SHIRT")]))
        await asyncio.wait([judge], timeout=0.3)
    said = [*await judge, *await hand_on(bench)]
    assert isinstance(said[-1], OrderMatched)


async def test_two_states_of_one_new_order_judged_at_once_leave_the_newest(bench: HandlerBench, make: Any) -> None:
    async with transaction(bench.database) as slow:
        await handlers.match_orders([make.order(1, "SHIRT", "MUG", version=2)], slow)
        fast = asyncio.create_task(bench.handle("match_orders", [make.order(1, "SHIRT")]))
        await asyncio.wait([fast], timeout=0.3)
    await fast
    assert [event_of(row).content_version for row in bench.published] == [2]  # type: ignore[attr-defined]
    [row] = await bench.table("order_match")
    assert (row["order_version"], len(row["content"]["lines"])) == (2, 2)


async def test_judges_learners_and_people_at_once_neither_deadlock_nor_leave_anyone_waiting(
    bench: HandlerBench, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(5)
    skus = [f"S{i}" for i in range(6)]
    caplog.set_level(logging.INFO, logger="crossdock.messaging.batch")

    async def judge(round_: int) -> None:
        batch = []
        for number in chance.sample(range(1, 20), 8):
            lines = (make.line("L1", chance.choice(skus)), make.line("L2", "", listing_id=str(chance.randint(1, 9))))
            batch.append(make.order(number, version=round_ + 1, lines=lines))
        await bench.handle("match_orders", batch)

    async def learn(round_: int) -> None:
        batch = []
        for product in chance.sample(range(1, 6), 3):
            variants = {f"V{i}": chance.choice([*skus, ""]) for i in chance.sample(range(1, 10), 3)}
            batch.append(make.product(product, minute=100 + round_, second=round_, **variants))
        await bench.handle("learn_listings", batch)

    async def person(_: int) -> None:
        await bench.given(lambda tx: ignore(add_sku(tx, chance.choice(skus[:2]), None, [])))

    async def run(step: Callable[[int], Awaitable[None]]) -> None:
        for round_ in range(12):
            await step(round_)

    async def rematch(_: int) -> None:
        await hand_on(bench)
        await asyncio.sleep(0.01)

    await asyncio.gather(run(judge), run(judge), run(learn), run(learn), run(person), run(rematch))
    await hand_on(bench)
    assert [record.message for record in caplog.records if "runs again" in record.message] == []
    assert await bench.table("scheduled") == []
    assert await due(bench) == []


async def due(bench: HandlerBench) -> list[UUID]:
    """Orders that the catalogue would judge otherwise than they were."""
    found: list[UUID] = []

    async def step(tx: Tx) -> None:
        rows = await bench.table("waiting")
        names = {("sku", row["sku"]) if row["sku"] else ("listing", row["listing_id"]) for row in rows}
        found.extend(await orders.due_orders(tx, names, 1000))  # type: ignore[arg-type]

    await bench.given(step)
    return found
