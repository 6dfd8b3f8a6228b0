"""Trace context on the wire: ours is well-formed, and a stranger's damage is no context at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.telemetry import trace

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_child_stays_in_its_parents_trace() -> None:
    parent = trace.record("cause")
    child = trace.record("effect", parent=parent)
    assert child.trace_id == parent.trace_id
    assert child.span_id != parent.span_id
    with trace.span("block", parent=child) as opened:
        assert opened.context.trace_id == parent.trace_id


def test_the_header_is_read_back() -> None:
    context = trace.record("x")
    assert trace.parse_traceparent(context.traceparent) == context
    assert trace.parse_traceparent(GOOD) == trace.TraceContext(GOOD[3:35], GOOD[36:52])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_a_malformed_header_is_none(header: str | None) -> None:
    assert trace.parse_traceparent(header) is None


@given(st.text())
def test_noise_is_none(header: str) -> None:
    assert trace.parse_traceparent(header) is None
