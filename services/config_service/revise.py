"""What must be written so that the bucket holds a configuration: the entities that differ, and the head."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from config_service.keepalived.compile import Configuration
from config_service.problems import some_of
from vipbus.contracts import Head, revision_digest


class Desired(msgspec.Struct, frozen=True):
    """A configuration that was accepted, encoded as it will stand in the bucket."""

    router: str
    source: str
    bodies: dict[str, bytes]
    """Every entity by key."""
    digest: str
    cause: str
    """What made the file be read: ``start``, ``SIGHUP``, ``reload command``."""
    warnings: tuple[str, ...] = ()
    """What the file says and does not mean here, one line each."""


class Held(Protocol):
    """A key as the bucket holds it."""

    @property
    def revision(self) -> int:
        """The bucket's."""

    @property
    def body(self) -> bytes:
        """As it came."""


class Write(msgspec.Struct, frozen=True):
    """One compare-and-set; a body of None deletes the key."""

    key: str
    body: bytes | None
    last: int | None
    """The bucket's revision that the key still has; None where it is not known and must be read."""


class Changes(msgspec.Struct, frozen=True):
    """The writes that turn what is held into what is desired, the head apart."""

    writes: tuple[Write, ...]
    added: int
    changed: int
    removed: int


def desire(configuration: Configuration, cause: str, bodies: dict[str, bytes] | None = None) -> Desired:
    """Say what is desired from now on; ``bodies`` are all its entities where they are encoded already."""
    if bodies is None:
        encode = msgspec.json.Encoder().encode
        bodies = {entity.key: encode(entity) for entity in configuration.entities}
    warnings = some_of(configuration.warnings)
    return Desired(
        configuration.router, configuration.source, bodies, revision_digest(bodies), cause, warnings
    )


def compare(
    desired: Mapping[str, bytes], held: Mapping[str, Held], unreadable: Collection[str] = ()
) -> Changes:
    """Compare entities, by their bytes: the digest is over the bytes, too.

    ``unreadable`` are keys with a body that is no document: they are written or deleted whatever it is.
    Additions and changes come before removals, so that a reader of half a revision knows too much and never
    too little.
    """
    writes: list[Write] = []
    added = changed = 0
    for key, body in desired.items():
        if key in unreadable:
            changed += 1
            writes.append(Write(key, body, None))
        elif (found := held.get(key)) is None:
            added += 1
            writes.append(Write(key, body, 0))
        elif found.body != body:
            changed += 1
            writes.append(Write(key, body, found.revision))
    gone = [
        Write(key, None, found.revision)
        for key, found in held.items()
        if key not in desired and key not in unreadable
    ]
    gone += [Write(key, None, None) for key in unreadable if key not in desired]
    return Changes((*writes, *gone), added, changed, len(gone))


def next_head(desired: Desired, head: Head | None, known: int, now: datetime) -> Head | None:
    """Make the head that names the desired entities; None when the present one already does.

    ``known`` is the highest revision ever seen: a bus that lost its store must not count anew.
    """
    if head is not None and head.digest == desired.digest and head.entities == len(desired.bodies):
        return None
    return Head(
        router=desired.router,
        revision=max(known, head.revision if head else 0) + 1,
        entities=len(desired.bodies),
        digest=desired.digest,
        source=desired.source,
        accepted_at=now,
        cause=desired.cause,
    )
