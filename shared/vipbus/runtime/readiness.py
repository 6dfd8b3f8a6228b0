"""What a service says of itself: ready or not, and each problem in a line of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from vipbus import __version__
from vipbus.contracts import Condition
from vipbus.telemetry.standard import SERVICE_READY

log = logging.getLogger(__name__)


class Readiness:
    """A service's condition as it changes: problems come and go under a name, and are logged when they do.

    May be changed from any thread: each change replaces one entry.
    """

    def __init__(self, service: str, router: str | None, *, waits_for: tuple[str, ...] = ()) -> None:
        self.service = service
        self.router = router
        self._started = datetime.now(UTC)
        self._problems: dict[str, str] = {}
        self._advice: tuple[str, ...] = ()
        self._waiting = dict.fromkeys(waits_for)
        self._watched: dict[str, Callable[[], str]] = {}
        self._revisions: Callable[[], Mapping[str, int]] = dict
        self._instance_id = f"{os.getpid()}-{int(self._started.timestamp() * 1000)}"

    def watch(self, name: str, probe: Callable[[], str]) -> None:
        """Ask ``probe`` at every report; what it returns is a problem unless it is empty."""
        self._watched[name] = probe

    def revisions_from(self, source: Callable[[], Mapping[str, int]]) -> None:
        """Say where to read the revision that the service works from, per router."""
        self._revisions = source

    def done(self, step: str) -> None:
        """Note that a step that readiness waited for has been taken."""
        self._waiting.pop(step, None)

    def problem(self, name: str, text: str) -> None:
        """Note a problem (or its new text) under a name; an empty text clears it. Logged on change."""
        if self._problems.get(name, "") == text:
            return
        if text:
            self._problems[name] = text
            log.warning("%s", text)
        else:
            del self._problems[name]
            log.info("%s: all right again", name)

    def advise(self, advice: tuple[str, ...]) -> None:
        """Say what may surprise somebody, in place of what was said before; it changes no readiness."""
        for text in advice:
            if text not in self._advice:
                log.warning("%s", text)
        self._advice = advice

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong now, waiting included."""
        waiting = [f"still waiting for {step}" for step in list(self._waiting)]
        watched = [text for probe in self._watched.values() if (text := probe())]
        return (*waiting, *self._problems.values(), *watched)

    def condition(self) -> Condition:
        """Report."""
        problems = self.problems
        SERVICE_READY.set(0 if problems else 1)
        return Condition(
            service=self.service,
            router=self.router,
            instance_id=self._instance_id,
            version=__version__,
            pid=os.getpid(),
            started=self._started,
            ready=not problems,
            revisions=tuple(sorted(self._revisions().items())),
            problems=problems,
            advice=self._advice,
        )
