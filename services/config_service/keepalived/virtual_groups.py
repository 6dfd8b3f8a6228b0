"""``virtual_server_group``: addresses, ranges and firewall marks that share a pool (keepalived.conf(5))."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from config_service.keepalived import values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, each_line
from config_service.problems import RefusedError, quoted
from config_service.report import Report

MOST: Final = 4096
"""Virtual servers of one group, a /20: each is one in the kernel's table. Where more are wanted, a firewall
mark is one virtual server for all of them."""
_LAST: Final = {4: re.compile(r"[0-9]{1,3}"), 6: re.compile(r"[0-9A-Fa-f]{1,4}")}
"""What a range may end with in place of an address: the last octet, or the last 16 bits."""


class Member(NamedTuple):
    """What the kernel has one service for: an address and port, or a firewall mark."""

    statement: Statement
    address: str = ""
    port: int = 0
    """0: every port."""
    version: int = 0
    """Of a mark 0 where the file does not say."""
    mark: int = 0


class GroupEntry(NamedTuple):
    """One line of a group: a mark, or the addresses from the first to the last."""

    statement: Statement
    version: int
    first: int = 0
    last: int = 0
    port: int = 0
    mark: int = 0

    @property
    def size(self) -> int:
        """How many it stands for."""
        return self.last - self.first + 1

    def members(self) -> Iterator[Member]:
        """Give each of them, network and broadcast addresses included, as keepalived does."""
        if self.mark:
            yield Member(self.statement, version=self.version, mark=self.mark)
            return
        make = ipaddress.IPv6Address if self.version == 6 else ipaddress.IPv4Address
        for number in range(self.first, self.last + 1):
            # inet_ntop(3) writes some IPv6 addresses otherwise than Python does
            text = values.any_address(str(make(number))).text
            yield Member(self.statement, text, self.port, self.version)


class VirtualGroupDraft(Draft):
    """What one ``virtual_server_group`` says."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name = values.name(statement.arguments[0])
        self.entries: list[GroupEntry] = []

    def members(self) -> Iterator[Member]:
        """Give every service of it."""
        for entry in self.entries:
            yield from entry.members()


def read_virtual_group(statement: Statement, report: Report) -> VirtualGroupDraft:
    """Read a ``virtual_server_group`` block.

    Raises:
        RefusedError: its name is none.
    """
    draft = VirtualGroupDraft(statement)
    count = 0

    def line(inner: Statement) -> None:
        nonlocal count
        entry = _entry(inner)
        count += entry.size
        if count <= MOST:
            draft.entries.append(entry)
        elif count - entry.size <= MOST:
            raise RefusedError(
                f"with this line the group has {count} addresses, more than {MOST}; make several groups, or "
                "mark the packets and name the mark"
            )

    each_line(statement, report, line)
    if not draft.statement.block:
        report.error(
            statement.file,
            statement.line,
            f"virtual_server_group {quoted(draft.name)} is empty; add an address or a firewall mark",
        )
    return draft


def by_name(drafts: Sequence[VirtualGroupDraft], report: Report) -> Mapping[str, VirtualGroupDraft]:
    """Order the groups by name; what has the name of another goes into the report."""
    found: dict[str, VirtualGroupDraft] = {}
    for draft in drafts:
        if (other := found.setdefault(draft.name, draft)) is not draft:
            report.error(
                draft.statement.file,
                draft.statement.line,
                f"virtual_server_group {quoted(draft.name)} is already on line {other.statement.line}; "
                "rename one",
            )
    return found


def _entry(statement: Statement) -> GroupEntry:
    word, arguments = statement.keyword, statement.arguments
    if word == "fwmark":
        return _mark(statement)
    if len(arguments) > 1:
        raise RefusedError(f"{quoted(arguments[1])} after the port is not known; a line is ADDRESS [PORT]")
    port = values.integer(arguments[0], 0, 65535) if arguments else 0
    version, first, last = address_range(word)
    return GroupEntry(statement, version, first, last, port)


def _mark(statement: Statement) -> GroupEntry:
    arguments = statement.arguments
    if not 1 <= len(arguments) <= 2:
        raise RefusedError("a firewall mark is written fwmark NUMBER [inet|inet6]")
    version = 0
    if len(arguments) == 2:
        version = family(arguments[1])
    return GroupEntry(statement, version, mark=mark(arguments[0]))


def mark(word: str) -> int:
    """Read a firewall mark; 0 is no mark."""
    return values.integer(word, 1, 2**32 - 1)


def family(word: str) -> int:
    """Read ``inet`` or ``inet6``: 4 or 6."""
    return 6 if values.choice(word, ("inet", "inet6")) == "inet6" else 4


def address_range(word: str) -> tuple[int, int, int]:
    """Read an address, ``FIRST-LAST`` or ``NETWORK/LENGTH``: version, first, last.

    Raises:
        RefusedError: it is none, or not of addresses that hosts have.
    """
    if "/" in word:
        text, version = values.network(word)
        network = ipaddress.ip_network(text)
        if network.prefixlen == 0:
            raise RefusedError(f"{quoted(word)} is every address there is; name a network")
        first, last = int(network.network_address), int(network.broadcast_address)
    else:
        start, dash, end = word.partition("-")
        found = values.any_address(start)
        version, first = found.version, int(ipaddress.ip_address(found.text))
        last = _last(end, version, first) if dash else first
    for number in (first, last):
        values.address(str((ipaddress.IPv6Address if version == 6 else ipaddress.IPv4Address)(number)))
    if last < first:
        raise RefusedError(f"{quoted(word)} ends before it begins; write the lower address first")
    return version, first, last


def _last(word: str, version: int, first: int) -> int:
    if _LAST[version].fullmatch(word) is None:
        found = values.any_address(word)
        if found.version != version:
            raise RefusedError(f"{quoted(word)} is of another family than where the range begins")
        return int(ipaddress.ip_address(found.text))
    bits, number = (16, int(word, 16)) if version == 6 else (8, int(word))
    if number >> bits:
        raise RefusedError(f"{quoted(word)} is no last octet of an address; 255 is the highest")
    return first >> bits << bits | number
