"""Processes of a benchmark's own that run beside what it measures: its modules, each with arguments."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.lab.namespace import ENVIRONMENT


class Companions:
    """They end, by kill -9, with the benchmark."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, module: str, *arguments: str, log: Path | None = None) -> int:
        """Start a module with arguments; return its process's number. What it says may go to a log."""
        with log.open("ab") if log is not None else nullcontext() as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=ENVIRONMENT,
                cwd=ENVIRONMENT["PYTHONPATH"],
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        return process.pid

    def end(self) -> None:
        """End all."""
        for process in self._processes:
            process.kill()
            process.wait()
