"""``/ready`` and ``/metrics`` over HTTP, in a thread of its own so that nothing waits for a scraper."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from vipbus.contracts import Condition
from vipbus.runtime.settings import ListenAddress
from vipbus.telemetry.metrics import REGISTRY

log = logging.getLogger(__name__)


def start(listen: ListenAddress, condition: Callable[[], Condition]) -> str:
    """Answer ``GET /ready`` (200 or 503 and the condition) and ``GET /metrics`` (Prometheus text).

    Returns why it could not listen, in words; empty when it does. A port in use is no reason for a load
    balancer to stop.
    """
    import http.server  # noqa: PLC0415  # 40 ms that no takeover should wait for
    import socket  # noqa: PLC0415

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5.0  # a silent client does not hold a thread for ever

        def do_GET(self) -> None:
            if self.path == "/ready":
                report = condition()
                self._answer(200 if report.ready else 503, "application/json", msgspec.json.encode(report))
            elif self.path == "/metrics":
                try:
                    from vipbus.telemetry import prometheus  # noqa: PLC0415  # only when scraped
                except ImportError:
                    self._answer(
                        501,
                        "text/plain",
                        b"prometheus-client is not installed: pip install vipbus[telemetry]\n",
                    )
                    return
                condition()
                self._answer(200, prometheus.CONTENT_TYPE, prometheus.exposition(REGISTRY))
            else:
                self._answer(404, "text/plain", b"there are /ready and /metrics\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """A scrape every few seconds is no event."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET

        def handle_error(self, _request: object, client_address: object) -> None:
            """Say it in a line; most are clients that had enough."""
            log.debug("the answer to %s was cut short", client_address, exc_info=True)

    try:
        server = Server((listen.host, listen.port), Handler)
    except OSError as error:
        return (
            f"/metrics and /ready do not answer on {listen.host}:{listen.port} ({error.strerror}); "
            "choose another --listen (of `vipbus run`: --metrics)"
        )
    threading.Thread(target=server.serve_forever, name="endpoint", daemon=True).start()
    return ""
