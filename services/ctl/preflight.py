"""What must be so before a router starts; each thing that is not is one line with what to do."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from pathlib import Path

from ctl import supervisor_file
from vipbus.runtime.privileges import Capability, missing

log = logging.getLogger(__name__)

LOCK_FILE = "run.lock"
_NEEDED = (Capability.NET_ADMIN, Capability.NET_RAW)
_WAIT_FOR_ORPHANS = 10.0
"""Seconds that the processes of a killed supervisor may take to end."""


class NotReadyToRunError(Exception):
    """The start is refused: what is wrong and what to do."""


def privileges(held: frozenset[int] | None = None) -> str:
    """Say which capabilities are missing, in one line; empty when none is."""
    lacks = missing(_NEEDED, held)
    if not lacks:
        return ""
    names = " and ".join(map(str, lacks))
    return f"{names} missing: run as root, or give this process {names} (AmbientCapabilities=, --cap-add)"


def port(number: int) -> str:
    """Say that the embedded bus's port is taken, in one line; empty when it is free."""
    with socket.socket() as probe:
        # as the server itself does; connections of the run before in TIME_WAIT are no obstacle
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            if isinstance(error, PermissionError):
                return f"127.0.0.1:{number} may not be used ({error.strerror}); choose another --bus-port N"
            return f"127.0.0.1:{number} is in use; stop what holds it, or choose --bus-port N or --bus URL"
    return ""


def claim(state_dir: Path, wait: float = _WAIT_FOR_ORPHANS) -> int:
    """Make the state directory and lock it for this run; return the lock's descriptor, to be kept open.

    The children share the lock, so a directory is free only when the last process of a run has ended: two
    vrrp-agents of one router must never meet. Those of a supervisor that was killed get ``wait`` seconds.

    Raises:
        NotReadyToRunError: it cannot be made or written, or another run holds it.
    """
    lock = state_dir / LOCK_FILE
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotReadyToRunError(
            f"state directory {state_dir} cannot be used ({error.strerror}): {error.filename}; "
            "make it writable or choose another --state-dir"
        ) from None
    deadline = time.monotonic() + wait
    said = False
    while not _locked(descriptor):
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        if holder.isdigit() and supervisor_file.process_runs(int(holder)):
            os.close(descriptor)
            raise NotReadyToRunError(
                f"state directory {state_dir} is in use by `vipbus run` with pid {holder}; "
                "stop it or choose another --state-dir"
            )
        if time.monotonic() >= deadline:
            os.close(descriptor)
            raise NotReadyToRunError(
                f"state directory {state_dir} is in use by what a killed `vipbus run` left: "
                f"{_left_over(state_dir)}; end that, or choose another --state-dir"
            )
        if not said:
            said = True
            log.info("waiting for the processes of the run before (pid %s) to end", holder)
        time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _left_over(state_dir: Path) -> str:
    state = supervisor_file.read(state_dir)
    children = state.children if state else ()
    left = [
        f"{child.name} (pid {child.pid})" for child in children if supervisor_file.process_runs(child.pid)
    ]
    return ", ".join(left) or "unknown processes"
