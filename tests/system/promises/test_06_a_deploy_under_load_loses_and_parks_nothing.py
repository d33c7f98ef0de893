"""Promise 6: a deploy under load loses and parks nothing, and refuses nobody.

Every service is replaced as an orchestrator replaces it: the new process is ready before the old one gets SIGTERM, and
senders reach whichever the load balancer leads to.
"""

import time

import pytest

from crossdock.cli.stack import SERVICES
from crossdock.testing.system import Death
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_service_is_replaced_under_load(world: World) -> None:
    system = world.system
    deaths: list[Death] = []
    system.on_death = deaths.append
    took = {}
    with world.link(world.market.gateway_url) as (balancer, url):
        with world.selling(600, per_second=15, to=url, again=False) as traffic:
            time.sleep(1)
            for name in SERVICES:
                with system.one_more(name) as second:
                    if name == "gateway":
                        balancer.lead_to(second)
                    took[name] = system.stop(name)
                    system.wait_ready(name)
                    if name == "gateway":
                        balancer.lead_to(world.market.gateway_url)
            traffic.stop()
    verdict = world.settle(traffic)
    world.say("stopped in " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))
    assert {(death.name, death.code) for death in deaths} == {(name, 0) for name in SERVICES}
    assert traffic.refused == 0
    assert len(traffic.accepted) == len(traffic.sold)
    assert verdict.ok, verdict
