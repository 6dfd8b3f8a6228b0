"""Read single fields out of attributes; whatever is not what it should be is a `MalformedError`."""

from __future__ import annotations

import socket
import struct
from typing import Final

from ipvs_programmer.octets import MalformedError

U8: Final = struct.Struct("=B")
U16: Final = struct.Struct("=H")
U32: Final = struct.Struct("=I")
U64: Final = struct.Struct("=Q")
I32: Final = struct.Struct("=i")
BE16: Final = struct.Struct("!H")
BE32: Final = struct.Struct("!I")
FLAGS: Final = struct.Struct("=II")
"""struct ip_vs_flags: flags, and the mask of those that are meant."""
FAMILIES: Final = (socket.AF_INET.value, socket.AF_INET6.value)

Found = dict[int, memoryview]
"""Attributes by type."""


def needed(found: Found, kind: int) -> memoryview:
    """Give an attribute that has to be there.

    Raises:
        MalformedError: it is not.
    """
    try:
        return found[kind]
    except KeyError:
        raise MalformedError(f"the attribute {kind} is missing") from None


def number(found: Found, kind: int, form: struct.Struct) -> int:
    """Read a number that has to be there.

    Raises:
        MalformedError: it is not, or has another length.
    """
    value = needed(found, kind)
    if len(value) != form.size:
        raise MalformedError(f"the attribute {kind} has {len(value)} bytes and should have {form.size}")
    result: int = form.unpack(value)[0]
    return result


def number_or(found: Found, kind: int, form: struct.Struct, otherwise: int) -> int:
    """Read a number that may be left out; as `number`."""
    return number(found, kind, form) if kind in found else otherwise


def address(value: memoryview, family: int) -> str:
    """Read an address: the kernel gives union nf_inet_addr, of which IPv4 fills the first four bytes.

    Raises:
        MalformedError: it is too short.
    """
    size = 4 if family == socket.AF_INET else 16
    if len(value) < size:
        raise MalformedError(f"an address of {len(value)} bytes")
    return socket.inet_ntop(family, value[:size])


def text(value: memoryview) -> str:
    """Read a name, which may end at a NUL.

    Raises:
        MalformedError: it is no ASCII text.
    """
    try:
        return bytes(value).split(b"\0")[0].decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("a name that is no ASCII text") from None
