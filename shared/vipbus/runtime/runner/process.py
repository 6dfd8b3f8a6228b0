"""The runner's loop: starts programs, ends those that are overdue, and ends with its agent."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import time

import msgspec

from vipbus.runtime.runner import spawn
from vipbus.runtime.runner.messages import End, Ended, Leave, Order, Overdue, Own, Ready, Run, Trouble, Word

GRACE = 1.0
"""Seconds from SIGTERM to SIGKILL."""
LAST_WORDS = 2.0
"""Seconds that notifications have to end after an agent that died."""
LONGEST = 10.0
"""Seconds after which the runner ends whatever is left: a process in the kernel's hands cannot be killed."""
LARGEST = 1 << 18
"""Bytes of a message; a socket does not take more by default (socket(7), wmem_max)."""
_PR_SET_CHILD_SUBREAPER = 36
_decoder: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)


class _Running:
    def __init__(self, run: Run, child: spawn.Child, now: float) -> None:
        self.run = run
        self.child = child
        self.overdue_at = now + run.timeout if run.timeout else None
        self.kill_at: float | None = None
        self.timed_out = False
        self.ending = False

    def next(self) -> float | None:
        """Give when something is to be done about it, in seconds of the monotonic clock."""
        return self.kill_at if self.ending else self.overdue_at


class Runner:
    """Everything that runs now; `serve` is the whole life of the process."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._agent.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(agent, select.EPOLLIN)
        self._children = _adopt()
        self._epoll.register(self._children, select.EPOLLIN)
        self._running: dict[int, _Running] = {}
        """By the descriptor of the process."""
        self._left = False
        self._alone_at: float | None = None
        """Since when there is no agent; None: it is there."""

    def serve(self) -> None:
        """Work until the agent is gone and everything that must go with it too."""
        self._tell(Ready())
        while self._alone_at is None or (self._running and time.monotonic() < self._alone_at + LONGEST):
            for descriptor, _ in self._epoll.poll(self._wait()):
                if descriptor == self._agent.fileno():
                    self._orders()
                elif descriptor == self._children:
                    self._reap()
                elif descriptor in self._running:
                    self._ended(self._running[descriptor])
            self._expire(time.monotonic())

    def _wait(self) -> float | None:
        times = [at for each in self._running.values() if (at := each.next()) is not None]
        if self._alone_at is not None:
            times.append(self._alone_at + LONGEST)
        return max(0.0, min(times) - time.monotonic()) if times else None

    # ---- the agent

    def _orders(self) -> None:
        while self._alone_at is None:
            try:
                data = self._agent.recv(LARGEST)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # it left words of ours unread; its last orders still stand in the queue (unix(7))
            except OSError:
                data = b""
            if not data:
                self._alone()
                return
            self._take(_decoder.decode(data))

    def _take(self, order: Order) -> None:
        match order:
            case Run():
                self._run(order)
            case End(id):
                for running in list(self._running.values()):
                    if running.run.id == id:
                        self._end(running)
            case Own():
                if problem := spawn.own(order.path, order.user, order.group):
                    self._tell(Trouble(problem))
            case Leave():
                self._left = True

    def _run(self, run: Run) -> None:
        try:
            child = spawn.start(run)
        except OSError as error:
            words = f"no other process can be made: {os.strerror(error.errno or 0)}"
            self._tell(Ended(id=run.id, cause=words, ran=False, lost=True))
            return
        self._running[child.descriptor] = _Running(run, child, time.monotonic())
        self._epoll.register(child.descriptor, select.EPOLLIN)

    def _tell(self, word: Word) -> None:
        if self._alone_at is not None:
            return
        # an agent that does not read is waited for: the next thing it would miss is more of the same
        self._agent.setblocking(True)
        # when it is gone its last orders are still to be read: the end of the file says that they were
        with contextlib.suppress(OSError):
            self._agent.send(msgspec.msgpack.encode(word))
        self._agent.setblocking(False)

    def _alone(self) -> None:
        """Go with the agent: what is only of use to it at once, notifications a little later."""
        if self._alone_at is not None:
            return
        now = self._alone_at = time.monotonic()
        self._epoll.unregister(self._agent)
        for running in list(self._running.values()):
            if not running.run.outlives:
                self._end(running)
            elif self._left:
                self._forget(running)
            else:
                running.overdue_at = now + LAST_WORDS

    # ---- programs

    def _expire(self, now: float) -> None:
        for running in list(self._running.values()):
            at = running.next()
            if at is None or at > now:
                continue
            if running.ending:
                running.child.signal_group(signal.SIGKILL)
                running.kill_at = None
                self._ended(running)
            else:
                running.timed_out = True
                self._tell(Overdue(running.run.id))
                self._end(running)

    def _end(self, running: _Running) -> None:
        if not running.ending:
            running.ending = True
            running.kill_at = time.monotonic() + GRACE
            running.child.signal_group(signal.SIGTERM)

    def _ended(self, running: _Running) -> None:
        """Take the end of a program, and with an ordered end that of everybody in its group."""
        child = running.child
        if os.waitid(os.P_PIDFD, child.descriptor, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        if running.ending or running.run.whole:
            # only while it is not reaped its group's number is no one else's
            child.signal_group(signal.SIGKILL)
        self._forget(running)
        problem = child.problem()
        status = child.reap()
        self._tell(
            Ended(
                id=running.run.id,
                cause=problem or _words(status, running),
                status=None if problem or status < 0 else status,
                ran=not problem,
                timed_out=running.timed_out,
            )
        )

    def _reap(self) -> None:
        """Reap what programs left behind when they ended; their own end is told by their descriptors."""
        os.read(self._children, LARGEST)
        by_pid = {running.child.pid: running for running in self._running.values()}
        while (pid := _ended_child()) is not None:
            if (running := by_pid.pop(pid, None)) is not None:
                self._ended(running)
            else:
                os.waitpid(pid, 0)

    def _forget(self, running: _Running) -> None:
        del self._running[running.child.descriptor]
        self._epoll.unregister(running.child.descriptor)


def _adopt() -> int:
    """Become the parent of what programs leave behind; give what is readable when a child has ended.

    In a container the first process is the agent, and it would have to reap them (prctl(2)).
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # whatever was ignored before the exec
    return readable


def _ended_child() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


def _words(status: int, running: _Running) -> str:
    if running.timed_out:
        return f"not done in {running.run.timeout:g} s"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"  # a real-time signal has no name


def main() -> int:
    """Be the runner of the agent at the other end of standard input."""
    agent = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # whoever signals a whole group (a terminal, systemd) stops the agent, and this ends with it
        signal.signal(number, signal.SIG_IGN)
    _be_ordinary()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of objects
    Runner(agent).serve()
    return 0


def _be_ordinary() -> None:
    """Pass nothing of the agent's haste on to programs; locked memory ends with an exec (mlockall(2))."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
