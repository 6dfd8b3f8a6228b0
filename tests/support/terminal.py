"""A terminal that a program runs in: a real pseudo-terminal, and what would be seen on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

VIPBUS = str(Path(sys.executable).with_name("vipbus"))


class Terminal:
    """A program on a screen of so many rows and columns; ends with the ``with``."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        rows: int = 24,
        columns: int = 100,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        """Everything that was written to it."""
        self._stream = pyte.ByteStream(self.screen)
        kept = {
            name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            dimensions=(rows, columns),
            env={**kept, "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environ or {})},
        )
        self._child.delaybeforesend = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    @property
    def pid(self) -> int:
        """The program's process."""
        pid: int = self._child.pid
        return pid

    @property
    def text(self) -> str:
        """What is seen, without the blanks at the end of lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def send(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def resize(self, rows: int, columns: int) -> None:
        """Make the window larger or smaller; the program gets SIGWINCH."""
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def until(self, condition: Callable[[str], object], what: str, *, within: float = 30.0) -> str:
        """Wait until what is seen is so; return it."""
        end = time.monotonic() + within
        while not condition(self.text):
            assert time.monotonic() < end, f"not within {within} s: {what}\n{self.text}"
            self._read()
        return self.text

    def ended(self, within: float = 10.0) -> int | None:
        """Wait until the program has ended; return its exit status, None where a signal ended it."""
        end = time.monotonic() + within
        while not self._child.eof():
            assert time.monotonic() < end, f"it has not ended within {within} s\n{self.text}"
            self._read()
        self._child.wait()
        status: int | None = self._child.exitstatus
        return status

    def _read(self) -> None:
        try:
            piece = self._child.read_nonblocking(65536, timeout=0.1)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.raw += piece
        self._stream.feed(piece)
