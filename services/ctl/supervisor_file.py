"""What the supervisor leaves in the state directory for ``vipbus status``: readable when the bus is not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from vipbus.runtime.files import write_atomically

FILE_NAME = "supervisor.json"


class ChildState(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a router, as its supervisor sees it."""

    name: str
    pid: int | None
    """None while it does not run."""
    since: datetime
    """When it was started, or when it ended."""
    restarts: int = 0
    reason: str = ""
    """How it ended last."""
    problem: str = ""
    """Why it does not run; empty while it does."""


class SupervisorState(msgspec.Struct, frozen=True, kw_only=True):
    """One ``vipbus run``."""

    pid: int
    router: str
    file: str
    bus: str
    """The URL without its secrets."""
    started: datetime
    children: tuple[ChildState, ...] = ()

    @property
    def runs(self) -> bool:
        """True while a process with the supervisor's number runs; a file may outlive a kill -9."""
        return process_runs(self.pid)


def process_runs(pid: int | None) -> bool:
    """Say whether a process runs; one that ended and waits for its parent does not (proc_pid_stat(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][:1] not in ("Z", "X")


def write(state_dir: Path, state: SupervisorState) -> None:
    """Write the file.

    Raises:
        OSError: the directory is full or gone.
    """
    write_atomically(state_dir / FILE_NAME, msgspec.json.encode(state))


def remove(state_dir: Path) -> None:
    """Remove the file at a clean end."""
    (state_dir / FILE_NAME).unlink(missing_ok=True)


def read(state_dir: Path) -> SupervisorState | None:
    """Read the file; None when there is none that can be read."""
    try:
        return msgspec.json.decode((state_dir / FILE_NAME).read_bytes(), type=SupervisorState)
    except (OSError, msgspec.MsgspecError):
        return None
