"""Revisions as they are kept: who said each one, and what its keys held before, to go back by.

They stand in a stream of their own, a message a revision. The newest whole one is in the bucket ``config``;
every older one is that with the undo of each later one laid over it, newest first.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vipbus.contracts.limits import Counter, Name, Time

How = Literal["file", "apply", "rollback", "server", "docker", "timeout"]
"""What made a revision: the router's own file, ``vipbus config apply``, ``vipbus config rollback``, ``vipbus
server``, the containers of a Docker engine, or an apply on trial that nobody confirmed in time."""
Who = Annotated[str, msgspec.Meta(max_length=256)]
Why = Annotated[str, msgspec.Meta(max_length=1000)]

REVISION_STREAM: Final = "vipbus_revision"
REVISION_SUBJECTS: Final = "vipbus.revision.>"
REVISIONS_KEPT: Final = 1000
"""Of each router."""


class RevisionNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A revision as the history has it: who, when, from where, why, and how much changed."""

    router: Name
    revision: Counter
    at: Time
    by: Who = ""
    how: How = "file"
    source: str = ""
    """The file, as it was named where it was read."""
    why: Why = ""
    cause: str = ""
    """What made config-service do it: ``start``, ``SIGHUP``, ``apply command``."""
    entities: Counter
    digest: str
    """Of all entities (`vipbus.contracts.revision_digest`)."""
    added: Counter = 0
    changed: Counter = 0
    removed: Counter = 0
    base: Counter
    """The revision in which an operator had the last word: this one itself, or the one over which the
    containers of this one are laid."""
    back_to: Counter = 0
    """On trial: the revision that comes back unless somebody confirms this one; 0: it is no trial."""
    confirm_by: Time | None = None
    """On trial: until when."""
    confirmed: Time | None = None
    confirmed_by: Who = ""


class RevisionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A revision as it is kept in the stream."""

    note: RevisionNote
    before: Counter = 0
    """The revision that ``undo`` leads back to; 0: what was before is not known, the history ends here."""
    undo: dict[str, msgspec.Raw] = {}
    """What each key that this revision changes held before; ``null``: it was not there."""
    parts: Counter = 0
    """Into so many messages of its own the undo went, because it is large; each is such an object."""
    attempt: str = ""
    """The token of these messages: what an attempt before this one left behind is not meant."""
    references: tuple[str, ...] = ()
    """Of the passwords and keys that its entities name."""


def revision_subject(router_token: str, revision: int) -> str:
    """Name the subject on which a revision's record stands: ``vipbus.revision.router-a.7``."""
    return f"vipbus.revision.{router_token}.{revision}"


def undo_subject(router_token: str, revision: int, attempt: str, part: int) -> str:
    """Name the subject of a part of a large undo: ``vipbus.revision.router-a.7.3f2a.0``."""
    return f"{revision_subject(router_token, revision)}.{attempt}.{part}"
