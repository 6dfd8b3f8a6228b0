"""A kernel for tests: it holds state and answers as Linux 6.1 does. The contract suite runs on both."""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from ipvs_programmer.counters import DestinationStatistics, PoolStatistics, Rates, Statistics
from ipvs_programmer.kernel import Failure, KernelError, RequestError, UnsureError
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import (
    Counts,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    Pool,
    Service,
    TunnelKind,
)

SCHEDULERS = frozenset(
    ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq")
)
_TOO_LONG: Final = 2**31 // 1000
"""Seconds that a timeout may not reach, on a kernel with 1000 ticks a second."""


class FakeKernel:
    """A table, and the ways in which a kernel lets its callers down."""

    def __init__(self) -> None:
        self.services: dict[Key, Service] = {}
        self.destinations: dict[Key, dict[DestinationKey, Destination]] = {}
        self.schedulers = set(SCHEDULERS)
        """The scheduler modules that can be loaded."""
        self.engines = {"sip"}
        """The persistence engines that can be loaded."""
        self.interfaces = {"lo"}
        """Those on which a sync daemon can be started."""
        self.running: dict[DaemonState, Daemon] = {}
        """The sync daemons, as the kernel completed them."""
        self.timeouts_now = Timeouts(tcp=900, tcp_fin=120, udp=300)
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
        self.statistics_of: dict[tuple[Key, DestinationKey], Statistics] = {}
        """Of destinations; a service has the sum of its own."""

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read; see `Kernel.read`."""
        self._reach()
        self.reads += 1
        return {
            key: Pool(service, dict(self.destinations[key]))
            for key, service in self.services.items()
            if keys is None or key in keys
        }

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count; see `Kernel.counts`."""
        self._reach()
        self.counted += 1
        return {key: {of: self._counts(key, of) for of in self.destinations.get(key, ())} for key in keys}

    def _reach(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _counts(self, key: Key, of: DestinationKey) -> Counts:
        return self.connections.get((key, of), Counts(0, 0))

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Change; see `Kernel.apply`."""
        self._reach()
        self.batches.append(tuple(operations))
        failures = []
        for count, operation in enumerate(operations):
            if self.lose_replies_after == count:
                self.lose_replies_after = None
                raise UnsureError("the answers were lost")
            number = (self.refuse and self.refuse.pop(str(operation), 0)) or self._do(operation)
            if number:
                failures.append(Failure(operation, number))
        return tuple(failures)

    def flush(self) -> None:
        """Remove every service; see `Kernel.flush`."""
        self._reach()
        self.services.clear()
        self.destinations.clear()

    def statistics(self, keys: Collection[Key] | None = None) -> dict[Key, PoolStatistics]:
        """Read counters; see `Kernel.statistics`."""
        self._reach()
        found = {}
        for key, pool in self.destinations.items():
            if keys is None or key in keys:
                of = {each: self.statistics_of.get((key, each), Statistics()) for each in pool}
                found[key] = PoolStatistics(
                    _sum(of.values()),
                    {each: DestinationStatistics(self._counts(key, each), of[each]) for each in pool},
                )
        return found

    def zero(self, key: Key | None = None) -> None:
        """Set counters to zero; see `Kernel.zero`."""
        self._reach()
        if key is not None and key not in self.services:
            raise RequestError(f"zero {key}", errno.ESRCH)
        for of in [of for of in self.statistics_of if key in (None, of[0])]:
            del self.statistics_of[of]

    def daemons(self) -> tuple[Daemon, ...]:
        """Read which sync daemons run; see `Kernel.daemons`."""
        self._reach()
        return tuple(self.running[state] for state in sorted(self.running))

    def start_daemon(self, daemon: Daemon) -> None:
        """Start a sync daemon as start_sync_thread() does; see `Kernel.start_daemon`."""
        self._reach()
        mixed = any(of.family != key.family for key, pool in self.destinations.items() for of in pool)
        number = 0
        if mixed or (daemon.group and not ipaddress.ip_address(daemon.group).is_multicast):
            number = errno.EINVAL
        elif daemon.state in self.running:
            number = errno.EEXIST
        elif daemon.interface not in self.interfaces:
            number = errno.ENODEV
        if number:
            raise RequestError(f"start {daemon}", number)
        self.running[daemon.state] = daemon.completed()

    def stop_daemon(self, state: DaemonState) -> None:
        """Stop a sync daemon; see `Kernel.stop_daemon`."""
        self._reach()
        if self.running.pop(state, None) is None:
            raise RequestError(f"stop sync daemon {state.name.lower()}", errno.ESRCH)

    def timeouts(self) -> Timeouts:
        """Read the timeouts; see `Kernel.timeouts`."""
        self._reach()
        return self.timeouts_now

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set the timeouts; see `Kernel.set_timeouts`."""
        self._reach()
        given = {name: seconds for name, seconds in msgspec.structs.asdict(timeouts).items() if seconds}
        if any(seconds >= _TOO_LONG for seconds in given.values()):
            raise RequestError(f"set {timeouts}", errno.EINVAL)
        self.timeouts_now = msgspec.structs.replace(self.timeouts_now, **given)

    def info(self) -> KernelInfo:
        """Read what the kernel says of itself; see `Kernel.info`."""
        self._reach()
        return KernelInfo(version="1.2.1", connection_table_size=4096)

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
        if service.engine and service.engine not in self.engines:
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
        if _is_multicast(destination.key.address):
            return errno.EINVAL
        if destination.key.family != operation.key.family and (
            destination.forwarding != Forwarding.TUN or self.running
        ):
            return errno.EINVAL
        if destination.weight < 0 or destination.lower_threshold > destination.upper_threshold:
            return errno.ERANGE
        tunnel = destination.tunnel
        if tunnel is not None and tunnel.kind == TunnelKind.GUE and not tunnel.port:
            return errno.EINVAL
        exists = destination.key in pool
        if isinstance(operation, AddDestination) and exists:
            return errno.EEXIST
        if isinstance(operation, EditDestination) and not exists:
            return errno.ENOENT
        pool[destination.key] = destination
        return 0


def _sum(parts: Collection[Statistics]) -> Statistics:
    def added(values: Collection[Statistics] | Collection[Rates], name: str) -> int:
        return sum(getattr(value, name) for value in values)

    rates = [part.rates for part in parts]
    return Statistics(
        **{name: added(parts, name) for name in Rates.__struct_fields__},
        rates=Rates(**{name: added(rates, name) for name in Rates.__struct_fields__}),
    )


@functools.cache
def _is_multicast(address: str) -> bool:
    return ipaddress.ip_address(address).is_multicast
