"""What the asking client saw: every answer, and the silences between them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.probe import CLOSELY, record_name
from tests.bench.stalls import shared_memory
from tests.lab.namespace import ENVIRONMENT
from tests.support.waiting import eventually

_RECORD = 16
"""Bytes: when it was asked, when the answer came."""


@dataclass(frozen=True)
class Silence:
    """The longest time without an answer in a stretch of time; nanoseconds since 1970."""

    began: int
    """The last answer before."""
    ended: int
    """The first answer after."""

    def seconds(self, every: float) -> float:
        """Give the outage: what is more than the time between two questions."""
        return max(0.0, (self.ended - self.began) / 1e9 - every)


def longest(answered: Sequence[int], since: int) -> Silence | None:
    """Find the longest silence that ends after a moment; None where no two answers are known."""
    pairs = (Silence(before, after) for before, after in pairwise(answered) if after >= since)
    return max(pairs, key=lambda silence: silence.ended - silence.began, default=None)


class Answers:
    """What one address answered; a context: within it the address is asked closely."""

    def __init__(self, record: Path, every: float, closely: Path, number: int) -> None:
        self._record = record
        self.every = every
        self._closely = closely
        self._number = number

    def __enter__(self) -> Answers:
        self._watch(b"\1")
        return self

    def __exit__(self, *_: object) -> None:
        self._watch(b"\0")

    def _watch(self, flag: bytes) -> None:
        with self._closely.open("r+b") as file:
            file.seek(self._number)
            file.write(flag)

    def _read(self, records: int) -> array[int]:
        """Read when the last so many answers came."""
        words = array("q")
        with self._record.open("rb") as file:
            size = os.fstat(file.fileno()).st_size // _RECORD * _RECORD
            file.seek(max(0, size - records * _RECORD))
            words.frombytes(file.read(min(size, records * _RECORD)))
        return words[1::2]

    @property
    def last(self) -> int:
        """When the last answer came, nanoseconds since 1970; 0 before the first."""
        if not self._record.exists():
            return 0
        answered = self._read(1)
        return answered[0] if answered else 0

    def silence(self, since: int) -> Silence:
        """Find the longest silence that ended after a moment (nanoseconds since 1970)."""
        wanted = int((self.last - since) / 1e9 / self.every * 1.5) + 64
        found = longest(self._read(wanted), since)
        assert found is not None, "the client has no answers"
        return found


class Asking:
    """The client's process, which asks many addresses at once; a context."""

    def __init__(self, every: float) -> None:
        self.every = every
        self._directory = tempfile.TemporaryDirectory(dir=shared_memory())
        self._closely = Path(self._directory.name) / CLOSELY
        self._targets: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def target(self, namespace: str, address: str) -> Answers:
        """Ask an address from a namespace, once started."""
        number = len(self._targets)
        self._targets.append(f"{namespace}={address}")
        self._closely.write_bytes(bytes(len(self._targets)))
        record = Path(self._directory.name) / record_name(self._targets[-1])
        return Answers(record, self.every, self._closely, number)

    def start(self) -> None:
        """Begin to ask."""
        log = Path(self._directory.name) / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "tests.bench.probe", str(self.every), self._directory.name, *self._targets),
                ],
                stdout=output,
                stderr=output,
                env=ENVIRONMENT,
                cwd=ENVIRONMENT["PYTHONPATH"],
            )
        first = Path(self._directory.name) / record_name(self._targets[-1])
        eventually(lambda: first.exists() or log.read_bytes(), "the client asks")
        assert not log.read_bytes(), log.read_text()

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()
