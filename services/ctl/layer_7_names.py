"""Which pool or proxy a person means: ``pool app``, ``proxy web``, a token, or the name alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from vipbus.contracts import Proxy, ProxyPool, name_token, pool_token, token_in_words


class Named(msgspec.Struct, frozen=True):
    """What is meant."""

    kind: Literal["pool", "proxy"]
    token: str


class Layer7(msgspec.Struct, frozen=True, kw_only=True):
    """The pools and proxies that there are, by token."""

    pools: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()

    @property
    def words(self) -> list[str]:
        """How each is named in full."""
        return [
            *sorted(map(token_in_words, self.pools)),
            *(f"proxy {token}" for token in sorted(self.proxies)),
        ]

    def named(self, name: str) -> Named | None:
        """Find what is named in full; None: nothing is."""
        first, _, rest = name.strip().partition(" ")
        rest = rest.strip()
        if rest and first.lower() == "pool" and pool_token(rest) in self.pools:
            return Named("pool", pool_token(rest))
        if rest and first.lower() == "proxy" and name_token(rest) in self.proxies:
            return Named("proxy", name_token(rest))
        token = name.strip().lower()
        return Named("pool", token) if token in self.pools else None

    def alone(self, name: str) -> Named | None:
        """Find what has this name, where nothing else is meant by it; a pool goes first."""
        token = name_token(name.strip())
        if pool_token(token) in self.pools:
            return Named("pool", pool_token(token))
        return Named("proxy", token) if token in self.proxies else None


def layer_7(proxies: Iterable[Proxy], pools: Iterable[ProxyPool]) -> Layer7:
    """Gather what there is."""
    return Layer7(
        pools=frozenset(pool.id for pool in pools), proxies=frozenset(proxy.id for proxy in proxies)
    )
