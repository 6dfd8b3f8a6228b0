"""Raw sockets that speak, one for all instances that speak from the same place (raw(7), ip(7), ipv6(7))."""

from __future__ import annotations

import ctypes
import socket
import struct

import msgspec

from vipbus.contracts.vrrp_objects import Family
from vrrp_agent.sockets import mreqn, raw

# linux/in6.h, asm-generic/socket.h; the socket module has no names for them
_IPV6_FREEBIND = 78
_SO_ATTACH_FILTER = 26

_INTERNETWORK_CONTROL = 0xC0
"""Type of service of routing protocols (RFC 791): a queue in the way lets them pass first."""
_CONTROL_BAND = 6
"""SO_PRIORITY (tc-prio(8)): the first band of this host's own queue; 7 would need a capability more."""
_MULTICAST_TTL = 255

Destination = tuple[str, int] | tuple[str, int, int, int]
"""A socket address of either family."""


class Mouth(msgspec.Struct, frozen=True):
    """What distinguishes one sending socket from another; instances with the same share it."""

    family: Family
    device: str
    index: int
    source: str
    ttl: int


class Sender:
    """Speaks from one address on one device, to groups and to peers.

    It never fills its own buffer: a filter drops whatever is sent to the address that it is bound to.

    The device may be a macvlan while the source is the address of the interface below, as keepalived puts it
    on the wire. IPv4 lets a socket bind to any address of the host; IPv6 insists that a link-local address is
    the device's own, unless the socket is free to bind to any (IPV6_FREEBIND), which spares making headers.
    """

    def __init__(self, mouth: Mouth) -> None:
        self.mouth = mouth
        self._socket = raw(mouth.family, mouth.device)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)
            if mouth.family == 4:
                self._set_up_4()
            else:
                self._set_up_6()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _CONTROL_BAND)
        except OSError:
            self._socket.close()
            raise

    def _set_up_4(self) -> None:
        mouth = self.mouth
        options = (
            (socket.IP_MULTICAST_IF, mreqn(mouth.source, mouth.index)),
            (socket.IP_MULTICAST_TTL, _MULTICAST_TTL),
            (socket.IP_MULTICAST_LOOP, 0),
            (socket.IP_TTL, mouth.ttl),
            (socket.IP_TOS, _INTERNETWORK_CONTROL),
        )
        for option, value in options:
            self._socket.setsockopt(socket.IPPROTO_IP, option, value)
        self._socket.bind((mouth.source, 0))

    def _set_up_6(self) -> None:
        mouth = self.mouth
        options = (
            (socket.IPV6_MULTICAST_IF, mouth.index),
            (socket.IPV6_MULTICAST_HOPS, _MULTICAST_TTL),
            (socket.IPV6_MULTICAST_LOOP, 0),
            (socket.IPV6_UNICAST_HOPS, mouth.ttl),
            (socket.IPV6_TCLASS, _INTERNETWORK_CONTROL),
            (_IPV6_FREEBIND, 1),
        )
        for option, value in options:
            self._socket.setsockopt(socket.IPPROTO_IPV6, option, value)
        self._socket.bind((mouth.source, 0, 0, mouth.index))

    def destination(self, address: str) -> Destination:
        """Make of an address what `send` takes."""
        return (address, 0) if self.mouth.family == 4 else (address, 0, 0, self.mouth.index)

    def send(self, message: bytes, destination: Destination) -> None:
        """Send a message.

        Raises:
            OSError: the device is down or gone, or its queue is full.
        """
        self._socket.sendto(message, destination)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


_NOTHING = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
"""One instruction of classic BPF: return 0, keep no byte (linux/filter.h)."""
_DROP_ALL = struct.pack("@HP", 1, ctypes.addressof(_NOTHING))
"""struct sock_fprog."""


class Senders:
    """The sending sockets of one interface: one for all who speak alike, closed after the last of them."""

    def __init__(self) -> None:
        self._open: dict[Mouth, tuple[Sender, int]] = {}

    def take(self, mouth: Mouth) -> Sender:
        """Give the socket, opened when it is the first time.

        Raises:
            OSError: the device is gone, or the address is not here.
        """
        sender, users = self._open.get(mouth) or (Sender(mouth), 0)
        self._open[mouth] = sender, users + 1
        return sender

    def give_back(self, sender: Sender) -> None:
        """Say that one who took it no longer needs it."""
        _, users = self._open[sender.mouth]
        if users > 1:
            self._open[sender.mouth] = sender, users - 1
        else:
            del self._open[sender.mouth]
            sender.close()
