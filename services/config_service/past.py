"""What was, from what is: undo what each revision changed, newest first. Pure.

A revision's undo says of every key that it changes what the key held before. It is kept before the first key
is written, so whoever finds the bucket between two revisions can tell what the older one was.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from vipbus.bus.packed import LARGEST, pack, unpack
from vipbus.contracts import Document, Entity, entities_in, entity_count, pool_of, revision_digest
from vipbus.contracts.limits import UNREADABLE
from vipbus.contracts.revisions import RevisionRecord

Bodies = Mapping[str, bytes]
"""Encoded documents, by key."""
Undo = Mapping[str, bytes | None]
"""What keys held before; None: they were not there."""

INLINE: Final = 4096
"""Octets of an undo that stands in the record itself: a history of a thousand is read whole."""
_PART: Final = LARGEST // 2
_NULL: Final = b"null"
_decode: Final = msgspec.json.Decoder[Document](Document).decode


def undo(past: Bodies, held: Bodies, desired: Bodies) -> dict[str, bytes | None]:
    """Say how to come back to ``past`` from ``held``, from ``desired`` and from anything between the two."""
    found = {
        key: past.get(key) for key, body in desired.items() if past.get(key) != body or held.get(key) != body
    }
    gone = {key: was for key, was in past.items() if key not in desired}
    between = {key: None for key in held if key not in desired and key not in past}
    return {**found, **gone, **between}


def counted(undo: Undo, desired: Bodies) -> tuple[int, int, int]:
    """Count the entities that a revision adds, changes and removes."""
    before = {key: was for key, was in undo.items() if was is not None}
    return tally(before, {key: body for key in undo if (body := desired.get(key)) is not None})


def entities_of(bodies: Bodies) -> Iterator[Entity]:
    """Read the entities of documents."""
    return itertools.chain.from_iterable(entities_in(_decode(body)) for body in bodies.values())


def tally(before: Bodies, after: Bodies) -> tuple[int, int, int]:
    """Count the entities that are added, changed and removed, given the documents that may differ."""
    # what is in a pool matters only where there was one, and still is
    both = {pool_of(key) for key in before} & {pool_of(key) for key in after}
    was, gone = _spread(before, both)
    now, come = _spread(after, both)
    return (
        come + sum(key not in was for key in now),
        sum(key in was and was[key] != each for key, each in now.items()),
        gone + sum(key not in now for key in was),
    )


def _spread(bodies: Bodies, pools: Collection[str | None]) -> tuple[dict[str, object], int]:
    """Give the entities of some pools and all other documents, by key; those of other pools are counted."""
    found: dict[str, object] = {}
    others: dict[str, bytes] = {}
    for key, body in bodies.items():
        pool = pool_of(key)
        if pool is None:
            found[key] = body
        elif pool in pools:
            found.update((each.key, each) for each in entities_in(_decode(body)))
        else:
            others[key] = body
    return found, entity_count(others)


def wound_back(bodies: Bodies, undo: Undo) -> dict[str, bytes]:
    """Lay an undo over what is there."""
    past = {key: body for key, body in bodies.items() if key not in undo}
    past.update((key, body) for key, body in undo.items() if body is not None)
    return past


def is_whole(bodies: Bodies, digest: str) -> bool:
    """Say whether bodies are those that a head or a note names."""
    return revision_digest(bodies) == digest


def whole(digest: str, held: Bodies, begun: Undo | None) -> Bodies | None:
    """Find what a head names: what is held, or that with what was begun since taken back; None: neither."""
    if is_whole(held, digest):
        return held
    if begun is not None and is_whole(back := wound_back(held, begun), digest):
        return back
    return None


# ---- as it is kept


def encoded(undo: Undo) -> dict[str, msgspec.Raw]:
    """Write an undo as it stands in a record; bodies stay what they are, byte by byte."""
    return {key: msgspec.Raw(_NULL if body is None else body) for key, body in undo.items()}


def decoded(undo: Mapping[str, msgspec.Raw]) -> dict[str, bytes | None]:
    """Read an undo."""
    return {key: None if (body := bytes(raw)) == _NULL else body for key, raw in undo.items()}


def parts(undo: Undo) -> Iterator[bytes]:
    """Write a large undo as bodies that the bus takes, each an object of its own."""
    yield from _parts([*encoded(undo).items()])


def _parts(items: list[tuple[str, msgspec.Raw]]) -> Iterator[bytes]:
    body = pack(msgspec.json.encode(dict(items)))
    if len(body) > _PART and len(items) > 1:
        half = len(items) // 2
        yield from _parts(items[:half])
        yield from _parts(items[half:])
    else:
        yield body


def joined(bodies: Iterable[bytes]) -> dict[str, bytes | None]:
    """Read a large undo out of its parts.

    Raises:
        ValueError: a part is damaged.
    """
    found: dict[str, bytes | None] = {}
    for body in bodies:
        try:
            found |= decoded(msgspec.json.decode(unpack(body), type=dict[str, msgspec.Raw]))
        except (*UNREADABLE, zlib.error) as error:
            raise ValueError(f"a kept revision is not readable: {error}") from None
    return found


def way_back(records: Mapping[int, RevisionRecord], now: int, then: int) -> list[int]:
    """List the revisions to be undone, in this order, to come from revision ``now`` to revision ``then``.

    Raises:
        ValueError: it is not kept any more, or never was.
    """
    way: list[int] = []
    at = now
    while at > then:
        record = records.get(at)
        if record is None or not record.before:
            break
        way.append(at)
        at = record.before
    if at == then:
        return way
    raise ValueError(f"revision {then} is not kept; the oldest that can come back is {_oldest(records, now)}")


def _oldest(records: Mapping[int, RevisionRecord], now: int) -> int:
    while (record := records.get(now)) is not None and record.before:
        now = record.before
    return now
