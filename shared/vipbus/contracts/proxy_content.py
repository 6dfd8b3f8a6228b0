"""What a proxy or a pool does with answers on their way: they become shorter, or are kept for a while."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MediaType = Annotated[
    str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9!&^_.+-]{0,126}/[A-Za-z0-9!&^_.+*-]{0,127}\Z")
]
"""``text/html``, or the beginning of several: ``text/`` (RFC 6838, section 4.2)."""


class Compression(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answers are compressed for clients that take it (configuration.txt, ``compression``)."""

    algorithms: Annotated[
        tuple[Literal["gzip", "deflate", "raw-deflate", "identity"], ...], msgspec.Meta(min_length=1)
    ] = ("gzip",)
    """In the order in which they are preferred where the client has no preference."""
    types: Annotated[tuple[MediaType, ...], msgspec.Meta(max_length=64)] = (
        "text/html",
        "text/plain",
        "text/css",
        "text/javascript",
        "application/javascript",
        "application/json",
        "application/xml",
        "image/svg+xml",
    )
    """Empty: whatever it is."""
    offload: bool = False
    """True: servers are not told that the client would take it, so all of it is done here."""


class Cache(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Small answers are kept in memory and given again, by host, path and query (configuration.txt, 6).

    What a request or an answer says of caching counts (RFC 9111), and so does Vary. A reload forgets.
    """

    size: Annotated[int, msgspec.Meta(ge=1, le=4095)] = 16
    """Of all of it, in MiB."""
    max_object: Annotated[int, msgspec.Meta(ge=1024, le=2**31 - 1)] | None = None
    """Octets of an answer, its headers included; larger ones are not kept. None: 1/256 of `size`."""
    max_age: Annotated[int, msgspec.Meta(ge=1, le=366 * 24 * 3600)] = 60
    """Seconds that an answer is given again at most, whatever it says itself."""

    def __post_init__(self) -> None:
        if self.max_object is not None and self.max_object > self.size * 2**20 // 2:
            raise ValueError(f"max_object {self.max_object} is more than half of the size, {self.size} MiB")
