"""What numbers, times, names and addresses may be: a document with anything else is not readable.

Whoever reads a document may pack its numbers into kernel structures and compare its times without a look at
them: decoding has refused what does not fit. Constructing checks addresses alone.
"""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Annotated, Final

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1)]
"""A name that becomes a subject token."""
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A number that counts up: as large as every JSON reader has it exactly (RFC 8259, section 6)."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Weight = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""Of a destination, as the kernel holds it (net/netfilter/ipvs/ip_vs_ctl.c: an atomic_t, never negative)."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=31 * 24 * 3600)]
PersistenceSeconds = Annotated[int, msgspec.Meta(ge=1, le=31 * 24 * 3600)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its time zone: one without cannot be compared with others."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a body from the bus may raise; msgspec says of deep nesting that it is a RecursionError."""


def check_address(address: str) -> None:
    """Refuse what is no IPv4 or IPv6 address.

    Raises:
        ValueError: it is none; decoding makes a ValidationError of it.
    """
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, ValueError):
        raise ValueError(f"{address!r} is no IP address") from None


def check_prefix(prefix: str) -> None:
    """Refuse what is no ``ADDRESS/LENGTH`` of IPv4 or IPv6.

    Raises:
        ValueError: it is none; decoding makes a ValidationError of it.
    """
    address, slash, length = prefix.partition("/")
    check_address(address)
    longest = 128 if ":" in address else 32
    if not slash or not (length.isascii() and length.isdigit() and int(length) <= longest):
        raise ValueError(f"{prefix!r} has no prefix length of 0-{longest}")
