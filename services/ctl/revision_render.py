"""Revisions and differences, written for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ctl.layout import paint, wrapped
from ctl.words import count, since
from vipbus.contracts.config_commands import (
    ConfigDiff,
    ConfigHistory,
    ConfigResult,
    EntityChange,
    ShownRevision,
)
from vipbus.contracts.revisions import RevisionNote
from vipbus.telemetry.logs import plain

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
_HEADINGS = ("REV", "WHEN", "WHO", "HOW", "CHANGES", "FROM AND WHY")


def text(lines: Sequence[str], *, colour: bool = False) -> str:
    """Make lines one text."""
    return "".join(f"{paint(line) if colour else line}\n" for line in lines)


def history(found: ConfigHistory, now: datetime) -> Iterator[str]:
    """Write a router's revisions, newest first."""
    runs = f"revision {found.revision} runs" if found.revision else "nothing runs"
    trial = (
        f"; revision {found.on_trial} is ON TRIAL, `vipbus config confirm` lets it stay"
        if found.on_trial
        else ""
    )
    yield f"router {plain(found.router)}: {runs}, {count(len(found.revisions), 'revision')} shown{trial}"
    rows = [_HEADINGS, *(_cells(note, now) for note in found.revisions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield f"  {'  '.join((*cells, row[-1]))}".rstrip()


def _cells(note: RevisionNote, now: datetime) -> tuple[str, ...]:
    what = f"+{note.added} ~{note.changed} -{note.removed}"
    origin = f"{note.source}: {note.why}" if note.why else note.source
    how = f"{note.how}, confirmed" if note.confirmed is not None else note.how
    return (str(note.revision), since(note.at, now), plain(note.by) or "-", how, what, plain(origin))


def shown(found: ShownRevision, now: datetime) -> Iterator[str]:
    """Write a revision and what it changed."""
    note = found.note
    yield f"revision {note.revision} of router {plain(note.router)}"
    for name, value in (
        ("when", since(note.at, now)),
        ("by", note.by),
        ("how", note.how + (f": {note.cause}" if note.cause else "")),
        ("from", note.source),
        ("why", note.why),
        ("entities", str(note.entities)),
    ):
        if value:
            yield f"  {name:<9} {plain(value)}"
    if note.confirm_by is not None:
        state = (
            f"confirmed by {note.confirmed_by}"
            if note.confirmed is not None
            else f"until {note.confirm_by:%H:%M:%S} UTC"
        )
        yield f"  {'trial':<9} {plain(state)}, else back to revision {note.back_to}"
    if not found.before and note.revision != 1:
        yield "  what it changed is not kept"
        return
    after = f"after revision {found.before}" if found.before else "from nothing"
    yield f"  {'changes':<9} {after}: {_counted(note.added, note.changed, note.removed)}"
    yield from _changes(found.changes, found.left_out)


def diff(found: ConfigDiff) -> Iterator[str]:
    """Write what a file would change."""
    where = f"router {plain(found.router)}"
    if not (found.added or found.changed or found.removed):
        yield f"{where}: {plain(found.source)} says what runs (revision {found.revision})"
        return
    yield from wrapped(
        f"{where}: {plain(found.source)} would change revision {found.revision}, which runs: "
        f"{_counted(found.added, found.changed, found.removed)}",
        0,
        2,
    )
    yield from _changes(found.changes, found.left_out)


def _counted(added: int, changed: int, removed: int) -> str:
    return f"{added} added, {changed} changed, {removed} removed"


def _changes(changes: Sequence[EntityChange], left_out: int) -> Iterator[str]:
    for change in changes:
        origin = f" ({change.origin})" if change.origin else ""
        yield from wrapped(f"{_SIGNS[change.what]} {change.kind} {plain(change.name + origin)}", 2, 6)
        for field in change.fields:
            yield from wrapped(f"{field.name}: {field.before} -> {field.after}", 6, 8)
    if left_out:
        yield f"  {count(left_out, 'change')} more LEFT OUT: too many to tell"


def result(found: ConfigResult) -> str:
    """Write what became of a change that was accepted."""
    note = found.note
    if note is None:
        return f"{found.router}: nothing changes, revision {found.revision} says that already"
    trial = ""
    if note.confirmed is not None:
        return f"{found.router}: revision {note.revision} stays"
    if note.confirm_by is not None:
        until = note.confirm_by.astimezone().strftime("%H:%M:%S")
        trial = f"; it goes back to revision {note.back_to} at {until} unless `vipbus config confirm` comes"
    counted = _counted(note.added, note.changed, note.removed)
    return f"{found.router}: revision {note.revision} runs ({counted}){trial}"
