"""The HAProxy that is ours: started, found again, asked to reload, watched.

It is a master with workers (management.txt, master-worker mode) in a session of its own, and outlives this
process: whoever is started next finds it by its file and goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from haproxy_programmer.log_pipe import opened
from haproxy_programmer.observed import GENERATION, Observed, UnreadableError, generation
from haproxy_programmer.runtime import SilentError, ask, look
from haproxy_programmer.site import Place

log = logging.getLogger(__name__)

_CHECK_WITHIN: Final = 30.0
_RELOAD_WITHIN: Final = 30.0
_ANSWERS_WITHIN: Final = 10.0
_LOOK: Final = 0.004
"""Seconds between two looks at whether a reload is over: each is one short question."""
_FAILED: Final = re.compile(r"\[failed: ([0-9]+)\]|Success=0")
_MASTER: Final = re.compile(r"^([0-9]+)\s+master\s+([0-9]+)", re.MULTILINE)


class NotStartedError(Exception):
    """It cannot be started, or ended at once: why."""


class NotReloadedError(Exception):
    """A reload failed, and the worker of before goes on: why."""


class Process:
    """One HAProxy; ``on_end`` is called when its master has ended."""

    def __init__(self, executable: str, place: Place, on_end: Callable[[], None]) -> None:
        self._executable = executable
        self._place = place
        self._on_end = on_end
        self._child: subprocess.Popen[bytes] | None = None
        self._watched: int | None = None
        self.pid: int | None = None
        """Of the master; None while none runs."""

    async def check(self) -> str:
        """Have the new file checked; return what is wrong with it, empty when nothing is.

        Raises:
            NotStartedError: HAProxy cannot be run.
        """
        try:
            checking = await asyncio.create_subprocess_exec(
                self._executable,
                "-c",
                "-f",
                str(self._place.new),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise NotStartedError(f"{self._executable} cannot be run: {error.strerror}") from None
        try:
            async with asyncio.timeout(_CHECK_WITHIN):
                said, _ = await checking.communicate()
        except TimeoutError:
            checking.kill()
            await checking.wait()
            return f"haproxy -c did not end within {_CHECK_WITHIN:g} s"
        if checking.returncode == 0:
            return ""
        lines = [line for line in said.decode(errors="replace").splitlines() if "[ALERT]" in line]
        return "; ".join(line.partition(" : ")[2] or line for line in lines[:4]) or (
            f"haproxy -c ended with status {checking.returncode}"
        )

    async def find(self) -> bool:
        """Go on with one that runs already; True when there is one."""
        pid = _running(self._place)
        if pid is None:
            return False
        try:
            await ask(self._place.master, "show proc")
        except SilentError:
            return False
        return self._watch(pid)

    def writes_to(self, path: Path) -> bool:
        """Say whether its output goes there; True too where that cannot be seen."""
        try:
            return Path(f"/proc/{self.pid}/fd/1").readlink() == path
        except OSError:
            return True

    def start(self) -> None:
        """Start it from the file.

        Raises:
            NotStartedError: it cannot be run.
        """
        place = self._place
        place.master.unlink(missing_ok=True)
        try:
            with place.log.open("wb") as output, os.fdopen(opened(place.lines), "wb", 0) as lines:
                self._child = subprocess.Popen(  # noqa: S603  # the operator's haproxy
                    [
                        self._executable,
                        "-W",
                        "-db",
                        "-S",
                        f"{place.master},mode,600",
                        "-f",
                        str(place.config),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=lines,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            raise NotStartedError(f"{self._executable} cannot be run: {error.strerror}") from None
        place.pid.write_text(f"{self._child.pid}\n")
        if not self._watch(self._child.pid):
            raise NotStartedError(self.last_words())

    async def reloads(self) -> int:
        """Ask the master how often it has reloaded.

        Raises:
            NotReloadedError: it does not answer.
        """
        try:
            return _master(await ask(self._place.master, "show proc"))
        except SilentError as error:
            raise NotReloadedError(str(error)) from None

    async def reload(self, before: int) -> None:
        """Have a new worker read the file; return once the master says that it did.

        ``before``: what `reloads` said.

        Raises:
            NotReloadedError: the master went on with the worker of before, or does not answer.
        """
        try:
            # from 2.7 on the answer comes at the end and says how it went; before, at once and empty
            said = await ask(self._place.master, "reload")
        except SilentError as error:
            raise NotReloadedError(str(error)) from None
        if _FAILED.search(said):
            raise NotReloadedError(self.last_words())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RELOAD_WITHIN):
                while True:
                    with contextlib.suppress(SilentError):  # its socket is away for some 80 ms
                        told = await ask(self._place.master, "show proc")
                        if _master(told) > before or "Success=1" in said:
                            if (failed := _FAILED.search(told)) and failed[1] != "0":
                                raise NotReloadedError(self.last_words())
                            return
                    await asyncio.sleep(_LOOK)
        raise NotReloadedError(f"HAProxy's master did not reload within {_RELOAD_WITHIN:g} s")

    async def answers(self, digest: str) -> Observed:
        """Wait for a worker of this generation.

        Raises:
            NotStartedError: the process ended.
            SilentError: it does not come.
            UnreadableError: one is there, and what it answers is not understood.
        """
        deadline = time.monotonic() + _ANSWERS_WITHIN
        while True:
            wrong: SilentError | UnreadableError = SilentError("the worker of before still answers")
            try:
                # asked for first: to tell of thousands of servers takes HAProxy many times as long
                if generation(await ask(self._place.socket, GENERATION)) in (digest, ""):
                    found = await look(self._place.socket)
                    if found.generation == digest:
                        return found
            except (SilentError, UnreadableError) as error:
                wrong = error
            if self.pid is None:
                raise NotStartedError(self.last_words())
            if time.monotonic() > deadline:
                raise wrong
            await asyncio.sleep(_LOOK)

    def signal(self, number: signal.Signals) -> None:
        """Send the master a signal; one that has ended gets none."""
        if self._watched is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._watched, number)

    def last_words(self) -> str:
        """Say why it ended, as its log has it."""
        try:
            lines = self._place.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        alerts = [line.partition(" : ")[2] or line for line in lines if "[ALERT]" in line]
        return "; ".join(alerts[-3:]) or (lines[-1] if lines else "HAProxy ended and said nothing")

    def forget(self) -> None:
        """Stop watching; it runs on."""
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            os.close(self._watched)
        self._watched = self.pid = None

    def _watch(self, pid: int) -> bool:
        self.forget()
        try:
            self._watched = os.pidfd_open(pid)
        except OSError:
            return False
        self.pid = pid
        asyncio.get_running_loop().add_reader(self._watched, self._ended)
        return True

    def _ended(self) -> None:
        log.warning("HAProxy's master (process %s) ended", self.pid)
        self.forget()
        if self._child is not None:
            self._child.poll()
            self._child = None
        self._on_end()


def _running(place: Place) -> int | None:
    """Read who the master is; None: nobody, or the number is another process's now."""
    try:
        pid = int(place.pid.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(place.config).encode() in command.split(b"\0") else None


def _master(told: str) -> int:
    """Read how often a master has reloaded; -1: it does not say."""
    found = _MASTER.search(told)
    return int(found[2]) if found is not None else -1


def connections(slots: int) -> int:
    """Say how many connections a process may have: each takes two descriptors, much else takes the rest."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = min(hard if hard != resource.RLIM_INFINITY else 1_000_000, 1_000_000)
    return max(100, (descriptors - 500 - slots) // 3)
