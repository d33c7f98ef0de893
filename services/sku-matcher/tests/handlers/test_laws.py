"""Grouping, repetition and constancy for every handler of the matcher."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.base import Event
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected
from crossdock.contracts.order_ingest import OrderState
from crossdock.contracts.sku_matcher import ListingChanged, ListingMapped, SkuChanged
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.laws import Scenario, check_laws
from sku_matcher import handlers
from sku_matcher.deciding import Wish, map_listings

SKUS = ("SHIRT", "TWICE", "NOBODY", "MUG")


def scenarios(make: Any) -> dict[str, Scenario]:
    """What each handler is tried with."""

    async def catalogue(tx: Tx) -> None:
        """One shirt, two of TWICE, a variant that got its SKU after the sales."""
        products = [make.product(1, V11="SHIRT", V12="TWICE"), make.product(2, V21="TWICE", V22="")]
        await handlers.learn_listings([*products, make.product(3, minute=600, V31="LATE")], tx)

    def orders(n: int) -> Sequence[Event]:
        """New, edited, cancelled and late states of a few orders."""
        events: list[Event] = []
        for i in range(n):
            blank = make.line("L9", "", listing_id=("31", "22", "99", None)[i % 4])
            lines = (make.line("L1", SKUS[i % 4], wanted=i % 3), make.line("L2", "SHIRT"), *([blank] * (i % 2)))
            cancelled = i % 7 == 6
            about = {"version": i // 6 + 1, "lines": lines, "cancelled": cancelled}
            typed = {"channel": UUID(int=70), "kind_of_channel": "manual"} if i % 6 == 5 else {}
            events.append(make.order(i % 6 + 1, **about, **typed))
        return [*events[n // 2 :], *events[: n // 2]]

    def products(n: int) -> Sequence[Event]:
        """Products whose variants get, lose and swap SKUs, some told late."""
        events = []
        for i in range(n):
            skus = {f"V{i % 3}1": SKUS[i % 4], f"V{i % 3}2": SKUS[i // 2 % 4], f"V{i % 5}3": ""}
            events.append(make.product(i % 3 + 1, minute=i // 4, second=i, **skus))
        return [*events[n // 2 :], *events[: n // 2]]

    def changes(n: int) -> Sequence[Event]:
        """Changes of every SKU and listing that somebody waits for, and of others."""
        made: list[Event] = []
        for i in range(n):
            sku = SKUS[i % 4]
            listing = ListingChanged(
                channel_id=make.shop,
                listing_id=("31", "11")[i % 2],
                listing_version=i,
                sku=sku,
                title="",
                previous_sku="X",
            )
            mapped = ListingMapped(channel_id=make.shop, listing_id="99", mapping_version=i, sku="SHIRT", quantity=2)
            made.append(SkuChanged(sku=sku, sku_version=i) if i % 5 == 4 else mapped if i % 5 == 3 else listing)
        return made

    async def waiting_orders(tx: Tx) -> None:
        await handlers.match_orders([event for event in orders(20) if isinstance(event, OrderState)], tx)

    async def mappings(tx: Tx) -> None:
        """A person says what a variant is that its channel never told of."""
        shop = ChannelConfigured(channel_id=make.shop, channel_version=1, kind="shopify", name="Shop", mode="live")
        await handlers.learn_channels([shop], tx)
        await map_listings(tx, [Wish(make.shop, "99", "SHIRT", 2)], "somebody", make.noon)

    def channels(n: int) -> Sequence[Event]:
        """Channels that come, change and go, told out of order."""
        return [
            ChannelDisconnected(channel_id=UUID(int=i % 3), channel_version=i)
            if i % 4 == 3
            else ChannelConfigured(
                channel_id=UUID(int=i % 3),
                channel_version=i,
                kind="shopify",
                name=f"Shop {i}",
                mode="live",
                resets=(i * 3) % 5,
            )
            for i in [*range(n // 2, n), *range(n // 2)]
        ]

    return {
        "match_orders": Scenario("match_orders", orders, (catalogue,)),
        "learn_listings": Scenario("learn_listings", products),
        "rematch_orders": Scenario("rematch_orders", changes, (waiting_orders, catalogue, mappings)),
        "learn_channels": Scenario("learn_channels", channels),
    }


@pytest.mark.parametrize("handler", [handler.name for handler in handlers.consumer.handlers])
async def test_every_handler_keeps_the_three_laws(bench: HandlerBench, make: Any, handler: str) -> None:
    await check_laws(bench, scenarios(make)[handler])
