"""Spans and W3C trace context, at no cost until someone listens.

Every event carries a ``traceparent`` so that it can be followed from its cause to the kernel write. Without
the usual ``OTEL_`` variables the ids are made here and nothing else happens; with them, the same calls make
OpenTelemetry spans. The SDK is imported only then: start-up is failover time.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, NamedTuple, Protocol

Kind = Literal["internal", "producer", "consumer"]
_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")

Attributes = Mapping[str, str | int | float | bool]


class TraceContext(NamedTuple):
    """Where an event stands in its trace (W3C Trace Context, level 1)."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""

    @property
    def traceparent(self) -> str:
        """The header's value, sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def parse_traceparent(header: str | None) -> TraceContext | None:
    """Read a ``traceparent`` header; None when there is none or it is malformed, as W3C asks."""
    match = _TRACEPARENT.match(header) if header else None
    if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
        return None
    return TraceContext(match[1], match[2])


_chance = random.Random()  # noqa: S311  # ids, no secrets; to ask the kernel gives Python's lock away each time
os.register_at_fork(after_in_child=_chance.seed)


def random_id(octets: int) -> str:
    """Make an id that nobody else has, in hexadecimal digits."""
    return f"{_chance.getrandbits(8 * octets) or 1:0{2 * octets}x}"


def _made(parent: TraceContext | None) -> TraceContext:
    return TraceContext(parent.trace_id if parent else random_id(16), random_id(8))


class Exporter(Protocol):
    """Whoever makes real spans of ours; `vipbus.telemetry.otlp` does."""

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

    def open(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        kind: Kind,
        start_ns: int | None,
        attributes: Attributes,
    ) -> AbstractContextManager[Span]:
        """Make a span around a block."""


_exporter: Exporter | None = None


def use_exporter(exporter: Exporter) -> None:
    """Make real spans from now on."""
    global _exporter  # noqa: PLW0603  # one exporter a process, set once at the start
    _exporter = exporter


def record(
    name: str,
    *,
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
    kind: Kind = "internal",
    start_ns: int | None = None,
    end_ns: int | None = None,
    attributes: Attributes | None = None,
    error: str = "",
) -> TraceContext:
    """Record one span that began and ended, and return its context for what it causes.

    Times are nanoseconds since the epoch (``time.time_ns``); both default to now. Without an exporter
    only the context is made. ``error`` marks the span as failed, in words.
    """
    if _exporter is None:
        return _made(parent)
    return _exporter.record(
        name,
        parent=parent,
        links=links,
        kind=kind,
        start_ns=time.time_ns() if start_ns is None else start_ns,
        end_ns=time.time_ns() if end_ns is None else end_ns,
        attributes=attributes or {},
        error=error,
    )


class Span:
    """A span that is still open: its context may already be handed to what it causes."""

    def __init__(self, name: str, context: TraceContext) -> None:
        self.name = name
        self.context = context
        self.attributes: dict[str, str | int | float | bool] = {}
        self.error = ""


@contextmanager
def span(
    name: str,
    *,
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
    kind: Kind = "internal",
    start_ns: int | None = None,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """Open a span around a block; an exception marks it failed and goes on.

    ``start_ns`` sets its beginning back to when the cause was first seen.
    """
    if _exporter is None:
        yield Span(name, _made(parent))
        return
    with _exporter.open(
        name, parent=parent, links=links, kind=kind, start_ns=start_ns, attributes=attributes or {}
    ) as opened:
        yield opened
