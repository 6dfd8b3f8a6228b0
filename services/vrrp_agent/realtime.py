"""Keep the loop on time: memory that is not paged out, a real-time priority, no collector in the way."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys

log = logging.getLogger(__name__)

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # sys/mman.h
_SWITCH_INTERVAL = 0.0005
"""Seconds that the bus thread may keep the interpreter when the loop wants it; Python's own is 5 ms."""


def prepare() -> None:
    """Ask for what the system permits; what it refuses is a debug line, for the election works without."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.disable()
    # locked as it is touched: the stacks of threads are mostly never touched
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        log.debug("memory is not locked: %s", os.strerror(ctypes.get_errno()))
    try:
        # the threads that this one starts are ordinary again
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        log.debug("no real-time scheduling: %s", error.strerror)


class Collector:
    """Runs Python's collector when nothing is due: what lives long is frozen, so a run is short."""

    INTERVAL = 10.0
    """Seconds between runs."""
    NEEDED = 0.005
    """Seconds that must be free."""

    def __init__(self, now: float) -> None:
        self._next = now + self.INTERVAL

    @staticmethod
    def settle() -> None:
        """Take everything there is out of all later runs, so that they stay short; it lives long."""
        gc.freeze()

    def maybe(self, now: float, free: float | None) -> None:
        """Run if it is time and at least `NEEDED` seconds are free (None: nothing is due at all)."""
        if now >= self._next and (free is None or free >= self.NEEDED):
            gc.collect()
            self._next = now + self.INTERVAL
