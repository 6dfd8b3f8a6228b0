"""The commands of a revision's life: look at a change, make it, confirm it, look back, go back.

Each is said to one router's config-service. A large body is zlib of JSON, as of `PlanTable`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from vipbus.contracts.config import Entity
from vipbus.contracts.limits import Counter, Name, Seconds, Weight
from vipbus.contracts.revisions import RevisionNote, Who, Why


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a configuration: the one that is named, or one that it includes."""

    name: Name
    """Its path, from the root."""
    digest: str
    """Of its text (`text_digest`)."""
    text: str | None = None
    """None: config-service has the same file at the same place, or refuses."""


class ConfigBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration as one program hands it to another on the same host."""

    files: tuple[ConfigFile, ...]
    secrets: bool
    """True: there are passwords or keys in it, which do not cross the bus."""


class DiffConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what a configuration would change in what runs, without changing it."""

    files: Annotated[tuple[ConfigFile, ...], msgspec.Meta(min_length=1)]
    """The one that is named first."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one field of an entity was and is; a password is never among it."""

    name: str
    before: str
    after: str


class EntityChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of one entity."""

    what: Literal["added", "changed", "removed"]
    kind: str
    """``virtual-server``, ``real-server``, ``vrrp-instance`` and so on, as in its key."""
    name: str
    """As people write it."""
    key: str
    fields: tuple[FieldChange, ...] = ()
    """Of what is changed."""
    origin: str = ""
    """Who knows of it beside the configuration: ``docker``."""


class ConfigDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How two configurations differ."""

    router: Name
    revision: Counter
    """That runs; `ApplyConfig.rests_on` it."""
    source: str = ""
    added: Counter = 0
    changed: Counter = 0
    removed: Counter = 0
    changes: tuple[EntityChange, ...] = ()
    left_out: Counter = 0
    """So many more changes are not among them: the answer was full."""
    warnings: tuple[str, ...] = ()
    """Of the file, ``file:line: what``."""
    wants_text: bool = False
    """True: the files are not the same where config-service runs; ask again with their text."""
    reason: str = ""
    """Why nothing was compared: ``file:line: what, and what to do``, a line each."""


class ApplyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a configuration to run instead of what runs."""

    files: Annotated[tuple[ConfigFile, ...], msgspec.Meta(min_length=1)]
    rests_on: Counter | None = None
    """The revision that the asker saw: if another came since, it is a conflict. None: whatever runs."""
    confirm_within: Seconds = 0.0
    """Then it is rolled back by itself unless `ConfirmRevision` comes; 0: it stays."""
    by: Who
    why: Why = ""


class ConfigResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change."""

    accepted: bool
    router: Name
    revision: Counter
    """That runs now."""
    note: RevisionNote | None = None
    """The revision that was made; None: none was, because it was refused or what runs says that already."""
    conflict: RevisionNote | None = None
    """The revision that came since the one that was rested on."""
    warnings: tuple[str, ...] = ()
    wants_text: bool = False
    """True: the files are not the same where config-service runs; ask again with their text."""
    reason: str = ""
    """Why not, and what to do, a line each."""


class ConfirmRevision(msgspec.Struct, frozen=True, kw_only=True):
    """Say that the revision on trial may stay."""

    by: Who
    revision: Counter = 0
    """0: whichever is on trial."""


class ReadHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Ask which revisions are kept."""

    most: Counter = 0
    """So many of the newest; 0: all."""


class ConfigHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The kept revisions of a router, newest first."""

    router: Name
    revision: Counter
    """That runs; 0: none does."""
    on_trial: Counter = 0
    """The revision that waits to be confirmed; 0: none does."""
    revisions: tuple[RevisionNote, ...] = ()


class ShowRevision(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what a revision says and what it changed."""

    revision: Counter
    entities: bool = False
    """True: all of its entities too, not only what it changed."""


class ShownRevision(msgspec.Struct, frozen=True, kw_only=True):
    """A revision."""

    note: RevisionNote
    changes: tuple[EntityChange, ...] = ()
    """From the revision before."""
    left_out: Counter = 0
    before: Counter = 0
    """The revision before; 0: it is not kept, and ``changes`` are not known."""
    entities: tuple[Entity, ...] = ()


class RollBack(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for what an operator said in a revision before to run again; the containers of now stay."""

    revision: Counter
    rests_on: Counter | None = None
    by: Who
    why: Why = ""


class ChangeServer(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for one real server to be added to a pool, removed from it, or given another weight."""

    verb: Literal["add", "remove", "set-weight"]
    virtual_server: Name
    """As people write it: address, port and protocol, a mark, a group's name, a token."""
    real_server: Name
    """Address and port, or a token of one that is there."""
    weight: Weight | None = None
    """None: 1 for one that is added alone, and as the one that it is like."""
    like: str = ""
    """The real server of the pool whose checks and settings a new one gets; empty: the first."""
    by: Who
    why: Why = ""


CONFIG_COMMANDS: tuple[tuple[str, type[msgspec.Struct], type[msgspec.Struct], str], ...] = (
    ("diff", DiffConfig, ConfigDiff, "What a configuration would change in what runs."),
    ("apply", ApplyConfig, ConfigResult, "Have a configuration run, for good or on trial."),
    ("confirm", ConfirmRevision, ConfigResult, "Let the revision on trial stay."),
    ("history", ReadHistory, ConfigHistory, "The kept revisions: who, when, from where, why."),
    ("show", ShowRevision, ShownRevision, "What a kept revision changed, and what it says."),
    ("rollback", RollBack, ConfigResult, "Have what an operator said in a revision run again."),
    ("server", ChangeServer, ConfigResult, "Add, remove or weigh one real server."),
)
"""Verb, question, answer, and what it does."""


def text_digest(text: str) -> str:
    """Digest a file's text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
