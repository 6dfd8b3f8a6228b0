"""What processes use, by /proc."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MEMORY = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


def _cpu_clock(pid: int) -> int:
    # what clock_getcpuclockid(3) makes: CPUCLOCK_SCHED, linux/posix-timers.h
    return (~pid << 3) | 2


@dataclass(frozen=True)
class Usage:
    """Of some processes together."""

    processes: int
    seconds: float
    """On a processor, of all threads, since each process began."""
    resident: int
    """Bytes; shared pages count in each process."""
    shared: int
    """Bytes; of a page that N processes share, an Nth."""


def cpu_seconds(pid: int) -> float:
    """Read how long a process was on a processor, all its threads together (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(_cpu_clock(pid)) / 1e9


def usage(pids: Iterable[int]) -> Usage:
    """Read what processes use (clock_getcpuclockid(3); proc(5): smaps_rollup, in kB)."""
    count, nanoseconds, resident, shared = 0, 0, 0, 0
    for pid in pids:
        process = Path(f"/proc/{pid}")
        nanoseconds += time.clock_gettime_ns(_cpu_clock(pid))
        text = (process / "smaps_rollup").read_text()
        sizes = {key: int(value) * 1024 for key, value in _MEMORY.findall(text)}
        count, resident, shared = count + 1, resident + sizes["Rss"], shared + sizes["Pss"]
    return Usage(count, nanoseconds / 1e9, resident, shared)
