"""Boot the guest, run one command in it, and leave nothing behind."""

from __future__ import annotations

import collections
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.lab.guest import kernel, plan

_POLL = 0.02
"""Seconds between looks at what the command has written."""
_INTERRUPT_GRACE = 20.0
"""Seconds that an interrupted command gets for its own cleaning up."""
EXIT_TIMEOUT = 124
EXIT_NO_STATUS = 125


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: float,
    memory: str,
    taps: Sequence[str] = (),
) -> int:
    """Run a command as root in a guest; return its exit status, 124 when its time was up.

    ``taps`` are tap devices of this machine: the guest has each as an Ethernet device, ``vec0`` the first
    (Documentation/virt/uml/user_mode_linux_howto_v2.rst, "tap transport").

    Raises:
        GuestError: there is no guest to be had.
    """
    pieces = kernel.fetch()
    _remove_leftovers()
    with (
        tempfile.TemporaryDirectory(prefix=f"run-{os.getpid()}-", dir=kernel.cache_directory()) as directory,
        _processor() as processor,
    ):
        the_plan = plan.Plan(
            command=list(command),
            cwd=str(Path.cwd()),
            environment=dict(environment),
            modules=[str(module) for module in pieces.modules],
            visible=[*_needed_directories(), directory],
            directory=directory,
        )
        return _Guest(pieces, the_plan, processor, memory, taps).run(seconds)


class _Guest:
    def __init__(
        self, pieces: kernel.Kernel, the_plan: plan.Plan, processor: int, memory: str, taps: Sequence[str]
    ) -> None:
        self._plan = the_plan
        self._console: collections.deque[bytes] = collections.deque(maxlen=60)
        directory = Path(the_plan.directory)
        plan_file = directory / "plan.json"
        the_plan.save(plan_file)
        for output in (the_plan.stdout, the_plan.stderr):
            output.touch()
        init = directory / "init"
        inside = [sys.executable, "-IS", str(Path(__file__).with_name("inside.py")), str(plan_file)]
        init.write_text(f"#!/bin/sh\nexec {shlex.join(inside)}\n")
        init.chmod(0o755)
        self._process = subprocess.Popen(
            # the kernel is the first process of a process namespace, so that everything of the guest ends
            # with it, and it ends with this process
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]
            + ([] if os.geteuid() == 0 else ["--map-root-user"])
            # held on one processor: a system call costs a fifth of what it does when the guest wanders
            + ["taskset", "-c", str(processor), "env", f"LD_PRELOAD={pieces.shim}", str(pieces.binary)]
            + ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", f"mem={memory}", f"init={init}"]
            + ["con=null", "con0=fd:0,fd:1", f"uml_dir={directory}/", "umid=guest"]
            + [f"vec{number}:transport=tap,ifname={tap}" for number, tap in enumerate(taps)],
            env={"PATH": os.defpath, "HOME": the_plan.directory, "TMPDIR": _memory_directory()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt from the terminal is handed on, not shared
        )
        threading.Thread(target=self._drain, daemon=True).start()

    def run(self, seconds: float) -> int:
        """Copy the command's output through until the guest is off."""
        deadline = time.monotonic() + seconds
        interrupted = False
        with self._plan.stdout.open("rb") as out, self._plan.stderr.open("rb") as err:
            try:
                while self._process.poll() is None:
                    try:
                        _copy(out, sys.stdout.buffer)
                        _copy(err, sys.stderr.buffer)
                        if time.monotonic() > deadline:
                            print(f"guest: ended after {seconds:g} s", file=sys.stderr)
                            return EXIT_TIMEOUT
                        time.sleep(_POLL)
                    except KeyboardInterrupt:
                        if interrupted:
                            return 128 + signal.SIGINT
                        interrupted = True
                        deadline = min(deadline, time.monotonic() + _INTERRUPT_GRACE)
                        self._type(b"\x03")
            finally:
                self._end()
                _copy(out, sys.stdout.buffer)
                _copy(err, sys.stderr.buffer)
        return self._status()

    def _type(self, keys: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(keys)
        self._process.stdin.flush()

    def _drain(self) -> None:
        assert self._process.stdout is not None
        self._console.extend(self._process.stdout)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _status(self) -> int:
        try:
            return int(self._plan.status.read_text())
        except (OSError, ValueError):
            sys.stderr.write("guest: it stopped without an exit status; its console said last:\n")
            sys.stderr.buffer.write(b"".join(self._console))
            return EXIT_NO_STATUS


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while piece := source.read(1 << 16):
        target.write(piece)
        target.flush()


def _remove_leftovers() -> None:
    """Remove the directories of runners that were killed."""
    for left in kernel.cache_directory().glob("run-*"):
        if not Path(f"/proc/{left.name.split('-')[1]}").exists():
            shutil.rmtree(left, ignore_errors=True)


def _needed_directories() -> list[str]:
    """List what the command works with: it must be there even if it stands below /tmp."""
    places = {Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), kernel.cache_directory()}
    return sorted(str(place.resolve()) for place in places)


def _memory_directory() -> str:
    """Choose where the guest's memory is kept: a tmpfs if there is one with room."""
    shared = Path("/dev/shm")
    if shared.is_dir():
        room = os.statvfs(shared)
        if room.f_bavail * room.f_frsize > 1 << 30:
            return str(shared)
    return tempfile.gettempdir()


@contextmanager
def _processor() -> Iterator[int]:
    """Take a processor that no other guest of this user has; when all are taken, share the last."""
    processors = sorted(os.sched_getaffinity(0), reverse=True)
    for processor in processors:
        with (kernel.cache_directory() / f"processor-{processor}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield processor
            return
    yield processors[-1]
