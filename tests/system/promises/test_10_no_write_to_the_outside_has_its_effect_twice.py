"""Promise 10: no write to the outside has its effect twice.

The warehouse takes a request sent twice for two requests, and the store takes a fulfillment sent twice for two. Both
act and lose the reply, act after the caller gave up, never answer, or fail; the hub must look before it asks again.

Seen to fail without looks (CROSSDOCK_TEST_WITHOUT=looks): sent 60 accepted 60 applied 52 lost 0 duplicated 68
oversold 0 parked 0 left in queues 0.
"""

import pytest

from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LATE = 6.0
"""Seconds: longer than the hub waits for an answer."""


def test_lost_late_and_failed_replies_make_no_request_and_no_fulfillment_twice(world: World) -> None:
    market = world.market
    for kind, times in (("lose_reply", 8), ("act_late", 4), ("timeout", 4), ("error_500", 4)):
        fault = {"kind": kind, "times": times, "seconds": LATE}
        market.control("POST", f"/3pl/accounts/{market.account}/faults", fault | {"endpoint": "submit"})
        market.control("POST", f"/shopify/{market.shop}/faults", fault | {"operation": "fulfillmentCreate"})
    market.control("POST", f"/shopify/{market.shop}/faults", {"operation": "*", "kind": "http_429", "times": 3})
    with world.selling(60, per_second=20) as traffic:
        pass
    verdict = world.settle(traffic)
    doubted = world.sql("SELECT count(*) FROM fulfillment.write_back WHERE evidence <> '[]'")[0][0]
    world.say(f"{doubted} writes were in doubt and looked at")
    assert verdict.ok, verdict
    assert doubted >= 16
