"""Traces and metrics of the runtime. With no exporter configured it costs a few attribute look-ups per batch."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind
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
        parent = propagator.extract({"traceparent": member.traceparent} if member.traceparent else {})
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
        carrier: dict[str, str] = {}
        propagator.inject(carrier, trace.set_span_in_context(span))
        return carrier["traceparent"]
    if received is not None:
        return received
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


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
