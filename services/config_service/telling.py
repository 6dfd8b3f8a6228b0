"""Tells everyone which configurations were accepted and which were refused."""

from __future__ import annotations

import logging

from vipbus.bus import Bus
from vipbus.contracts import ConfigAccepted, ConfigRefused
from vipbus.contracts.revisions import RevisionNote
from vipbus.telemetry import trace

log = logging.getLogger(__name__)


class Telling:
    """The events of one router's configuration."""

    def __init__(self, bus: Bus, router: str) -> None:
        self._bus = bus
        self._router = router
        self._refusals: list[tuple[str, str]] = []

    def refused(self, source: str, reason: str) -> None:
        """Keep that a file was refused until it is known which revision goes on."""
        self._refusals.append((source, reason))

    async def say_refusals(self, running: int) -> None:
        """Tell what was refused.

        Raises:
            BusAwayError: the bus went away.
        """
        while self._refusals:
            source, reason = self._refusals.pop(0)
            event = ConfigRefused(router=self._router, source=source, reason=reason, running_revision=running)
            await self._bus.publish(event, trace.record("refuse configuration", error=reason))

    async def say_accepted(
        self, note: RevisionNote, over: str, warnings: tuple[str, ...], context: trace.TraceContext
    ) -> None:
        """Tell that a revision stands.

        Raises:
            BusAwayError: the bus went away.
        """
        log.info(
            "%s: revision %d of %s: %d added, %d changed, %d removed%s",
            self._router,
            note.revision,
            note.source,
            note.added,
            note.changed,
            note.removed,
            f"; it takes {over} away" if over else "",
        )
        event = ConfigAccepted(
            router=note.router,
            revision=note.revision,
            source=note.source,
            added=note.added,
            changed=note.changed,
            removed=note.removed,
            by=note.by,
            how=note.how,
            why=note.why,
            over=over,
            warnings=warnings,
        )
        await self._bus.publish(event, context)
