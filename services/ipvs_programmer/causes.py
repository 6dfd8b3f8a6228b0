"""Which change is the cause of what was done to a virtual server. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ipvs_programmer.desired import Configured
from ipvs_programmer.inputs import Change

START = "ipvs-programmer started"
"""The cause of what the first look at everything leads to."""


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
