"""Promise 8: a parked message can be fixed and replayed, once.

Seen to fail where settling does not lock (CROSSDOCK_TEST_WITHOUT=settling-once): eight people who replayed one message
made eight of it (sent 1 accepted 0 applied 0 lost 0 duplicated 0 oversold 0 parked 8 left in queues 0).
"""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from crossdock.testing.market import Traffic
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


PEOPLE = 8


def test_a_message_replayed_by_many_at_once_is_handled_once_and_once_corrected_has_one_effect(world: World) -> None:
    market = world.market
    [order] = world.prepare(1)
    market.post("orders/create", orjson.loads(order.body) | {"line_items": "none"})
    path = _parked_alone(world)

    replies = _replayed_by_many(world, path)
    verdict = world.settle(Traffic([order]))
    assert (verdict.applied, verdict.parked) == (0, 1), f"it was as wrong as before, and is parked again: {verdict}"
    assert sorted(replies) == [204] + (PEOPLE - 1) * [409]

    again = _parked_alone(world)
    assert again != path
    message = orjson.loads(market.call("GET", again)["body"])
    message["body"] = b64encode(order.body).decode()
    market.call("PUT", f"{again}/body", {"body": orjson.dumps(message).decode()})
    replies = _replayed_by_many(world, again)
    traffic = Traffic([order], {order.external_id: 0.0})
    verdict = world.settle(traffic)
    assert verdict.ok, verdict
    assert sorted(replies) == [204] + (PEOPLE - 1) * [409]
    assert market.status("POST", f"{again}/replay") == 409
    assert world.settle(traffic).ok


def _replayed_by_many(world: World, path: str) -> list[int]:
    """What each of several people is answered who replay a message at the same moment."""
    with ThreadPoolExecutor(PEOPLE) as people:
        return list(people.map(lambda _: world.market.status("POST", f"{path}/replay"), range(PEOPLE)))


def _parked_alone(world: World) -> str:
    """The address of the one message that is parked."""
    world.wait_for(lambda: bool(world.parked("order-ingest")), "the message was not parked")
    [parked] = world.parked("order-ingest")
    return f"/v1/services/order-ingest/parked/{parked['id']}"
