"""Keep the loop on time: memory that is not paged out, a real-time priority, no collector in the way."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import sys
from collections.abc import Callable

from vipbus.contracts import VrrpSettings

log = logging.getLogger(__name__)

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # sys/mman.h
_RLIMIT_RTTIME = 15
"""sys/resource.h; the module resource has no name for it."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_SWITCH_INTERVAL = 0.0005
"""Seconds that the bus thread may keep the interpreter when the loop wants it; Python's own is 5 ms."""


def prepare() -> None:
    """Ask for what the system permits; what it refuses is a debug line, for the election works without."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.disable()
    # locked as it is touched: the stacks of threads are mostly never touched
    if _LIBC.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        log.debug("memory is not locked: %s", os.strerror(ctypes.get_errno()))
    try:
        # the threads that this one starts are ordinary again
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        log.debug("no real-time scheduling: %s", error.strerror)


def apply(settings: VrrpSettings) -> None:
    """Do as the configuration asks; what the system refuses is said, for somebody wants it.

    To be called in the loop's own thread. Memory that is locked already stays so until the end.
    """
    wanted: list[tuple[str, Callable[[], object]]] = []
    if settings.rt_priority is not None:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK if settings.rt_priority else os.SCHED_OTHER
        parameter = os.sched_param(settings.rt_priority)
        wanted.append(("vrrp_rt_priority", lambda: os.sched_setscheduler(0, policy, parameter)))
    if settings.nice is not None:
        nice = settings.nice
        wanted.append(("vrrp_priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice)))
    if settings.cpu_affinity:
        wanted.append(("vrrp_cpu_affinity", lambda: os.sched_setaffinity(0, settings.cpu_affinity)))
    if settings.rlimit_rttime is not None:
        limit = settings.rlimit_rttime
        wanted.append(("vrrp_rlimit_rttime", lambda: resource.setrlimit(_RLIMIT_RTTIME, (limit, limit))))
    for keyword, set_it in wanted:
        try:
            set_it()
        except (OSError, ValueError) as error:
            log.warning("%s is not possible here: %s", keyword, error)
    if not settings.no_swap and _LIBC.munlockall():
        log.warning("memory stays locked: %s", os.strerror(ctypes.get_errno()))


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
