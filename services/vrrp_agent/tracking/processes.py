"""Which processes count for a track_process, and when their number means up or down. No I/O here."""

from __future__ import annotations

import msgspec

from vipbus.contracts import TrackProcess

_COMM = 15
"""Bytes of a name that the kernel keeps (linux/sched.h, TASK_COMM_LEN)."""


def needs_command(process: TrackProcess) -> bool:
    """Say whether the whole command line is compared, not the kernel's name alone."""
    return process.full_command or process.arguments is not None


def matches(process: TrackProcess, name: str, command: tuple[str, ...]) -> bool:
    """Say whether a process is one of those that are tracked.

    Args:
        process: What is looked for.
        name: The kernel's name of the process, /proc/PID/comm.
        command: Its command line; empty where it was not read, or the process has none (a kernel thread).
    """
    program = process.process
    if not needs_command(process):
        return name == _cut(program.rsplit("/", 1)[-1])
    if not command:
        return False
    called = command[0] if "/" in program else command[0].rsplit("/", 1)[-1]
    return called == program and _arguments_match(process, command[1:])


def _cut(name: str) -> str:
    return name.encode(errors="surrogateescape")[:_COMM].decode(errors="surrogateescape")


def _arguments_match(process: TrackProcess, given: tuple[str, ...]) -> bool:
    wanted = process.arguments
    if wanted is None:
        return True
    if process.argument_match == "exact":
        return given == wanted
    if len(given) < len(wanted):
        return False
    if process.argument_match == "partial" or not wanted:
        return given[: len(wanted)] == wanted
    *first, last = wanted
    return given[: len(first)] == tuple(first) and given[len(first)].startswith(last)


class Counted(msgspec.Struct, frozen=True):
    """How many run, and what that counts as."""

    count: int
    up: bool
    turns_at: float | None = None
    """Seconds of the monotonic clock at which it counts as the other; None: it does not."""


def enough(process: TrackProcess, count: int) -> bool:
    """Say whether a number of processes is what is wanted."""
    most = process.quorum_max
    # quorum_max 0: none may run at all, whatever the quorum was left at (keepalived.conf(5))
    least = process.quorum if most is None else min(process.quorum, most)
    return count >= least and (most is None or count <= most)


def counted(process: TrackProcess, state: Counted | None, count: int, now: float) -> Counted:
    """Take a new number of processes; the first one counts at once.

    What processes that came changed waits for ``fork_delay``, what those that went changed for
    ``terminate_delay``: so a quorum_max is not exceeded by a fork that is about to become another program.
    """
    good = enough(process, count)
    if state is None or good == state.up:
        return Counted(count, good)
    wait = process.fork_delay if count > state.count else process.terminate_delay
    if state.turns_at is not None:
        return Counted(count, state.up, state.turns_at)
    return Counted(count, good) if wait <= 0 else Counted(count, state.up, now + wait)


def due(state: Counted, now: float) -> Counted:
    """Let time pass."""
    if state.turns_at is not None and state.turns_at <= now:
        return Counted(state.count, not state.up)
    return state


def cause(process: TrackProcess, count: int) -> str:
    """Say in words how many run and how many should."""
    most = process.quorum_max
    wanted = f"at least {process.quorum}" if most is None else f"{min(process.quorum, most)} to {most}"
    return f"{count} run, wanted {wanted}"
