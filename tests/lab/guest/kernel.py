"""The guest's kernel: Debian's user-mode-linux package, unpacked into a cache and never installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHIM = Path(__file__).with_name("xstate.c")
_PACKAGE = "user-mode-linux"

MODULES = (
    # IPVS and every scheduler this kernel has (no twos)
    *(f"ip_vs{suffix}" for suffix in ("", "_rr", "_wrr", "_lc", "_wlc", "_sh", "_mh", "_sed", "_nq")),
    *(f"ip_vs{suffix}" for suffix in ("_dh", "_fo", "_ovf", "_lblc", "_lblcr")),
    "ip_vs_pe_sip",
    # source NAT by iptables, which finds what IPVS forwarded; firewall marks
    *("iptable_nat", "ip6table_nat", "xt_ipvs", "xt_mark", "xt_MASQUERADE"),
    *("iptable_mangle", "ip6table_mangle", "xt_tcpudp"),
    # the network that the lab is made of
    *("veth", "bridge", "macvlan", "dummy", "sch_netem", "nlmon"),
    # what a real server unpacks tunnels with
    *("ipip", "sit", "ip6_tunnel", "ip_gre", "ip6_gre", "fou", "fou6"),
)
"""Modules that are loaded at boot, with what they depend on."""


class GuestError(Exception):
    """There will be no guest; the message says why and what to do."""


@dataclass(frozen=True)
class Kernel:
    """Where the pieces of a guest are."""

    binary: Path
    modules: tuple[Path, ...]
    """In the order in which they can be loaded."""
    shim: Path


def cache_directory() -> Path:
    """Give the directory that holds the kernel: ``$XDG_CACHE_HOME/vipbus-lab``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vipbus-lab"


def fetch() -> Kernel:
    """Give the kernel, its modules and the shim, fetched and built at the first use.

    Raises:
        GuestError: a package or a compiler is missing.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache / "fetch.lock"):
        root = cache / _PACKAGE
        if not root.exists():
            _unpack(root)
        shim = cache / "xstate.so"
        if not shim.exists() or shim.stat().st_mtime < _SHIM.stat().st_mtime:
            _compile(shim)
    releases = sorted((root / "usr/lib/uml/modules").iterdir())
    if not releases:
        raise GuestError(f"{root} holds no kernel modules: remove it and try again")
    return Kernel(root / "usr/bin/linux.uml", load_order(releases[-1], MODULES), shim)


def load_order(directory: Path, wanted: tuple[str, ...]) -> tuple[Path, ...]:
    """Order modules so that each comes after what it needs (``modules.dep``, depmod(8))."""
    needs: dict[str, list[str]] = {}
    for line in (directory / "modules.dep").read_text().splitlines():
        module, _, dependencies = line.partition(":")
        needs[module] = dependencies.split()
    by_name = {Path(module).name.removesuffix(".ko"): module for module in needs}
    ordered: dict[str, None] = {}

    def add(module: str) -> None:
        for dependency in needs[module]:
            add(dependency)
        ordered[module] = None

    for name in wanted:
        if name not in by_name:
            raise GuestError(f"the guest kernel has no module {name}: {directory}")
        add(by_name[name])
    return tuple(directory / module for module in ordered)


def _unpack(root: Path) -> None:
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise GuestError(
                f"{program} is missing and this machine's kernel has no IPVS: "
                "load ip_vs, or run the lab on Debian or Ubuntu"
            )
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        if _download(scratch) != 0:
            # the package lists may be old or not there at all
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
            if _download(scratch) != 0:
                raise GuestError(f"apt-get cannot download {_PACKAGE}: check the network and apt's sources")
        package = next(Path(scratch).glob(f"{_PACKAGE}_*.deb"))
        unpacked = Path(scratch) / "unpacked"
        subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
        unpacked.rename(root)


def _download(directory: str) -> int:
    command = ["apt-get", "download", "-q", _PACKAGE]
    return subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode


def _compile(shim: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise GuestError("a C compiler is missing: apt-get install gcc libc6-dev")
    built = shim.with_suffix(".new")
    command = [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(built), str(_SHIM)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode != 0:
        raise GuestError(f"{_SHIM.name} does not compile: {compiled.stderr.strip()}")
    built.rename(shim)


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
