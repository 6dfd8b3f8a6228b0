"""Netlink's octets: datagrams into messages, messages into attributes, and back. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ipvs_programmer import constants as c

HEADER: Final = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
_ATTRIBUTE: Final = struct.Struct("=HH")


class NetlinkError(Exception):
    """The base of everything that goes wrong with netlink."""


class MalformedError(NetlinkError):
    """What came is not what this kernel interface sends."""


class Message(NamedTuple):
    """One netlink message."""

    type: int
    flags: int
    sequence: int
    payload: memoryview


def messages(datagram: memoryview) -> Iterator[Message]:
    """Split a datagram into its messages.

    Raises:
        MalformedError: a length lies.
    """
    offset = 0
    while offset < len(datagram):
        if len(datagram) - offset < HEADER.size:
            raise MalformedError(f"{len(datagram) - offset} bytes are no netlink message")
        length, kind, flags, sequence, _port = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or length > len(datagram) - offset:
            raise MalformedError(
                f"a netlink message of {length} bytes where {len(datagram) - offset} are left"
            )
        yield Message(kind, flags, sequence, datagram[offset + HEADER.size : offset + length])
        offset += (length + 3) & ~3


def attribute(kind: int, payload: bytes) -> bytes:
    """Pack one attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(buffer: memoryview) -> dict[int, memoryview]:
    """Split attributes; of several with one type the last counts, as in the kernel.

    Raises:
        MalformedError: a length lies.
    """
    found: dict[int, memoryview] = {}
    offset, end = 0, len(buffer)
    unpack = _ATTRIBUTE.unpack_from
    while end - offset >= 4:
        length, kind = unpack(buffer, offset)
        if length < 4 or length > end - offset:
            raise MalformedError(f"an attribute of {length} bytes where {end - offset} are left")
        found[kind & c.NLA_TYPE_MASK] = buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    if 0 < end - offset < 4:
        raise MalformedError(f"{end - offset} bytes are no attribute")
    return found
