"""Processes as /proc shows them (proc(5)); those that have ended and wait to be reaped are none."""

from __future__ import annotations

import os
from pathlib import Path

_COMMAND = 1 << 17
"""Bytes of a command line that are read."""


def pids() -> list[int]:
    """List the processes that there are now."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208  # names alone
    except OSError:
        return []


def name(pid: int) -> str | None:
    """Give a process's name, as the kernel keeps it; None: it has ended."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # the name may hold brackets and spaces; the state is what follows its last bracket
    head, bracket, rest = line.rpartition(b")")
    if not bracket or rest[1:2] in (b"Z", b"X", b""):
        return None
    return os.fsdecode(head.partition(b"(")[2])


def command(pid: int) -> tuple[str, ...]:
    """Give a process's command line; empty where it has none or has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  # read up to a limit
            content = file.read(_COMMAND)
    except OSError:
        return ()
    if not content:
        return ()
    return tuple(os.fsdecode(part) for part in content.removesuffix(b"\0").split(b"\0"))
