"""Which addresses this host has: a dump at the start, then the kernel's own notices (rtnetlink(7))."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from ipvs_programmer import constants as c
from ipvs_programmer.netlink import NetlinkSocket
from ipvs_programmer.octets import MalformedError, NetlinkError, attributes, messages

log = logging.getLogger(__name__)

_IFADDRMSG: Final = struct.Struct("=BBBBI")
"""struct ifaddrmsg: family, prefix length, flags, scope, interface index."""
_RECEIVE: Final = 64 * 1024


class Addresses(Protocol):
    """The addresses of this host, followed."""

    @property
    def present(self) -> frozenset[str]:
        """Canonical text of every address, whatever its interface."""

    def start(self, on_change: Callable[[], None]) -> None:
        """Read them and follow them; ``on_change`` is called in the event loop."""

    def close(self) -> None:
        """Stop following."""


class Held(NamedTuple):
    """An address on an interface; one address may be on several."""

    interface: int
    address: str


def decode(payload: memoryview) -> Held | None:
    """Read the payload of RTM_NEWADDR or RTM_DELADDR; None for a family that is no IP.

    Raises:
        MalformedError: it is neither.
    """
    if len(payload) < _IFADDRMSG.size:
        raise MalformedError("an address without struct ifaddrmsg")
    family, _prefix, _flags, _scope, interface = _IFADDRMSG.unpack_from(payload)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(payload[_IFADDRMSG.size :])
    # with a peer IFA_ADDRESS is the other end and IFA_LOCAL the address itself
    raw = found.get(c.IFA_LOCAL, found.get(c.IFA_ADDRESS))
    if raw is None or len(raw) != (4 if family == socket.AF_INET else 16):
        raise MalformedError("an address notice without an address")
    return Held(interface, socket.inet_ntop(family, raw))


class KernelAddresses:
    """The addresses of the network namespace in which `start` is called."""

    def __init__(self) -> None:
        self._held: set[Held] = set()
        self._present: frozenset[str] = frozenset()
        self._socket: socket.socket | None = None
        self._on_change: Callable[[], None] = lambda: None

    @property
    def present(self) -> frozenset[str]:
        """Canonical text of every address, whatever its interface."""
        return self._present

    def start(self, on_change: Callable[[], None]) -> None:
        """Read them and follow them.

        Raises:
            OSError: no netlink socket can be had.
            NetlinkError: they cannot be read.
        """
        self._on_change = on_change
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, c.NETLINK_ROUTE)
        # notices first: what changes during the dump comes after it once more
        self._socket.bind((0, c.RTMGRP_IPV4_IFADDR | c.RTMGRP_IPV6_IFADDR))
        self._read_all()
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Stop following."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read_all(self) -> None:
        # a socket of its own: notices and a dump on one socket come mixed
        dumping = NetlinkSocket(c.NETLINK_ROUTE)
        try:
            payloads = dumping.dump(c.RTM_GETADDR, bytes(_IFADDRMSG.size))
        finally:
            dumping.close()
        self._held = {held for payload in payloads if (held := decode(memoryview(payload))) is not None}
        self._publish()

    def _receive(self) -> None:
        assert self._socket is not None  # noqa: S101  # the reader is removed before it is closed
        try:
            while True:
                datagram, (port, _groups) = self._socket.recvfrom(_RECEIVE)
                if port == 0:
                    self._take(memoryview(datagram))
        except BlockingIOError:
            pass
        except (OSError, MalformedError) as error:
            # ENOBUFS: notices were lost, so read everything again
            if not isinstance(error, OSError) or error.errno != errno.ENOBUFS:
                log.warning("address notices: %s", error)
            try:
                self._read_all()
            except (OSError, NetlinkError) as failure:
                log.warning("the addresses of this host cannot be read: %s", failure)
        self._publish()

    def _take(self, datagram: memoryview) -> None:
        for message in messages(datagram):
            if message.type not in (c.RTM_NEWADDR, c.RTM_DELADDR):
                continue
            held = decode(message.payload)
            if held is None:
                continue
            if message.type == c.RTM_NEWADDR:
                self._held.add(held)
            else:
                self._held.discard(held)

    def _publish(self) -> None:
        present = frozenset(held.address for held in self._held)
        if present != self._present:
            self._present = present
            self._on_change()
