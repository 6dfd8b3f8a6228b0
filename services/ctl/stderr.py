"""The supervisor's own log lines: from its one thread, and never waiting for whoever reads stderr."""

from __future__ import annotations

import logging
import os
import select
import sys

from vipbus.telemetry.logs import JsonFormatter, LineFormatter, LogFormat

_WHOLE = 4096
"""PIPE_BUF: a pipe that polls writable takes so many bytes without waiting (pipe(7))."""


class NeverWaits(logging.Handler):
    """Writes a line if the descriptor takes it now, and drops it otherwise.

    A supervisor that hangs on a full pipe restarts nobody. Other services log through a thread; a
    process that forks has none.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        line = self.format(record).encode(errors="replace")[: _WHOLE - 1] + b"\n"
        try:
            if self._poll.poll(0):
                os.write(self._descriptor, line)
        except OSError:
            return  # the terminal is gone; the work goes on


def configure(router: str | None, log_format: LogFormat) -> None:
    """Send this process's log lines to stderr."""
    handler = NeverWaits(sys.stderr.fileno())
    handler.setFormatter((JsonFormatter if log_format == "json" else LineFormatter)("vipbus", router))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
