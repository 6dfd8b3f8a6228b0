"""The picture of this host's interfaces, kept up to date by the kernel's own messages."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Set

from vipbus.contracts import VirtualAddress
from vrrp_agent import rtnetlink
from vrrp_agent.rtnetlink import Address, Change, Link, LinkGone

log = logging.getLogger(__name__)


class Interfaces:
    """Links by name, and their IPv4 addresses in the order in which the kernel lists them."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._addresses: dict[int, dict[tuple[str, int], None]] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes into the picture, oldest first."""
        for change in changes:
            match change:
                case Link(index=index):
                    self._links[index] = change
                case LinkGone(index):
                    self._links.pop(index, None)
                    self._addresses.pop(index, None)
                case Address(index, address, prefix, present):
                    held = self._addresses.setdefault(index, {})
                    if present:
                        held[address, prefix] = None
                    else:
                        held.pop((address, prefix), None)

    def clear(self) -> None:
        """Forget everything, before a whole new list is applied."""
        self._links.clear()
        self._addresses.clear()

    def link(self, name: str) -> Link | None:
        """Find a link by its name."""
        return next((link for link in self._links.values() if link.name == name), None)

    def holds(self, virtual: VirtualAddress) -> bool:
        """Say whether a virtual address is on its device."""
        link = self.link(virtual.dev)
        return link is not None and (virtual.address, virtual.prefix) in self._addresses.get(link.index, {})

    def primary(self, name: str, virtual: Set[str]) -> str:
        """Give a link's first address that is not a virtual one; empty when there is none."""
        link = self.link(name)
        if link is None:
            return ""
        own = (address for address, _ in self._addresses.get(link.index, {}) if address not in virtual)
        return next(own, "")

    def problem(self, name: str, virtual: Set[str]) -> str:
        """Say why an instance cannot run on an interface, in words; empty when it can."""
        link = self.link(name)
        if link is None:
            return f"interface {name} does not exist"
        if not link.enabled:
            return f"interface {name} is down"
        if not link.up:
            return f"interface {name} has no carrier"
        if not self.primary(name, virtual):
            return f"interface {name} has no IPv4 address of its own to advertise from"
        return ""


class Monitor:
    """Keeps an `Interfaces` true; its descriptor is readable when something changed."""

    def __init__(self) -> None:
        self.interfaces = Interfaces()
        # the monitor listens before the list is read, so nothing falls between
        self._socket = rtnetlink.open_monitor()
        self._read_all()

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Take everything the kernel has said so far."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                log.warning("the kernel dropped messages about interfaces; reading all of them again")
                self._read_all()
                continue
            self.interfaces.apply(rtnetlink.decode(data))

    def _read_all(self) -> None:
        try:
            changes = rtnetlink.dump()
        except OSError as error:
            log.warning("interfaces could not be listed: %s", error)  # the last picture is better than none
            return
        self.interfaces.clear()
        self.interfaces.apply(changes)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
