"""wrk(1) without a rest: what it asked, what failed, and who answered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Collection
from pathlib import Path

import msgspec
import pytest

from tests.support.waiting import eventually

_LONGEST = 600
"""Seconds: a bound, each is ended before."""
_INTERRUPT = 1 << signal.SIGINT - 1


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a load came to."""

    requests: int
    connect: int
    """Connections that were not made."""
    read: int
    """Answers that ended in the middle, or never began."""
    write: int
    timeout: int
    wrong: int
    """Answers by somebody who was not to answer, and errors."""
    bodies: dict[str, int]

    @property
    def failed(self) -> int:
        """Requests without the right answer."""
        return self.connect + self.read + self.write + self.timeout + self.wrong


class Wrk:
    """Clients of a proxy on a port, each on a connection that it keeps or on a new one for each request.

    ``pause``: milliseconds that each waits between two requests.
    """

    def __init__(
        self, port: int, expected: Collection[str], *, keep: bool, clients: int = 8, pause: int = 0
    ) -> None:
        executable = shutil.which("wrk")
        if executable is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no wrk here")
        assert executable is not None
        self._process = subprocess.Popen(
            [
                *(executable, "-t", "1", "-c", str(clients), "-d", str(_LONGEST), "--timeout", "30"),
                *("-s", str(Path(__file__).with_name("wrk.lua"))),
                *(() if keep else ("-H", "Connection: close")),
                *(f"http://127.0.0.1:{port}/", *((f"pause={pause}",) if pause else ()), *expected),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # before that it ignores the signal that ends it
        eventually(lambda: self._catches() & _INTERRUPT, "wrk begins")

    def _catches(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("SigCgt:")[2].split()[0], 16)

    def end(self) -> Load:
        """Stop; what was counted."""
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=60)
        lines = [line for line in said.splitlines() if line.startswith("{")]
        assert lines, said
        return msgspec.json.decode(lines[-1], type=Load)

    def kill(self) -> None:
        """End it, whatever it is at; once it has ended this does nothing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
