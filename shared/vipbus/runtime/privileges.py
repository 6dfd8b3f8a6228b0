"""What a process may do: capabilities read from the kernel, and given up for a child before its exec.

Numbers from include/uapi/linux/capability.h and include/uapi/linux/prctl.h; the rules of exec are in
capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_LOWER = 3
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


class Capability(IntEnum):
    """The capabilities that some process of a router needs."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    KILL = 5
    SETGID = 6
    SETUID = 7
    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    SYS_MODULE = 16
    SYS_NICE = 23

    def __str__(self) -> str:
        """As capabilities(7) writes it: ``CAP_NET_ADMIN``."""
        return f"CAP_{self.name}"


def effective(status: str | None = None) -> frozenset[int]:
    """Read which capabilities this process has in effect, from the text of ``/proc/self/status``."""
    text = Path("/proc/self/status").read_text() if status is None else status
    for line in text.splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return frozenset(number for number in range(64) if mask >> number & 1)
    return frozenset()


def missing(needed: Iterable[Capability], have: frozenset[int] | None = None) -> tuple[Capability, ...]:
    """Say which of the needed capabilities this process has not got."""
    held = effective() if have is None else have
    return tuple(capability for capability in needed if capability not in held)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def before_exec(
    keep: Iterable[Capability],
    *,
    parent: int,
    signal_mask: Iterable[int],
    on_parent_death: signal.Signals,
    execs: bool = True,
) -> Callable[[], None]:
    """Make what a child runs between fork and exec (subprocess's ``preexec_fn``), or in place of an exec.

    After the exec it holds no capability but ``keep``, cannot gain one, has ``signal_mask`` blocked, and
    gets ``on_parent_death`` when the process ``parent`` dies. A container may lack CAP_SETPCAP; then a
    child of uid 0 keeps what its parent has. One that ``execs`` nothing holds ``keep`` at once, there too.

    Everything it needs is made here, before the fork; inside are system calls alone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    kept = frozenset(int(capability) for capability in keep)
    last = _last_capability()
    gone = [number for number in range(last + 1) if number not in kept]
    mask = tuple(signal_mask)
    fields = ("inheritable",) if execs else ("inheritable", "effective", "permitted")

    def run() -> None:
        # root's capabilities after exec are inheritable | bounding, another user's the ambient ones
        for number in gone:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_LOWER, number, 0, 0)
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        _limit(libc, kept, fields)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # after the capabilities: a change of credentials may clear it (prctl(2), PR_SET_PDEATHSIG)
        libc.prctl(_PR_SET_PDEATHSIG, int(on_parent_death), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it died before the line above
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return run


def end_with_parent(parent: int) -> None:
    """Have this process, a fork of ``parent``, killed when that dies (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before the line above


def lay_aside(capabilities: Iterable[Capability]) -> None:
    """Take capabilities out of effect in this thread and in those that it starts from now on.

    They stay permitted, so that a program which this process execs as root, or with ambient capabilities, has
    them: under no_new_privs an exec gives nothing that was not permitted before (capabilities(7), prctl(2)).
    What the system refuses changes nothing: a process without them needs to lay nothing aside.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(_LINUX_CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)()
    if libc.capget(ctypes.byref(header), data) != 0:
        return
    for capability in capabilities:
        word, bit = divmod(int(capability), 32)
        data[word].effective &= ~(1 << bit)
    libc.capset(ctypes.byref(header), data)


def _limit(libc: ctypes.CDLL, kept: frozenset[int], fields: Iterable[str]) -> None:
    header = _Header(_LINUX_CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)()
    if libc.capget(ctypes.byref(header), data) != 0:
        return
    for word in (0, 1):
        allowed = sum(1 << (number - 32 * word) for number in kept if number // 32 == word)
        for field in fields:
            setattr(data[word], field, getattr(data[word], field) & allowed)
    libc.capset(ctypes.byref(header), data)


def _last_capability() -> int:
    try:
        return int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    except (OSError, ValueError):
        return 40  # Linux 5.9; a number that the kernel does not know is refused without harm
