"""The kernel's IPVS table over generic netlink."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from ipvs_programmer import codec, genetlink
from ipvs_programmer import constants as c
from ipvs_programmer.counters import PoolStatistics
from ipvs_programmer.kernel import Failure, NoIpvsError, NotPermittedError, RequestError, UnsureError
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.netlink import ANSWER_COST, NetlinkSocket, RefusedError
from ipvs_programmer.octets import MalformedError, NetlinkError
from ipvs_programmer.plan import Operation
from ipvs_programmer.table import Counts, DestinationKey, Key, Pool, Service


class IpvsKernel:
    """The table of the network namespace in which the first call is made."""

    def __init__(
        self, connect: Callable[[], NetlinkSocket] = lambda: NetlinkSocket(c.NETLINK_GENERIC)
    ) -> None:
        self._connect = connect
        self._netlink: NetlinkSocket | None = None
        self._family = 0

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    # ---- the table

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read services and their destinations; see `Kernel.read`."""
        with self._asking() as netlink:
            services = [codec.unpack_service(body) for body in self._services(netlink, keys)]
            return {service.key: self._pool(netlink, service) for service in services}

    def _pool(self, netlink: NetlinkSocket, service: Service) -> Pool:
        family = service.key.family
        found = (codec.unpack_destination(body, family) for body in self._destinations(netlink, service.key))
        return Pool(service, {destination.key: destination for destination in found})

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count connections; see `Kernel.counts`."""
        with self._asking() as netlink:
            return {
                key: dict(codec.unpack_counts(body, key.family) for body in self._destinations(netlink, key))
                for key in keys
            }

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Send operations in one batch; see `Kernel.apply`."""
        with self._asking() as netlink:
            answers = netlink.ask(self._family, [codec.pack_operation(each) for each in operations])
        if any(refusal.number == errno.EPERM for refusal in answers.refused.values()):
            raise NotPermittedError
        return tuple(
            Failure(operations[place], refusal.number, refusal.text)
            for place, refusal in answers.refused.items()
        )

    def flush(self) -> None:
        """Remove every service; see `Kernel.flush`."""
        self._tell("remove every service", codec.flush_request())

    # ---- its counters

    def statistics(self, keys: Collection[Key] | None = None) -> dict[Key, PoolStatistics]:
        """Read counters; see `Kernel.statistics`."""
        with self._asking() as netlink:
            services = dict(codec.unpack_service_statistics(body) for body in self._services(netlink, keys))
            return {
                key: PoolStatistics(
                    of_service,
                    dict(
                        codec.unpack_destination_statistics(body, key.family)
                        for body in self._destinations(netlink, key)
                    ),
                )
                for key, of_service in services.items()
            }

    def zero(self, key: Key | None = None) -> None:
        """Set counters to zero; see `Kernel.zero`."""
        self._tell(f"zero the counters of {key or 'every service'}", codec.zero_request(key))

    # ---- what stands beside it

    def daemons(self) -> tuple[Daemon, ...]:
        """Read which sync daemons run; see `Kernel.daemons`."""
        with self._asking() as netlink:
            return tuple(
                codec.unpack_daemon(genetlink.body(payload))
                for payload in netlink.dump(self._family, codec.daemons_request())
            )

    def start_daemon(self, daemon: Daemon) -> None:
        """Start a sync daemon; see `Kernel.start_daemon`."""
        self._tell(f"start {daemon}", codec.start_daemon_request(daemon))

    def stop_daemon(self, state: DaemonState) -> None:
        """Stop a sync daemon; see `Kernel.stop_daemon`."""
        self._tell(f"stop sync daemon {state.name.lower()}", codec.stop_daemon_request(state))

    def timeouts(self) -> Timeouts:
        """Read the timeouts; see `Kernel.timeouts`."""
        with self._asking() as netlink:
            return codec.unpack_timeouts(self._answer(netlink, codec.timeouts_request()))

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set the timeouts; see `Kernel.set_timeouts`."""
        self._tell(f"set {timeouts}", codec.set_timeouts_request(timeouts))

    def info(self) -> KernelInfo:
        """Read what the kernel says of itself; see `Kernel.info`."""
        with self._asking() as netlink:
            return codec.unpack_info(self._answer(netlink, codec.info_request()))

    # ---- asking

    def _services(self, netlink: NetlinkSocket, keys: Collection[Key] | None) -> list[memoryview]:
        if keys is None:
            return [
                genetlink.body(payload) for payload in netlink.dump(self._family, codec.services_request())
            ]
        answers = netlink.ask(self._family, [codec.service_request(key) for key in keys], ANSWER_COST)
        for refusal in answers.refused.values():
            if refusal.number != errno.ESRCH:
                raise RefusedError(*refusal)
        return [genetlink.body(payload) for payload in answers.data.values()]

    def _destinations(self, netlink: NetlinkSocket, key: Key) -> Iterator[memoryview]:
        for payload in netlink.dump(self._family, codec.destinations_request(key)):
            yield genetlink.body(payload)

    def _answer(self, netlink: NetlinkSocket, request: bytes) -> memoryview:
        answers = netlink.ask(self._family, [request], ANSWER_COST)
        for refusal in answers.refused.values():
            raise RefusedError(*refusal)
        if 0 not in answers.data:
            raise MalformedError("a question without an answer")
        return genetlink.body(answers.data[0])

    def _tell(self, what: str, request: bytes) -> None:
        with self._asking() as netlink:
            answers = netlink.ask(self._family, [request])
        for refusal in answers.refused.values():
            if refusal.number == errno.EPERM:
                raise NotPermittedError
            raise RequestError(what, *refusal)

    @contextmanager
    def _asking(self) -> Iterator[NetlinkSocket]:
        """Give the socket; what goes wrong on it becomes the port's own error."""
        netlink = self._open()
        try:
            yield netlink
        except NetlinkError as error:
            raise self._failed(error) from error

    def _open(self) -> NetlinkSocket:
        if self._netlink is not None:
            return self._netlink
        try:
            netlink = self._connect()
        except OSError as error:
            raise UnsureError(f"no netlink socket: {error.strerror}") from error
        try:
            family = genetlink.family(netlink, c.IPVS_GENL_NAME)
        except NetlinkError as error:
            netlink.close()
            raise self._failed(error) from error
        if family is None:
            netlink.close()
            raise NoIpvsError
        self._netlink, self._family = netlink, family
        return netlink

    def _failed(self, error: NetlinkError) -> Exception:
        # the socket may hold half an answer, or the number of a family that is gone
        self.close()
        if isinstance(error, RefusedError):
            if error.number == errno.EPERM:
                return NotPermittedError()
            if error.number in (errno.ENOENT, errno.EOPNOTSUPP):
                return NoIpvsError()
        return UnsureError(f"the IPVS table: {error}")
