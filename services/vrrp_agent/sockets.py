"""The raw socket that hears advertisements, one an interface and family (raw(7), ip(7), ipv6(7))."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Set

from vipbus.contracts.vrrp_objects import Family
from vrrp_agent.checksum import PROTOCOL
from vrrp_agent.datagram import Datagram, from_ipv4
from vrrp_agent.drop import Drop

# linux/in.h, linux/in6.h, asm-generic/socket.h; the socket module has no names for them
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
_SO_BINDTODEVICE = 25
_SO_RCVBUFFORCE = 33

_RECEIVE_BUFFER = 1 << 20
_LARGEST = 8192
"""Above the longest message, 255 addresses of IPv6 and a trailer."""
_CONTROL = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)
"""Room for in6_pktinfo and the hop limit."""


def raw(family: Family, device: str) -> socket.socket:
    """Open a raw socket on a device.

    Raises:
        OSError: the device is gone, or raw sockets are not permitted.
    """
    made = socket.socket(
        socket.AF_INET6 if family == 6 else socket.AF_INET,
        socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
        PROTOCOL,
    )
    try:
        # before anything else: in a VRF it also says in whose table an address is looked up
        made.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, device.encode() + b"\0")
    except OSError:
        made.close()
        raise
    return made


def mreqn(address: str, index: int) -> bytes:
    """Pack struct ip_mreqn, with the interface by its index alone (ip(7))."""
    return struct.pack("=4s4si", socket.inet_aton(address), socket.inet_aton("0.0.0.0"), index)  # noqa: S104  # "any", by name of the index


class Receiver:
    """Hears every advertisement that reaches one device, and none of another's.

    An instance with a virtual MAC is told by multicast on its macvlan, not on the interface below. A frame
    that comes *from* the MAC of a macvlan in private mode the kernel gives to that macvlan alone, and the
    other router's virtual MAC is the same one (drivers/net/macvlan.c, macvlan_handle_frame); one from any
    other MAC reaches both. What comes by unicast reaches the device that has the MAC it was sent to.
    """

    def __init__(self, interface: str, index: int, family: Family) -> None:
        self._index = index
        self._family = family
        self.groups: frozenset[str] = frozenset()
        """What it is a member of."""
        self._socket = raw(family, interface)
        try:
            if family == 4:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            else:
                self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            self._set_buffer()
        except OSError:
            self._socket.close()
            raise

    def _set_buffer(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # no CAP_NET_ADMIN: as much as net.core.rmem_max allows
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    def listen(self, groups: Set[str]) -> None:
        """Be a member of exactly these groups.

        Raises:
            OSError: the interface is gone, or has more groups than net.ipv4.igmp_max_memberships (20).
        """
        for group in self.groups - groups:
            self._membership(group, join=False)
        for group in groups - self.groups:
            try:
                self._membership(group, join=True)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                limit = "more multicast groups than net.ipv4.igmp_max_memberships; raise it"
                raise OSError(error.errno, limit) from None

    def _membership(self, group: str, *, join: bool) -> None:
        if self._family == 4:
            level = socket.IPPROTO_IP
            option = socket.IP_ADD_MEMBERSHIP if join else socket.IP_DROP_MEMBERSHIP
            value = mreqn(group, self._index)
        else:
            level = socket.IPPROTO_IPV6
            option = socket.IPV6_JOIN_GROUP if join else socket.IPV6_LEAVE_GROUP
            value = socket.inet_pton(socket.AF_INET6, group) + struct.pack("=i", self._index)
        try:
            self._socket.setsockopt(level, option, value)
        except OSError:
            if join:
                raise
            # the interface went away, and the membership with it
        self.groups = self.groups | {group} if join else self.groups - {group}

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def receive(self) -> Datagram | Drop | None:
        """Take one packet; None when no more wait."""
        try:
            if self._family == 4:
                return from_ipv4(self._socket.recv(_LARGEST)) or Drop.LENGTH
            return _from_ipv6(*self._socket.recvmsg(_LARGEST, _CONTROL))
        except OSError:  # nothing left, or the interface went down, which the monitor reports
            return None

    def close(self) -> None:
        """Leave the groups."""
        self._socket.close()


def _from_ipv6(
    message: bytes, control: list[tuple[int, int, bytes]], _flags: int, source: tuple[str, int, int, int]
) -> Datagram | Drop:
    """IPv6 delivers no header: the hop limit and the destination come beside the message (RFC 3542)."""
    ttl, destination = -1, b""
    for _, kind, data in control:
        if kind == socket.IPV6_HOPLIMIT:
            ttl = int.from_bytes(data, "little" if _LITTLE else "big")
        elif kind == socket.IPV6_PKTINFO:
            destination = data[:16]
    if ttl < 0 or not destination:
        return Drop.LENGTH
    return Datagram(socket.inet_pton(socket.AF_INET6, source[0]), destination, ttl, message)


_LITTLE = struct.pack("=H", 1) == struct.pack("<H", 1)
