"""What the matcher learns of a channel's listings."""

from typing import Any
from uuid import UUID

from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected
from crossdock.contracts.sku_matcher import ListingChanged, SkuChanged
from crossdock.testing.bench import HandlerBench


def told(events: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (e.listing_id, e.listing_version, e.previous_sku, e.sku, e.removed)
        if isinstance(e, ListingChanged)
        else (e.sku,)
        for e in events
    ]


async def test_a_product_brings_its_listings_and_the_skus_met_first(bench: HandlerBench, make: Any) -> None:
    said = await bench.handle("learn_listings", [make.product(1, V11="SHIRT", V12="SHIRT", V13="")])
    assert told(said) == [
        ("11", 1, "", "SHIRT", False),
        ("12", 1, "", "SHIRT", False),
        ("13", 1, "", "", False),
        ("SHIRT",),
    ]
    assert [event.title for event in said if isinstance(event, SkuChanged)] == ["Product 1 / V11"]


async def test_a_sku_is_met_once_whatever_the_channel(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(1, V11="SHIRT")])
    said = await bench.handle("learn_listings", [make.product(2, V21="SHIRT", channel=UUID(int=8))])
    assert [type(event) for event in said] == [ListingChanged]


async def test_a_changed_sku_says_what_it_was_before(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(1, V11="SHIRT")])
    said = await bench.handle("learn_listings", [make.product(1, minute=1, V11="MUG")])
    assert told(said) == [("11", 2, "SHIRT", "MUG", False), ("MUG",)]


async def test_an_unchanged_or_older_product_says_nothing(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(1, minute=2, V11="SHIRT")])
    older, same = make.product(1, minute=1, V11="MUG"), make.product(1, minute=3, V11="SHIRT")
    assert await bench.handle("learn_listings", [older, same]) == []


async def test_a_deleted_product_takes_its_listings_with_it_for_good(bench: HandlerBench, make: Any) -> None:
    await bench.handle("learn_listings", [make.product(1, V11="SHIRT"), make.product(2, V21="MUG")])
    said = await bench.handle("learn_listings", [make.webhook({"id": 1}, "products/delete")])
    assert told(said) == [("11", 2, "SHIRT", "", True)]
    assert await bench.handle("learn_listings", [make.product(1, minute=60, V11="SHIRT")]) == []


async def test_what_cannot_be_read_is_parked_and_harms_no_neighbour(bench: HandlerBench, make: Any) -> None:
    bad = [
        make.webhook(b"\xff\xfe not JSON"),
        make.webhook({"id": 9, "updated_at": "2026-03-01T00:00:00Z", "variants": [{"id": None}]}),
        make.webhook({"id": 9}, kind="nobody-knows"),
    ]
    said = await bench.handle("learn_listings", [*bad, make.product(1, V11="SHIRT")])
    assert [type(event) for event in said] == [ListingChanged, SkuChanged]
    reasons = sorted(row["reason"] for row in await bench.table("parked_message"))
    assert len(reasons) == 3
    assert "product.variants[0].id is missing" in " ".join(reasons)
    assert await bench.table("scheduled") == []


async def test_a_topic_that_tells_nothing_of_products_is_ignored(bench: HandlerBench, make: Any) -> None:
    assert await bench.handle("learn_listings", [make.webhook({"id": 1}, "collections/update")]) == []
    assert await bench.table("parked_message") == []


async def test_nul_characters_and_lone_surrogates_in_a_sku_are_borne(bench: HandlerBench, make: Any) -> None:
    said = await bench.handle("learn_listings", [make.product(1, V11="SH\x00IRT", V12="MUG\ud800")])
    assert [event.sku for event in said if isinstance(event, ListingChanged)] == ["SHIRT", "MUG\ufffd"]


async def test_the_newest_word_on_a_channel_counts(bench: HandlerBench, make: Any) -> None:
    def configured(version: int, name: str) -> ChannelConfigured:
        return ChannelConfigured(channel_id=make.shop, channel_version=version, kind="shopify", name=name, mode="live")

    await bench.handle("learn_channels", [configured(2, "Shop"), configured(1, "Old shop")])
    await bench.handle("learn_channels", [ChannelDisconnected(channel_id=make.shop, channel_version=3)])
    [row] = await bench.table("channel")
    assert (row["name"], row["channel_version"], row["connected"]) == ("Shop", 3, False)
