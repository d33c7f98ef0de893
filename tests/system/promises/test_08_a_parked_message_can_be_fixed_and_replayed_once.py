"""Promise 8: a parked message can be fixed and replayed, once."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from crossdock.testing.market import Traffic
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_corrected_message_replayed_by_many_at_once_has_one_effect(world: World) -> None:
    market = world.market
    [order] = world.prepare(1)
    whole = orjson.loads(order.body)
    market.post("orders/create", whole | {"line_items": "none"})
    [parked] = _wait_for_one(world)
    path = f"/v1/services/order-ingest/parked/{parked['id']}"

    message = orjson.loads(market.call("GET", path)["body"])
    message["body"] = b64encode(order.body).decode()
    market.call("PUT", f"{path}/body", {"body": orjson.dumps(message).decode()})
    with ThreadPoolExecutor(8) as people:
        replies = list(people.map(lambda _: market.status("POST", f"{path}/replay"), range(8)))
    assert sorted(replies) == [204] + 7 * [409]

    traffic = Traffic([order], {order.external_id: 0.0})
    verdict = world.settle(traffic)
    assert verdict.ok, verdict
    assert market.status("POST", f"{path}/replay") == 409
    assert world.settle(traffic).ok


def _wait_for_one(world: World) -> list[dict[str, str]]:
    world.wait_for(lambda: bool(world.parked("order-ingest")), "the message was not parked")
    return world.parked("order-ingest")
