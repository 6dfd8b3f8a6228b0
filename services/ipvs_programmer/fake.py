"""A kernel for tests: it holds state and answers as Linux 6.1 does. The contract suite runs on both."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection, Sequence

from ipvs_programmer.kernel import Failure, KernelError, UnsureError
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import Counts, Destination, DestinationKey, Forwarding, Key, Pool, Service

SCHEDULERS = frozenset(
    ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq")
)


class FakeKernel:
    """A table, and the ways in which a kernel lets its callers down."""

    def __init__(self) -> None:
        self.services: dict[Key, Service] = {}
        self.destinations: dict[Key, dict[DestinationKey, Destination]] = {}
        self.schedulers = set(SCHEDULERS)
        """The scheduler modules that can be loaded."""
        self.broken: KernelError | None = None
        """Raised by every call while it is set."""
        self.refuse: dict[str, int] = {}
        """Operations, in words, that fail with an errno once."""
        self.lose_replies_after: int | None = None
        """Operations after which the answers are lost, once."""
        self.batches: list[tuple[Operation, ...]] = []
        """What was asked for, oldest first."""
        self.reads = 0
        self.counted = 0
        self.connections: dict[tuple[Key, DestinationKey], Counts] = {}
        """To destinations; none where nothing is said."""

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read; see `Kernel.read`."""
        if self.broken is not None:
            raise self.broken
        self.reads += 1
        return {
            key: Pool(service, dict(self.destinations[key]))
            for key, service in self.services.items()
            if keys is None or key in keys
        }

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count; see `Kernel.counts`."""
        if self.broken is not None:
            raise self.broken
        self.counted += 1
        nothing = Counts(0, 0)
        return {
            key: {of: self.connections.get((key, of), nothing) for of in self.destinations.get(key, ())}
            for key in keys
        }

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Change; see `Kernel.apply`."""
        if self.broken is not None:
            raise self.broken
        self.batches.append(tuple(operations))
        failures = []
        for count, operation in enumerate(operations):
            if self.lose_replies_after == count:
                self.lose_replies_after = None
                raise UnsureError("the answers were lost")
            number = self.refuse.pop(str(operation), 0) or self._do(operation)
            if number:
                failures.append(Failure(operation, number))
        return tuple(failures)

    def _do(self, operation: Operation) -> int:
        """Do one operation as ip_vs_genl_set_cmd() does; return an errno, 0 when done."""
        if isinstance(operation, AddService):
            if operation.key in self.services:
                return errno.EEXIST
            return self._set_service(operation.service)
        if operation.key not in self.services:
            return errno.ESRCH
        if isinstance(operation, EditService):
            return self._set_service(operation.service)
        if isinstance(operation, DeleteService):
            del self.services[operation.key], self.destinations[operation.key]
            return 0
        pool = self.destinations[operation.key]
        if isinstance(operation, DeleteDestination):
            return 0 if pool.pop(operation.destination, None) else errno.ENOENT
        return self._set_destination(operation, pool)

    def _set_service(self, service: Service) -> int:
        if service.scheduler not in self.schedulers:
            return errno.ENOENT
        if service.key.family == socket.AF_INET6 and not 1 <= service.netmask <= 128:
            return errno.EINVAL
        self.services[service.key] = service
        self.destinations.setdefault(service.key, {})
        return 0

    def _set_destination(
        self, operation: AddDestination | EditDestination, pool: dict[DestinationKey, Destination]
    ) -> int:
        destination = operation.destination
        if ipaddress.ip_address(destination.key.address).is_multicast:
            return errno.EINVAL
        if destination.key.family != operation.key.family and destination.forwarding != Forwarding.TUN:
            return errno.EINVAL
        if destination.weight < 0 or destination.lower_threshold > destination.upper_threshold:
            return errno.ERANGE
        exists = destination.key in pool
        if isinstance(operation, AddDestination) and exists:
            return errno.EEXIST
        if isinstance(operation, EditDestination) and not exists:
            return errno.ENOENT
        pool[destination.key] = destination
        return 0
