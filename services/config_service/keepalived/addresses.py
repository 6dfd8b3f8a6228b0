"""One address that a router takes: ``ADDRESS[/LENGTH]`` and its options, as ip-address(8) has them."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Final, Literal

from config_service.keepalived import options, values
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.options import Option
from config_service.keepalived.parser import Statement
from config_service.keepalived.words import Words, unknown
from config_service.problems import RefusedError, quoted
from vipbus.contracts import VirtualAddress

_USAGE: Final = "ADDRESS[/LENGTH] [dev IF] [brd ADDRESS] [scope SCOPE] [label LABEL] ..."
_FOREVER: Final = 2**32 - 1
"""A lifetime without end (linux/addrconf.h, INFINITY_LIFE_TIME)."""
_LABEL: Final = re.compile(r"[!-~]{1,15}")


class AddressDraft:
    """One line; without ``dev`` the address goes on the instance's interface, or the default one."""

    __slots__ = (
        "address",
        "auto_join",
        "broadcast",
        "dev",
        "home",
        "label",
        "managed_temporary",
        "no_prefix_route",
        "nodad",
        "own_mac",
        "peer",
        "preferred",
        "prefix",
        "prefix_given",
        "scope",
        "statement",
        "track_group",
        "tracked",
        "version",
    )

    def __init__(self, statement: Statement) -> None:
        word, slash, length = statement.keyword.partition("/")
        found = values.address(word)
        longest = 128 if found.version == 6 else 32
        self.statement = statement
        self.address = found.text
        self.version: Literal[4, 6] = 6 if found.version == 6 else 4
        self.prefix_given = bool(slash)
        self.prefix = values.integer(length, 1, longest) if slash else longest
        self.dev: str | None = None
        self.broadcast: str | None = None
        self.scope = 0
        self.label: str | None = None
        self.peer: str | None = None
        self.home = False
        self.nodad = True
        self.preferred: int | None = None
        self.managed_temporary = False
        self.no_prefix_route = False
        self.auto_join = False
        self.tracked = True
        self.own_mac = False
        self.track_group: str | None = None

    def compiled(self, interface: str, *, each_own_mac: bool = False) -> VirtualAddress:
        """Make the address; ``interface`` holds it unless it names another."""
        dev = self.dev or interface
        return VirtualAddress(
            address=self.address,
            prefix=self.prefix,
            dev=dev,
            broadcast=self.broadcast,
            scope=self.scope,
            label=self.label,
            peer=self.peer,
            home=self.home,
            nodad=self.nodad,
            preferred_lifetime=self.preferred,
            managed_temporary=self.managed_temporary,
            no_prefix_route=self.no_prefix_route,
            auto_join=self.auto_join,
            tracked=self.tracked,
            own_mac=self.own_mac or (each_own_mac and dev != interface),
        )


def read_address(statement: Statement, names: Names, *, static: bool = False) -> AddressDraft:
    """Read a line.

    Raises:
        RefusedError: it is none.
    """
    draft = AddressDraft(statement)
    words = Words(statement.arguments)
    while words:
        word = words.take()
        if word == "track_group" and not static:
            raise RefusedError("track_group belongs to static addresses; remove it")
        option = OPTIONS.get(word)
        if option is None:
            raise unknown(word, "an address", _USAGE)
        words.once("brd" if word == "broadcast" else word)
        option(draft, words, names)
    _check(draft)
    return draft


def _check(draft: AddressDraft) -> None:
    if draft.peer is not None and draft.prefix_given:
        raise RefusedError(
            f"{draft.address} has a peer, so its prefix is the peer's; write {draft.address} peer "
            f"{draft.peer.partition('/')[0]}/{draft.prefix}"
        )
    if draft.own_mac and draft.dev is None:
        # on the instance's own interface it has the instance's virtual MAC
        draft.own_mac = False


def _broadcast(draft: AddressDraft, words: Words, _names: Names) -> None:
    word = words.argument("brd", "an address, + or -")
    if draft.version == 6:
        raise RefusedError(f"{draft.address} is IPv6, which has no broadcast; remove brd")
    if word not in ("+", "-"):
        found = values.any_address(word)
        if found.version == 6:
            raise RefusedError(f"brd {quoted(word)} is no IPv4 address")
        draft.broadcast = found.text
        return
    if draft.prefix > 30:
        raise RefusedError(f"brd {word} needs host bits; a /{draft.prefix} has no broadcast address")
    address = int.from_bytes(socket.inet_aton(draft.address), "big")
    hosts = (1 << (32 - draft.prefix)) - 1
    # keepalived clears the host bits where iproute2 leaves the broadcast out
    value = address | hosts if word == "+" else address & ~hosts
    draft.broadcast = socket.inet_ntoa(value.to_bytes(4, "big"))


def _label(draft: AddressDraft, words: Words, _names: Names) -> None:
    word = words.argument("label", "a label")
    if draft.version == 6:
        raise RefusedError(f"{draft.address} is IPv6, which has no labels; remove label")
    if _LABEL.fullmatch(word) is None:
        raise RefusedError(f"label {quoted(word)} is none; 1 to 15 characters, as eth0:1")
    draft.label = word


def _peer(draft: AddressDraft, words: Words, _names: Names) -> None:
    word, slash, length = words.argument("peer", "an address").partition("/")
    found = values.address(word)
    if found.version != draft.version:
        raise RefusedError(f"peer {found.text} is no IPv{draft.version} address, as {draft.address} is")
    longest = 128 if found.version == 6 else 32
    draft.prefix = values.integer(length, 1, longest) if slash else draft.prefix
    draft.peer = f"{found.text}/{draft.prefix if slash else longest}"


def _preferred(draft: AddressDraft, words: Words, _names: Names) -> None:
    word = words.argument("preferred_lft", "seconds or forever")
    value = _FOREVER if word == "forever" else values.integer(word, 0, _FOREVER)
    # for ever is the rule, except for a /128, which is deprecated unless told otherwise
    draft.preferred = None if value == _FOREVER and draft.prefix != 128 else value


OPTIONS: Final[Mapping[str, Option]] = {
    "dev": options.interface("dev"),
    "brd": _broadcast,
    "broadcast": _broadcast,
    "scope": options.named("scope", "a scope", "scope", "rt_scopes"),
    "label": _label,
    "peer": _peer,
    "home": options.flag("home"),
    "-nodad": options.flag("nodad", False),
    "mngtmpaddr": options.flag("managed_temporary"),
    "noprefixroute": options.flag("no_prefix_route"),
    "autojoin": options.flag("auto_join"),
    "no_track": options.flag("tracked", False),
    "preferred_lft": _preferred,
    "use_vmac": options.flag("own_mac"),
    "track_group": options.TRACK_GROUP,
}
