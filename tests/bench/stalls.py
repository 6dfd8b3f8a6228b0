"""When the machine itself stood still or was slow: a watch on every processor that looks at the clock.

A virtual machine's processor is taken away for a while, or its kernel works without a pause: whatever runs
then is late, and a failover measured meanwhile says nothing of the program. The watches run at a higher
real-time priority than everything that is measured, so what makes them late is not that. A processor that
is taken away for many short whiles wakes them on time and is slow all the same: so at each look they do the
same little work, and what takes five times as long as usual is a stall too.

``python stalls.py PROCESSOR OUTPUT`` writes a record for each stall: when it ended and how long it was, both
in nanoseconds as two signed 64-bit integers.
"""

from __future__ import annotations

import ctypes
import gc
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.companions import Companions
from tests.support.waiting import eventually

_EVERY = 0.001
"""Seconds between two looks."""
_LATE = 0.001
"""Seconds from which being late is a stall."""
_WORK = 500
"""Turns of the little work, about 15 microseconds."""
_SLOW = 5.0
"""Times its usual duration from which the work was slow: more than a cold cache or an interrupt does."""
_USUAL = 500
"""Looks after which the usual duration is known: their median."""
_PRIORITY = 20
_RECORD = struct.Struct("=qq")
_ALL = 3  # MCL_CURRENT | MCL_FUTURE


def watch(processor: int, output: Path) -> None:
    """Watch one processor until killed."""
    os.sched_setaffinity(0, {processor})
    realtime(_PRIORITY)
    usual, durations = float("inf"), list[int]()
    with output.open("ab", buffering=0) as file:
        before = time.monotonic_ns()
        while True:
            time.sleep(_EVERY)
            now = time.monotonic_ns()
            for _ in range(_WORK):
                pass
            worked = time.monotonic_ns() - now
            late = now - before - int(_EVERY * 1e9)
            if late > _LATE * 1e9:
                file.write(_RECORD.pack(time.time_ns(), late))
            elif worked > _SLOW * usual:
                file.write(_RECORD.pack(time.time_ns(), now + worked - before))
            before = now + worked
            if len(durations) < _USUAL:
                durations.append(worked)
                usual = float("inf") if len(durations) < _USUAL else sorted(durations)[_USUAL // 2]


def realtime(priority: int) -> None:
    """Keep this process out of the machine's way to the disk, and ahead of what is measured."""
    ctypes.CDLL(None).mlockall(_ALL)
    gc.disable()
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))


class Stalls:
    """The watches; a context."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(dir=shared_memory())
        self._files: list[Path] = []
        self._companions = Companions()

    def __enter__(self) -> Stalls:
        for processor in sorted(os.sched_getaffinity(0)):
            self._files.append(Path(self._directory.name) / str(processor))
            self._companions.start("tests.bench.stalls", str(processor), str(self._files[-1]))
        eventually(lambda: all(file.exists() for file in self._files), "the processors are watched")
        return self

    def __exit__(self, *_: object) -> None:
        self._companions.end()
        self._directory.cleanup()

    def worst(self, since: int) -> float:
        """Give the longest stall (seconds) that ended after a moment (nanoseconds since 1970)."""
        return max(((end - begin) / 1e9 for begin, end in self.spans(since)), default=0.0)

    def spans(self, since: int, at_least: float = 0.0) -> list[tuple[int, int]]:
        """Give when each stall of so many seconds began and ended, of those that ended after a moment."""
        found = []
        for file in self._files:
            data = file.read_bytes()
            records = _RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size])
            found += [(end - late, end) for end, late in records if end >= since and late >= at_least * 1e9]
        return found


def shared_memory() -> Path | None:
    """Give a directory where a write never waits for a disk; None where there is none."""
    directory = Path("/dev/shm")
    return directory if directory.is_dir() else None


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
