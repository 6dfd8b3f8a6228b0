"""Bodies of requests and answers that may be large: readable JSON as long as it is small, zlib beyond."""

from __future__ import annotations

import zlib
from typing import Final

LARGEST: Final = 900_000
"""Octets of a body; a bus takes 1 MiB unless it is told otherwise (nats-server, max_payload)."""
_READABLE: Final = 65_536
"""Octets up to which a body stays as it is, for whoever listens with ``nats sub``."""
_LARGEST_UNPACKED: Final = 64 * 1024 * 1024
_ZLIB: Final = 0x78
"""The first octet of a zlib stream (RFC 1950); no JSON begins with it."""


def pack(body: bytes) -> bytes:
    """Make a body small enough for the bus if that can be done; whoever sends it looks at `LARGEST`."""
    return body if len(body) <= _READABLE else zlib.compress(body, 6)


def unpack(body: bytes) -> bytes:
    """Take a body for what it was before `pack`.

    Raises:
        ValueError: it is cut short or damaged, or far larger than it looks.
    """
    if not body or body[0] != _ZLIB:
        return body
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(body, _LARGEST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"the body is no zlib stream: {error}") from None
    if stream.unconsumed_tail:
        raise ValueError(f"the body unpacks to more than {_LARGEST_UNPACKED} bytes")
    if not stream.eof or stream.unused_data:
        raise ValueError("the body is no whole zlib stream")
    return whole
