"""The port to the kernel's table: read it, change it. The real one is `ipvs`, the one for tests is `fake`."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from ipvs_programmer.counters import PoolStatistics
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
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


class RequestError(KernelError):
    """The kernel refused something that is no operation on the table."""

    def __init__(self, what: str, number: int, text: str = "") -> None:
        super().__init__(f"{what}: {text or os.strerror(number)}")
        self.number = number
        """An errno."""


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
            scheduler, engine = self.operation.service.scheduler, self.operation.service.engine
            if self.number == errno.ENOENT and engine:
                return (
                    f"the kernel has no scheduler {scheduler} or no persistence engine {engine}: "
                    f"modprobe ip_vs_{scheduler}, modprobe ip_vs_pe_{engine}"
                )
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

    def flush(self) -> None:
        """Remove every service, foreign ones too.

        Raises:
            UnsureError: what became of it is unknown.
            KernelError: it was not done.
        """

    def statistics(self, keys: Collection[Key] | None = None) -> dict[Key, PoolStatistics]:
        """Read the counters of the whole table or of these services; one that is not there is left out.

        Raises:
            KernelError: they cannot be read.
        """

    def zero(self, key: Key | None = None) -> None:
        """Set the counters of a service and its destinations, or all counters, to zero.

        Raises:
            KernelError: they are as they were; a `RequestError` with ESRCH where there is no such service.
        """

    def daemons(self) -> tuple[Daemon, ...]:
        """Read which connection-sync daemons run: none, one or both.

        Raises:
            KernelError: they cannot be read.
        """

    def start_daemon(self, daemon: Daemon) -> None:
        """Start a connection-sync daemon.

        Raises:
            RequestError: the kernel refused: EEXIST, one of that state runs; ENODEV, no such interface;
                EINVAL, also while a destination's family is not its service's.
            UnsureError: what became of it is unknown.
            KernelError: it was not done.
        """

    def stop_daemon(self, state: DaemonState) -> None:
        """Stop a connection-sync daemon.

        Raises:
            RequestError: the kernel refused: ESRCH, it does not run.
            UnsureError: what became of it is unknown.
            KernelError: it was not done.
        """

    def timeouts(self) -> Timeouts:
        """Read the timeouts of idle connections.

        Raises:
            KernelError: they cannot be read.
        """

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set the timeouts of idle connections, but those that are 0.

        Raises:
            RequestError: the kernel refused: EINVAL, one is too long.
            UnsureError: what became of it is unknown.
            KernelError: it was not done.
        """

    def info(self) -> KernelInfo:
        """Read what the kernel's IPVS says of itself.

        Raises:
            KernelError: it cannot be read.
        """
