"""The picture of this host's interfaces, kept up to date by the kernel's own messages."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Set

from vipbus.contracts import VirtualAddress, VirtualRoute, VirtualRule
from vipbus.contracts.vrrp_objects import Family
from vrrp_agent import rtnetlink
from vrrp_agent.addresses import Address, identity
from vrrp_agent.routes import PROTOCOL, Route
from vrrp_agent.rtnetlink import Change, Forwarding, Link, LinkGone
from vrrp_agent.rules import Rule
from vrrp_agent.tables import Tables

log = logging.getLogger(__name__)

Object = VirtualAddress | VirtualRoute | VirtualRule
_BACKLOG = 1 << 16
"""Messages: more than the socket's buffer holds."""
LINK_LOCAL = ("fe8", "fe9", "fea", "feb")
"""How fe80::/10 begins, as inet_ntop(3) writes it."""


class Interfaces:
    """Links by name, their addresses in the order in which the kernel lists them, our routes, and rules."""

    def __init__(self) -> None:
        self.protocols: frozenset[int] = frozenset({PROTOCOL})
        """Whose routes are kept in the picture."""
        self._links: dict[int, Link] = {}
        self._indexes: dict[str, int] = {}
        self._addresses: dict[int, dict[tuple[str, int, str], Address]] = {}
        self._forwarding: dict[int, bool] = {}
        self._tables = Tables()

    # ---- what the kernel says

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes into the picture, oldest first."""
        for change in changes:
            match change:
                case Link():
                    self._link(change)
                case LinkGone(index):
                    self._gone(index)
                case Address():
                    self._address(change)
                case Route():
                    self._tables.route(change, ours=change.protocol in self.protocols)
                case Rule():
                    self._tables.rule(change)
                case Forwarding(index, enabled):
                    self._forwarding[index] = enabled

    def _link(self, link: Link) -> None:
        before = self._links.get(link.index)
        if before is not None and before.name != link.name:
            self._unname(before)
        self._links[link.index] = link
        self._indexes[link.name] = link.index
        if before is not None and before.enabled and not link.enabled:
            self._drop_dead_routes(link.index)

    def _gone(self, index: int) -> None:
        link = self._links.pop(index, None)
        if link is not None:
            self._unname(link)
        self._addresses.pop(index, None)
        self._forwarding.pop(index, None)
        self._drop_dead_routes(index)

    def _unname(self, link: Link) -> None:
        # names may have been exchanged: another link may have this one already
        if self._indexes.get(link.name) == link.index:
            del self._indexes[link.name]

    def _address(self, change: Address) -> None:
        held = self._addresses.setdefault(change.index, {})
        key = (change.address, change.prefix, change.peer)
        if change.present:
            held[key] = change
            return
        if held.pop(key, None) is None or ":" in change.address:
            return
        if not any(":" not in each.address for each in held.values()):
            self._drop_dead_routes(change.index)
        if not any(each.address == change.address for on in self._addresses.values() for each in on.values()):
            self._tables.drop(lambda route: route.source == change.address)

    def _drop_dead_routes(self, index: int) -> None:
        """Forget IPv4 routes through a link that has just gone, or has lost what it needs for IPv4."""

        def dead(route: Route) -> bool:
            return any(hop.index == index for hop in route.hops) and not any(
                hop.index != index and (link := self._links.get(hop.index)) is not None and link.enabled
                for hop in route.hops
            )

        self._tables.drop(dead)

    def clear(self) -> None:
        """Forget everything, before a whole new list is applied."""
        self._links.clear()
        self._indexes.clear()
        self._addresses.clear()
        self._forwarding.clear()
        self._tables.clear()

    # ---- what can be asked

    def link(self, name: str) -> Link | None:
        """Find a link by its name."""
        return self._links.get(self._indexes.get(name, 0))

    def at(self, index: int) -> Link | None:
        """Find a link by its index."""
        return self._links.get(index)

    def index_of(self, name: str) -> int:
        """Give a link's index; 0 when there is none of that name."""
        return self._indexes.get(name, 0)

    def forwards(self, name: str) -> bool:
        """Say whether IPv6 packets from a link are forwarded."""
        return self._forwarding.get(self.index_of(name), False)

    def holds(self, virtual: Object) -> bool:
        """Say whether an address, a route or a rule is where it belongs."""
        if isinstance(virtual, VirtualAddress):
            return self._found(virtual) is not None
        if isinstance(virtual, VirtualRoute):
            return self._tables.has_route(virtual, self.index_of)
        return self._tables.has_rule(virtual)

    def unusable(self, virtual: VirtualAddress) -> str:
        """Say why an address that is there is of no use, in words; empty when it is, or is not there."""
        found = self._found(virtual)
        if found is not None and found.duplicate:
            return f"{virtual.address} on {virtual.dev} is another host's too (duplicate address detection)"
        return ""

    def _found(self, virtual: VirtualAddress) -> Address | None:
        return self._addresses.get(self.index_of(virtual.dev), {}).get(identity(virtual))

    def primary(self, name: str, virtual: Set[str], family: Family = 4) -> str:
        """Give the address to advertise from: the first that is not virtual, for IPv6 of link-local scope.

        Empty when there is none, or none that is usable yet (RFC 9568 section 5.1.2.2).
        """
        held = self._addresses.get(self.index_of(name), {}).values()
        if family == 6:
            own = (
                each.address
                for each in held
                if each.address.startswith(LINK_LOCAL) and not each.tentative and not each.duplicate
            )
        else:
            own = (each.address for each in held if ":" not in each.address)
        return next((address for address in own if address not in virtual), "")

    def has(self, name: str, address: str) -> bool:
        """Say whether an address is on a link, whatever its prefix."""
        held = self._addresses.get(self.index_of(name), {}).values()
        return any(each.address == address and not each.duplicate for each in held)

    def problem(self, name: str, virtual: Set[str], family: Family = 4, vrf: str | None = None) -> str:
        """Say why an instance cannot run on an interface, in words; empty when it can."""
        link = self.link(name)
        if link is None:
            return f"interface {name} does not exist"
        if vrf is not None and not self._in_vrf(link, vrf):
            return f"interface {name} is not in VRF {vrf}"
        if not link.enabled:
            return f"interface {name} is down"
        if not link.up:
            return f"interface {name} has no carrier"
        if not self.primary(name, virtual, family):
            what = "IPv4" if family == 4 else "IPv6 link-local"
            return f"interface {name} has no {what} address of its own to advertise from"
        return ""

    def _in_vrf(self, link: Link, vrf: str) -> bool:
        master = self._links.get(link.master)
        return master is not None and (master.name, master.kind) == (vrf, "vrf")


