"""A running system whose traces go to a collector of the test."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from crossdock.local.servers import Broker
from crossdock.testing.market import Market
from crossdock.testing.shared import shared_system
from crossdock.testing.system import System


@dataclass(frozen=True)
class Span:
    """A span as it arrived at the collector."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    attributes: dict[str, str]


@dataclass
class Collector:
    """Takes spans by OTLP over HTTP and keeps them."""

    spans: list[Span] = field(default_factory=list)
    url: str = ""

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            self.spans += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]


def _span(service: str, span: Any) -> Span:
    attributes = {one.key: one.value.string_value for one in span.attributes}
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    return Span(service, span.name, span.kind, *ids, tuple(link.trace_id.hex() for link in span.links), attributes)


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    made = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    made.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def traced(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, broker: Broker, collector: Collector
) -> Iterator[System]:
    """The whole system with tracing on, its spans sent every quarter of a second."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "250")
        folder = tmp_path_factory.mktemp("traced")
        with shared_system(folder, postgres_url, broker, {"OTLP_ENDPOINT": collector.url}) as system:
            yield system


@pytest.fixture(scope="session")
def market(traced: System) -> Iterator[Market]:
    """A store and a warehouse."""
    made = Market(traced.stack.gateway_url, traced.stack.sandbox_url, traced.stack.secret("api key"))
    try:
        made.open({"SHIRT-M": 100})
        yield made
    finally:
        made.close()
