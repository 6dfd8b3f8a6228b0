"""Runs the processes of a router: starts them, starts a dead one again, stops them in order.

One thread, no bus, no event loop: what restarts everything else must have little that can break. Signals are
blocked and read one at a time, so nothing here is ever interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from ctl.children import CONFIG_SERVICE, Child
from ctl.forks import Fork, Forks, Program
from ctl.supervisor_file import ChildState
from vipbus.runtime import service_manager
from vipbus.runtime.privileges import Capability, before_exec
from vipbus.runtime.supervision import RESTARTED, Ending, History, decide, ending

log = logging.getLogger(__name__)

_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _STOP | {signal.SIGCHLD, signal.SIGHUP}
_NOT_FOR_CHILDREN = frozenset({RESTARTED, "VIPBUS_BUS", "VIPBUS_LISTEN"}) | service_manager.VARIABLES
_FOREVER = 3600.0
_NOT_STARTED = Ending(status=127)
"""As a shell says it when a program cannot be started."""


Process = subprocess.Popen[bytes] | Fork


@dataclass
class _Running:
    child: Child
    history: History = field(default_factory=History)
    process: Process | None = None
    due: float | None = None
    """When it is started again, on the monotonic clock."""
    end: Ending | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    problem: str = ""


class Supervisor:
    """The children of one run.

    ``held`` are descriptors that every child inherits, ``extra`` capabilities that every child keeps.
    ``on_change`` is called after each start and each death. Blocks the signals it reads, for good.
    """

    def __init__(
        self,
        *,
        held: Iterable[int] = (),
        extra: Iterable[Capability] = (),
        environ: Mapping[str, str] = os.environ,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_change = on_change
        self.forks: Forks | None = None
        """What services are forked from; None: each is an interpreter of its own."""
        self._held = tuple(held)
        self._extra = tuple(extra)
        # the state directory tells the children of the bus: a URL with a password stays out of sight
        self._environ = {name: value for name, value in environ.items() if name not in _NOT_FOR_CHILDREN}
        self._manager = service_manager.ServiceManager(environ)
        self._children: dict[str, _Running] = {}
        self._stopping = False
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # one that was ignored by our parent would never come
        self._mask_before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    # ---- start

    def start(self, child: Child) -> None:
        """Start a child and watch over it from now on."""
        running = self._children[child.name] = _Running(child)
        self._launch(running)

    def replace(self, child: Child) -> None:
        """From its next start on, start a child in this way."""
        self._children[child.name].child = child

    def _begin(self, child: Child, environment: Mapping[str, str], output: int | None) -> Process:
        """Start a process with a child's privileges.

        Raises:
            OSError: it could not be started.
        """
        module = child.module
        forks = self.forks if module is not None and self.forks is not None and self.forks.current else None
        become = before_exec(
            (*child.capabilities, *self._extra),
            parent=os.getpid(),
            signal_mask=self._mask_before,
            on_parent_death=child.on_parent_death,
            execs=forks is None,
        )
        environment = {**self._environ, **dict(child.environment), **environment}
        kept = (*self._held, *child.descriptors)
        # a process group of its own: Ctrl-C is for the supervisor, which stops them in order
        if forks is not None and module is not None:
            program = Program(child.name, child.command, module, child.arguments, environment)
            return forks.start(program, become=become, keep=kept, output=output)
        return subprocess.Popen(  # noqa: S603  # our own modules and nats-server
            child.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=kept,
            process_group=0,
            preexec_fn=become,  # noqa: PLW1509  # this process has one thread
        )

    def _launch(self, running: _Running) -> None:
        child, environment = running.child, {}
        if running.end is not None:
            environment[RESTARTED] = f"{running.history.restarts} {running.end}"
        running.since, running.due, running.problem = datetime.now(UTC), None, ""
        running.history = msgspec.structs.replace(running.history, started=time.monotonic())
        try:
            with contextlib.ExitStack() as stack:
                output = None
                if child.log_file is not None:
                    output = stack.enter_context(child.log_file.open("ab")).fileno()
                running.process = self._begin(child, environment, output)
        except (OSError, subprocess.SubprocessError) as error:
            log.error("%s could not be started: %s", child.name, error)  # noqa: TRY400  # one line says it
            self._died(running, _NOT_STARTED)
        self.on_change()

    # ---- watch

    def run(self) -> None:
        """Watch over the children until SIGTERM or SIGINT comes."""
        self._manager.ready()
        while True:
            self._manager.beat()
            self._reap()
            for running in self._children.values():
                if running.due is not None and running.due <= time.monotonic():
                    self._launch(running)
            if self._next_signal(self._until_due()) in _STOP:
                return

    def pause(self, seconds: float) -> bool:
        """Wait; False when told to stop meanwhile."""
        return self._next_signal(seconds) not in _STOP

    def ended(self, name: str) -> Ending | None:
        """Say how a child ended that does not run now; None while it runs."""
        running = self._children[name]
        if running.process is None:
            return running.end
        returncode = running.process.poll()
        return None if returncode is None else ending(returncode)

    @property
    def states(self) -> tuple[ChildState, ...]:
        """Every child as it is now."""
        return tuple(
            ChildState(
                name=name,
                pid=running.process.pid if running.process is not None else None,
                since=running.since,
                restarts=running.history.restarts,
                reason=str(running.end) if running.end is not None else "",
                problem=running.problem,
            )
            for name, running in self._children.items()
        )

    def _until_due(self) -> float:
        due = [running.due for running in self._children.values() if running.due is not None]
        longest = self._manager.beat_every or _FOREVER
        return min(longest, max(0.0, min(due) - time.monotonic())) if due else longest

    def _next_signal(self, timeout: float) -> int | None:
        found = signal.sigtimedwait(_SIGNALS, timeout)
        if found is None:
            return None
        if found.si_signo == signal.SIGHUP and not self._stopping:
            self._reload()
        return found.si_signo

    def _reload(self) -> None:
        """Let config-service read its file again, and whoever waits for a change try at once."""
        log.info("SIGHUP: reading the configuration again")
        for running in self._children.values():
            if running.child.name == CONFIG_SERVICE and running.process is not None:
                running.process.send_signal(signal.SIGHUP)
            if running.due is not None:
                running.due = time.monotonic()

    def _reap(self) -> None:
        for running in self._children.values():
            if running.process is not None and (returncode := running.process.poll()) is not None:
                self._died(running, ending(returncode))
                self.on_change()
        self._reap_strangers()

    def _died(self, running: _Running, end: Ending) -> None:
        now = time.monotonic()
        running.process, running.end, running.since = None, end, datetime.now(UTC)
        running.history, restart = decide(running.history, end, now)
        running.due, running.problem = now + restart.after, restart.problem
        name = running.child.name
        if restart.problem:
            log.error("%s: %s", name, restart.problem)
        else:
            log.warning("%s: %s; starting it again", name, end)

    def _reap_strangers(self) -> None:
        """Reap what was left to this process as the first one of a container."""
        own = {running.process.pid for running in self._children.values() if running.process is not None}
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in own:
                    return  # it ended just now; its own SIGCHLD is waiting
                os.waitpid(found.si_pid, 0)

    # ---- stop

    def stop(self, order: Iterable[str]) -> None:
        """Stop the children one after another, each with its own deadline; further signals change nothing."""
        self._stopping = True
        self._manager.stopping()
        for name in order:
            running = self._children.get(name)
            if running is None or running.process is None:
                continue
            process, child = running.process, running.child
            process.terminate()
            deadline = time.monotonic() + child.stop_within
            while process.poll() is None and (remaining := deadline - time.monotonic()) > 0:
                self._next_signal(remaining)
            if process.poll() is None:
                log.warning("%s did not end within %.0f s and is killed", name, child.stop_within)
                process.kill()
                process.wait()
            running.process = None
