"""What a proxy does with a request before a pool has it: which pool, another address, another path."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.limits import Name
from vipbus.contracts.proxy_words import HostPattern, Method, Path, Pattern, Template, Text, Token

_Names = Annotated[tuple[HostPattern, ...], msgspec.Meta(max_length=4096)]
_Paths = Annotated[tuple[Path, ...], msgspec.Meta(max_length=4096)]
RedirectStatus = Literal[301, 302, 303, 307, 308]
ErrorStatus = Literal[400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504]
"""What HAProxy has a page for (configuration.txt, ``errorfile``)."""


class HeaderMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A header that a request must have."""

    name: Token
    value: Text | None = None
    """The whole value."""
    regex: Pattern | None = None
    """It is found somewhere in the value. Without both, that the header is there is enough."""

    def __post_init__(self) -> None:
        if self.value is not None and self.regex is not None:
            raise ValueError(f"{self.name} has both a value and a regex; remove one")


class HeaderChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A header that is changed on its way."""

    name: Token
    value: Text | None = None
    """None: it is removed."""
    add: bool = False
    """True: beside those of that name that are there already; else in their place."""

    def __post_init__(self) -> None:
        if self.add and self.value is None:
            raise ValueError(f"{self.name} is to be added without a value")


class Redirect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that sends a client elsewhere."""

    to: Annotated[
        str, msgspec.Meta(pattern=r"\A(https?://[^\s/'\"\\]|/(?!/))[^\s\x00-\x20\x7f-\x9f]{0,1000}\Z")
    ]
    keep_path: bool = False
    """True: the request's path and query are added to it."""
    status: RedirectStatus = 302

    def __post_init__(self) -> None:
        if self.to == "/" and self.keep_path:
            raise ValueError("/ with keep_path is where the client came to")


class PathChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path that is another one for the pool; the query stays."""

    regex: Pattern
    """What is found of the path, as it was sent, is replaced once."""
    by: Template
    r"""``\1`` is the first group of the regex."""


class ProxyRoute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where some requests go. All that is given must hold, of each list any; the first that fits counts.

    Paths are compared as they read after percent-decoding, so ``/%61dmin`` is no way round ``/admin``.
    """

    host: _Names = ()
    """``www.example.org``, or ``*.example.org`` for all below it; the port does not count."""
    path: _Paths = ()
    path_prefix: _Paths = ()
    """``/api`` is ``/api`` and all below ``/api/``, but not ``/apis``."""
    path_regex: tuple[Pattern, ...] = ()
    method: tuple[Method, ...] = ()
    header: tuple[HeaderMatch, ...] = ()
    """Each must hold."""
    pool: Name | None = None
    redirect: Redirect | None = None
    deny: ErrorStatus | None = None
    """This status is the answer."""
    rewrite: PathChange | None = None
    request_header: tuple[HeaderChange, ...] = ()
    response_header: tuple[HeaderChange, ...] = ()

    def __post_init__(self) -> None:
        ends = [self.pool, self.redirect, self.deny]
        if sum(each is not None for each in ends) > 1:
            raise ValueError("a route has one of pool, redirect and deny")
        answered = self.redirect is not None or self.deny is not None
        if answered and self.rewrite is not None:
            raise ValueError("what is rewritten needs a pool that it goes to")
