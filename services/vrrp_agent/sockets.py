"""Raw sockets for advertisements, two an interface: one hears the group, the other speaks (raw(7), ip(7))."""

from __future__ import annotations

import socket
import struct

from vrrp_agent.packet import GROUP, PROTOCOL, TTL

_IP_MULTICAST_ALL = 49  # linux/in.h; the socket module has no name for it
_SO_BINDTODEVICE = 25
_INTERNETWORK_CONTROL = 0xC0
"""Type of service of routing protocols (RFC 791): a queue in the way lets them pass first."""
_RECEIVE_BUFFER = 1 << 20


def _raw() -> socket.socket:
    return socket.socket(
        socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, PROTOCOL
    )


def _mreqn(address: str, index: int) -> bytes:
    return struct.pack("=4s4si", socket.inet_aton(address), socket.inet_aton("0.0.0.0"), index)  # noqa: S104  # "any", by name of the index


class Receiver:
    """Hears every advertisement that reaches one interface, and none of another's."""

    def __init__(self, interface: str, index: int) -> None:
        self._socket = _raw()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _mreqn(GROUP, index))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """Take one packet, IP header included; None when no more wait."""
        try:
            return self._socket.recv(4096)
        except OSError:  # nothing left, or the interface went down, which the monitor reports
            return None

    def close(self) -> None:
        """Leave the group."""
        self._socket.close()


class Sender:
    """Speaks to the group from one primary address.

    Bound to that address it is sent nothing from the group, so it needs no reading.
    """

    def __init__(self, interface: str, index: int, source: str) -> None:
        self.source = source
        self._socket = _raw()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _mreqn(source, index))
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)
            self._socket.bind((source, 0))
        except OSError:
            self._socket.close()
            raise

    def send(self, message: bytes) -> None:
        """Send an advertisement.

        Raises:
            OSError: the interface is down or gone, or its queue is full.
        """
        self._socket.sendto(message, (GROUP, 0))

    def close(self) -> None:
        """Close it."""
        self._socket.close()
