"""Which real servers are configured on a bus, on whatever router: what is held here, and the rest read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from vipbus.bus import Bus, Entry
from vipbus.contracts import CONFIG_OUTLINE, ConfigOutline, Pool, VirtualServer, outline, pool_of
from vipbus.runtime.naming import in_group, place_of

Pair = tuple[str, str]
"""The tokens of a virtual server and of a real server in its pool."""
Held = Mapping[str, Mapping[str, Entry[ConfigOutline]]]
"""By a router's token: its documents, where all of them are held here as the bus has them now."""

_decode: Final = msgspec.json.Decoder(Pool).decode


class Configured:
    """The pools of a bus as they were at one moment."""

    def __init__(self, bodies: Iterable[bytes]) -> None:
        self._bodies = tuple(bodies)

    def having(self, token: str, name: str) -> set[Pair]:
        """Find a real server by its token, or by how it was named: ``10.9.0.21:80``."""
        place = place_of(name)
        if place is not None and place.port is not None:
            # tens of thousands are not decoded for one
            address = msgspec.json.encode(place.address)
            near = [body for body in self._bodies if address in body]
            if found := _having(near, token):
                return found
        return _having(self._bodies, token)

    def every(self) -> set[str]:
        """Give the token of every real server."""
        return {each.id for body in self._bodies for each in _decode(body).real_servers}

    def group(self, name: str) -> set[str]:
        """Find the virtual servers of a group by its name; none has it: nothing."""
        found = (outline(body).virtual_server for body in self._bodies)
        return {each.id for each in found if isinstance(each, VirtualServer) and in_group(name, each)}


async def configured(bus: Bus, held: Held) -> Configured:
    """Gather the pools of every router.

    Raises:
        BusAwayError: the bus does not answer.
    """
    there = dict(held)
    for key in await bus.read(CONFIG_OUTLINE, "*.head"):
        token = key.partition(".")[0]
        if token not in there:
            there[token] = await bus.read(CONFIG_OUTLINE, f"{token}.pool.>")
    return Configured(
        entry.body for entries in there.values() for key, entry in entries.items() if pool_of(key)
    )


def _having(bodies: Iterable[bytes], token: str) -> set[Pair]:
    pools = map(_decode, bodies)
    return {(pool.pool, token) for pool in pools if any(each.id == token for each in pool.real_servers)}
