"""What becomes of an order's lines, and what brings a waiting order on."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.holds import HoldCode
from crossdock.contracts.sku_matcher import OrderMatched, OrderUnmatched
from crossdock.messaging.envelope import Incoming
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench, event_of, message_of
from sku_matcher import handlers
from sku_matcher.api import add_sku


async def judge(bench: HandlerBench, *states: Any) -> list[Any]:
    """Offer orders as one batch; returns what is told of them."""
    return list(await bench.handle("match_orders", states))


async def learn(bench: HandlerBench, *deliveries: Any) -> list[Any]:
    """Tell the catalogue, and hand on what it says; returns the matches that came of it."""
    said = await bench.handle("learn_listings", deliveries)
    return list(await bench.handle("rematch_orders", said)) if said else []


async def test_a_line_whose_sku_one_listing_carries_is_matched(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT", V12="MUG"))
    [said] = await judge(bench, make.order(1, "SHIRT", "MUG"))
    assert isinstance(said, OrderMatched)
    assert (said.content_version, said.match_version, said.placed_at) == (1, 0, make.noon + timedelta(minutes=1))
    assert [(i.line_id, i.wanted, i.components[0].sku, i.components[0].per_unit) for i in said.lines] == [
        ("L1", 1, "SHIRT", 1),
        ("L2", 1, "MUG", 1),
    ]


async def test_the_hold_names_the_line_and_says_why(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="TWICE", V12="DOUBLED", V13="SHIRT", V14=""))
    await learn(bench, make.product(2, minute=9, born=9, V21="TWICE"), make.product(3, V31="DOUBLED"))
    [said] = await judge(bench, make.order(1, "SHIRT", "", "NOBODY", "TWICE", "DOUBLED"))
    assert isinstance(said, OrderUnmatched)
    assert [(hold.code, hold.lines, hold.sentence) for hold in said.holds] == [
        (HoldCode.SKU_BLANK, ("L2",), "Line 2 (Thing 2) has no SKU"),
        (HoldCode.SKU_UNKNOWN, ("L3",), "Line 3 (Thing 3): SKU NOBODY is not among the channel's listings"),
        (HoldCode.SKU_AMBIGUOUS, ("L4",), "Line 4 (Thing 4): SKU TWICE is carried by 2 listings of the channel"),
        (
            HoldCode.SKU_DOUBLED,
            ("L5",),
            "Line 5 (Thing 5): 2 listings carried SKU DOUBLED when the order was placed",
        ),
    ]


async def test_a_listing_of_another_channel_helps_nobody(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT", channel=UUID(int=8)))
    [said] = await judge(bench, make.order(1, "SHIRT"))
    assert isinstance(said, OrderUnmatched)


async def test_states_that_arrive_in_the_wrong_order_leave_the_newest(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT"))
    said = await judge(bench, make.order(1, "SHIRT", "SHIRT", version=2), make.order(1, "SHIRT"))
    assert [(event.content_version, len(event.lines)) for event in said] == [(2, 2)]
    assert await judge(bench, make.order(1, "MUG")) == []


async def test_a_cancelled_order_waits_for_nothing(bench: HandlerBench, make: Any) -> None:
    await judge(bench, make.order(1, "SHIRT"))
    assert len(await bench.table("waiting")) == 1
    assert await judge(bench, make.order(1, "SHIRT", version=2, cancelled=True)) == []
    assert await bench.table("waiting") == []
    assert await learn(bench, make.product(1, V11="SHIRT")) == []


async def test_a_new_sku_releases_the_orders_that_waited_oldest_first(bench: HandlerBench, make: Any) -> None:
    await judge(bench, *(make.order(number, "SHIRT") for number in (3, 1, 2)))
    said = await learn(bench, make.product(1, V11="SHIRT"))
    assert [(type(event), event.order_id.int, event.match_version) for event in said] == [
        (OrderMatched, number, 1) for number in (1, 2, 3)
    ]
    assert await bench.table("waiting") == []


async def test_an_order_that_waits_for_two_skus_says_so_until_the_last_comes(bench: HandlerBench, make: Any) -> None:
    await judge(bench, make.order(1, "SHIRT", "MUG"))
    [still] = await learn(bench, make.product(1, V11="SHIRT"))
    assert isinstance(still, OrderUnmatched)
    assert [hold.lines for hold in still.holds] == [("L2",)]
    [at_last] = await learn(bench, make.product(2, V21="MUG"))
    assert (type(at_last), at_last.match_version) == (OrderMatched, 2)


async def test_an_ambiguous_sku_is_released_when_one_listing_lets_it_go(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, minute=4, born=4, V11="SHIRT", V12="SHIRT", V13="SHIRT"))
    await judge(bench, make.order(1, "SHIRT"))
    [fewer] = await learn(bench, make.product(1, minute=5, V11="SHIRT", V12="SHIRT", V13="MUG"))
    assert "carried by 2 listings" in fewer.holds[0].sentence
    [said] = await learn(bench, make.product(1, minute=6, V11="SHIRT", V13="MUG"))
    assert isinstance(said, OrderMatched)


async def test_a_sku_that_was_doubled_when_the_order_was_placed_waits_for_a_person(
    bench: HandlerBench, make: Any
) -> None:
    await learn(bench, make.product(1, V11="SHIRT", V12="SHIRT"))
    await learn(bench, make.product(1, minute=3, V11="SHIRT", V12="MUG"))
    before, after = await judge(bench, make.order(1, "SHIRT"), make.order(4, "SHIRT"))
    assert (before.holds[0].code, type(after)) == (HoldCode.SKU_DOUBLED, OrderMatched)
    assert await learn(bench, make.product(1, minute=5, V11="SHIRT")) == []


async def test_a_listing_that_took_over_a_sku_is_no_double(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT"), make.product(2, V21=""))
    await learn(bench, make.product(1, minute=1, V11=""), make.product(2, minute=1, V21="SHIRT"))
    [said] = await judge(bench, make.order(1, "SHIRT"))
    assert isinstance(said, OrderMatched)


async def test_a_matched_order_is_not_disturbed_by_the_catalogue(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT"))
    await judge(bench, make.order(1, "SHIRT"))
    assert await learn(bench, make.product(1, minute=5, V11="SHIRT", V12="SHIRT")) == []
    assert await learn(bench, make.product(1, minute=6)) == []


async def test_a_variant_that_is_given_a_sku_after_the_sale_releases_its_blank_line(
    bench: HandlerBench, make: Any
) -> None:
    await learn(bench, make.product(1, V11=""))
    line = make.line("L1", "", listing_id="11")
    [held] = await judge(bench, make.order(1, lines=(line,)))
    assert held.holds[0].code is HoldCode.SKU_BLANK
    [said] = await learn(bench, make.product(1, minute=30, V11="SHIRT"))
    assert [part.sku for one in said.lines for part in one.components] == ["SHIRT"]


async def test_a_blank_line_holds_though_its_variant_had_a_sku_before(bench: HandlerBench, make: Any) -> None:
    await learn(bench, make.product(1, V11="SHIRT"))
    [held] = await judge(bench, make.order(1, lines=(make.line("L1", "", listing_id="11"),)))
    assert held.holds[0].code is HoldCode.SKU_BLANK
    assert await learn(bench, make.product(1, minute=30, V11="SHIRT", V12="MUG")) == []


@pytest.mark.parametrize("channels", [[], [UUID(int=7)]])
async def test_a_sku_added_by_hand_releases_what_waited_for_it(
    bench: HandlerBench, make: Any, channels: list[UUID]
) -> None:
    await know_channel(bench)
    await judge(bench, make.order(1, "SHIRT"))
    [said] = await bench.handle("rematch_orders", await added(bench, "SHIRT", channels))
    assert isinstance(said, OrderMatched)


async def test_a_sku_added_by_hand_for_one_channel_helps_no_other(bench: HandlerBench, make: Any) -> None:
    await know_channel(bench)
    await judge(bench, make.order(1, "SHIRT", channel=UUID(int=8)))
    assert await bench.handle("rematch_orders", await added(bench, "SHIRT", [UUID(int=7)])) == []


async def test_a_sku_added_by_hand_does_not_hide_that_two_listings_carry_it(bench: HandlerBench, make: Any) -> None:
    await added(bench, "SHIRT", [])
    await learn(bench, make.product(1, minute=9, born=9, V11="SHIRT", V12="SHIRT"))
    [said] = await judge(bench, make.order(1, "SHIRT"))
    assert said.holds[0].code is HoldCode.SKU_AMBIGUOUS


async def test_more_orders_than_a_page_are_all_released(
    bench: HandlerBench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "PAGE", 3)
    await judge(bench, *(make.order(number, "SHIRT") for number in range(1, 9)))
    touched = await bench.handle("learn_listings", [make.product(1, V11="SHIRT")])
    queue, rounds = [message_of(event) for event in touched], 0
    released: list[int] = []
    while queue:
        already, rounds = len(bench.published), rounds + 1
        told: list[Any] = list(await bench.deliver("rematch_orders", queue))
        released += [event.order_id.int for event in told]
        again = [row for row in bench.published[already:] if row.exchange == ""]
        assert {row.routing_key for row in again} <= {"sku-matcher.rematch-orders"}
        queue = [Incoming(str(r.message_id), r.type, r.correlation_id, r.headers, r.body) for r in again]
    assert released == list(range(1, 9))
    assert rounds == 3


async def test_orders_that_the_change_does_not_help_are_not_judged_again(bench: HandlerBench, make: Any) -> None:
    await judge(bench, make.order(1, "SHIRT"), make.order(2, "MUG"))
    touched = await bench.handle("learn_listings", [make.product(1, V11="SHIRT")])
    first: list[Any] = list(await bench.handle("rematch_orders", touched))
    assert [event.order_id.int for event in first] == [1]
    assert await bench.handle("rematch_orders", touched) == []


async def test_an_order_of_10_000_blank_lines_is_told_in_a_message_that_others_can_bear(
    bench: HandlerBench, make: Any
) -> None:
    lines = tuple(make.line(f"L{i}", "", listing_id=str(i)) for i in range(1, 10_001))
    [said] = await judge(bench, make.order(1, lines=lines))
    assert len(said.holds) == 100
    assert len(await bench.table("waiting")) == 10_000


async def know_channel(bench: HandlerBench) -> None:
    event = ChannelConfigured(channel_id=UUID(int=7), channel_version=1, kind="shopify", name="Shop", mode="live")
    await bench.handle("learn_channels", [event])


async def added(bench: HandlerBench, sku: str, channels: list[UUID]) -> list[Any]:
    """Add a SKU as the API does; returns what it published."""

    async def step(tx: Tx) -> None:
        await add_sku(tx, sku, None, channels)

    already = len(bench.published)
    await bench.given(step)
    return [event_of(row) for row in bench.published[already:]]
