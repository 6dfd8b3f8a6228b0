"""One named pipe that hears of every change, a line each, and the program that reads it."""

from __future__ import annotations

import array
import errno
import fcntl
import logging
import os
import stat
import termios
import time
from collections import deque
from collections.abc import Callable

import msgspec

from vipbus.contracts import Fifo
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.outlet import Outlet
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.client import Runner
from vipbus.runtime.runner.messages import Ended
from vipbus.telemetry.metrics import Counter

log = logging.getLogger(__name__)

MOST = 10_000
"""Lines that wait for room in the pipe; then the oldest are dropped, since the newest tell what is so now."""
_RETRY = 1.0
"""Seconds until a pipe that could not be opened is tried again."""
_RESTART, _LONGEST_RESTART = 1.0, 60.0
"""Seconds until its program is started again: the first, doubled each time, and the most."""
_STEADY = 60.0
"""A program that ran so many seconds is started again after the first of these times."""


class NotifyFifo:
    """Opened for reading too, so that it holds its lines while nobody reads; for one thread."""

    def __init__(
        self,
        config: Fifo,
        poller: Poller,
        alarms: Alarms,
        runner: Runner,
        *,
        counter: Counter,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """``counter`` counts lines by ``way`` and ``outcome``: delivered or dropped."""
        self.config = config
        self._poller = poller
        self._alarms = alarms
        self._runner = runner
        self._counter = counter
        self._changed = changed
        """Called when the number of lines that wait may be another one."""
        self._lines: deque[bytes] = deque()
        self._descriptor = -1
        self._outlet: Outlet | None = None
        self._problem = ""
        self._full = False
        self._reader: int | None = None
        """The run of its program."""
        self._reader_since = 0.0
        self._restart = _RESTART
        self._closing = False
        self._open()
        self._start_reader()

    # ---- lines

    def write(self, line: str) -> None:
        """Write a line, or keep it until it can be."""
        self._lines.append(line.encode(errors="surrogateescape"))
        if len(self._lines) > MOST:
            self._lines.popleft()
            self._counter.add(way="fifo", outcome="dropped")
            if not self._full:
                self._full = True
                log.warning(
                    "%s: nobody reads it; of the lines that wait the oldest are dropped", self.config.path
                )
        if self._descriptor < 0 or self._replaced():
            self._open()
        self._flush()

    @property
    def waiting(self) -> int:
        """How many lines are not written yet."""
        return len(self._lines)

    @property
    def delivered(self) -> bool:
        """True when its program has taken every line, or there is none that would."""
        if self._reader is None or self._descriptor < 0:
            return True
        return not self._lines and _unread(self._descriptor) == 0

    def _flush(self) -> None:
        while self._lines and self._descriptor >= 0:
            try:
                os.write(self._descriptor, self._lines[0])  # whole or not at all (pipe(7), PIPE_BUF)
            except BlockingIOError:
                break
            except OSError as error:
                self._fail(f"{self.config.path} cannot be written: {os.strerror(error.errno or 0)}")
                return
            self._lines.popleft()
            self._counter.add(way="fifo", outcome="delivered")
        if not self._lines:
            self._full = False
        if self._outlet is not None:
            self._outlet.wait(wanted=bool(self._lines))
        self._changed()

    # ---- the pipe

    def _replaced(self) -> bool:
        """Say whether somebody removed the pipe, or put another in its place."""
        ours = os.fstat(self._descriptor)
        try:
            there = os.stat(self.config.path)  # noqa: PTH116  # as fstat above
        except OSError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    def _open(self) -> None:
        self._shut()
        path = self.config.path
        try:
            made = False
            try:
                os.mkfifo(path, 0o600)
                made = True
            except FileExistsError:
                pass
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                self._fail(f"{path} is no named pipe: remove it, or name another one")
                return
        except (OSError, ValueError) as error:
            words = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
            self._fail(f"{path} cannot be made or opened: {words}")
            return
        if self._problem:
            log.info("%s: all right again", path)
            self._problem = ""
        if made:
            self._runner_owns()
        self._descriptor = descriptor
        self._outlet = Outlet(self._poller, descriptor, self._flush)
        self._flush()

    def _runner_owns(self) -> None:
        """Give the pipe to whoever reads it; only the runner may."""
        script = self.config.script
        if script is not None or self._runner.has_user:
            self._runner.own(self.config.path, script)

    def _fail(self, problem: str) -> None:
        self._shut()
        if self._problem != problem:
            self._problem = problem
            log.warning("%s; its lines wait", problem)
        self._alarms.set(f"fifo {self.config.path}", time.monotonic() + _RETRY, self._open)

    def _shut(self) -> None:
        self._alarms.clear(f"fifo {self.config.path}")
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # ---- its program

    def _start_reader(self) -> None:
        script = self.config.script
        if script is None or self._closing:
            return
        # the path of the pipe is its last argument (keepalived.conf(5), notify_fifo_script)
        program = msgspec.structs.replace(script, arguments=(*script.arguments, self.config.path))
        self._reader_since = time.monotonic()
        self._reader = self._runner.run(program, ended=self._reader_ended)

    def _reader_ended(self, ended: Ended) -> None:
        if ended.id != self._reader:
            return
        self._reader = None
        if self._closing:
            return
        now = time.monotonic()
        if now - self._reader_since >= _STEADY:
            self._restart = _RESTART
        log.warning(
            "the program that reads %s ended (%s); it is started again in %g s",
            self.config.path,
            ended.cause,
            self._restart,
        )
        self._alarms.set(f"fifo reader {self.config.path}", now + self._restart, self._start_reader)
        self._restart = min(2 * self._restart, _LONGEST_RESTART)

    def hang_up(self) -> None:
        """Write no more: its program reads what is left and then sees the end."""
        self._closing = True
        self._alarms.clear(f"fifo reader {self.config.path}")
        self._shut()

    @property
    def read(self) -> bool:
        """True while its program runs."""
        return self._reader is not None

    def close(self) -> None:
        """End its program too."""
        self.hang_up()
        if self._reader is not None:
            self._runner.end(self._reader)
            self._reader = None


def _unread(descriptor: int) -> int:
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
    return count[0]
