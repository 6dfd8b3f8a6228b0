"""Log lines on stderr: one readable line an event, or JSON on request.

A line is ``time service router message``; whatever identifies the thing is in the message, in words. Writing
may block (a full pipe), so a loop that must not wait logs through a queue that another thread empties.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
from typing import Literal

import msgspec

LogFormat = Literal["line", "json"]
_BACKLOG = 10_000
"""Lines kept while stderr does not take them; beyond that the newest are dropped, never waited for."""


_SELDOM = 600.0
"""Seconds between two equal complaints of a library."""


def plain(text: str) -> str:
    """Make a text that came from elsewhere harmless in a terminal: one line, no control characters."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


class LineFormatter(logging.Formatter):
    """``16:04:05.123 vrrp-agent router-a VI_1 is active: ...``; warnings and errors say so."""

    def __init__(self, service: str, router: str | None) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._who = f"{service} {router}" if router else service

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; a traceback follows indented, so that a line without indent starts an event."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        stamp = f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03d}"
        line = plain(f"{stamp} {self._who} {level}{record.getMessage()}")
        if record.exc_info:
            trace = self.formatException(record.exc_info).split("\n")
            line = "\n  ".join((line, *(plain(each) for each in trace)))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str, router: str | None) -> None:
        super().__init__()
        self._service = service
        self._router = router

    def format(self, record: logging.LogRecord) -> str:
        """Write one object: time (seconds since the epoch), level, service, router, message."""
        entry = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "service": self._service,
            "router": self._router,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class _DroppingQueueHandler(logging.handlers.QueueHandler):
    """Hands records to another thread and never waits for it."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            from vipbus.telemetry.standard import LOG_LINES_DROPPED  # noqa: PLC0415  # only in this rare case

            LOG_LINES_DROPPED.add()


class Seldom(logging.Filter):
    """Lets a line of a library through once in a while: a receiver that is away is said, not repeated.

    The export is tried every few seconds, and each failure is a line of the same words.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is printed: any of another origin, and the first of its kind in a while."""
        if not super().filter(record):
            return True
        kind = (record.name, str(record.msg))
        if record.created - self._said.get(kind, -_SELDOM) < _SELDOM:
            return False
        self._said[kind] = record.created
        return True


def configure(service: str, router: str | None, log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send this process's logs to stderr from a thread of its own."""
    formatter = (JsonFormatter if log_format == "json" else LineFormatter)(service, router)
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(formatter)
    backlog: queue.Queue[logging.LogRecord] = queue.Queue(_BACKLOG)
    listener = logging.handlers.QueueListener(backlog, to_stderr)
    root = logging.getLogger()
    handler = _DroppingQueueHandler(backlog)
    handler.addFilter(Seldom("opentelemetry"))
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # the bus reports its own state, once, in our words
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # each retry is no event, giving up is
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    listener.start()
    import atexit  # noqa: PLC0415  # the last lines are the ones that matter

    atexit.register(listener.stop)
