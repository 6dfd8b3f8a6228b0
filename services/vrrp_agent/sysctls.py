"""The kernel's switches for the addresses of an instance: a table with a reason a line (ip-sysctl.rst).

What an interface had before is put back when nobody needs ours any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from vrrp_agent.placement import Device

log = logging.getLogger(__name__)

_ROOT = Path("/proc/sys/net")


class Setting(msgspec.Struct, frozen=True):
    """What a switch of an interface must be."""

    interface: str
    family: str
    """``ipv4`` or ``ipv6``."""
    name: str
    value: int
    at_least: bool = False
    """True: more is as good."""

    @property
    def path(self) -> Path:
        """Where it stands."""
        return _ROOT / self.family / "conf" / self.interface / self.name


_PARENT = (
    # the virtual MAC answers for its addresses, not the interface below with its own
    ("ipv4", "arp_ignore", 1),
    # what is asked on behalf of a virtual address would teach neighbours the wrong MAC
    ("ipv4", "arp_announce", 2),
)
_CHILD = (
    # the interface below answers for its own addresses
    ("ipv4", "arp_ignore", 1),
    ("ipv4", "arp_announce", 2),
    # this host's other addresses are no martians when they come in by the virtual MAC
    ("ipv4", "accept_local", 1),
    # the first address is one among many, and may go before them
    ("ipv4", "promote_secondaries", 1),
)
_CHILD_SIX = (
    # a link-local address of its own would tell of the virtual MAC while another router has it
    ("ipv6", "addr_gen_mode", 1),
    # and so would what it asks of routers, or is told by them
    ("ipv6", "router_solicitations", 0),
    ("ipv6", "accept_ra", 0),
    ("ipv6", "autoconf", 0),
)


def for_parent(interface: str) -> tuple[Setting, ...]:
    """Say what an interface needs that has a virtual MAC above it."""
    return tuple(Setting(interface, family, name, value, at_least=True) for family, name, value in _PARENT)


def for_child(device: Device, *, filters: bool) -> tuple[Setting, ...]:
    """Say what a device with a virtual MAC needs; ``filters``: the host has rp_filter on for all.

    A client's address is routed through the interface below, so strict filtering would drop what it sends.
    The stricter of the host's and the device's counts, and 2, the loose one, is the higher number.
    """
    table = (
        ("ipv4", "rp_filter", 2 if filters else 0),
        *_CHILD,
        *_CHILD_SIX,
        ("ipv6", "disable_ipv6", 0 if device.six else 1),
    )
    return tuple(Setting(device.name, family, name, value) for family, name, value in table)


def forwarding(device: Device) -> tuple[Setting, ...]:
    """Let a device forward where the interface below does: who sends to the virtual MAC is routed there."""
    found = []
    for family in ("ipv4", "ipv6"):
        below = Setting(device.parent, family, "forwarding", 0)
        if read(below) == 1:
            found.append(Setting(device.name, family, "forwarding", 1))
    return tuple(found)


def promoting(interface: str) -> Setting:
    """Let an interface keep a prefix's other addresses when the first goes."""
    return Setting(interface, "ipv4", "promote_secondaries", 1)


def all_filtered() -> bool:
    """Say whether the host filters by reverse path on every interface."""
    return (read(Setting("all", "ipv4", "rp_filter", 0)) or 0) > 0


def read(setting: Setting) -> int | None:
    """Read a switch; None when it is not there or no number."""
    try:
        return int(setting.path.read_text())
    except (OSError, ValueError):
        return None


def write(setting: Setting) -> str:
    """Set a switch unless it is right or not there; return what went wrong, in words."""
    before = read(setting)
    if before is None or before == setting.value or (setting.at_least and before > setting.value):
        return ""
    try:
        setting.path.write_text(f"{setting.value}\n")
    except OSError as error:
        return f"{setting.path} cannot be set to {setting.value}: {error.strerror}"
    return ""


class Sysctls:
    """Settings of interfaces that others use too: set while somebody wants them, then put back."""

    def __init__(self) -> None:
        self._wanted: dict[Path, set[str]] = {}
        self._before: dict[Path, Setting] = {}

    def want(self, owner: str, settings: Iterable[Setting]) -> str:
        """Set what an owner wants from now on, and nothing else; return what went wrong, in words."""
        wanted = {setting.path: setting for setting in settings}
        problems = []
        for path, setting in wanted.items():
            self._wanted.setdefault(path, set()).add(owner)
            before = read(setting)
            if before is not None and path not in self._before:
                self._before[path] = msgspec.structs.replace(setting, value=before, at_least=False)
            problem = write(setting)
            if problem:
                problems.append(problem)
        for path in [path for path, owners in self._wanted.items() if owner in owners and path not in wanted]:
            self._let_go(owner, path)
        return "; ".join(problems)

    def release(self, owner: str) -> None:
        """Put back what nobody else wants."""
        self.want(owner, ())

    def _let_go(self, owner: str, path: Path) -> None:
        self._wanted[path].discard(owner)
        if not self._wanted[path]:
            del self._wanted[path]
            before = self._before.pop(path, None)
            problem = write(before) if before is not None else ""
            if problem:
                log.warning("%s", problem)
