"""Virtual addresses, routes and rules into the kernel and out of it, many to a send.

pyroute2 writes the messages. It takes a tenth of a second to import, so another thread imports it (`writing`)
while the agent listens already; what is asked for before that waits here and is carried out in order. Writing
a message costs ten times what the kernel needs for it, so `prepare` has them written before a takeover.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections import deque
from collections.abc import Iterable
from typing import Literal

from vipbus.contracts import VirtualAddress, VirtualRoute
from vrrp_agent import addresses, routes, rules
from vrrp_agent.interfaces import Interfaces, Object
from vrrp_agent.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    in_words,
    request,
    route_socket,
)

log = logging.getLogger(__name__)

Verb = Literal["add", "remove"]

_BATCH = 64
"""Requests in one send: as many refusals fit the socket's buffer."""
_DONE: dict[Verb, frozenset[int]] = {
    "add": frozenset({0, errno.EEXIST}),
    "remove": frozenset({0, errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENOENT, errno.ENODEV}),
}
"""The kernel's answers when all is as it should be; a deleted primary address takes its secondaries along."""
_NO_DEVICE = "the device does not exist"


class Objects:
    """Adds and removes addresses, routes and rules; errors are logged and returned in words, never raised."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._socket: socket.socket | None = None
        self._waiting: deque[tuple[Verb, tuple[Object, ...]]] = deque()
        self._written: dict[tuple[Verb, Object, tuple[int, ...]], bytes] = {}
        """Messages by what they ask, and the indexes of the devices that they name."""

    @property
    def ready(self) -> bool:
        """True once changes are carried out at once."""
        return self._socket is not None

    @property
    def pending(self) -> bool:
        """True while changes wait."""
        return bool(self._waiting)

    def open(self) -> None:
        """Begin to carry out changes, those that waited first; after `writing.load`.

        Raises:
            OSError: the kernel gives no netlink socket.
        """
        self._socket = route_socket()
        self._socket.setblocking(False)  # the kernel has answered when send returns
        while self._waiting:
            self._change(*self._waiting.popleft())

    def add(self, objects: Iterable[Object], *, silent: bool = False) -> str:
        """Add objects, addresses first; one that is there already is left alone.

        Returns what went wrong, in words; ``silent``: without a line in the log.
        """
        return self._change("add", tuple(sorted(objects, key=_rank)), silent=silent)

    def remove(self, objects: Iterable[Object]) -> str:
        """Remove objects, addresses last; one that is not there is no error.

        Returns what went wrong, in words.
        """
        return self._change("remove", tuple(sorted(objects, key=_rank, reverse=True)))

    def possible(self, each: Object) -> bool:
        """Say whether every device that it needs is there."""
        return all(self._interfaces.index_of(dev) for dev in _devices(each))

    def prepare(self, objects: Iterable[Object]) -> None:
        """Have the messages written before they are needed; after `load`, in any thread."""
        for each in objects:
            for verb in ("add", "remove"):
                self._message(verb, each)

    def forget(self, objects: Iterable[Object]) -> None:
        """Keep no messages for these any longer."""
        gone = set(objects)
        for key in [key for key in list(self._written) if key[1] in gone]:
            self._written.pop(key, None)

    def _change(self, verb: Verb, objects: tuple[Object, ...], *, silent: bool = False) -> str:
        if self._socket is None:
            self._waiting.append((verb, objects))
            return ""
        problems: list[str] = []
        asked: list[tuple[Object, bytes]] = []
        for each in objects:
            message = self._message(verb, each)
            if isinstance(message, bytes):
                if not self._would_double(verb, each):
                    asked.append((each, message))
            elif verb == "add" or message != _NO_DEVICE:
                problems.append(_sentence(verb, each, message))
        for at in range(0, len(asked), _BATCH):
            batch = asked[at : at + _BATCH]
            for found in request(self._socket, [message for _, message in batch]):
                if found.code not in _DONE[verb]:
                    refused = batch[found.sequence][0]
                    problems.append(_sentence(verb, refused, in_words(found)))
        for text in () if silent else problems:
            log.error("%s", text)
        return "; ".join(problems)

    def _would_double(self, verb: Verb, each: Object) -> bool:
        """A rule without a priority is new to the kernel each time."""
        return (
            verb == "add"
            and not isinstance(each, (VirtualAddress, VirtualRoute))
            and each.priority is None
            and self._interfaces.holds(each)
        )

    def _message(self, verb: Verb, each: Object) -> bytes | str:
        """Write a message with sequence number 0; or say why there is none."""
        indexes = tuple(self._interfaces.index_of(dev) for dev in sorted(_devices(each)))
        if 0 in indexes:
            return _NO_DEVICE
        key = (verb, each, indexes)
        written = self._written.get(key)
        if written is None:
            try:
                written = self._written[key] = self._write(verb, each)
            except Exception as error:  # whatever a library makes of a value that does not fit
                return f"it cannot be written: {error}"
        return written

    def _write(self, verb: Verb, each: Object) -> bytes:
        adding = verb == "add"
        flags = NLM_F_REQUEST
        if adding:
            # without EXCL a route comes before others in its place, as keepalived does it, and is
            # taken away again without them; an equal one is refused all the same
            flags |= NLM_F_CREATE if isinstance(each, VirtualRoute) else NLM_F_CREATE | NLM_F_EXCL
        if isinstance(each, VirtualAddress):
            kind = addresses.RTM_NEWADDR if adding else addresses.RTM_DELADDR
            message = addresses.encode(each, self._interfaces.index_of(each.dev))
        elif isinstance(each, VirtualRoute):
            kind = routes.RTM_NEWROUTE if adding else routes.RTM_DELROUTE
            message = routes.encode(each, self._interfaces.index_of, removal=not adding)
        else:
            kind = rules.RTM_NEWRULE if adding else rules.RTM_DELRULE
            message = rules.encode(each)
        message["header"]["type"], message["header"]["flags"] = kind, flags
        message.encode()
        return bytes(message.data)

    def close(self) -> None:
        """Close the netlink socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _rank(each: Object) -> int:
    return 0 if isinstance(each, VirtualAddress) else 1 if isinstance(each, VirtualRoute) else 2


def _devices(each: Object) -> set[str]:
    if isinstance(each, VirtualAddress):
        return {each.dev}
    # a rule names devices that need not be there
    return routes.devices(each) if isinstance(each, VirtualRoute) else set()


def _sentence(verb: Verb, each: Object, reason: str) -> str:
    if isinstance(each, VirtualAddress):
        what = addresses.describe(each)
        if "scope" in reason:
            reason += "; an address of its prefix on the device has another scope: give both the same"
    else:
        what = routes.describe(each) if isinstance(each, VirtualRoute) else rules.describe(each)
    return f"{what} cannot be {'added' if verb == 'add' else 'removed'}: {reason}"
