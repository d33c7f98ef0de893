"""Promise 1: a webhook that was answered 2xx is never lost.

The sender here never sends a webhook twice: what was answered 2xx must become a shipped order by itself, whatever dies.

Seen to fail without waiting for the commit (CROSSDOCK_TEST_WITHOUT=commit), gateway killed four times: of 62 orders
answered 2xx, 2 were nowhere, and 6 never heard that they had shipped because the warehouse's notice was lost.
"""

import time

import pytest

from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_kills_of_the_gateway_under_load_lose_nothing_that_was_answered(world: World) -> None:
    with world.selling(400, per_second=40, again=False) as traffic:
        for _ in range(4):
            time.sleep(0.8)
            world.system.kill("gateway")
            world.system.wait_ready("gateway")
    verdict = world.settle(traffic)
    assert traffic.refused > 0, "no webhook met a dead gateway: the kills came to nothing"
    assert verdict.accepted >= 50
    assert verdict.ok, verdict


def test_a_crash_of_postgres_under_load_loses_nothing_that_was_answered(world: World) -> None:
    with world.selling(300, per_second=40, again=False) as traffic:
        time.sleep(2)
        world.system.kill("postgres")
        world.system.wait_ready("postgres", "gateway")
    verdict = world.settle(traffic)
    assert verdict.accepted >= 50
    assert verdict.ok, verdict


def test_webhooks_are_taken_while_the_broker_is_down_and_none_is_refused(world: World) -> None:
    world.system.kill("rabbitmq", hold=True)
    with world.selling(60, per_second=40, again=False) as traffic:
        pass
    assert (len(traffic.accepted), traffic.refused) == (60, 0)
    world.system.release("rabbitmq")
    assert world.settle(traffic).ok
