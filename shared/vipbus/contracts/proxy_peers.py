"""Routers whose HAProxys tell each other what their stick tables hold (configuration.txt, ``peers``)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vipbus.contracts.limits import Name, Port, check_address
from vipbus.contracts.tokens import name_token


class ProxyPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Where one router's HAProxy is told. Nothing is encrypted there, and a name is all that is asked for."""

    router: Name
    address: str
    port: Port

    def __post_init__(self) -> None:
        check_address(self.address)
        if not self.port:
            raise ValueError(f"{self.address} has no port")


class ProxyPeers(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="proxy-peers"
):
    """All of them, the router itself among them."""

    router: Name
    peers: tuple[ProxyPeer, ...]

    def __post_init__(self) -> None:
        names = [name_token(each.router) for each in self.peers]
        if len(set(names)) != len(names):
            raise ValueError("a router is there twice")
        if name_token(self.router) not in names:
            raise ValueError(f"{self.router} is none of the peers")

    keys: ClassVar[str] = "<router>.proxy-peers"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.proxy-peers"
