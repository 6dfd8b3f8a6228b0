"""The port to the kernel's settings (sysctl(8)): read one, set one. The fake is `fake_sysctls`."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final, Protocol

_ROOT: Final = Path("/proc/sys")
_LONGEST: Final = 4096
_VS: Final = "net.ipv4.vs."


class SysctlError(Exception):
    """A setting cannot be read or set; the message says what to do."""


class Sysctls(Protocol):
    """The settings of a network namespace. Each method answers at once."""

    def read(self, name: str) -> str:
        """Read a setting; what stands apart is one space apart.

        Raises:
            SysctlError: there is no such setting, or it may not be read.
        """

    def write(self, name: str, value: str) -> None:
        """Set a setting.

        Raises:
            SysctlError: it may not be set, or takes no such value.
        """


def same(value: str) -> str:
    """Write a value so that equal settings are equal text: the kernel answers ``3<tab>50`` to ``3 50``."""
    return " ".join(value.split())


def path_of(name: str) -> Path:
    """Give where a setting stands below /proc/sys.

    The first separator counts, as in sysctl(8): after a dot a slash is a dot within a name, as of an
    interface ``eth0.100``, and the other way round.
    """
    separator, other = ("/", ".") if name.partition(".")[0].count("/") else (".", "/")
    parts = name.split(separator)
    if separator == ".":
        parts = [part.replace(other, ".") for part in parts]
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise SysctlError(f"{name!r} is no setting's name")
    return Path(*parts)


class ProcSysctls:
    """The settings of this process's own network namespace, by /proc/sys."""

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root

    def read(self, name: str) -> str:
        """Read; see `Sysctls.read`."""
        try:
            with (self._root / path_of(name)).open("rb") as file:
                return same(file.read(_LONGEST).decode("ascii", "replace"))
        except OSError as error:
            raise SysctlError(_why(name, error)) from error

    def write(self, name: str, value: str) -> None:
        """Set; see `Sysctls.write`."""
        try:
            # never made where it is not: without O_CREAT
            descriptor = os.open(self._root / path_of(name), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"{value}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SysctlError(f"{name} cannot be set to {value}: {_why(name, error)}") from error


def _why(name: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and name.startswith(_VS):
        return (
            f"this kernel has no {name}: load the module ip_vs (modprobe ip_vs), or it is of another version"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"this kernel has no {name}: correct the name, or load its module"
    if error.errno == errno.EROFS:
        return (
            "/proc/sys is read-only here, as in a container: set it there from outside (docker run --sysctl)"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not permitted: run as root or with the capability CAP_NET_ADMIN, or set it with sysctl(8)"
    if error.errno == errno.EINVAL:
        return "the kernel takes no such value"
    return os.strerror(error.errno or 0)
