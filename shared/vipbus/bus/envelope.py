"""The envelope of every message: CloudEvents headers and W3C trace context around a JSON body.

CloudEvents 1.0, NATS protocol binding, binary mode: attributes are ``ce-`` headers and the body is the data.
"""

from __future__ import annotations

from datetime import UTC, datetime

from vipbus.telemetry.trace import TraceContext, random_id


def headers(
    event_type: str, source: str, trace: TraceContext, time: datetime | None = None
) -> dict[str, str]:
    """Make the headers of one message.

    ``event_type`` is the subject up to its ids (``vipbus.state.role``), ``source`` who writes
    (``vrrp-agent/router-a``); ``time`` defaults to now.
    """
    return {
        "ce-specversion": "1.0",
        "ce-id": random_id(8),
        "ce-type": event_type,
        "ce-source": source,
        "ce-time": (time or datetime.now(UTC)).isoformat(timespec="microseconds"),
        "content-type": "application/json",
        "traceparent": trace.traceparent,
    }
