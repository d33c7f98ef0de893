"""Promise 7: a missed webhook is found: the store loses webhooks on their way, and polling finds the orders.

Seen to fail without polls (CROSSDOCK_TEST_WITHOUT=polls), with 4 of 120 webhooks dropped: sent 120 accepted 120
applied 116 lost 4 duplicated 0 oversold 0 parked 0 left in queues 0.
"""

import time

import pytest

from crossdock.testing.market import Traffic
from crossdock.testing.world import SKUS, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

INTERVAL = 4.0


def test_orders_whose_webhooks_were_dropped_are_found_within_an_interval(world: World) -> None:
    market = world.market
    source = f"shopify:{market.shop}"
    with world.started_with("order-ingest", POLL_SECONDS=str(INTERVAL), POLL_GRACE_SECONDS="1"):
        market.control("PUT", f"/misbehaviour/{source}", {"drop_rate": 0.05})
        sold = [market.sell({SKUS[n % 4]: 1 + n % 3}) for n in range(120)]
        traffic = Traffic(sold, {one.external_id: time.monotonic() for one in sold})
        dropped = market.control("GET", f"/deliveries?source={source}&topic=orders/create&state=dropped")["count"]
        market.control("PUT", f"/misbehaviour/{source}", {"drop_rate": 0.0})
        began = time.monotonic()
        while world.known(traffic) < len(sold) and time.monotonic() - began < 3 * INTERVAL:
            time.sleep(0.2)
        found, took = world.known(traffic), time.monotonic() - began
        world.say(f"{dropped} of {len(sold)} webhooks dropped, {found} orders known {took:.1f} s later")
        verdict = world.settle(traffic)
    world.forget_prepared()
    assert dropped > 0
    assert verdict.ok, verdict
    assert found == len(sold), "the rest was found, but not within three intervals"
