"""What is written so that the bucket holds a configuration: a record, what differs, the head. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from config_service import past
from config_service.keepalived.compile import Configuration
from config_service.problems import some_of
from vipbus.contracts import Head, encoded, entity_count, moved_digest, revision_digest
from vipbus.contracts.revisions import How, RevisionNote, RevisionRecord


class Desired(msgspec.Struct, frozen=True):
    """A configuration that was accepted, encoded as it will stand in the bucket, and who said it."""

    router: str
    source: str
    bodies: dict[str, bytes]
    """Every document by key (`vipbus.contracts.encoded`)."""
    digest: str
    cause: str
    """What made it be read: ``start``, ``SIGHUP``, ``reload command``."""
    warnings: tuple[str, ...] = ()
    """What the file says and does not mean here, one line each."""
    by: str = ""
    how: How = "file"
    why: str = ""
    file: str = ""
    """Digest of what the router's own file said when it was last taken."""
    references: frozenset[str] = frozenset()
    """Of the passwords and keys in it."""
    base: int = 0
    """The revision over which an overlay is laid; 0: an operator has the word now."""
    confirm_by: datetime | None = None
    """Until when somebody must confirm it."""


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
    """The writes that turn what is held into what is desired, the head apart; entities are counted."""

    writes: tuple[Write, ...]
    added: int
    changed: int
    removed: int


class Present(msgspec.Struct, frozen=True):
    """What is there."""

    head: Head | None
    """None: there is none, or none that can be read."""
    held: Mapping[str, Held]
    """Every document by key, whole or in the middle of a change."""
    unreadable: Collection[str] = ()
    """Keys with a body that is no document."""
    whole: past.Bodies | None = None
    """What the head names; None where that is not known."""
    known: int = 0
    """The highest revision ever seen: a bus that lost its store must not count anew."""
    clean: bool = False
    """True: what is held is known to be what the head names, and nothing else."""


class Next(msgspec.Struct, frozen=True):
    """A revision that is to come: what is kept before its first key is written, and the head that ends it."""

    record: RevisionRecord
    """Without its undo."""
    undo: past.Undo
    head: Head


def desire(
    configuration: Configuration,
    cause: str,
    bodies: dict[str, bytes] | None = None,
    before: Desired | None = None,
) -> Desired:
    """Say what a file says; ``bodies`` are all its documents where they are encoded already.

    ``before`` is what it said before, if that is known: what is the same is not digested again.
    """
    if bodies is None:
        bodies = encoded(configuration.entities)
    digest = revision_digest(bodies) if before is None else moved_digest(before.digest, before.bodies, bodies)
    return Desired(
        configuration.router,
        configuration.source,
        bodies,
        digest,
        cause,
        warnings=some_of(configuration.warnings),
        file=digest,
        references=configuration.references,
    )


def compare(
    desired: Mapping[str, bytes], held: Mapping[str, Held], unreadable: Collection[str] = ()
) -> Changes:
    """Compare documents, by their bytes: the digest is over the bytes, too.

    ``unreadable`` are keys with a body that is no document: they are written or deleted whatever it is.
    Additions and changes come before removals, so that a reader of half a revision knows too much and never
    too little.
    """
    writes: list[Write] = []
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    for key, body in desired.items():
        if key in unreadable:
            writes.append(Write(key, body, None))
        elif (found := held.get(key)) is None:
            after[key] = body
            writes.append(Write(key, body, 0))
        elif found.body != body:
            before[key], after[key] = found.body, body
            writes.append(Write(key, body, found.revision))
    gone = {key: found for key, found in held.items() if key not in desired and key not in unreadable}
    before.update((key, found.body) for key, found in gone.items())
    writes += [Write(key, None, found.revision) for key, found in gone.items()]
    writes += [Write(key, None, None) for key in unreadable if key not in desired]
    added, changed, removed = past.tally(before, after)
    mended = sum(key in desired for key in unreadable)
    return Changes(tuple(writes), added, changed + mended, removed + len(unreadable) - mended)


def next_revision(desired: Desired, present: Present, changes: Changes, now: datetime) -> Next | None:
    """Make the revision that names the desired entities; None when the present head already does."""
    head, whole = present.head, present.whole
    if head is not None and head.digest == desired.digest:
        return None
    revision = max(present.known, head.revision if head else 0) + 1
    if whole is None:
        # with nothing whole before it there is nothing to go back to
        undo: dict[str, bytes | None] = {}
        added, changed, removed = changes.added, changes.changed, changes.removed
        if head is None:  # what of it stands there already is of a write that was cut off
            added, changed = entity_count(desired.bodies), 0
    elif present.clean:
        undo = {write.key: whole.get(write.key) for write in changes.writes}
        added, changed, removed = changes.added, changes.changed, changes.removed
    else:
        held = {key: each.body for key, each in present.held.items() if key not in present.unreadable}
        undo = past.undo(whole, held, desired.bodies)
        added, changed, removed = past.counted(undo, desired.bodies)
    if head is not None and whole is not None:
        entities = head.entities + added - removed
    else:
        entities = entity_count(desired.bodies)
    base = desired.base or revision
    note = RevisionNote(
        router=desired.router,
        revision=revision,
        at=now,
        by=desired.by,
        how=desired.how,
        source=desired.source,
        why=desired.why,
        cause=desired.cause,
        entities=entities,
        digest=desired.digest,
        added=added,
        changed=changed,
        removed=removed,
        base=base,
        back_to=head.revision if head is not None and desired.confirm_by is not None else 0,
        confirm_by=desired.confirm_by,
    )
    record = RevisionRecord(
        note=note,
        before=head.revision if head is not None and whole is not None else 0,
        references=tuple(sorted(desired.references)),
    )
    return Next(record, undo, head_of(note, desired.file))


def head_of(note: RevisionNote, file: str) -> Head:
    """Make the head of a revision; ``file`` is the digest of what the router's own file said last."""
    return Head(
        router=note.router,
        revision=note.revision,
        entities=note.entities,
        digest=note.digest,
        source=note.source,
        accepted_at=note.at,
        cause=note.cause,
        by=note.by,
        how=note.how,
        why=note.why,
        file=file,
        base=note.base,
    )
