"""Promise 3: each event's effect happens once, however often it is delivered."""

import time

import pytest

from crossdock.messaging.faults import EXIT_CODE
from crossdock.testing.system import Death
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_webhook_ten_times_in_shuffled_order_has_one_effect(world: World) -> None:
    with world.selling(60, per_second=150, times=10) as traffic:
        pass
    assert traffic.requests == 600
    verdict = world.settle(traffic)
    assert verdict.ok, verdict


def test_messages_delivered_again_after_their_commit_have_one_effect(world: World) -> None:
    """Processes die after they committed and before the broker knows it, and after they published and before they
    know it themselves: everything in hand is delivered or published a second time."""
    system = world.system
    names = ("order-ingest", "sku-matcher", "inventory", "fulfillment")
    for name in names:
        system.configure(name, FAULTS="before_ack=exit@0.1,after_publish=exit@0.1")
    system.restart(*names)
    deaths: list[Death] = []
    system.on_death = deaths.append
    with world.selling(600, per_second=10) as traffic:
        end = time.monotonic() + 60
        while len(deaths) < 12 and time.monotonic() < end:
            time.sleep(0.1)
        traffic.stop()
    system.back_to_normal()
    verdict = world.settle(traffic)
    assert {death.code for death in deaths} == {EXIT_CODE}
    assert len(deaths) >= 12
    assert verdict.ok, verdict
