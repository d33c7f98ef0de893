"""What a warehouse's mode means for the orders that it is to ship."""

from typing import Any
from uuid import UUID

import pytest
from ingest_examples import NOON, configured, holds_of, placed, receive, status_of

from crossdock.contracts.gateway import ChannelDisconnected
from crossdock.contracts.order_ingest import OrderHeld, OrderReleased
from crossdock.service.app import Context
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import workers

DEPOT, BARN = UUID(int=801), UUID(int=802)


def warehouse(mode: str, version: int = 1, *, name: str = "Depot", channel: UUID = DEPOT) -> Any:
    return configured(mode, version=version, name=name, channel=channel, kind="generic", role="destination")


async def reconsidered(bench: HandlerBench, context: Context) -> list[Any]:
    """What the walk over the open orders tells."""
    already = len(bench.published)
    while await workers.reconsider(context):
        pass
    return [event_of(row) for row in bench.published[already:]]


async def test_an_order_whose_warehouse_only_observes_says_so_and_goes_on_when_it_is_live(
    bench: HandlerBench, context: Context
) -> None:
    await bench.handle("learn_channels", [configured(), warehouse("observe")])
    await receive(bench, placed(1))
    assert await status_of(bench) == "on_hold"
    held: Any
    [held] = [event_of(row) for row in bench.published if row.type == "order.placed.v1"]
    assert [(hold.code, hold.sentence) for hold in held.holds] == [
        ("warehouse_observing", "Warehouse Depot only observes: no request is sent to it")
    ]
    assert "crossdock channel go-live" in held.holds[0].next_action
    await bench.handle("learn_channels", [warehouse("live", 2)])
    [released] = await reconsidered(bench, context)
    assert isinstance(released, OrderReleased)
    assert (released.holds, await status_of(bench)) == ((), "matching")


async def test_orders_are_held_when_their_warehouse_is_connected_or_observes_after_them(
    bench: HandlerBench, context: Context
) -> None:
    await bench.handle("learn_channels", [configured()])
    await receive(bench, placed(1))
    assert await status_of(bench) == "matching"
    await bench.handle("learn_channels", [warehouse("observe")])
    [held] = await reconsidered(bench, context)
    assert isinstance(held, OrderHeld)
    assert await holds_of(bench) == ["warehouse_observing"]
    gone = ChannelDisconnected(channel_id=DEPOT, channel_version=2, occurred_at=NOON)
    await bench.handle("learn_channels", [gone])
    await reconsidered(bench, context)
    assert await holds_of(bench) == []


@pytest.mark.parametrize("named", ["Barn", str(BARN)])
async def test_only_the_warehouse_that_the_store_names_matters(
    bench: HandlerBench, context: Context, named: str
) -> None:
    barn = warehouse("live", name="Barn", channel=BARN)
    await bench.handle("learn_channels", [configured(destination=named), warehouse("observe"), barn])
    await receive(bench, placed(1))
    assert await status_of(bench) == "matching"
    await bench.handle("learn_channels", [configured(version=2, destination="Depot")])
    await reconsidered(bench, context)
    assert await holds_of(bench) == ["warehouse_observing"]
