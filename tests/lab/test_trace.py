"""A real server's failure is one trace, received whole by a real OTLP receiver; so is a takeover."""

from __future__ import annotations

import pytest

from tests.lab.declare import TRACES_TO_COLLECTOR, Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.support.otlp import ReceivedSpan
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
TAKEOVER = (
    "take over",
    "publish vipbus.state.role",
    "process vipbus.state.role",
    "plan",
    "kernel write",
    "add addresses",
)
FAILURE = (
    "check",
    "publish vipbus.state.health",
    "process vipbus.state.health",
    "plan",
    "kernel write",
)


def whole_trace(spans: list[ReceivedSpan], *path: str) -> list[ReceivedSpan]:
    """Find the trace that has spans with these beginnings of names, and every span's parent but the first's.

    A parent may arrive after its children: it ends later. Empty while there is no such trace.
    """
    traces: dict[str, list[ReceivedSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        traces.setdefault(span.trace_id, []).append(span)
    for trace in traces.values():
        known = {span.span_id for span in trace}
        rootless = [span for span in trace if span.parent_id not in known]
        if rootless == trace[:1] and all(any(s.name.startswith(name) for s in trace) for name in path):
            return trace
    return []


def services(trace: list[ReceivedSpan], *path: str) -> list[str]:
    """Name the service of the first span of each name, in the order of the path, which is that of time."""
    spans = [next(span for span in trace if span.name.startswith(name)) for name in path]
    assert spans == sorted(spans, key=lambda span: span.start_ns)
    return [span.service for span in spans]


def test_a_failure_and_a_takeover_are_one_trace_each() -> None:
    declaration = Declaration(
        routers=(RouterSpec("r1", 150),), servers=("s1", "s2"), environment=TRACES_TO_COLLECTOR
    )
    with Lab(declaration, collector=True) as lab:
        lab.settled("r1", within=90)
        eventually(lambda: whole_trace(lab.collector.spans, *TAKEOVER), "the takeover's trace arrives")
        takeover = whole_trace(lab.collector.spans, *TAKEOVER)
        agent, programmer = "vrrp-agent", "ipvs-programmer"
        assert services(takeover, *TAKEOVER) == [agent, agent, programmer, programmer, programmer, agent]

        before = len(lab.collector.spans)
        lab.close_port("s2")
        eventually(lambda: lab.destinations("r1") == {"s1"}, "s2 has left")
        eventually(lambda: whole_trace(lab.collector.spans[before:], *FAILURE), "the failure's trace arrives")
        failure = whole_trace(lab.collector.spans[before:], *FAILURE)
        prober = "health-prober"
        assert services(failure, *FAILURE) == [prober, prober, programmer, programmer, programmer]
        assert {span.service for span in failure} == {prober, programmer}
        assert failure[0].name == "check 10.9.0.22:80"
        assert failure[0].failed
