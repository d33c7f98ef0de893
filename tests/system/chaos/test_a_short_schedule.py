"""Chaos in small: a fixed schedule of faults befalls the running system under load, and every promise holds.

`make chaos` draws longer schedules at random.
"""

import pytest

from crossdock.testing.chaos import Step, play
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCHEDULE = (
    Step("kill", "inventory", 0.5, 1),
    Step("disconnect", "rabbitmq", 0.5, 2),
    Step("die", "fulfillment at after_send", 0.5, 3),
    Step("lost replies", "warehouse", 0.0, 4),
    Step("kill", "postgres", 0.5, 5),
    Step("clock", "order-ingest", 0.5, 6),
    Step("garbage", "sku-matcher", 0.0, 7),
    Step("duplicates", "webhooks", 0.0, 8),
    Step("kill", "rabbitmq", 0.5, 9),
)


def test_a_fixed_schedule_of_faults_loses_nothing_and_does_nothing_twice(world: World) -> None:
    report = play(world, SCHEDULE, orders=2000, rate=10)
    world.say("\n".join(report.lines()))
    assert [one.step for one in report.played] == list(SCHEDULE)
    assert report.kills == 5
    assert report.ok, report.verdict
