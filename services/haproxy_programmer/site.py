"""All that the configuration of one HAProxy follows from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from haproxy_programmer.members import Member
from haproxy_programmer.slots import Slots
from vipbus.contracts import Proxy, ProxyPeers, ProxyPool, ProxySettings


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a HAProxy keeps its files and sockets, and as whom it runs."""

    directory: Path
    user: str | None = None
    """None: as whoever starts it."""
    group: str | None = None
    connections: int = 2000
    """Of the whole process; its limit of descriptors allows about twice as many."""

    @property
    def config(self) -> Path:
        """What it reads."""
        return self.directory / "haproxy.cfg"

    @property
    def new(self) -> Path:
        """What it is asked about before."""
        return self.directory / "haproxy.cfg.new"

    @property
    def state(self) -> Path:
        """What it takes its servers' states from at a start (configuration.txt, server-state-file)."""
        return self.directory / "servers.state"

    @property
    def socket(self) -> Path:
        """Where its worker takes commands."""
        return self.directory / "stats.sock"

    @property
    def master(self) -> Path:
        """Where its master does."""
        return self.directory / "master.sock"

    @property
    def peers(self) -> str:
        """Name where a worker that ends tells the next one what its stick tables hold.

        An abstract socket (unix(7)): workers run as another user and do not reach into the directory.
        """
        digest = hashlib.blake2b(str(self.directory).encode(), digest_size=8).hexdigest()
        return f"abns@vipbus-{digest}"

    @property
    def pid(self) -> Path:
        """Who the master is."""
        return self.directory / "haproxy.pid"

    @property
    def log(self) -> Path:
        """What it says at a start."""
        return self.directory / "haproxy.log"

    @property
    def lines(self) -> Path:
        """The pipe that it writes its log to."""
        return self.directory / "log.pipe"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Proxies and pools, each with its slots and what their members are to be."""

    proxies: tuple[Proxy, ...] = ()
    pools: tuple[ProxyPool, ...] = ()
    settings: ProxySettings | None = None
    peers: ProxyPeers | None = None
    """None: no other router is told what stick tables hold."""
    members: Mapping[str, tuple[Member, ...]] = {}
    """By the pool's token."""
    slots: Mapping[str, Slots] = {}
    """By the pool's token."""
    drained: frozenset[str] = frozenset()
    """Proxies, by token, that an operator takes out of the layer-4 tier in front."""

    def slots_of(self, pool: str) -> Slots:
        """Give a pool's slots."""
        return self.slots.get(pool, Slots(size=0))
