"""A timer among the descriptors that epoll watches (timerfd_create(2)), exact to some microseconds.

The timeout of epoll_wait(2) counts milliseconds, and Python rounds it up: every check would begin half of one
late on average. Python itself has these timers from 3.13 on.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Final

_ABSOLUTE: Final = 1
"""TFD_TIMER_ABSTIME (linux/timerfd.h)."""
_library: Final = ctypes.PyDLL(None, use_errno=True)
_Spec: Final = ctypes.c_long * 4
"""struct itimerspec: the period's seconds and nanoseconds, then those of the first time."""


class Alarm:
    """One timer on the monotonic clock; its descriptor can be read from when it goes off until it is set."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            OSError: this host gave no timer.
        """
        self.descriptor: int = _library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def set(self, moment: float | None) -> None:
        """Let it go off at a moment, in seconds on the monotonic clock; one that has passed is now.

        None: never.

        Raises:
            OSError: the moment is beyond what the kernel counts.
        """
        nanoseconds = 0 if moment is None else max(int(moment * 1e9), 1)
        spec = _Spec(0, 0, *divmod(nanoseconds, 10**9))
        if _library.timerfd_settime(self.descriptor, _ABSOLUTE, spec, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
