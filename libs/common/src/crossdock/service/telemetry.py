"""Traces and metrics of the runtime. With no exporter configured it costs a few attribute look-ups per batch."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

meter = metrics.get_meter("crossdock")
tracer = trace.get_tracer("crossdock")
propagator = TraceContextTextMapPropagator()

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Where the buckets of durations end; the default ones are meant for milliseconds."""
COUNTS = (1, 2, 5, 10, 20, 50, 100, 150, 200, 500, 1000)

process_duration = meter.create_histogram(
    "messaging.process.duration",
    unit="s",
    description="Time from taking a batch to its committed fate",
    explicit_bucket_boundaries_advisory=SECONDS,
)
batch_size = meter.create_histogram(
    "messaging.batch.message_count", description="Messages in a batch", explicit_bucket_boundaries_advisory=COUNTS
)
parked_total = meter.create_counter("parked_message.total", description="Messages parked")
failed_total = meter.create_counter("failed_message.total", description="Messages that failed alone")
refused_total = meter.create_counter("outbox.refused", description="Messages that the broker returned or nacked")
paused_gauge = meter.create_up_down_counter("consumer.paused", description="Consumers that are paused")
delivery_lag = meter.create_histogram(
    "delivery.lag",
    unit="s",
    description="Time from the making of a message to the start of its batch (its oldest)",
    explicit_bucket_boundaries_advisory=SECONDS,
)
outbox_age = meter.create_gauge("outbox.age", unit="s", description="Age of the oldest message not confirmed yet")
outbox_rows = meter.create_gauge("outbox.rows", description="Messages not confirmed yet")
outbox_late = meter.create_gauge("outbox.late", description="Messages that nobody published within 10 s")
scheduled_rows = meter.create_gauge("scheduled.rows", description="Messages that wait for another attempt")
parked_count = meter.create_gauge("parked_message.count", description="Messages that wait for a person")


class Outcome:
    """Takes the figures of one batch."""

    def __init__(self, queue: str, oldest: float | None) -> None:
        self._attributes = {"messaging.destination.name": queue}
        self._oldest = oldest

    def done(self, messages: int, seconds: float) -> None:
        """The batch is settled."""
        process_duration.record(seconds, self._attributes)
        if self._oldest is not None:
            delivery_lag.record(max(time.time() - seconds - self._oldest, 0.0), self._attributes)
        batch_size.record(messages, self._attributes)


@contextmanager
def batch(queue: str, members: Sequence[Any]) -> Iterator[Outcome]:
    """Measure a batch; with tracing on, every member gets a span in its own trace: an order's trace stays whole."""
    spans = _start_spans(queue, members) if tracing() else {}
    _spans.update(spans)
    try:
        yield Outcome(queue, min((made_at(member.message_id) for member in members), default=None))
    finally:
        for key, span in spans.items():
            _spans.pop(key, None)
            span.end()


_spans: dict[int, trace.Span] = {}


def made_at(message_id: UUID) -> float:
    """When a UUIDv7 was made, in seconds since 1970."""
    return (message_id.int >> 80) / 1000


def _start_spans(queue: str, members: Sequence[Any]) -> dict[int, trace.Span]:
    spans = {}
    for member in members:
        parent = _context(member.traceparent or "")
        attributes = {"messaging.system": "rabbitmq", "messaging.message.id": str(member.message_id)}
        if member.raw.correlation_id:
            attributes["messaging.message.conversation_id"] = member.raw.correlation_id
        spans[id(member)] = tracer.start_span(f"process {queue}", parent, SpanKind.CONSUMER, attributes)
    return spans


def tracing() -> bool:
    """Whether a tracer provider is installed."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def traceparent(received: str | None, member: object | None) -> str:
    """The trace context for a message that is being published: a child of what caused it, or a new trace."""
    span = _spans.get(id(member)) if member is not None else trace.get_current_span()
    if span is not None and span.get_span_context().is_valid:
        return _context_of(span)
    if received is not None:
        return received
    if tracing():
        with _ended(tracer.start_span("publish", Context(), SpanKind.PRODUCER)) as first:
            return _context_of(first)
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def followed(parent: str, member: object) -> str:
    """The trace `parent` goes on with what `member`, a message that began another trace, says of it: a span there that
    is linked to the member's. Such are the notices of a destination about a request of ours."""
    if not tracing():
        return parent
    there = _spans.get(id(member))
    links = [Link(there.get_span_context())] if there is not None else []
    with _ended(tracer.start_span("hear of it", _context(parent), SpanKind.INTERNAL, links=links)) as span:
        return _context_of(span)


@contextmanager
def serving(name: str) -> Iterator[None]:
    """A request from outside, which begins a trace; with tracing on, a SERVER span."""
    if not tracing():
        yield
        return
    with _ended(tracer.start_span(name, Context(), SpanKind.SERVER)) as span:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield


class Call:
    """A call to the outside. `trace` is the trace context of what follows from it."""

    def __init__(self, trace_context: str, span: trace.Span | None = None) -> None:
        self.trace = trace_context
        self._span = span

    def ended(self, outcome: str, *, well: bool) -> None:
        """Say in one word how it ended."""
        if self._span is not None:
            self._span.set_attribute("crossdock.outcome", outcome)
            self._span.set_status(StatusCode.OK if well else StatusCode.ERROR)


@contextmanager
def calling(name: str, parent: str, attributes: Mapping[str, str | int]) -> Iterator[Call]:
    """A call to the outside in the trace of what asked for it; with tracing on, a CLIENT span."""
    if not tracing():
        yield Call(parent)
        return
    with _ended(tracer.start_span(name, _context(parent), SpanKind.CLIENT, attributes)) as span:
        yield Call(_context_of(span), span)


@contextmanager
def _ended(span: trace.Span) -> Iterator[trace.Span]:
    """End a span whatever happens; what an exception says stays out of it, since it may be personal."""
    try:
        yield span
    finally:
        span.end()


def _context(parent: str) -> Context:
    """The context in which a child of `parent` starts; blank begins a new trace."""
    return propagator.extract({"traceparent": parent} if parent else {}, Context())


def _context_of(span: trace.Span) -> str:
    carrier: dict[str, str] = {}
    propagator.inject(carrier, trace.set_span_in_context(span))
    return carrier["traceparent"]


def parked(queue: str) -> None:
    """A message was parked."""
    parked_total.add(1, {"messaging.destination.name": queue})


def failed(queue: str, *, exhausted: bool) -> None:
    """A message failed alone."""
    failed_total.add(1, {"messaging.destination.name": queue})
    if exhausted:
        parked(queue)


def refused(_reason: str) -> None:
    """The broker gave a message back."""
    refused_total.add(1)


def paused(queue: str, is_paused: bool) -> None:
    """A consumer paused or resumed."""
    paused_gauge.add(1 if is_paused else -1, {"messaging.destination.name": queue})


def stored(state: Any) -> None:
    """What lies in the tables of the runtime."""
    outbox_rows.set(state.rows)
    outbox_age.set(0.0 if state.oldest is None else max(time.time() - made_at(state.oldest), 0.0))
    outbox_late.set(state.late)
    scheduled_rows.set(state.scheduled)
    parked_count.set(state.parked)
