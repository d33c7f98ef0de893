"""Where metrics and traces go: Prometheus text at /metrics, traces by OTLP when an endpoint is set."""

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import REGISTRY, generate_latest


def configure(service: str, otlp_endpoint: str) -> None:
    """Install the providers of this process."""
    resource = Resource.create({"service.name": f"crossdock-{service}"})
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource=resource))
    if otlp_endpoint:
        # 4 MB that a process without an endpoint is spared.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint.rstrip('/')}/v1/traces")))
        trace.set_tracer_provider(provider)


def prometheus_text() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
