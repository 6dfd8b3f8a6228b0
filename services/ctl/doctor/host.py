"""What this host says of itself, read from /proc and asked of the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

import msgspec

from vipbus.runtime.host import addresses, modules, text_of
from vipbus.runtime.privileges import effective

_SIOCGIFFLAGS = 0x8913
"""netdevice(7); include/uapi/linux/sockios.h."""
_IFF_UP = 0x1
_IFF_NOARP = 0x80
_IFF_MULTICAST = 0x1000
"""include/uapi/linux/if.h."""
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface."""

    name: str
    up: bool
    multicast: bool
    arp: bool = True


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What matters to a router of the balancer."""

    release: str
    """Of the kernel."""
    loaded: frozenset[str]
    """Modules that run, those that are built in included."""
    available: frozenset[str] | None
    """Modules that can be loaded; None: this host has no list of them."""
    ipvs: bool
    """True: the kernel has IPVS now."""
    capabilities: frozenset[int]
    interfaces: tuple[Interface, ...]
    addresses: frozenset[str]
    """Its own, as canonical text."""
    rivals: tuple[int, ...]
    """Process numbers of keepalived."""
    synchronised: bool | None
    """Of the clock; None: the kernel does not say."""


def read(root: Path = Path("/")) -> Host:
    """Look around; what cannot be read is as if it were not there."""
    found = modules(root)
    return Host(
        release=os.uname().release,
        loaded=found.loaded,
        available=found.available,
        ipvs=(root / "proc/net/ip_vs").exists(),
        capabilities=effective(text_of(root / "proc/self/status")),
        interfaces=_interfaces(),
        addresses=addresses(root),
        rivals=_processes(root / "proc", "keepalived"),
        synchronised=_synchronised(),
    )


def setting(name: str, root: Path = Path("/proc/sys")) -> str | None:
    """Read a sysctl by its name with dots; None where there is none."""
    text = text_of(root / name.replace(".", "/"))
    return text.strip() or None


def _interfaces() -> tuple[Interface, ...]:
    """Ask the kernel: /sys may be another network namespace's."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it went away meanwhile
                answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("16sh14x", name.encode(), 0))
                (flags,) = struct.unpack_from("H", answer, 16)
                found.append(
                    Interface(
                        name=name,
                        up=bool(flags & _IFF_UP),
                        multicast=bool(flags & _IFF_MULTICAST),
                        arp=not flags & _IFF_NOARP,
                    )
                )
    return tuple(sorted(found, key=lambda each: each.name))


def _processes(place: Path, name: str) -> tuple[int, ...]:
    found = []
    with contextlib.suppress(OSError):
        found = [
            int(each.name)
            for each in place.iterdir()
            if each.name.isdigit() and text_of(each / "comm").strip() == name
        ]
    return tuple(sorted(found))


def _synchronised() -> bool | None:
    """Ask the kernel whether something keeps its clock (adjtimex(2))."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        state = library.adjtimex(ctypes.create_string_buffer(512))  # modes = 0: nothing is set
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
