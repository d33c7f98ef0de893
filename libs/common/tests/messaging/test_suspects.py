"""A message that ends its process is found by running in company, then alone, and is parked after three deaths."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging import faults, suspects
from crossdock.messaging.broker import Delivery, Stream
from crossdock.messaging.envelope import Incoming
from crossdock.messaging.failures import Paused
from crossdock.messaging.runner import BatchRunner
from crossdock.messaging.transaction import Tx, transaction
from crossdock.testing.bench import message_of
from crossdock.testing.probe import Probe, sku


class OneBatch(Stream):
    """A stream that is never opened: it only counts what is acknowledged."""

    def __init__(self) -> None:
        self.acked = 0

    async def ack_through(self, last: Delivery) -> None:
        self.acked += 1


def deliveries(messages: Sequence[Incoming], *, again: bool) -> list[Delivery]:
    return [Delivery(n, 1, again, int(again), message) for n, message in enumerate(messages, 1)]


async def no_wait() -> None:
    return None


def runner_of(probe: Probe, handler: str) -> tuple[BatchRunner, OneBatch]:
    stream = OneBatch()
    processor = probe.bench.processor(handler)
    return BatchRunner(processor, stream, size=20, beat=lambda: None, room=no_wait), stream


async def die_with(probe: Probe, message: Incoming, times: int) -> None:
    """Leave behind what processes leave that die while a message runs alone."""
    async with transaction(probe.database) as tx:
        for _ in range(times):
            await tx.run(suspects.MARK, handler="record", ids=[UUID(str(message.message_id))], process=uuid4())


async def test_messages_delivered_before_run_together_and_after_another_death_alone(probe: Probe) -> None:
    sizes: list[int] = []

    async def note(events: Sequence[SkuChanged], _tx: Tx) -> None:
        sizes.append(len(events))

    runner, stream = runner_of(probe, probe.handler(note))
    old = deliveries([message_of(sku(name)) for name in "ab"], again=True)
    new = deliveries([message_of(sku(name)) for name in "cde"], again=False)
    more = deliveries([message_of(sku(name)) for name in "fg"], again=True)
    for delivery in more:
        await die_with(probe, delivery.message, 1)
    await runner._settle(old + new + more)
    assert sizes == [3, 2, 1, 1]
    assert stream.acked == 1
    assert await probe.effects() == ["a", "b", "c", "d", "e", "f", "g"]
    assert not await probe.bench.table("suspect")


async def test_a_message_is_parked_after_three_processes_died_with_it_alone(probe: Probe) -> None:
    handler = probe.handler()
    runner, _ = runner_of(probe, handler)
    killer, innocent = message_of(sku("killer")), message_of(sku("innocent"))
    await die_with(probe, killer, 4)  # once in company, three times alone
    await runner._settle(deliveries([innocent, killer], again=True))
    assert await probe.effects() == ["innocent"]
    [row] = await probe.bench.table("parked_message")
    assert row["reason"] == "the process died 3 times while it handled this message alone"
    assert not await probe.bench.table("suspect")


async def test_two_deaths_alone_do_not_park_it_and_a_success_clears_the_mark(probe: Probe) -> None:
    runner, _ = runner_of(probe, probe.handler())
    message = message_of(sku("a"))
    await die_with(probe, message, 3)
    await runner._settle(deliveries([message], again=True))
    assert await probe.effects() == ["a"]
    assert not await probe.bench.table("suspect")


async def test_an_outage_while_it_runs_alone_is_no_death(probe: Probe) -> None:
    processor = probe.bench.processor(probe.handler())
    message = message_of(sku("a"))
    await probe.ddl("ALTER TABLE effect RENAME TO away")
    for _ in range(5):
        with pytest.raises(Paused):
            await processor.settle_suspects([message])
    await probe.ddl("ALTER TABLE away RENAME TO effect")
    await processor.settle_suspects([message])
    assert await probe.effects() == ["a"]


async def test_a_message_that_has_its_effect_is_not_run_again(probe: Probe) -> None:
    handler = probe.handler()
    runner, _ = runner_of(probe, handler)
    message = message_of(sku("a"))
    await probe.bench.deliver(handler, [message])
    await die_with(probe, message, 1)  # after its commit, before the mark was cleared
    await runner._settle(deliveries([message], again=True))
    assert await probe.effects() == ["a"]
    assert not await probe.bench.table("suspect")


@pytest.mark.parametrize("text", ["after_comit=exit", "after_commit=explode", "after_commit"])
def test_a_fault_that_does_not_exist_is_refused_so_that_no_test_tests_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="CROSSDOCK_FAULTS"):
        faults.parse(text)


def test_a_fault_point_ends_the_process_hard(tmp_path: Path) -> None:
    code = "import asyncio; from crossdock.messaging import faults; asyncio.run(faults.point('after_commit'))"
    for setting, status in (("after_commit=exit", faults.EXIT_CODE), ("before_ack=exit", 0), ("", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"CROSSDOCK_FAULTS": setting}, cwd=tmp_path, check=False
        )
        assert done.returncode == status
