"""Real servers that somebody else than the operator knows of, laid over what the operator said.

What the operator said (a file, an apply, a rollback) is the base; what is desired is the base with the
overlay of this moment. A real server of an overlay has a `RealServer.origin`, and so can be told from the
others wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from config_service.past import entities_of
from config_service.revise import Held as Key
from vipbus.contracts import Entity, RealServer, VirtualServer, encoded, pool_key_of, pool_of

Held = Mapping[str, Key]
"""What the bucket holds."""

Overlay = Callable[[Sequence[Entity]], Iterable[Entity]]
"""Takes all entities of a base and gives all that are desired: those of the base, the same objects where
nothing is to be changed, and its own, each a `RealServer` with an origin. Pure; each base asks again."""

Bodies = dict[str, bytes]
"""Encoded documents, by key."""


_ORIGIN: Final = b'"origin":'


class Overlaid:
    """A base under an overlay that comes and changes.

    ``awaited``: an overlay is to come. Until it does, the real servers of the one before stay: who did not
    answer yet has not said that they are gone.
    """

    def __init__(self, *, awaited: bool = False) -> None:
        self._awaited = awaited
        self._overlay: Overlay | None = None
        self._decoded: tuple[Bodies, tuple[Entity, ...]] | None = None
        """The last base, and what it says: one that stays is not decoded for each change of the overlay."""

    def lay(self, overlay: Overlay | None) -> None:
        """Take an overlay from now on; None: there is none, and whatever the last one brought goes."""
        self._awaited = False
        self._overlay = overlay

    def over(self, base: Bodies, held: Held) -> Bodies:
        """Give what is desired; ``held`` is what the bucket holds, for an overlay that is still to come."""
        if self._overlay is None:
            return _with_kept(base, held) if self._awaited else base
        entities = self._entities(base)
        return _written_anew(base, entities, tuple(self._overlay(entities)))

    def _entities(self, base: Bodies) -> tuple[Entity, ...]:
        if self._decoded is None or self._decoded[0] is not base:
            self._decoded = base, tuple(entities_of(base))
        return self._decoded[1]


def _written_anew(base: Bodies, before: Iterable[Entity], after: Iterable[Entity]) -> Bodies:
    """Encode what is another object than before, with all of its pool; the rest stays as in the base."""
    was = {id(each): each for each in before}
    now = {id(each): each for each in after}
    moved = [each for number, each in now.items() if number not in was]
    moved += [each for number, each in was.items() if number not in now]
    places = {_place(each) for each in moved}
    bodies = {key: body for key, body in base.items() if (pool_of(key) or key) not in places}
    return bodies | encoded(each for each in now.values() if _place(each) in places)


def _place(entity: Entity) -> str:
    """Name the document in which an entity stands, or the pool of which it is a part."""
    return pool_key_of(entity) or entity.key


def is_overlaid(entity: object) -> bool:
    """Say whether something is an overlay's and not the operator's."""
    return isinstance(entity, RealServer) and bool(entity.origin)


def operators_part(bodies: Mapping[str, bytes]) -> Bodies:
    """Leave out of a whole revision what is an overlay's."""
    # an empty origin is not written: of thousands of documents none is decoded for nothing
    pools = {pool_of(key) for key, body in bodies.items() if _ORIGIN in body} - {None}
    mixed = {key: body for key, body in bodies.items() if pool_of(key) in pools}
    others = {key: body for key, body in bodies.items() if key not in mixed}
    return others | encoded(each for each in entities_of(mixed) if not is_overlaid(each))


def _with_kept(base: Bodies, held: Held) -> Bodies:
    """Add to a base the real servers of the overlay before, as the bucket holds them."""
    mixed = {key: entry.body for key, entry in held.items() if _ORIGIN in entry.body and pool_of(key)}
    kept = [each for each in entities_of(mixed) if is_overlaid(each)]
    pools = {pool_key_of(each) for each in kept}
    entities = tuple(entities_of({key: body for key, body in base.items() if pool_of(key) in pools}))
    there = {each.key for each in entities}
    serving = {pool_key_of(each) for each in entities if isinstance(each, VirtualServer)}
    added = [each for each in kept if each.key not in there and pool_key_of(each) in serving]
    return _written_anew(base, entities, (*entities, *added))
