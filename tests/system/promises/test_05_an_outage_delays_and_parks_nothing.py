"""Promise 5: an outage delays, and parks nothing.

Every kind of outage happens while orders arrive. No attempt of any message may be spent on it: when it is over, nothing
is parked and nothing waits for a later attempt; and every service waits instead of ending.

Seen to fail with CROSSDOCK_TEST_WITHOUT=…
pauses,=quick-retries (whatever goes wrong counts against the message, and the waits between attempts are short):
    missing grant:   sent 60 accepted 60 applied 0 lost 60 duplicated 0 oversold 0 parked 60 left in queues 0
    full disk:       sent 60 accepted 60 applied 0 lost 60 duplicated 0 oversold 0 parked 60 left in queues 0
    Postgres killed: services ended, and only their being started again kept the orders
returns (the broker may drop what no queue takes):
    binding removed: sent 20 accepted 20 applied 0 lost 20 duplicated 0 oversold 0 parked 0 left in queues 0
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from crossdock.storage.roles import roles_of
from crossdock.testing.havoc import close_broker_connections, end_database_connections, read_only, remove_bindings
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OUTAGE_SECONDS = 5.0
CUTS = 20
"""Connections to each server that are cut at least: about four of each service."""

ATTEMPTS = """
    SELECT count(*) FROM inventory.scheduled
    UNION ALL SELECT count(*) FROM inventory.parked_message WHERE state = 'parked'
"""


@pytest.mark.parametrize("server", ["postgres", "rabbitmq"])
def test_a_server_that_crashes_and_stays_away_for_a_while(world: World, server: str) -> None:
    before = len(world.system.deaths)
    with world.selling(200, per_second=20) as traffic:
        time.sleep(2)
        world.system.kill(server, hold=True)
        time.sleep(OUTAGE_SECONDS)
        world.system.release(server)
        world.system.wait_ready()
        over = time.monotonic()
    verdict = world.settle(traffic)
    world.say(f"{server} was away for {OUTAGE_SECONDS:.0f} s; all quiet {time.monotonic() - over:.1f} s after")
    assert verdict.ok, verdict
    assert {death.name for death in world.system.deaths[before:]} == {server}, "a service did not wait, but ended"


def test_every_connection_is_cut_again_and_again(world: World) -> None:
    with world.selling(160, per_second=20) as traffic:
        ended = closed = 0
        while min(ended, closed) < CUTS:  # a service that is still connecting has nothing to cut
            time.sleep(1.5)
            ended += end_database_connections(world)
            closed += close_broker_connections(world)
    verdict = world.settle(traffic)
    assert verdict.ok, verdict


def test_a_network_that_is_slow_then_silent_then_cut_then_gone(world: World) -> None:
    """Between order-ingest and inventory and both their servers; a silent one is half open: nothing says that it is."""
    with world.links("order-ingest", "inventory") as links:
        each = [link for of in links.values() for link in of.values()]
        with world.selling(240, per_second=12) as traffic:
            for link in each:
                link.slow(0.02)
            time.sleep(3)
            for link in each:
                link.slow(0.0)
                link.swallow()
            time.sleep(OUTAGE_SECONDS)
            for link in each:
                link.swallow(False)
            time.sleep(2)
            for link in each:
                link.cut()
            time.sleep(2)
            for link in each:
                link.refuse()
            time.sleep(2)
            for link in each:
                link.listen()
        verdict = world.settle(traffic)
    assert verdict.ok, verdict


def test_a_binding_that_was_removed_is_made_again(world: World) -> None:
    """A webhook's event has one subscriber: without its binding the broker returns it, and the outbox keeps it."""
    assert remove_bindings(world, "order-ingest.receive-orders") > 0
    with world.selling(20, per_second=20) as traffic:
        pass
    time.sleep(1)
    assert world.known(traffic) == 0, "the binding was still there"
    world.system.restart("order-ingest")
    verdict = world.settle(traffic)
    assert verdict.ok, verdict


@contextmanager
def a_missing_grant(world: World, _: Path) -> Iterator[None]:
    role = roles_of(world.system.stack.database, "inventory").runtime
    world.sql(f'REVOKE INSERT, UPDATE ON inventory.claim FROM "{role}"')
    yield
    world.sql(f'GRANT INSERT, UPDATE ON inventory.claim TO "{role}"')


@contextmanager
def a_read_only_database(world: World, _: Path) -> Iterator[None]:
    with read_only(world, "inventory"):
        yield


@contextmanager
def a_full_disk(world: World, folder: Path) -> Iterator[None]:
    """A file system of its own, full, under the table of claims."""
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        os.chown(disk, psutil.Process(world.system.pid("postgres")).uids().real, -1)
        world.sql(f"CREATE TABLESPACE small LOCATION '{disk}'", "ALTER TABLE inventory.claim SET TABLESPACE small")
        world.sql("VACUUM FULL inventory.claim")  # leaves no room in old pages
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(64 * 2**20))
        yield
        filler.unlink()
    finally:
        world.sql("ALTER TABLE inventory.claim SET TABLESPACE pg_default", "DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("refusal", [a_missing_grant, a_read_only_database, a_full_disk])
def test_a_database_that_refuses_to_write_pauses_the_consumer(
    world: World, tmp_path: Path, refusal: Callable[[World, Path], AbstractContextManager[None]]
) -> None:
    before = len(world.system.deaths)
    with refusal(world, tmp_path):
        with world.selling(60, per_second=20) as traffic:
            paused = _within(15, lambda: not world.system.is_ready("inventory"))
            time.sleep(OUTAGE_SECONDS)
        spent = [row["count"] for row in world.sql(ATTEMPTS)]
    verdict = world.settle(traffic)
    assert verdict.ok, verdict
    assert spent == [0, 0], "attempts of messages were spent on the outage"
    assert world.system.deaths[before:] == [], "a service did not wait, but ended"
    assert paused, "inventory was ready all the time"
    world.wait_for(lambda: world.system.is_ready("inventory"), "inventory did not resume", 30)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether something came to hold in that time."""
    end = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < end:
        time.sleep(0.2)
    return held
