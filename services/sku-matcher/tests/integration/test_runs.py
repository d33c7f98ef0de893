"""A channel's catalogue is known without any webhook: it is read on a schedule, page by page, and only what changed."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from crossdock.channels import http
from crossdock.channels.protocols import ChannelAccess
from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.sku_matcher import ListingChanged, SkuChanged
from crossdock.service.app import Context
from crossdock.service.health import Health
from crossdock.service.runs import worker
from crossdock.testing.bench import HandlerBench, event_of
from sandbox.app import create_app
from sandbox.testing import Sandbox, serve
from sku_matcher import runs
from sku_matcher.runs import RUNS
from sku_matcher.settings import Settings

SHOP = UUID(int=7)
SHOPIFY = import_module("crossdock.channels.shopify.connector")


class Access:
    """Every channel is the sandbox's one store."""

    def __init__(self, base_url: str) -> None:
        self._access = ChannelAccess(base_url, "token", {})

    async def channel(self, _: UUID) -> ChannelAccess:
        return self._access


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    for url in serve(create_app(seed=5)):
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
            made = Sandbox(url, client)
            made.store(locations=[{"name": "Main"}])
            yield made


@pytest.fixture
async def context(bench: HandlerBench, shop: Sandbox) -> AsyncIterator[Context]:
    values = {"database_url": "x", "broker_url": "x", "service_key": "k" * 32, "run_retry_seconds": 0.05}
    access: Any = Access(f"{shop.url}/shopify/{shop.shop}")
    told = ChannelConfigured(channel_id=SHOP, channel_version=1, kind="shopify", name="Main", mode="observe")
    await bench.handle("learn_channels", [told])
    yield Context(Settings.model_validate(values), bench.database, access, Health())
    await http.close_client()


async def run(context: Context) -> None:
    """What the loops do until nothing is left."""
    await worker.schedule(RUNS, context)
    while await worker.turn(RUNS, "listings", False, context):
        pass


async def newest(bench: HandlerBench) -> dict[str, Any]:
    return (await bench.table("run", order_by="scheduled_at"))[-1]


async def again(context: Context) -> None:
    async with context.transaction() as tx:
        await tx.run(text("UPDATE integration SET last_slot = last_slot - interval '1 day'"))
        await tx.run(text("UPDATE run SET scheduled_at = scheduled_at - interval '1 day'"))
    await run(context)


async def test_a_new_channels_catalogue_is_read_without_a_webhook(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHOPIFY, "_PRODUCTS", 2)
    for number in range(5):
        shop.product(f"SKU-{number}", title=f"Thing {number}")
    await run(context)
    told = [event_of(row) for row in bench.published]
    assert {event.sku for event in told if isinstance(event, SkuChanged)} == {f"SKU-{n}" for n in range(5)}
    found = await newest(bench)
    assert (found["state"], found["seen"], found["imported"]) == ("finished", 5, 5)
    bench.published.clear()
    await again(context)
    found = await newest(bench)
    assert (found["state"], found["imported"], found["changed"]) == ("finished", 0, 0)
    assert not bench.published


async def test_a_later_run_reads_what_changed_and_tells_it(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = shop.product("OLD")
    await run(context)
    shop.product("NEW", id=product["id"])
    await again(context)
    told = [event_of(row) for row in bench.published]
    assert {event.sku for event in told if isinstance(event, ListingChanged)} >= {"OLD", "NEW"}
    assert (await newest(bench))["changed"] == 1


def reset(version: int, resets: int) -> ChannelConfigured:
    """The channel as it is told; `resets`: how often somebody has begun it anew."""
    about = {"channel_id": SHOP, "channel_version": version, "kind": "shopify", "name": "Main", "mode": "observe"}
    return ChannelConfigured.model_validate(about | {"resets": resets})


async def test_a_channel_that_was_reset_is_read_whole_again_once(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "OVERLAP", timedelta(minutes=-10))  # the product is as new as the runs
    shop.product("SHIRT")
    await run(context)
    for told, seen in ((reset(2, 1), 1), (reset(2, 1), 0), (reset(3, 1), 0), (reset(4, 2), 1)):
        await again(context)
        assert (await newest(bench))["seen"] == 0
        await bench.handle("learn_channels", [told])
        await run(context)
        assert (await newest(bench))["seen"] == seen, told


async def test_a_run_that_is_under_way_when_its_channel_is_reset_begins_anew(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHOPIFY, "_PRODUCTS", 2)
    for number in range(5):
        shop.product(f"SKU-{number}")
    await worker.schedule(RUNS, context)
    await worker.turn(RUNS, "listings", False, context)
    assert (await newest(bench))["cursor"] is not None
    await bench.handle("learn_channels", [reset(2, 1)])
    assert (await newest(bench))["cursor"] is None
    await run(context)
    assert (await newest(bench))["seen"] == 2 + 5


async def test_a_product_that_cannot_be_read_is_named_and_stops_no_other(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    bad = shop.product("X" * 300)
    shop.product("GOOD")
    await run(context)
    found = await newest(bench)
    assert (found["state"], found["imported"], found["failed"]) == ("finished_partially", 1, 1)
    [error] = await bench.table("run_error")
    assert error["subject"] == f"product {bad['id']}"
    assert "sku is longer than 255 characters" in error["sentence"]
