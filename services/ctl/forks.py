"""Starts a service as a fork of this process, which has imported already what every service imports.

Five interpreters that each import the same are much of a start, and each holds its own copy. Only what is
shared is imported here: a service brings its own package. Of the bus this process has the code alone; it
opens no connection, and it still has one thread.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

import vipbus

_SHARED: Final = (
    "vipbus.bus",
    "vipbus.runtime.endpoint",
    "vipbus.runtime.life",
    "vipbus.runtime.operators",
    "vipbus.runtime.options",
    "vipbus.runtime.revision",
    "vipbus.telemetry.metrics",
    "vipbus.telemetry.trace",
    # what those import only when it is needed, and every service needs
    "http.server",
)
_FAILED: Final = 1
"""The exit status of a program that ends by an exception."""


class Program(msgspec.Struct, frozen=True):
    """What a fork runs: a module, as ``python -m`` would."""

    name: str
    """Of the service; its first 15 characters are what ``ps -e`` shows."""
    command: Sequence[str]
    """That would start it anew; its command line shows as much of that as has room."""
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


class Fork:
    """A forked child: as much of `subprocess.Popen` as a supervisor needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._returncode: int | None = None

    def poll(self) -> int | None:
        """Say how it ended, as `subprocess.Popen.returncode` does; None while it runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end."""
        returncode = self._wait(0)
        assert returncode is not None  # noqa: S101  # without WNOHANG it waits
        return returncode

    def _wait(self, options: int) -> int | None:
        if self._returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self._returncode = os.waitstatus_to_exitcode(status)
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it was seen to end."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """Imports what services share; from then on this process can be forked for one."""

    def __init__(self) -> None:
        if not sys.flags.safe_path and sys.path:
            del sys.path[0]  # the current directory, or the script's: a service is never looked for there
        gc.disable()  # what an import makes stays
        for name in _SHARED:
            importlib.import_module(name)
        self._stamp = _stamp()
        # a collection would touch every object, and each page that is touched is copied
        gc.freeze()
        gc.enable()

    @property
    def current(self) -> bool:
        """False once other code is installed than was imported here: the two must not be mixed."""
        return self._stamp == _stamp()

    def start(
        self, program: Program, *, become: Callable[[], None], keep: Collection[int], output: int | None
    ) -> Fork:
        """Fork; this process must have one thread.

        ``become`` is run first in the child, ``keep`` are the descriptors that it inherits beside the
        standard ones, ``output`` is one for its stdout and stderr.

        Raises:
            OSError: no process can be made.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return Fork(pid)
        # whatever happens, the child must not go on as the supervisor
        status = _FAILED
        try:
            os.setpgid(0, 0)
            become()
            _descriptors(keep, output)
            status = _run(program)
        except BaseException:  # it is said, and it ends here
            traceback.print_exc()
        finally:
            os._exit(status)


def _stamp() -> tuple[int, int] | None:
    """Tell one installation of this distribution from another."""
    try:
        found = Path(vipbus.__file__).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _descriptors(keep: Collection[int], output: int | None) -> None:
    """Have what `subprocess.Popen` would give: nothing to read, and only the descriptors that are kept."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    if output is not None:
        os.dup2(output, 1)
        os.dup2(output, 2)
    for each in keep:
        os.set_inheritable(each, True)
    for each in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if each > 2 and each not in keep:
            with contextlib.suppress(OSError):  # the directory's own
                os.close(each)


def _run(program: Program) -> int:
    """Run the module to its end, and do what an interpreter does at its own; return the exit status."""
    os.environ.clear()
    os.environ.update(program.environment)
    sys.argv = [program.module, *program.arguments]
    _entitle(program)
    status = _FAILED
    try:
        runpy.run_module(program.module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _status(end.code)
    except BaseException:  # as an interpreter says it
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # as multiprocessing ends its forks
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status


def _status(code: object) -> int:
    """Read `SystemExit.code` as an interpreter does."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return _FAILED


def _entitle(program: Program) -> None:
    """Show what runs, as far as the supervisor's own command line has room (proc_pid_cmdline(5))."""
    with contextlib.suppress(OSError, ValueError):
        Path("/proc/self/comm").write_text(program.name)
        # fields 48 and 49 of proc_pid_stat(5): arg_start, arg_end
        start, end = map(int, Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[45:47])
        room = end - start - 1  # the last octet stays NUL, or the environment would be shown, too
        if start > 0 and room > 0:
            words = "\0".join(program.command).encode(errors="surrogateescape")[:room]
            ctypes.memset(start, 0, room)
            ctypes.memmove(start, words, len(words))
