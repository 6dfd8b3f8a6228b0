"""What a second processor brings to work that shares nothing: no program can gain more on this machine.

``python -m tests.bench.gain PROCESSOR BEGIN SECONDS`` computes there for so long, from a moment of the
monotonic clock on, and prints how much it did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import fmean

_PIECE = 1000
_STARTS = 0.5
"""Seconds until an interpreter runs."""


def work(processor: int, begin: float, seconds: float) -> int:
    """Compute on a processor; return how many pieces were done."""
    os.sched_setaffinity(0, {processor})
    while time.monotonic() < begin:
        pass
    number, pieces = 0, 0
    while time.monotonic() < begin + seconds:
        for _ in range(_PIECE):
            number = (number * 31 + 7) % 1_000_003
        pieces += 1
    return pieces


def gain(processors: Sequence[int], seconds: float) -> float:
    """Compute on each processor alone, then on all at once: how many times what one does alone."""
    alone = [_at_once([processor], seconds) for processor in processors]
    return _at_once(processors, seconds) / fmean(alone)


def _at_once(processors: Sequence[int], seconds: float) -> int:
    begin = time.monotonic() + _STARTS
    command = [sys.executable, "-m", "tests.bench.gain"]
    workers = [
        subprocess.Popen([*command, str(processor), str(begin), str(seconds)], stdout=subprocess.PIPE)
        for processor in processors
    ]
    return sum(int(worker.communicate()[0]) for worker in workers)


if __name__ == "__main__":
    print(work(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
