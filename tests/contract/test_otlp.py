"""Traces, metrics and logs reach a real OTLP receiver when the usual variables say so, and only then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.otlp import otlp_receiver

PROCESS = """
import logging
from pathlib import Path
from vipbus.runtime import life
from vipbus.runtime.settings import Settings
from vipbus.telemetry import trace
from vipbus.telemetry.metrics import REGISTRY
waits = REGISTRY.histogram("vipbus_test_wait_seconds", "wait")
settings = Settings(router="r1", state_dir=Path("."), bus=None, log="line", listen=None)
flush = life.prepare("test-service", settings)
from vipbus.telemetry.standard import SERVICE_READY  # declared after the export began
SERVICE_READY.set(1)
first = trace.record("check 10.9.0.21:80", start_ns=1_000, end_ns=2_000, error="connection refused")
with trace.span("plan", parent=first) as span:
    span.attributes["operations"] = 1
    print(first.traceparent, span.context.traceparent, flush=True)
waits.observe(0.2)
logging.getLogger("x").info("a line")
flush()
"""


def run(**environ: str) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_everything_arrives() -> None:
    with otlp_receiver() as receiver:
        first, second = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert [span.service for span in receiver.spans] == ["test-service"] * 2
    check, plan = sorted(receiver.spans, key=lambda span: span.start_ns)
    assert (check.name, check.start_ns, check.end_ns, check.failed) == (
        "check 10.9.0.21:80",
        1_000,
        2_000,
        True,
    )
    assert plan.parent_id == check.span_id
    assert f"00-{check.trace_id}-{check.span_id}-01" == first
    assert f"00-{plan.trace_id}-{plan.span_id}-01" == second
    assert ("test-service", "vipbus_test_wait_seconds") in receiver.metrics
    assert ("test-service", "vipbus_service_ready") in receiver.metrics
    assert ("test-service", "a line") in receiver.logs


def test_one_signal_may_be_turned_off() -> None:
    with otlp_receiver() as receiver:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
    assert receiver.spans
    assert not receiver.logs
    assert not receiver.metrics


@pytest.mark.parametrize("environ", [{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"}])
def test_without_the_variables_nothing_is_made(environ: dict[str, str]) -> None:
    first, second = run(**environ)
    assert first[:35] == second[:35], "one trace all the same"


def test_a_receiver_that_is_away_does_not_hold_up_the_end() -> None:
    run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
