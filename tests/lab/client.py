"""What the client saw: how many requests were answered and by whom, how many failed, the longest silence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from tests.lab.namespace import Namespace
from tests.lab.traffic import BROKEN
from tests.support.waiting import eventually

EVERY = 0.02
"""Seconds between two requests."""
TIMEOUT = 0.9
"""Seconds after which a request has failed: before the kernel would send its SYN again."""


class Request(msgspec.Struct, frozen=True):
    """One line of the client's record; times of the monotonic clock."""

    at: float
    done: float
    server: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Seen:
    """A stretch of time as the client saw it."""

    good: int
    failed: int
    longest_gap: float
    """Seconds between two answers in a row (or an end of the stretch), the longest of all."""
    servers: Counter[str]
    errors: Counter[str]
    order: tuple[str, ...]
    """Who answered, in the order of the requests."""

    @property
    def refused(self) -> int:
        """Requests that got no connection.

        The other failures are connections that broke when they were open: after a handover the successor
        knows nothing of them, as long as connections are not synchronized.
        """
        return sum(count for error, count in self.errors.items() if not error.startswith(BROKEN))

    def __str__(self) -> str:
        """In one line."""
        errors = "".join(f", {count} x {error}" for error, count in self.errors.items())
        return f"{self.good} good, {self.failed} failed{errors}, longest gap {self.longest_gap * 1000:.0f} ms"


def summarize(requests: list[Request], since: float, until: float) -> Seen:
    """Count the requests that began within a stretch of time."""
    within = [request for request in requests if since <= request.at < until]
    answered = [request for request in within if request.server is not None]
    moments = [since, *sorted(min(request.done, until) for request in answered), until]
    return Seen(
        good=len(answered),
        failed=len(within) - len(answered),
        longest_gap=max(after - before for before, after in pairwise(moments)),
        servers=Counter(request.server for request in answered if request.server),
        errors=Counter(request.error for request in within if request.error),
        order=tuple(request.server for request in answered if request.server),
    )


class Client:
    """The client's process and its record."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self.namespace = namespace
        self._record = directory / "client.jsonl"
        self._log = directory / "client.log"
        self._read = 0
        self._requests: list[Request] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether there is traffic."""
        return self._process is not None

    def start(self, address: str, port: int, every: float = EVERY, timeout: float = TIMEOUT) -> None:
        """Begin the traffic."""
        program = str(Path(__file__).with_name("traffic.py"))
        arguments = [sys.executable, program, address, str(port), str(every), str(timeout), str(self._record)]
        self._process = self.namespace.spawn(arguments, self._log)

    def requests(self) -> list[Request]:
        """Give every request that is over, in order."""
        if self._record.exists():
            with self._record.open("rb") as file:
                file.seek(self._read)
                whole, _, _ = file.read().rpartition(b"\n")
            if whole:
                self._read += len(whole) + 1
                self._requests += [msgspec.json.decode(line, type=Request) for line in whole.splitlines()]
        return self._requests

    def seen(self, since: float, until: float | None = None) -> Seen:
        """Summarize a stretch of time (monotonic seconds), by default up to now, once all of it is over."""
        end = time.monotonic() if until is None else until
        assert self._process is not None, "the client was never started"
        assert self._process.poll() is None, f"the client ended: {self._log.read_text()[-500:]}"
        eventually(
            lambda: self.requests() and self._requests[-1].at >= end,
            "the client's record is whole",
            within=15,
        )
        return summarize(self._requests, since, end)

    def recent(self, seconds: float) -> Seen:
        """Summarize what is over of the last seconds, without waiting."""
        now = time.monotonic()
        return summarize(self.requests(), now - seconds, now)

    def answered_since(self, moment: float, count: int) -> bool:
        """Say whether the last ``count`` requests all began after a moment and were answered."""
        last = self.requests()[-count:]
        return len(last) == count and all(r.at >= moment and r.server is not None for r in last)
