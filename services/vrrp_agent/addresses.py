"""Virtual addresses on and off their interfaces, through pyroute2.

pyroute2 takes a tenth of a second to import, so another thread imports it (`load`) while the agent listens
already; what is asked for before that waits here and is carried out in order.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
from collections import deque
from typing import TYPE_CHECKING, Literal

from vipbus.contracts import VirtualAddress
from vrrp_agent.interfaces import Interfaces

if TYPE_CHECKING:
    from pyroute2 import IPRoute

log = logging.getLogger(__name__)

_ALREADY = {"add": errno.EEXIST, "del": errno.EADDRNOTAVAIL}
"""The kernel's answer when all is as it should be; a deleted primary address takes its secondaries along."""


def load() -> None:
    """Import pyroute2; any thread may do it."""
    importlib.import_module("pyroute2")


class Addresses:
    """Adds and removes addresses; errors are logged and returned in words, never raised."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._route: IPRoute | None = None
        self._refusal: type[Exception] = OSError
        """pyroute2's NetlinkError, once it is imported."""
        self._waiting: deque[tuple[Literal["add", "del"], tuple[VirtualAddress, ...]]] = deque()

    @property
    def ready(self) -> bool:
        """True once changes are carried out at once."""
        return self._route is not None

    @property
    def pending(self) -> bool:
        """True while changes wait."""
        return bool(self._waiting)

    def open(self) -> None:
        """Begin to carry out changes, those that waited first; after `load`."""
        from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415  # imported by `load` in another thread

        self._refusal = NetlinkError
        self._route = IPRoute()
        while self._waiting:
            self._change(*self._waiting.popleft())

    def add(self, addresses: tuple[VirtualAddress, ...]) -> str:
        """Add addresses; one that is there already is left alone. Returns what went wrong, in words."""
        return self._change("add", addresses)

    def remove(self, addresses: tuple[VirtualAddress, ...]) -> str:
        """Remove addresses; one that is not there is no error. Returns what went wrong, in words."""
        return self._change("del", addresses)

    def _change(self, verb: Literal["add", "del"], addresses: tuple[VirtualAddress, ...]) -> str:
        if self._route is None:
            self._waiting.append((verb, addresses))
            return ""
        problems = [text for each in addresses if (text := self._one(self._route, verb, each))]
        for text in problems:
            log.error("%s", text)
        return "; ".join(problems)

    def _one(self, route: IPRoute, verb: Literal["add", "del"], address: VirtualAddress) -> str:
        what = f"{address.address}/{address.prefix} dev {address.dev}"
        link = self._interfaces.link(address.dev)
        if link is None:
            return f"{what} cannot be added: the device does not exist" if verb == "add" else ""
        try:
            route.addr(verb, index=link.index, address=address.address, prefixlen=address.prefix)
        except (self._refusal, OSError) as error:
            code = error.code if isinstance(error, self._refusal) else error.errno  # type: ignore[attr-defined]  # NetlinkError has one
            if code == _ALREADY[verb] or (verb == "del" and code == errno.ENODEV):
                return ""
            done = "added" if verb == "add" else "removed"
            return f"{what} cannot be {done}: {os.strerror(code or 0)}"
        return ""

    def close(self) -> None:
        """Close the netlink socket."""
        if self._route is not None:
            self._route.close()
            self._route = None
