"""The figures that an engineer is woken by are there under their names, and right."""

from typing import Any

import httpx
import pytest

from crossdock.testing.market import Market
from crossdock.testing.shared import metric
from crossdock.testing.system import System
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
RECEIVE = {"messaging_destination_name": "order-ingest.receive-orders"}


def send(market: Market, topic: str, payload: dict[str, Any]) -> int:
    body, headers = market.webhook(topic, payload)
    return httpx.post(
        f"{market.gateway_url}/webhooks/shopify", content=body, headers=headers, trust_env=False
    ).status_code


def test_a_parked_message_is_counted_until_a_person_settles_it(traced: System, market: Market) -> None:
    url = traced.stack.url("order-ingest")
    eventually(lambda: metric(url, "parked_message_count") == 0)
    assert send(market, "orders/create", {"id": "no number"}) == 200
    eventually(lambda: metric(url, "parked_message_count") == 1)
    assert metric(url, "parked_message_total", **RECEIVE) == 1
    [parked] = market.call("GET", "/v1/services/order-ingest/parked")
    market.call("POST", f"/v1/services/order-ingest/parked/{parked['id']}/discard")
    eventually(lambda: metric(url, "parked_message_count") == 0)


def test_batches_are_counted_with_their_messages_their_time_and_their_lag(traced: System, market: Market) -> None:
    url = traced.stack.url("order-ingest")
    names = (
        "messaging_batch_message_count_sum",
        "messaging_batch_message_count_count",
        "messaging_process_duration_seconds_count",
        "delivery_lag_seconds_count",
        "messaging_process_duration_seconds_sum",
        "delivery_lag_seconds_sum",
    )

    def figures() -> list[float]:
        return [metric(url, name, **RECEIVE) or 0.0 for name in names]

    def accepted() -> float:
        return metric(traced.stack.gateway_url, "webhook_accepted_total", category="orders") or 0.0

    eventually(lambda: market.quiet()["quiet"])
    before, let_in = figures(), accepted()
    orders = market.prepare(5, lambda _: {"SHIRT-M": 1})
    assert len(market.send(orders, per_second=100).accepted) == 5
    after = eventually(lambda: now if (now := figures())[0] - before[0] == accepted() - let_in >= 5 else None)
    assert after is not None
    messages, batches, timed, lagged, seconds, lag = (b - a for a, b in zip(before, after, strict=True))
    assert 1 <= batches <= messages
    assert batches == timed == lagged
    assert 0 < seconds < 10
    assert 0 < lag < 10


def test_what_is_published_leaves_the_outbox_with_no_age(traced: System, market: Market) -> None:
    for service in ("gateway", "order-ingest", "sku-matcher", "inventory", "fulfillment"):
        url = traced.stack.url(service)
        eventually(lambda url=url: metric(url, "outbox_rows") == 0)  # type: ignore[misc]
        assert metric(url, "outbox_age_seconds") == 0


def test_a_write_in_doubt_is_counted_until_a_look_settles_it(traced: System, market: Market) -> None:
    url = traced.stack.url("fulfillment")
    eventually(lambda: metric(url, "write_back_in_doubt") == 0)
    faults = f"/3pl/accounts/{market.account}/faults"
    market.control("POST", faults, {"endpoint": "submit", "kind": "lose_reply", "times": 1})
    market.control("POST", faults, {"endpoint": "read", "kind": "error_500", "times": 1000})
    market.send(market.prepare(1, lambda _: {"SHIRT-M": 1}))
    eventually(lambda: metric(url, "write_back_in_doubt") == 1)
    market.control("DELETE", faults)
    eventually(lambda: metric(url, "write_back_in_doubt") == 0)
    assert metric(url, "write_back_needs_person") == 0
