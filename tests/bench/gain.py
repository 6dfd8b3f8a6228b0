"""What a processor does of work that shares nothing, alone and beside another that does the same.

No program can gain more by a second processor: where both are threads of one core, they share what computes.
``python -m tests.bench.gain PROCESSOR BEGIN SECONDS`` computes there for so long, from a moment of the
monotonic clock on, and prints how much it did, and how many seconds it had the processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

_PIECE = 1000
_STARTS = 0.5
"""Seconds until an interpreter runs."""


@dataclass(frozen=True)
class Computed:
    """What was done in each second."""

    pieces: float
    had: float
    """Processors."""


def work(processor: int, begin: float, seconds: float) -> tuple[int, float]:
    """Compute on a processor; return how many pieces were done, and in how many seconds on it."""
    os.sched_setaffinity(0, {processor})
    while time.monotonic() < begin:
        pass
    number, pieces, before = 0, 0, time.process_time()
    while time.monotonic() < begin + seconds:
        for _ in range(_PIECE):
            number = (number * 31 + 7) % 1_000_003
        pieces += 1
    return pieces, time.process_time() - before


def computed(processors: Sequence[int], seconds: float) -> Computed:
    """Compute on these processors at once."""
    begin = time.monotonic() + _STARTS
    command = [sys.executable, "-m", "tests.bench.gain"]
    workers = [
        subprocess.Popen([*command, str(processor), str(begin), str(seconds)], stdout=subprocess.PIPE)
        for processor in processors
    ]
    done = [worker.communicate()[0].split() for worker in workers]
    return Computed(
        sum(int(pieces) for pieces, _ in done) / seconds, sum(float(had) for _, had in done) / seconds
    )


if __name__ == "__main__":
    print(*work(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
