"""Clients that come back go to the same member of a pool."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.limits import PersistenceSeconds
from vipbus.contracts.proxy_words import Token, Word


class CookiePersistence(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="cookie"
):
    """By a cookie that the proxy adds, made of the member's address: every router makes the same."""

    name: Token = "SERVER"
    key: Word | None = None
    """What hides the address in it: the same on all routers. None: the pool's name, which hides little."""
    secure: bool = False
    """True: browsers send it by TLS alone."""
    same_site: Literal["Strict", "Lax", "None"] = "Lax"
    max_life: PersistenceSeconds | None = None
    """After so many seconds another member is chosen. None: as long as the browser keeps it."""

    def __post_init__(self) -> None:
        if self.same_site == "None" and not self.secure:
            raise ValueError("same_site None needs secure: browsers take no other")


class SourcePersistence(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="source"
):
    """By the client's address. A new worker is told by the old one, other routers where `ProxyPeers` are."""

    expire: PersistenceSeconds = 1800
    """After so many seconds without a connection."""
    size: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] = 100_000
    """Clients that are remembered."""


Persistence = CookiePersistence | SourcePersistence
