"""The pipe that HAProxy writes its log to: a file of ours, so whoever is started next reads on.

HAProxy never waits for a reader. What it writes while nobody reads stays in the pipe, as much as fits; it
drops the rest, and counts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

_AT_ONCE: Final = 1 << 18
"""Octets that the pipe holds, where the kernel lets us (pipe(7), F_SETPIPE_SZ), and that are read at once."""
_PAUSE: Final = 0.02
"""Seconds between two reads: a thousand verdicts are a thousand lines, and each alone would wake this process
in the middle of writing them."""
_LONGEST: Final = 8192
"""Octets of a line; what is longer is none of ours."""


def opened(path: Path) -> int:
    """Open the pipe for both directions, so that it never ends; make it where there is none.

    Raises:
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink()
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)


class Lines:
    """Cuts what comes into lines; one that does not end is dropped, and told as an empty one."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def take(self, octets: bytes) -> list[bytes]:
        """Take in octets; return the lines that are whole now."""
        *lines, rest = (self._rest + octets).split(b"\n")
        if self._skipping and lines:
            lines[0] = b""
            self._skipping = False
        if len(rest) > _LONGEST:
            rest, self._skipping = b"", True
        self._rest = b"" if self._skipping else rest
        return lines


class LogPipe:
    """Reads the pipe; ``on_line`` is called with each line."""

    def __init__(self, path: Path, on_line: Callable[[bytes], None]) -> None:
        self._lines = Lines()
        self._on_line = on_line
        self._reader = opened(path)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._wait()

    def _wait(self) -> None:
        self._loop.add_reader(self._reader, self._read)

    def _read(self) -> None:
        self._loop.remove_reader(self._reader)
        self._pause = self._loop.call_later(_PAUSE, self._wait)
        try:
            octets = os.read(self._reader, _AT_ONCE)
        except BlockingIOError:
            return
        for line in self._lines.take(octets):
            self._on_line(line)

    def close(self) -> None:
        """Read no more; HAProxy goes on writing."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
