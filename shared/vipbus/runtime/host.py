"""What this host has: modules of its kernel, its addresses. What cannot be read is not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

ROOT = Path("/")


class Modules(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of the kernel that come and go, by their names in /proc/modules."""

    loaded: frozenset[str]
    """Those that run, those that are built in included."""
    available: frozenset[str] | None
    """Those that can be loaded; None: this host has no list of them."""


def modules(root: Path = ROOT, release: str | None = None) -> Modules:
    """Read what there is; ``release`` is the kernel's, if it is not the one that runs."""
    place = root / "lib/modules" / (release or os.uname().release)
    listed = text_of(place / "modules.dep")
    running = {line.split()[0] for line in text_of(root / "proc/modules").splitlines()}
    return Modules(
        loaded=_names(text_of(place / "modules.builtin").split()) | running,
        available=_names(line.split(":")[0] for line in listed.splitlines()) if listed else None,
    )


def _names(paths: Iterable[str]) -> frozenset[str]:
    """Name modules as the kernel does, by where their files are."""
    return frozenset(Path(path).name.partition(".ko")[0].replace("-", "_") for path in paths)


def addresses(root: Path = ROOT) -> frozenset[str]:
    """Read the host's own addresses, as canonical text: IPv4's from the routing table, IPv6's from a list."""
    found = set()
    last = ""
    for line in text_of(root / "proc/net/fib_trie").splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words[-2:] == ["host", "LOCAL"] and last:
            found.add(last)
    for line in text_of(root / "proc/net/if_inet6").splitlines():
        digits = line.split()[:1]
        if digits and len(digits[0]) == 32:
            import ipaddress  # noqa: PLC0415  # rarely wanted, and slow to import

            found.add(str(ipaddress.IPv6Address(bytes.fromhex(digits[0]))))
    return frozenset(found)


def text_of(path: Path) -> str:
    """Read a file; empty when it cannot be."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
