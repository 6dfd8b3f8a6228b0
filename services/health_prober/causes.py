"""Why a verdict is what it is, in words; and which errors are no verdict, since they happened here."""

from __future__ import annotations

import errno
import os

from vipbus.telemetry.logs import plain

LOCAL = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EAGAIN,
        errno.EPERM,
        errno.EACCES,
        errno.EAFNOSUPPORT,
    }
)
"""Errors of connect(2) and socket(2) that tell of this host and not of the target: descriptors, memory,
local ports, a local firewall, a family that the kernel lacks."""

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    # whoever does something next to a connection that was reset hears only this
    errno.EPIPE: "connection reset",
    errno.ENOTCONN: "connection reset",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ETIMEDOUT: "timed out",
}
_REMEDIES = {
    errno.EMFILE: "raise LimitNOFILE",
    errno.ENFILE: "raise the sysctl fs.file-max",
    errno.EADDRNOTAVAIL: "widen the sysctl net.ipv4.ip_local_port_range, or give this host an address",
    errno.EPERM: "let the local firewall pass what the prober sends",
    errno.EACCES: "look for a prohibit route, or a policy that denies connect",
    errno.EAFNOSUPPORT: "enable the address family in the kernel",
}

_QUOTED = 80
"""Characters of what a server sent, or of what was asked of it, that a cause has room for."""


def answered(seconds: float) -> str:
    """Say that a target answered, and how fast."""
    return f"answered in {seconds * 1000:.1f} ms"


def timed_out(seconds: float) -> str:
    """Say that nothing came in time."""
    return f"timed out after {seconds:g} s"


def failed(number: int) -> str:
    """Say what an errno from the target means."""
    return _WORDS.get(number) or os.strerror(number).lower()


def quoted(text: str) -> str:
    """Cut a text to what a cause has room for, in printable characters."""
    return plain(text[:_QUOTED])


def local_trouble(number: int) -> str:
    """Say why no probe can be made here and what to do, for the operator of this host."""
    remedy = _REMEDIES.get(number, "free memory or probe less")
    trouble = os.strerror(number).lower()
    return f"probes cannot be made ({trouble}) and verdicts stay as they are; to mend it: {remedy}"
