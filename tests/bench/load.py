"""Keep a machine busy: a process that computes for every processor, and one that writes and takes memory."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.companions import Companions
from tests.bench.process import usage
from tests.support.waiting import eventually

_PIECE = 1 << 20
_MEMORY = 32 << 20
_STARTED = 0.3
"""Seconds on a processor; Python's own start takes less."""


def spin() -> None:
    """Compute without end."""
    number = 0
    while True:
        number = (number * 31 + 7) % 1_000_003


def churn(directory: Path) -> None:
    """Write a file through to the disk and take new memory, over and over."""
    while True:
        with (directory / "churn").open("wb") as file:
            file.write(os.urandom(_PIECE))
            file.flush()
            os.fsync(file.fileno())
        taken = bytearray(_MEMORY)
        taken[:: 1 << 12] = bytes(len(taken[:: 1 << 12]))
        time.sleep(0.05)


class Load:
    """The busy processes, at ordinary priority; a context, entered when all of them work."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._companions = Companions()

    def __enter__(self) -> Load:
        kinds = ["spin"] * (os.cpu_count() or 1) + ["churn"]
        pids = [self._companions.start("tests.bench.load", kind, self._directory.name) for kind in kinds]
        eventually(
            lambda: all(usage([pid]).seconds > _STARTED for pid in pids), "all of them work", within=60
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._companions.end()
        self._directory.cleanup()


if __name__ == "__main__":
    if sys.argv[1] == "spin":
        spin()
    churn(Path(sys.argv[2]))
