"""Kernel settings for tests: they hold what was set. The contract suite runs on these and on /proc/sys."""

from __future__ import annotations

from ipvs_programmer.sysctls import SysctlError, path_of, same


class FakeSysctls:
    """Settings, and the ways in which a kernel lets its callers down."""

    def __init__(self, **values: str) -> None:
        self.values: dict[str, str] = {
            "net.ipv4.ip_forward": "1",
            "net.ipv6.conf.all.forwarding": "0",
            "net.ipv4.vs.conntrack": "0",
            "net.ipv4.vs.expire_quiescent_template": "0",
            "net.ipv4.vs.conn_reuse_mode": "1",
            "net.ipv4.vs.backup_only": "0",
            "net.ipv4.vs.sync_threshold": "3 50",
            **values,
        }
        self.read_only = False
        """As /proc/sys is in a container."""
        self.writes: list[tuple[str, str]] = []
        """What was set, oldest first."""

    def read(self, name: str) -> str:
        """Read; see `Sysctls.read`."""
        try:
            return self.values[_dotted(name)]
        except KeyError:
            raise SysctlError(f"this kernel has no {name}: correct the name, or load its module") from None

    def write(self, name: str, value: str) -> None:
        """Set; see `Sysctls.write`."""
        before = self.read(name)
        if self.read_only:
            raise SysctlError(f"{name} cannot be set to {value}: /proc/sys is read-only here")
        if not all(part.lstrip("-").isdigit() for part in value.split()) or not value.split():
            raise SysctlError(f"{name} cannot be set to {value}: the kernel takes no such value")
        self.writes.append((_dotted(name), value))
        # numbers that are not said stay as they are
        given, held = value.split(), before.split()
        self.values[_dotted(name)] = same(" ".join([*given, *held[len(given) :]]))


def _dotted(name: str) -> str:
    return ".".join(path_of(name).parts)
