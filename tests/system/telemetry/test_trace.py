"""One trace runs from the webhook of an order to the tracking that is written back into its store."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Proto

from crossdock.testing.market import Market
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SERVER, CLIENT = Proto.SPAN_KIND_SERVER, Proto.SPAN_KIND_CLIENT


def to_the_root(span: Any, by_id: dict[str, Any]) -> Iterator[Any]:
    while span is not None:
        yield span
        span = by_id.get(span.parent_id)


def spans_of(collector: Any, name: str, order_id: str) -> list[Any]:
    return [one for one in collector.spans if (one.name, one.attributes.get("crossdock.order_id")) == (name, order_id)]


def test_one_trace_runs_from_the_webhook_to_the_write_back(market: Market, collector: Any) -> None:
    [sold] = market.prepare(1, lambda _: {"SHIRT-M": 2})
    traffic = market.send([sold])
    assert traffic.accepted
    page = f"/v1/orders?number={quote(sold.number)}"
    [order] = eventually(lambda: market.call("GET", page)["orders"])
    written = eventually(lambda: spans_of(collector, "write tracking", order["order_id"]))
    assert len(written) == 1
    eventually(lambda: [s for s in collector.spans if s.trace_id == written[0].trace_id and s.parent_id == ""])
    trace = [span for span in collector.spans if span.trace_id == written[0].trace_id]
    by_id = {span.span_id: span for span in trace}
    path = [(one.service.removeprefix("crossdock-"), one.name) for one in to_the_root(written[0], by_id)][::-1]

    assert path[0] == ("gateway", "receive webhook")
    assert path[1] == ("order-ingest", "process order-ingest.receive-orders")
    assert path[-1] == ("fulfillment", "write tracking")
    assert path[-2] == ("fulfillment", "hear of it"), "the notice of the warehouse joins the order's trace"
    assert path[-3][1].startswith("process fulfillment.follow-")
    assert written[0].kind == CLIENT
    assert by_id[next(s.span_id for s in trace if not s.parent_id)].kind == SERVER

    names = {(span.service.removeprefix("crossdock-"), span.name) for span in trace}
    assert ("sku-matcher", "process sku-matcher.match-orders") in names
    assert ("inventory", "process inventory.reserve-stock") in names
    assert ("fulfillment", "write submit") in names
    assert ("order-ingest", "process order-ingest.record-milestones") in names, "what was written is recorded there too"
    orphans = [span for span in trace if span.parent_id and span.parent_id not in by_id]
    assert not orphans, "every span but the first has its parent in the trace"


def test_the_notice_of_a_warehouse_begins_a_trace_that_the_orders_trace_links_to(
    market: Market, collector: Any
) -> None:
    joined = eventually(lambda: [span for span in collector.spans if span.name == "hear of it"])
    [other] = joined[0].links
    notice = [span for span in collector.spans if span.trace_id == other]
    assert {span.name for span in notice} >= {"receive webhook", "process fulfillment.receive-notices"}
