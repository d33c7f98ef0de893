"""A destination that does not answer delays its own orders and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.service import health
from crossdock.testing.waiting import until
from fulfillment import dispatcher

MUTE = UUID(int=9)


@dataclass
class MutePlace:
    """A server that takes calls and answers none until the test ends."""

    url: str = ""
    calls: int = 0
    _open: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["MutePlace"]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self
        self.hang_up()
        server.close()

    def hang_up(self) -> None:
        """Every call breaks off."""
        for writer in self._open:
            writer.close()
        self._open.clear()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        self.calls += 1


@pytest.fixture
async def mute(hub: Any) -> AsyncIterator[MutePlace]:
    """A second destination, to which the store's orders go, that does not answer; calls may take a minute."""
    hub.context = replace(hub.context, settings=hub.context.settings.model_copy(update={"call_seconds": 60.0}))
    async with MutePlace().open() as place:
        hub.access.add(MUTE, place.url, patience=60.0)
        about = {"channel_id": MUTE, "channel_version": 1, "kind": "generic", "name": "Mute", "mode": "live"}
        await hub.bench.handle("learn_channels", [ChannelConfigured(settings={"role": "destination"}, **about)])
        await sell_from(hub, "Mute", 2)
        yield place


async def sell_from(hub: Any, destination: str, version: int) -> None:
    """The store's next orders go to this destination."""
    store = {"channel_id": UUID(int=7), "kind": "shopify", "name": "Store", "mode": "live"}
    configured = ChannelConfigured(channel_version=version, settings={"destination": destination}, **store)
    await hub.bench.handle("learn_channels", [configured])


@asynccontextmanager
async def dispatching(hub: Any) -> AsyncIterator[asyncio.Task[bool]]:
    """The dispatcher at work, until it is told to stop."""
    task = asyncio.create_task(dispatcher.dispatch(hub.context))
    try:
        yield task
    finally:
        hub.context.stopping.set()


async def states(hub: Any) -> dict[str, list[str]]:
    """The states of all requests to each place."""
    found: dict[str, list[str]] = {"mute": [], "depot": []}
    for row in await hub.writes():
        found["mute" if row["channel_id"] == MUTE else "depot"].append(row["state"])
    return found


async def test_a_call_that_hangs_delays_no_write_that_comes_after_it(hub: Any, mute: MutePlace) -> None:
    await hub.order(1, SHIRT=1)

    async def called() -> bool:
        return mute.calls == 1

    async def fifty_done() -> bool:
        return (await states(hub))["depot"] == ["done"] * 50

    async with dispatching(hub) as turn:
        await until(called)
        await sell_from(hub, "Depot", 3)
        for number in range(2, 52):
            await hub.order(number, SHIRT=1)
        await until(fifty_done)
        assert (await states(hub))["mute"] == ["sending"]
        assert not turn.done()
        mute.hang_up()
    await turn
    assert (await states(hub))["mute"] == ["in_doubt"]
    assert len(hub.requests()) == 50


async def test_calls_that_hang_are_as_many_as_one_channel_may_have_and_no_more(hub: Any, mute: MutePlace) -> None:
    settings = hub.context.settings.model_copy(update={"writes_per_channel": 3})
    hub.context = replace(hub.context, settings=settings)

    async def under_way(expected: int) -> bool:
        return mute.calls == expected

    async def one_done() -> bool:
        return (await states(hub))["depot"] == ["done"]

    await hub.order(1, SHIRT=1)
    async with dispatching(hub) as turn:
        await until(lambda: under_way(1))
        for number in range(2, 12):
            await hub.order(number, SHIRT=1)
        await until(lambda: under_way(3))
        await sell_from(hub, "Depot", 3)
        await hub.order(12, SHIRT=1)
        await until(one_done)  # another claim was made, which could have taken more
        assert sorted((await states(hub))["mute"]) == ["pending"] * 8 + ["sending"] * 3
        hub.context.stopping.set()
        mute.hang_up()
    await turn


async def test_a_stop_waits_for_the_call_under_way_and_claims_nothing_more(hub: Any, mute: MutePlace) -> None:
    await hub.order(1, SHIRT=1)

    async def called() -> bool:
        return mute.calls == 1

    async with dispatching(hub) as turn:
        await until(called)
    await hub.order(2, SHIRT=1)
    done, _ = await asyncio.wait([turn], timeout=3 * 0.2)
    assert not done
    mute.hang_up()
    await turn
    assert (await states(hub))["mute"] == ["in_doubt", "pending"]


async def test_a_dispatcher_whose_call_hangs_is_alive(
    hub: Any, mute: MutePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.order(1, SHIRT=1)
    monkeypatch.setattr(health, "LIVE_SECONDS", 1.5)
    async with dispatching(hub) as turn:
        await asyncio.sleep(2.0)
        assert mute.calls == 1
        assert hub.context.health.stuck() == []
        mute.hang_up()
    await turn
