"""The prober's side of `vipbus.runtime.runner`: programs are run by another process, waited for on asyncio.

A fork copies the page tables of the process that forks and holds up all of its threads meanwhile, the one
with the probes among them; the runner is small, and alone holds what it takes to become another user.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from weakref import WeakKeyDictionary, proxy

import msgspec

from vipbus.contracts import Program
from vipbus.runtime.runner.messages import End, Ended, Order, Ready, Run, Word

log = logging.getLogger(__name__)

DIED = "the process that runs programs ended; it is started again"
"""Cause of what was running when it did: nothing is known of how those programs ended."""
_PAUSE = 1.0
"""Seconds between two starts of a runner that keeps dying."""
_LARGEST = 1 << 18
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Programs] = WeakKeyDictionary()


class NotRunError(Exception):
    """A program was not run; the text says why, and nothing is known of what it would have said."""


def programs() -> Programs:
    """Give the running loop's, made at the first call; `let_go` of it before the loop is closed."""
    loop = asyncio.get_running_loop()
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Programs(loop)
    return found


def let_go(loop: asyncio.AbstractEventLoop) -> None:
    """End a loop's runner and all that it runs; nothing where it has none."""
    if (found := _of_loops.pop(loop, None)) is not None:
        found.close()


class Programs:
    """A runner, started with the first program and again when it died; for one loop.

    It ends with everything it runs when its socket closes, so also with a prober that is killed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = proxy(loop)  # the loop's own entry in the table above must not keep it
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._started_at = float("-inf")
        self._ready = False
        self._orders: deque[bytes] = deque()
        """What it has not been told yet, since it does not read."""
        self._waiting: dict[int, asyncio.Future[Ended]] = {}
        self._last = 0

    @property
    def pid(self) -> int | None:
        """Of the runner; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def run(self, program: Program, *, secure: bool) -> Ended:
        """Run a program to its end, and with it whatever it left in its process group.

        Cancelled, that group gets SIGTERM at once and SIGKILL soon after; that is not waited for.
        ``secure``: a program that others than root could change is not run by root.

        Raises:
            NotRunError: it was not run, or nobody can tell how it ended.
        """
        self._start()
        self._last += 1
        number = self._last
        run = Run(
            id=number,
            arguments=program.arguments,
            user=program.user,
            group=program.group,
            secure=secure,
            whole=True,
            quiet=True,
        )
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._waiting[number] = ended
        self._tell(run)
        try:
            found = await ended
        except asyncio.CancelledError:
            self._tell(End(number))
            if not self._ready:
                raise NotRunError(
                    "the process that runs programs is not there yet: this host is busy"
                ) from None
            raise
        finally:
            del self._waiting[number]
        if not found.ran:
            raise NotRunError(found.cause)
        return found

    def close(self) -> None:
        """Let the runner go: it ends what runs, then itself."""
        if self._socket is not None:
            self._hang_up()
        if self._process is not None:
            self._process.returncode = 0  # it ends by itself: nobody is to be warned of it
            self._process = None
        self._lose("the prober stops")

    # ---- the process

    def _start(self) -> None:
        if self._socket is not None:
            return
        now = time.monotonic()
        if now < self._started_at + _PAUSE:
            raise NotRunError(DIED)
        self._started_at = now
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
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
            raise NotRunError(f"no program can be run: {sys.executable}: {error.strerror}") from None
        self._socket = ours
        self._ready = False
        self._loop.add_reader(ours.fileno(), self._heard)

    def _tell(self, order: Order) -> None:
        if self._socket is None:
            return
        self._orders.append(msgspec.msgpack.encode(order))
        if len(self._orders) == 1:
            self._flush()

    def _flush(self) -> None:
        opened = self._socket
        if opened is None:
            return
        while self._orders:
            try:
                opened.send(self._orders[0])
            except BlockingIOError:
                self._loop.add_writer(opened.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                break  # the end of the file is heard next
            except OSError as error:  # a command line that no packet holds
                self._refuse(self._orders[0], os.strerror(error.errno or 0).lower())
            self._orders.popleft()
        self._loop.remove_writer(opened.fileno())

    def _refuse(self, data: bytes, why: str) -> None:
        order = msgspec.msgpack.decode(data, type=Run | End)
        if isinstance(order, Run):
            self._ended(Ended(id=order.id, cause=f"it cannot be run: {why}", ran=False))

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
            word = _decoder.decode(data)
            if isinstance(word, Ended):
                self._ended(word)
            elif isinstance(word, Ready):
                self._ready = True

    def _ended(self, word: Ended) -> None:
        waiting = self._waiting.get(word.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(word)

    def _died(self) -> None:
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it may only have closed its end
            log.warning("the process that runs programs ended (%s); it is started again", process.wait())
        self._lose(DIED)

    def _hang_up(self) -> None:
        assert self._socket is not None  # noqa: S101  # called with one
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._orders.clear()

    def _lose(self, cause: str) -> None:
        for number in list(self._waiting):
            self._ended(Ended(id=number, cause=cause, ran=False))
