"""The kernel's IPVS table over generic netlink."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence

from ipvs_programmer import codec, genetlink
from ipvs_programmer import constants as c
from ipvs_programmer.kernel import Failure, NoIpvsError, NotPermittedError, UnsureError
from ipvs_programmer.netlink import ANSWER_COST, NetlinkError, NetlinkSocket, RefusedError
from ipvs_programmer.plan import Operation
from ipvs_programmer.table import Counts, Destination, DestinationKey, Key, Pool


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

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read services and their destinations; see `Kernel.read`."""
        netlink = self._open()
        try:
            if keys is None:
                bodies = netlink.dump(self._family, codec.services_request())
            else:
                requests = [codec.service_request(key) for key in keys]
                answers = netlink.ask(self._family, requests, ANSWER_COST)
                for refusal in answers.refused.values():
                    if refusal.number != errno.ESRCH:
                        raise RefusedError(*refusal)
                bodies = list(answers.data.values())
            services = [codec.unpack_service(genetlink.body(body)) for body in bodies]
            return {
                service.key: Pool(service, self._destinations(netlink, service.key)) for service in services
            }
        except NetlinkError as error:
            raise self._failed(error) from error

    def _destinations(self, netlink: NetlinkSocket, key: Key) -> dict[DestinationKey, Destination]:
        destinations = (
            codec.unpack_destination(genetlink.body(body), key.family)
            for body in netlink.dump(self._family, codec.destinations_request(key))
        )
        return {destination.key: destination for destination in destinations}

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count connections; see `Kernel.counts`."""
        netlink = self._open()
        try:
            return {
                key: dict(
                    codec.unpack_counts(genetlink.body(body), key.family)
                    for body in netlink.dump(self._family, codec.destinations_request(key))
                )
                for key in keys
            }
        except NetlinkError as error:
            raise self._failed(error) from error

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Send operations in one batch; see `Kernel.apply`."""
        netlink = self._open()
        try:
            answers = netlink.ask(self._family, [codec.pack_operation(each) for each in operations])
        except NetlinkError as error:
            raise self._failed(error) from error
        if any(refusal.number == errno.EPERM for refusal in answers.refused.values()):
            raise NotPermittedError
        return tuple(
            Failure(operations[place], refusal.number, refusal.text)
            for place, refusal in answers.refused.items()
        )

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
