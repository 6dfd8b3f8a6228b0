"""A TCP connect as a probe: begun without waiting, ended without leaving anything behind.

The kernel is asked to delay the ACK that would complete the handshake (tcp(7): TCP_DEFER_ACCEPT says on a
client that it will speak first, and unlike TCP_QUICKACK it lasts), and the end is a reset. The target's
kernel has then answered the SYN, which is all that a connect can prove, and the RST takes away a connection
that its application never saw: accept(2) does not return, so a server neither spends a thread on a probe nor
logs one. Neither end is left in TIME-WAIT, where a normal close would park a port of ours for a minute each
time. When this host is 200 ms late (TCP_DELACK_MAX) the ACK goes out by itself, and the server sees a
connection that is reset: unpretty, not wrong.

A socket is used again: a connect to AF_UNSPEC (connect(2)) resets and gives the port back just as a close
does that lingers for no time, but the socket, its options and its place in epoll stay. Two system calls a
probe instead of six, and 0.6 of their price.
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import socket
import sys
from typing import Final

from health_prober.sockets import RESET_ON_CLOSE, SocketAddress

_connect: Final = ctypes.PyDLL(None, use_errno=True).connect
"""Called with Python's lock held: this does not wait, and to get the lock back may take a while each time."""
_UNSPECIFIED = ctypes.byref(ctypes.create_string_buffer(16))
"""A sockaddr of family AF_UNSPEC, which Python's own connect cannot write."""
GOES_ON: Final = frozenset({0, errno.EINPROGRESS})
"""What `start` says of an attempt that has begun; any other errno ended it."""


def opened(family: int) -> _socket.socket:
    """Open a socket for probes; without the wrapper's Python code, which costs as much as a system call.

    Raises:
        OSError: this host gave no socket.
    """
    probe = _socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        prepare(probe)
    except OSError:
        probe.close()
        raise
    return probe


def prepare(probe: _socket.socket) -> None:
    """Set what makes a socket's connects probes."""
    probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def start(probe: _socket.socket, where: SocketAddress, packed: bytes | None) -> int:
    """Begin to connect; return an errno. ``packed`` is what `pack` made of the address.

    Raises:
        OSError: the address is none that this host knows.
    """
    if packed is None:
        return probe.connect_ex(where)
    return 0 if _connect(probe.fileno(), packed, len(packed)) == 0 else ctypes.get_errno()


def pack(family: int, where: SocketAddress) -> bytes | None:
    """Write an address as connect(2) takes it (ip(7), ipv6(7)); None where only a resolver could."""
    try:
        octets = socket.inet_pton(family, where[0])
    except (OSError, ValueError):
        return None
    port = where[1].to_bytes(2, "big")
    return (
        family.to_bytes(2, sys.byteorder)
        + port
        + (octets + bytes(8) if family == socket.AF_INET else bytes(4) + octets + bytes(4))
    )


def reset(descriptor: int) -> bool:
    """Reset the connection of a socket, which may then begin another; False: it may not."""
    return _connect(descriptor, _UNSPECIFIED, 16) == 0  # type: ignore[no-any-return]


def outcome(probe: _socket.socket) -> int:
    """Read how a connect ended: 0 or the errno of what went wrong (SO_ERROR, socket(7))."""
    return probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def met_itself(probe: _socket.socket) -> bool:
    """Say whether a socket is connected to itself.

    A connect to a port of this host in the ephemeral range may be given that very port as its own and then
    succeeds with nobody listening (simultaneous open, RFC 9293 section 3.5).
    """
    try:
        return bool(probe.getsockname() == probe.getpeername())
    except OSError:
        return False  # reset since: the next attempt tells
