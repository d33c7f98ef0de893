"""Grouping, repetition and constancy for every handler of the gateway."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from crossdock.contracts.base import Event
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from crossdock.testing.laws import Scenario, check_laws
from gateway import handlers, tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


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


SCENARIOS = {"keep_redactions": Scenario("keep_redactions", redactions)}


@pytest.mark.parametrize("handler", [handler.name for handler in handlers.consumer.handlers])
async def test_every_handler_keeps_the_three_laws(databases: Callable[..., TestDatabase], handler: str) -> None:
    bench = HandlerBench(databases("gateway").open("gateway"), handlers.consumer, tables.metadata)
    await check_laws(bench, SCENARIOS[handler])
    await bench.close()
