"""The port to the kernel's table: read it, change it. The real one is `ipvs`, the one for tests is `fake`."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from ipvs_programmer.plan import AddService, EditService, Operation
from ipvs_programmer.table import Counts, DestinationKey, Key, Pool


class KernelError(Exception):
    """The base of what goes wrong with the table as a whole; the message says what to do."""


class NoIpvsError(KernelError):
    """This kernel has no IPVS."""

    def __init__(self) -> None:
        super().__init__(
            "this kernel has no IPVS: load the module ip_vs (modprobe ip_vs) or install a kernel that has it"
        )


class NotPermittedError(KernelError):
    """This process may not touch the table."""

    def __init__(self) -> None:
        super().__init__(
            "the IPVS table may not be changed: run as root or with the capability CAP_NET_ADMIN"
        )


class UnsureError(KernelError):
    """What became of the last operations is unknown: read the table before anything else."""


class Failure(msgspec.Struct, frozen=True):
    """An operation that the kernel refused; the others of its batch were done."""

    operation: Operation
    number: int
    """An errno."""
    text: str = ""
    """The kernel's own words, if it has any."""

    @property
    def belief_is_wrong(self) -> bool:
        """True: the table is not what was believed, or the kernel was short of something: plan again."""
        if self.number in (errno.EEXIST, errno.ESRCH, errno.EBUSY, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN):
            return True
        return self.number == errno.ENOENT and not isinstance(self.operation, AddService | EditService)

    def __str__(self) -> str:
        if isinstance(self.operation, AddService | EditService):
            scheduler = self.operation.service.scheduler
            if self.number == errno.ENOENT:
                return f"the kernel has no scheduler {scheduler}: modprobe ip_vs_{scheduler}"
            if self.number == errno.EAFNOSUPPORT:
                return f"{self.operation}: this kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)"
        return f"{self.operation}: {self.text or os.strerror(self.number)}"


class Kernel(Protocol):
    """A table in a kernel. Each method answers at once: nothing waits for anything."""

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read the whole table, or these services of it; a service that is not there is left out.

        Raises:
            KernelError: it cannot be read.
        """

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count the connections to the destinations of these services; one that is not there has none.

        Raises:
            KernelError: they cannot be read.
        """

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Do operations in their order and return those that were refused.

        Raises:
            UnsureError: what became of them is unknown.
            KernelError: none was done.
        """
