"""A TCP connect as a probe: begun without waiting, ended without leaving anything behind.

The kernel is asked to delay the ACK that would complete the handshake (TCP_QUICKACK off, tcp(7)) and to
reset on close (SO_LINGER with 0 s, socket(7)). The target's kernel has then answered the SYN, which is all
that a connect can prove, and the RST takes away a connection that its application never saw: accept(2) does
not return, so a server neither spends a thread on a probe nor logs one. Neither end is left in TIME-WAIT,
where a normal close would park a port of ours for a minute each time. When this host is more than about
40 ms late the ACK goes out by itself, and the server sees a connection that is reset: unpretty, not wrong.
"""

from __future__ import annotations

import errno
import socket
import struct

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def resolve(address: str, port: int) -> tuple[int, SocketAddress]:
    """Turn a numeric address into a family and what connect(2) takes; no name server is ever asked."""
    if ":" in address:
        return socket.AF_INET6, (address, port, 0, 0)
    return socket.AF_INET, (address, port)


def start(family: int, where: SocketAddress) -> tuple[socket.socket | None, int]:
    """Begin to connect; return the socket and an errno.

    EINPROGRESS or 0 come with a socket; any other errno ended the attempt, and there is none.

    Raises:
        OSError: this host gave no socket.
    """
    probe = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        number = probe.connect_ex(where)
    except OSError:
        probe.close()
        raise
    if number in (0, errno.EINPROGRESS):
        return probe, number
    probe.close()
    return None, number


def outcome(probe: socket.socket) -> int:
    """Read how a connect ended: 0 or the errno of what went wrong (SO_ERROR, socket(7))."""
    return probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def met_itself(probe: socket.socket) -> bool:
    """Say whether a socket is connected to itself.

    A connect to a port of this host in the ephemeral range may be given that very port as its own and then
    succeeds with nobody listening (simultaneous open, RFC 9293 section 3.5).
    """
    try:
        return bool(probe.getsockname() == probe.getpeername())
    except OSError:
        return False  # reset since: the next attempt tells
