"""When a supervisor starts a dead child again: at once, since start-up is failover time, unless it loops."""

from __future__ import annotations

import signal

import msgspec

QUICK_DEATHS_FORGIVEN = 3
"""Early deaths that are answered at once; from the next one on there is a delay."""
FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
"""Seconds."""
STEADY = 60.0
"""A run of so many seconds ends a crash loop: everything before it is forgotten."""
_COOLING = 5.0
"""Each so many seconds of a run forgive one early death, so that a service that is killed every few seconds
from outside is still back at once, and one that dies at its start is not."""
RESTARTED = "VIPBUS_RESTARTED"
"""In a restarted child's environment: how often it was, and how it ended, ``3 killed by SIGKILL``."""
EXIT_HELPLESS = 2
"""A service's own word that starting it again without a change will not help (`vipbus.runtime.life`)."""


class Ending(msgspec.Struct, frozen=True):
    """How a process ended: an exit status, or the signal that killed it."""

    status: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        """In words: ``killed by SIGKILL``, ``exit status 1``."""
        if self.signal is None:
            return f"exit status {self.status}"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"  # a real-time signal has no name


def ending(returncode: int) -> Ending:
    """Read `subprocess.Popen.returncode`."""
    return Ending(signal=-returncode) if returncode < 0 else Ending(status=returncode)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor remembers of one child."""

    started: float = 0.0
    """When the present run began, on the monotonic clock, in seconds."""
    restarts: int = 0
    early: int = 0
    """Deaths that came too soon and are not forgiven yet."""


class Restart(msgspec.Struct, frozen=True):
    """What to do about a death."""

    after: float
    """Seconds to wait; 0.0 is at once."""
    problem: str = ""
    """What to tell the operator while it is away; empty when it comes back at once."""


def decide(history: History, end: Ending, now: float) -> tuple[History, Restart]:
    """Decide about a child that ended at ``now``; the history returned holds until its next start.

    It never gives up: a load balancer's service is wanted for as long as its supervisor runs.
    """
    ran = max(0.0, now - history.started)
    forgiven = history.early if ran >= STEADY else min(history.early, int(ran / _COOLING))
    early = history.early - forgiven + (ran < STEADY)
    after = History(started=history.started, restarts=history.restarts + 1, early=early)
    if end.status == EXIT_HELPLESS:
        return after, Restart(
            LONGEST_DELAY, f"{end}: it needs a change first (its log says which); next try in 60 s"
        )
    if early <= QUICK_DEATHS_FORGIVEN:
        return after, Restart(0.0)
    doublings = min(early - QUICK_DEATHS_FORGIVEN - 1, 16)  # 0.1 s doubled 16 times is far beyond the limit
    delay = min(FIRST_DELAY * 2**doublings, LONGEST_DELAY)
    return after, Restart(delay, f"{end}: it keeps ending soon after its start; next try in {delay:.1f} s")
