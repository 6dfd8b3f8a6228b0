"""A real OTLP/HTTP receiver: decodes what the SDK sends with OpenTelemetry's own protocol definitions."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class ReceivedSpan(msgspec.Struct, frozen=True):
    """One span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    failed: bool


class OtlpReceiver:
    """Everything received so far."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.metrics: set[tuple[str, str]] = set()
        """(service, metric name)."""
        self.logs: list[tuple[str, str]] = []
        """(service, message)."""
        self.url = ""

    def _take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _service(spans.resource.attributes)
                for scope in spans.scope_spans:
                    self.spans += [
                        ReceivedSpan(
                            service=service,
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            start_ns=span.start_time_unix_nano,
                            end_ns=span.end_time_unix_nano,
                            failed=span.status.code == 2,
                        )
                        for span in scope.spans
                    ]
        elif path == "/v1/metrics":
            for metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                service = _service(metrics.resource.attributes)
                self.metrics |= {(service, m.name) for scope in metrics.scope_metrics for m in scope.metrics}
        elif path == "/v1/logs":
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs:
                service = _service(logs.resource.attributes)
                self.logs += [
                    (service, r.body.string_value) for scope in logs.scope_logs for r in scope.log_records
                ]


def _service(attributes: object) -> str:
    for attribute in attributes:  # type: ignore[attr-defined]  # a protobuf sequence
        if attribute.key == "service.name":
            return str(attribute.value.string_value)
    return ""


@contextmanager
def otlp_receiver(host: str = "127.0.0.1", port: int = 0) -> Iterator[OtlpReceiver]:
    """Receive on a free or a given port; `OtlpReceiver.url` is what OTEL_EXPORTER_OTLP_ENDPOINT takes."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver._take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    receiver.url = f"http://{host}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
