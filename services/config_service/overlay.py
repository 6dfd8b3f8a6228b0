"""Real servers that somebody else than the operator knows of, laid over what the operator said.

What the operator said (a file, an apply, a rollback) is the base; what is desired is the base with the
overlay of this moment. A real server of an overlay has a `RealServer.origin`, and so can be told from the
others wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from vipbus.bus import Entry
from vipbus.contracts import ConfigDocument, Entity, RealServer, name_token

Held = Mapping[str, Entry[ConfigDocument]]
"""What the bucket holds, by key."""

Overlay = Callable[[Sequence[Entity]], Iterable[Entity]]
"""Takes all entities of a base and gives all that are desired: those of the base, the same objects where
nothing is to be changed, and its own, each a `RealServer` with an origin. Pure; each base asks again."""

Bodies = dict[str, bytes]
"""Encoded entities, by key."""


_ORIGIN: Final = b'"origin":'


class Overlaid:
    """A base under an overlay that comes and changes.

    ``awaited``: an overlay is to come. Until it does, the real servers of the one before stay: who did not
    answer yet has not said that they are gone.
    """

    def __init__(self, *, awaited: bool = False) -> None:
        self._awaited = awaited
        self._overlay: Overlay | None = None
        self._decoded: tuple[Bodies, dict[str, Entity]] | None = None
        """The last base, and what it says: one that stays is not decoded for each change of the overlay."""

    def lay(self, overlay: Overlay | None) -> None:
        """Take an overlay from now on; None: there is none, and whatever the last one brought goes."""
        self._awaited = False
        self._overlay = overlay

    def over(self, base: Bodies, held: Held) -> Bodies:
        """Give what is desired; ``held`` is what the bucket holds, for an overlay that is still to come."""
        if self._overlay is None:
            return {**base, **_kept(base, held)} if self._awaited else base
        entities = self._entities(base)
        encode = msgspec.json.encode
        desired: Bodies = {}
        for entity in self._overlay(tuple(entities.values())):
            key = entity.key
            desired[key] = base[key] if entities.get(key) is entity else encode(entity)
        return desired

    def _entities(self, base: Bodies) -> dict[str, Entity]:
        if self._decoded is None or self._decoded[0] is not base:
            decode = msgspec.json.Decoder[Entity](Entity).decode
            self._decoded = base, {key: decode(body) for key, body in base.items()}
        return self._decoded[1]


def is_overlaid(document: ConfigDocument) -> bool:
    """Say whether a document is an overlay's and not the operator's."""
    return isinstance(document, RealServer) and bool(document.origin)


def operators_part(bodies: Mapping[str, bytes]) -> Bodies:
    """Leave out of a whole revision what is an overlay's."""
    decode = msgspec.json.Decoder[Entity](Entity).decode
    return {
        key: body
        for key, body in bodies.items()
        # an empty origin is not written: of forty thousand none is decoded for nothing
        if _ORIGIN not in body or not is_overlaid(decode(body))
    }


def _kept(base: Bodies, held: Held) -> Bodies:
    return {
        key: entry.body
        for key, entry in held.items()
        if is_overlaid(entry.value) and key not in base and _pool(entry.value) in base
    }


def _pool(document: ConfigDocument) -> str:
    """Give the key of the virtual server that a real server is for."""
    assert isinstance(document, RealServer)  # noqa: S101  # nothing else is overlaid
    return f"{name_token(document.router)}.virtual-server.{document.virtual_server}"
