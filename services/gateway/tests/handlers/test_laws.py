"""Grouping, repetition and constancy for every handler of the gateway."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.base import Event
from crossdock.contracts.gateway import ChannelWebhookReceived
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from crossdock.testing.laws import Scenario, check_laws
from gateway import handlers, store, tables
from gateway.domain.channels import Channel
from gateway.store import connections

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = ("app/uninstalled", "app/scopes_update", "shop/redact", "customers/redact", "app/uninstalled")


def told(i: int) -> ChannelWebhookReceived:
    """One of three channels tells of itself; the third is not connected."""
    return ChannelWebhookReceived(
        delivery_id=UUID(int=1000 + i),
        channel_id=UUID(int=1 + i % 3),
        channel_kind="shopify",
        topic=TOPICS[i % 5],
        external_delivery_id=f"d-{i}",
        triggered_at=None if i % 4 == 3 else NOON + timedelta(minutes=(i * 7) % 11),
        received_at=NOON + timedelta(minutes=i),
        body=b"e30=",
        occurred_at=NOON,
    )


async def three_channels(tx: Tx) -> None:
    """Two connected channels, and one that is not."""
    for number in (1, 2, 3):
        about: dict[str, Any] = {"base_url": "", "settings": {}, "version": 1, "state": "connected"}
        shop = f"s{number}.myshopify.com"
        channel = Channel(UUID(int=number), "shopify", "S", "observe", shop, created_at=NOON, changed_at=NOON, **about)
        await store.connect(tx, channel)
        await connections.grant(tx, channel.id, "token", "", None, checked=False)
    await store.change(tx, Channel(UUID(int=3), "shopify", "S", "observe", None, "", {}, 1, "disconnected", NOON, NOON))


def redactions(n: int) -> Sequence[Event]:
    return [
        RedactionOrdered(
            page_id=UUID(int=i),
            request_id=UUID(int=i // 3),
            channel_id=UUID(int=7),
            channel_kind="shopify",
            whole_channel=i % 4 == 0,
            order_ids=tuple(UUID(int=k) for k in range(i % 3)),
            names=tuple(str(k) for k in range(i % 3)),
            delivery_ids=(UUID(int=i),),
            occurred_at=NOON,
        )
        for i in range(n)
    ]


def scenarios() -> dict[str, Scenario]:
    """What each handler is tried with."""

    def events(n: int) -> Sequence[Event]:
        return [told(i) for i in range(n)]

    return {
        "heed_channels": Scenario("heed_channels", events, (three_channels,)),
        "keep_redactions": Scenario("keep_redactions", redactions),
    }


@pytest.fixture
async def bench(database: TestDatabase) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(database.open("gateway"), handlers.consumer, tables.metadata)
    yield made
    await made.close()


def test_every_handler_has_a_scenario() -> None:
    assert {handler.name for handler in handlers.consumer.handlers} == set(scenarios())


@pytest.mark.parametrize("handler", sorted(scenarios()))
async def test_handlers_keep_the_laws(bench: HandlerBench, handler: str) -> None:
    await check_laws(bench, scenarios()[handler])


async def test_what_a_channel_tells_is_noted_for_its_check(bench: HandlerBench) -> None:
    await bench.given(three_channels)
    await bench.handle("heed_channels", [told(0), told(2), told(5)])
    found = {row["channel_id"]: row for row in await bench.table("connection")}
    assert found[UUID(int=1)]["uninstall_told_at"] == NOON
    assert found[UUID(int=3)]["uninstall_told_at"] is None
