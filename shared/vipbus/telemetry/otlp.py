"""OpenTelemetry: traces, metrics and logs by OTLP, as the usual ``OTEL_`` variables say.

Imported only when one of them asks for an export. Which variables exist and what they mean is the SDK's own
documentation (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER=none, ...).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from vipbus import __version__
from vipbus.telemetry.metrics import Histogram, Metric, Registry
from vipbus.telemetry.trace import Attributes, Kind, Span, TraceContext

_KINDS = {"internal": SpanKind.INTERNAL, "producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}
_FLUSH_SECONDS = 2.0
"""How long a stop may wait for a receiver that does not answer."""


def wanted(signal: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether the environment asks for ``traces``, ``metrics`` or ``logs`` by OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    name = signal.upper()
    exporter = environ.get(f"OTEL_{name}_EXPORTER", "")
    if exporter:
        return "otlp" in exporter
    return bool(
        environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT")
    )


def start(service: str, router: str | None, registry: Registry) -> tuple[Tracer | None, Callable[[], None]]:
    """Start what the environment asks for; return the tracer and what flushes everything at the stop."""
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "vipbus",
            "service.version": __version__,
            "service.instance.id": f"{router or 'shared'}/{os.getpid()}",
            **({"vipbus.router": router} if router else {}),
        }
    )
    stops: list[Callable[[], object]] = []
    tracer = None
    if wanted("traces"):
        tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
        tracer = tracing.get_tracer("vipbus", __version__)
        stops.append(tracing.shutdown)
    if wanted("metrics"):
        metering = MeterProvider(
            resource=resource,
            metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())],
            shutdown_on_exit=False,
        )
        _observe(metering, registry)
        stops.append(metering.shutdown)
    if wanted("logs"):
        logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        handler = LoggingHandler(logger_provider=logs)
        # an export that fails is logged; exporting that line would fail again, and so on
        handler.addFilter(lambda record: not record.name.startswith(("opentelemetry", "urllib3")))
        logging.getLogger().addHandler(handler)
        stops.append(logs.shutdown)

    def stop() -> None:
        # a receiver that is away is tried again for a minute; nobody's stop waits for that
        flushing = [threading.Thread(target=each, daemon=True) for each in stops]
        for thread in flushing:
            thread.start()
        deadline = time.monotonic() + _FLUSH_SECONDS
        for thread in flushing:
            thread.join(max(0.0, deadline - time.monotonic()))

    return tracer, stop


def _observe(provider: MeterProvider, registry: Registry) -> None:
    meter = provider.get_meter("vipbus", __version__)

    def reader(metric: Metric) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _options: [
            Observation(value, dict(labels)) for labels, value in list(metric.values.items())
        ]

    def export(metric: Metric) -> None:
        if isinstance(metric, Histogram):
            metric.forward = meter.create_histogram(
                metric.name, description=metric.help, explicit_bucket_boundaries_advisory=metric.bounds
            ).record
        elif metric.kind == "counter":
            meter.create_observable_counter(metric.name, [reader(metric)], description=metric.help)
        else:
            meter.create_observable_gauge(metric.name, [reader(metric)], description=metric.help)

    registry.each(export)


def _otel_context(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=TraceFlags(1)
    )


def _own_context(opened: trace.Span) -> TraceContext:
    context = opened.get_span_context()
    return TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}")


class OtelExporter:
    """Makes OpenTelemetry spans; a `vipbus.telemetry.trace.Exporter`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def _start(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        kind: Kind,
        start_ns: int | None,
        attributes: Attributes,
    ) -> trace.Span:
        return self._tracer.start_span(
            name,
            context=trace.set_span_in_context(NonRecordingSpan(_otel_context(parent))) if parent else None,
            kind=_KINDS[kind],
            links=[Link(_otel_context(link)) for link in links],
            start_time=start_ns,
            attributes=attributes,
        )

    def record(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        kind: Kind,
        start_ns: int,
        end_ns: int,
        attributes: Attributes,
        error: str,
    ) -> TraceContext:
        """Make a span of something that is over."""
        opened = self._start(
            name, parent=parent, links=links, kind=kind, start_ns=start_ns, attributes=attributes
        )
        if error:
            opened.set_status(Status(StatusCode.ERROR, error))
        opened.end(end_ns)
        return _own_context(opened)

    @contextmanager
    def open(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        kind: Kind,
        start_ns: int | None,
        attributes: Attributes,
    ) -> Iterator[Span]:
        """Make a span around a block."""
        opened = self._start(
            name, parent=parent, links=links, kind=kind, start_ns=start_ns, attributes=attributes
        )
        ours = Span(name, _own_context(opened))
        try:
            yield ours
        except BaseException as error:
            ours.error = ours.error or repr(error)
            raise
        finally:
            opened.set_attributes(ours.attributes)
            if ours.error:
                opened.set_status(Status(StatusCode.ERROR, ours.error))
            opened.end()