class Monitor:
    """Keeps an `Interfaces` true; its descriptor is readable when something changed."""

    def __init__(self) -> None:
        self.interfaces = Interfaces()
        # the monitor listens before the list is read, so nothing falls between
        self._socket = rtnetlink.open_monitor(self.interfaces.protocols)
        self._outdated = False
        """True while the last list could not be read."""
        self._read_all()

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def watch(self, protocols: Set[int]) -> None:
        """Keep routes of these protocols in the picture too (`routes.protocol_of`)."""
        if not protocols <= self.interfaces.protocols:
            self.interfaces.protocols |= protocols
            rtnetlink.listen_for(self._socket, self.interfaces.protocols)
            self._read_all()

    def drain(self) -> None:
        """Take everything the kernel has said so far."""
        if self._outdated:
            self._read_all()
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                log.warning("the kernel dropped messages about interfaces; reading all of them again")
                self._discard()
                self._read_all()
                continue
            self.interfaces.apply(rtnetlink.decode(data))

    def _discard(self) -> None:
        """Take what still waits off the socket: it is older than what was dropped, and than a new list."""
        for _ in range(_BACKLOG):
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # dropped again; the list comes after
                continue

    def _read_all(self) -> None:
        try:
            changes = rtnetlink.dump(self.interfaces.protocols)
        except OSError as error:
            log.warning("interfaces could not be listed: %s", error)  # the last picture is better than none
            self._outdated = True
            return
        self._outdated = False
        self.interfaces.clear()
        self.interfaces.apply(changes)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
