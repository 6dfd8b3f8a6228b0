"""Which change is the cause of what was done to a virtual server, and the span of a reconcile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from ipvs_programmer.desired import Configured
from ipvs_programmer.inputs import Change
from vipbus.telemetry.trace import Span, span

START = "ipvs-programmer started"
"""The cause of what the first look at everything leads to."""


_LINKS: Final = 16
"""Causes of one reconcile beyond the first that its span links to."""


class Causes:
    """The changes of one reconcile, by what they concern; the first of several counts."""

    def __init__(self, changes: Iterable[Change], otherwise: str = START) -> None:
        self._otherwise = otherwise
        self._servers: dict[str, str] = {}
        self._instances: dict[str, str] = {}
        self._general = ""
        for change in changes:
            if change.virtual_server:
                self._servers.setdefault(change.virtual_server, change.text)
            elif change.instance:
                self._instances.setdefault(change.instance, change.text)
            else:
                self._general = self._general or change.text

    def of(self, server: Configured | None) -> str:
        """Give the cause of a change to a virtual server, or to one that is no longer configured."""
        if server is None:
            return self._general or self._otherwise
        return (
            self._servers.get(server.virtual_server.id)
            or self._instances.get(server.instance)
            or self._general
            or self._otherwise
        )


def process(changes: Sequence[Change]) -> AbstractContextManager[Span]:
    """Open the span of a reconcile: within the trace of its first cause, linked to the others."""
    traced = [(each.template, each.trace) for each in changes if each.trace is not None]
    if not traced:
        return span("reconcile")
    (template, parent), *others = traced
    return span(
        f"process {template}",
        parent=parent,
        links=[trace for _, trace in others[:_LINKS]],
        kind="consumer",
        attributes={
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.template": template,
            "vipbus.causes": len(changes),
        },
    )
