"""What this host can do with a table: schedulers, own addresses, devices that unpack tunnels.

Asked where a file is read, which is where it is to run as a rule. What cannot be known is None, and then
nobody says a word about it.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from vipbus.runtime.host import ROOT, addresses, modules

_PREFIX: Final = "ip_vs_"
_TUNNELS: Final = {768: ("ipip", 4), 769: ("ipip", 6), 778: ("gre", 4), 823: ("gre", 6)}
"""Kinds of devices that unpack, and the family outside (linux/if_arp.h); gue comes out of those of ipip."""
_UP: Final = 0x1
"""linux/if.h, IFF_UP."""
_GET_FLAGS: Final = 0x8913
_GET_KIND: Final = 0x8927
"""linux/sockios.h, SIOCGIFFLAGS and SIOCGIFHWADDR."""


class Host(Protocol):
    """A host as far as a configuration depends on it."""

    @property
    def schedulers(self) -> Collection[str] | None:
        """Those that its kernel has; None: that cannot be known, or it has no IPVS at all."""

    @property
    def addresses(self) -> Collection[str]:
        """Its own, canonical."""

    @property
    def tunnels(self) -> Collection[tuple[str, int]]:
        """Of devices that are up: type and family outside."""


class ThisHost:
    """The host that this runs on; each thing is asked once, when it is needed."""

    def __init__(self, root: Path = ROOT, release: str | None = None) -> None:
        self._root = root
        self._release = release

    @cached_property
    def schedulers(self) -> Collection[str] | None:
        """As `Host` has it."""
        found = modules(self._root, self._release)
        if found.available is None:
            return None  # what is loaded says nothing of what could be
        names = found.available | found.loaded
        return {name.removeprefix(_PREFIX) for name in names} if "ip_vs" in names else None

    @cached_property
    def addresses(self) -> Collection[str]:
        """As `Host` has it."""
        return addresses(self._root)

    @cached_property
    def tunnels(self) -> Collection[tuple[str, int]]:
        """As `Host` has it."""
        return {_TUNNELS[kind] for kind, flags in devices() if kind in _TUNNELS and flags & _UP}


def devices() -> Iterator[tuple[int, int]]:
    """Ask the kernel for each interface's kind and flags: /sys may be another network namespace's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            request = struct.pack("16s24x", name.encode())
            with contextlib.suppress(OSError):  # it went away meanwhile
                (kind,) = struct.unpack_from("H", fcntl.ioctl(asked, _GET_KIND, request), 16)
                (flags,) = struct.unpack_from("H", fcntl.ioctl(asked, _GET_FLAGS, request), 16)
                yield kind, flags
