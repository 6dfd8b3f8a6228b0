"""Does what the state machine of trials says: a timer, a way back, a note that a revision stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from config_service.ledger import Ledger
from config_service.trial import Confirmed, Event, GoBack, Keep, Runs, Tick, Trial, Wake, decide
from vipbus.contracts.revisions import RevisionNote
from vipbus.telemetry import trace


class OnTrial:
    """The revision of a router that waits to be confirmed, if one does.

    ``go_back`` has the revision before it come back; it is called again until something else runs.
    ``on_change`` is called when one begins or ends.
    """

    def __init__(
        self, ledger: Ledger, go_back: Callable[[Trial], None], on_change: Callable[[], None]
    ) -> None:
        self.trial: Trial | None = None
        self._ledger = ledger
        self._go_back = go_back
        self._on_change = on_change
        self._clock: asyncio.TimerHandle | None = None

    def runs(self, note: RevisionNote | None) -> None:
        """Say in which revision an operator had the last word."""
        self._step(Runs(note))

    async def confirm(self, by: str) -> Trial | None:
        """Let the revision stay; None: there is none on trial.

        Raises:
            BusAwayError: whether that is kept is unknown.
            RefusedError: the server said no.
        """
        now = datetime.now(UTC)
        before = self.trial
        _, actions = decide(before, Confirmed(), now)
        for action in actions:
            if isinstance(action, Keep):
                record = await self._ledger.get(action.revision)
                if record is not None:
                    note = msgspec.structs.replace(record.note, confirmed=now, confirmed_by=by)
                    await self._ledger.note(note, trace.record("confirm revision"))
        # meanwhile something else may have begun to run
        if self.trial is before:
            self._step(Confirmed())
        return before

    def close(self) -> None:
        """Wake no more."""
        if self._clock is not None:
            self._clock.cancel()

    def _step(self, event: Event) -> None:
        before = self.trial
        self.trial, actions = decide(before, event, datetime.now(UTC))
        self.close()
        for action in actions:
            if isinstance(action, Wake):
                loop = asyncio.get_running_loop()
                self._clock = loop.call_later(action.seconds, self._step, Tick())
            elif isinstance(action, GoBack) and before is not None:
                self._go_back(before)
        if self.trial != before:
            self._on_change()
