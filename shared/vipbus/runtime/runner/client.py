"""A service's side of the runner: started when the first program is wanted, and again when it died."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from vipbus.contracts import Program
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.outlet import Outlet
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.messages import End, Ended, Leave, Order, Overdue, Own, Run, Trouble, Word

log = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds between two starts of a runner that keeps dying."""
_LAST_ORDERS = 1.0
"""Seconds that a runner has at least to take the last orders."""
_LARGEST = 1 << 18
DIED = "the runner died"
"""Cause of what was running when it did: nothing is known of how those programs ended."""
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


class ScriptSettings(Protocol):
    """What a configuration says of every program; `VrrpSettings` and `IpvsSettings` do."""

    @property
    def script_user(self) -> str | None:
        """Who programs run as that name nobody."""

    @property
    def script_group(self) -> str | None:
        """Their group; None: the user's own."""

    @property
    def script_security(self) -> bool:
        """True: a program that others than root could change is not run by root."""


class _Waiting(msgspec.Struct):
    ended: Callable[[Ended], None]
    overdue: Callable[[], None]


class Runner:
    """Runs programs in another process; for one thread, whose poller and alarms it uses."""

    def __init__(self, poller: Poller, alarms: Alarms) -> None:
        self._poller = poller
        self._alarms = alarms
        self._settings: ScriptSettings | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._outlet: Outlet | None = None
        self._started_at = float("-inf")
        self._orders: deque[bytes] = deque()
        """What it has not been told yet."""
        self._waiting: dict[int, _Waiting] = {}
        self._last = 0

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def has_user(self) -> bool:
        """True when the configuration says who programs run as."""
        return self._settings is not None and self._settings.script_user is not None

    def configure(self, settings: ScriptSettings) -> None:
        """Say who programs run as, and how careful it is with them."""
        self._settings = settings

    def run(
        self,
        program: Program,
        *,
        ended: Callable[[Ended], None],
        overdue: Callable[[], None] = lambda: None,
        timeout: float = 0.0,
        outlives: bool = False,
    ) -> int:
        """Run a program; give the number that `end` takes.

        ``overdue`` is called when its ``timeout`` (seconds; 0: none) is over, ``ended`` when it is gone,
        always later than this returns. ``outlives``: it may finish after the service.
        """
        settings = self._settings
        user, group = program.user, program.group
        if user is None and settings is not None:
            user, group = settings.script_user, group or settings.script_group
        self._last += 1
        run = Run(
            id=self._last,
            arguments=program.arguments,
            user=user,
            group=group,
            timeout=timeout,
            secure=settings is not None and settings.script_security,
            outlives=outlives,
        )
        self._waiting[run.id] = _Waiting(ended, overdue)
        self._tell(run)
        return run.id

    def end(self, number: int) -> None:
        """End a run; its ``ended`` is called when it is gone."""
        if number in self._waiting:
            self._tell(End(number))

    def own(self, path: str, program: Program | None) -> None:
        """Give a file to the user that a program runs as (None: as any); before the program is run."""
        user = program.user if program is not None else None
        group = program.group if program is not None else None
        if user is None and self._settings is not None:
            user, group = self._settings.script_user, group or self._settings.script_group
        self._tell(Own(path=path, user=user, group=group))

    def close(self, within: float = 0.0) -> None:
        """Let it go: what may outlive the service finishes by itself, the rest is ended.

        ``within``: seconds to wait for that; a program may take one that ends only when it is killed.
        """
        self._alarms.clear("runner")
        self._waiting.clear()
        if self._socket is None or self._process is None:
            return
        self._orders.append(msgspec.msgpack.encode(Leave()))
        self._flush_to_the_end(self._socket, time.monotonic() + max(within, _LAST_ORDERS))
        self._hang_up()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.returncode = 0  # it ends by itself: nobody is to be warned of it
        self._process = None

    # ---- the process

    def _tell(self, order: Order) -> None:
        self._orders.append(msgspec.msgpack.encode(order))
        if self._socket is not None:
            self._flush()
            return
        now = time.monotonic()
        self._alarms.set("runner", max(now, self._started_at + _PAUSE), self._start)

    def _start(self) -> None:
        """Start the process; this thread is an ordinary one, so that it is too."""
        self._started_at = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "vipbus.runtime.runner"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            log.warning("no program can be run: %s: %s", sys.executable, error.strerror)
            self._lost(f"no process for it: {error.strerror}")
            return
        ours.setblocking(False)
        self._socket = ours
        self._poller.add(ours.fileno(), self._heard)
        self._outlet = Outlet(self._poller, ours.fileno(), self._flush)
        self._flush()

    def _flush(self) -> None:
        """Tell what waits, as far as the socket takes it."""
        while self._orders and self._socket is not None:
            try:
                self._socket.send(self._orders[0])
            except BlockingIOError:
                break
            except OSError as error:
                if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                    return  # the end of the file is heard next
                self._refuse(self._orders.popleft(), os.strerror(error.errno or 0))
            else:
                self._orders.popleft()
        if self._outlet is not None:
            self._outlet.wait(wanted=bool(self._orders))

    def _flush_to_the_end(self, runner: socket.socket, end: float) -> None:
        """Tell all that waits; a socket holds ten packets (net.unix.max_dgram_qlen), so both sides read."""
        either = select.poll()
        either.register(runner, select.POLLIN | select.POLLOUT)
        while self._orders and (left := end - time.monotonic()) > 0:
            either.poll(left * 1000)
            with contextlib.suppress(BlockingIOError):
                if not runner.recv(_LARGEST):  # what it says is nobody's business any more
                    return
            self._flush()

    def _refuse(self, data: bytes, why: str) -> None:
        """Answer for a runner that cannot be told: a command line that no packet holds."""
        order = msgspec.msgpack.decode(data, type=Run | End | Own | Leave)
        if isinstance(order, Run):
            self._alarms.set(
                f"refused {order.id}",
                time.monotonic(),
                lambda: self._take(Ended(id=order.id, cause=f"it cannot be run: {why}", ran=False)),
            )

    def _heard(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._died()
                return
            self._take(_decoder.decode(data))

    def _take(self, word: Word) -> None:
        match word:
            case Overdue(id):
                if id in self._waiting:
                    self._waiting[id].overdue()
            case Ended(id=id):
                if (waiting := self._waiting.pop(id, None)) is not None:
                    waiting.ended(word)
            case Trouble(text):
                log.warning("%s", text)

    def _died(self) -> None:
        assert self._process is not None  # noqa: S101  # there was a socket
        self._hang_up()
        self._process.kill()  # it may only have closed its end
        status = self._process.wait()
        self._process = None
        log.warning("the process that runs programs ended (%s); it is started again", status)
        self._lost(DIED)

    def _hang_up(self) -> None:
        assert self._socket is not None  # noqa: S101  # called with one
        assert self._outlet is not None  # noqa: S101  # made with the socket
        self._outlet.close()
        self._poller.remove(self._socket.fileno())
        self._socket.close()
        self._socket = self._outlet = None

    def _lost(self, cause: str) -> None:
        """Report everything that was running or about to as ended."""
        self._orders.clear()
        waiting, self._waiting = self._waiting, {}
        for number, each in waiting.items():
            each.ended(Ended(id=number, cause=cause, ran=False, lost=True))
