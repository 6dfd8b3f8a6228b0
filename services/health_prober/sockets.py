"""Sockets as a check wants them: its family, and from where they go out."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import struct
from typing import Final

from health_prober.attempt import NotTriedError
from vipbus.contracts import CheckBase

_DESCRIPTORS_KEPT = 256
"""Left for the bus, files, libraries, the scraper, and sockets that wait for their next attempt."""
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 s (socket(7)): a close resets, so that no port of ours is parked in TIME-WAIT."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit on descriptors to the hard one; return how many attempts may be in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = 2**20 if hard == resource.RLIM_INFINITY else hard
    return max(limit - _DESCRIPTORS_KEPT, 1)


def resolve(address: str, port: int) -> tuple[int, SocketAddress]:
    """Turn a numeric address into a family and what connect(2) takes; no name server is ever asked."""
    if ":" in address:
        return socket.AF_INET6, (address, port, 0, 0)
    return socket.AF_INET, (address, port)


def opened(check: CheckBase, kind: int, protocol: int = 0) -> socket.socket:
    """Open a non-blocking socket of a check's family that goes out where the check says.

    Raises:
        NotTriedError: this host has no such source, interface or right.
        OSError: this host gave no socket.
    """
    family, _ = resolve(check.address, check.port)
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        steer(made, check)
    except BaseException:
        made.close()
        raise
    return made


def steer(made: socket.socket, check: CheckBase) -> None:
    """Bind a socket to the check's interface, mark and source.

    Raises:
        NotTriedError: this host has no such source, interface or right.
    """
    doing = ""
    try:
        if check.interface is not None:
            doing = f"interface {check.interface}"
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, check.interface.encode() + b"\0")
        if check.mark:
            doing = f"mark {check.mark}"
            made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, check.mark)
        if check.source is not None or check.source_port:
            any_address = "::" if made.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  # a source, no listener
            source = check.source or any_address
            doing = f"source {source} port {check.source_port}" if check.source_port else f"source {source}"
            if check.source_port:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(resolve(source, check.source_port)[1])
    except OSError as error:
        raise NotTriedError(_refused(doing, error)) from None


async def connected(check: CheckBase) -> socket.socket:
    """Connect to a check's address and port; a close will reset.

    Raises:
        NotTriedError: this host has no such source, interface or right.
        OSError: the connection was refused, or this host gave no socket.
    """
    made = opened(check, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        # a dialogue of small pieces would wait for delayed ACKs, 40 ms a turn
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, resolve(check.address, check.port)[1])
        if made.getsockname() == made.getpeername():
            # a port of this host in the ephemeral range met itself (RFC 9293, section 3.5): nobody listens
            raise ConnectionRefusedError(errno.ECONNREFUSED, "")
    except BaseException:
        made.close()
        raise
    return made


def _refused(what: str, error: OSError) -> str:
    if error.errno == errno.EPERM:
        return f"{what}: not permitted; give the prober CAP_NET_ADMIN (mark) or CAP_NET_RAW (interface)"
    if error.errno == errno.ENODEV:
        return f"{what}: this host has none; name one that it has"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{what}: this host does not have the address; add it, or name one that it has"
    return f"{what}: {os.strerror(error.errno or 0).lower()}"
