"""Every pool's quorum as it goes on: what it was last, and what of that has been said.

It is kept in a file. The kernel does not tell: without a sorry server a pool that has lost its quorum looks
like any other, and on a standby nothing stands at all.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ipvs_programmer.desired import Arranged, Configured
from vipbus.contracts import QuorumChanged, address_token
from vipbus.runtime.saved import Saved


class Quorums:
    """The quorums of one router, by the virtual server's token.

    The first look at a pool is no change of it: only what was said before can change.
    """

    def __init__(self, path: Path | None) -> None:
        self._saved: Saved[dict[str, bool]] = Saved(
            path, dict[str, bool], {}, "which pools have their quorum"
        )
        self._said = dict(self._saved.value)
        self.met = dict(self._said)
        """As it was when last looked at; a pool that is not here was never looked at."""

    def apart(self) -> Quorums:
        """Make a copy that may look at another configuration: these here hear nothing of it."""
        other = Quorums(None)
        other._said, other.met = dict(self._said), dict(self.met)
        return other

    def take(self, server: Configured, arranged: Arranged) -> None:
        """Take in what a pool is now."""
        if server.leaving is None:
            self.met[server.virtual_server.id] = arranged.quorum
            self._said.setdefault(server.virtual_server.id, arranged.quorum)

    def keep_only(self, configured: Collection[str]) -> None:
        """Forget the pools that are not configured any more."""
        for gone in self.met.keys() - configured:
            del self.met[gone]
            self._said.pop(gone, None)

    def news(self, server: Configured, arranged: Arranged, cause: str) -> QuorumChanged | None:
        """Give the event of a quorum that changed since it was last said."""
        virtual = server.virtual_server
        met = self.met.get(virtual.id)
        if met is None or met == self._said.get(virtual.id):
            return None
        self._said[virtual.id] = met
        sorry = virtual.sorry_server
        return QuorumChanged(
            router=virtual.router,
            virtual_server=virtual.id,
            met=met,
            weight=arranged.live_weight,
            quorum=virtual.quorum,
            hysteresis=min(virtual.hysteresis, virtual.quorum - 1),
            sorry_server=address_token(sorry.address, sorry.port) if sorry is not None and not met else "",
            cause=cause,
        )

    def save(self) -> None:
        """Keep what was said, for a restart."""
        self._saved.save(dict(self._said))
