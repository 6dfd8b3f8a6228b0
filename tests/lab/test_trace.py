"""A real server's failure is one trace, received whole by a real OTLP receiver; so is a takeover."""

from __future__ import annotations

import pytest

from tests.lab.declare import TRACES_TO_COLLECTOR, Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.support.otlp import ReceivedSpan
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs


def trace_with(spans: list[ReceivedSpan], *names: str) -> list[ReceivedSpan]:
    """Find the trace that has spans of all these names (or beginnings of names)."""
    traces: dict[str, list[ReceivedSpan]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    for trace in traces.values():
        if all(any(span.name.startswith(name) for span in trace) for name in names):
            return sorted(trace, key=lambda span: span.start_ns)
    return []


def test_a_failure_and_a_takeover_are_one_trace_each() -> None:
    declaration = Declaration(
        routers=(RouterSpec("r1", 150),), servers=("s1", "s2"), environment=TRACES_TO_COLLECTOR
    )
    with Lab(declaration, collector=True) as lab:
        lab.settled("r1", within=90)
        eventually(
            lambda: trace_with(lab.collector.spans, "takeover", "plan", "kernel write"),
            "the takeover's trace arrives",
        )
        takeover = trace_with(lab.collector.spans, "takeover", "plan", "kernel write")
        assert {span.service for span in takeover} >= {"vrrp-agent", "ipvs-programmer"}

        before = len(lab.collector.spans)
        lab.close_port("s2")
        eventually(lambda: lab.destinations("r1") == {"s1"}, "s2 has left")
        path = ("check", "publish vipbus.state.health", "plan", "kernel write")
        eventually(
            lambda: trace_with(lab.collector.spans[before:], *path),
            "the failure's trace arrives",
        )
        failure = trace_with(lab.collector.spans[before:], *path)
        assert len({span.trace_id for span in failure}) == 1
        assert {span.service for span in failure} == {"health-prober", "ipvs-programmer"}
        known = {span.span_id for span in failure}
        assert [span.name for span in failure if span.parent_id not in known] == [failure[0].name]
        assert failure[0].name.startswith("check")
