"""A revision on trial: it goes back by itself unless somebody confirms it in time. Pure.

The trial stands in the revision's own record, so it goes on where it was after a restart: state, event and
time give the next state and what is to be done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from vipbus.contracts.revisions import RevisionNote


class Trial(msgspec.Struct, frozen=True):
    """The state: a revision that waits to be confirmed. None in its place: there is none."""

    revision: int
    back_to: int
    begun: datetime
    until: datetime


# ---- events


class Runs(msgspec.Struct, frozen=True):
    """This is the revision in which an operator had the last word; None: nothing is known of it."""

    note: RevisionNote | None


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


class Confirmed(msgspec.Struct, frozen=True):
    """Somebody says that the revision may stay."""


Event = Runs | Tick | Confirmed

# ---- actions


class Wake(msgspec.Struct, frozen=True):
    """Tick again after so many seconds."""

    seconds: float


class GoBack(msgspec.Struct, frozen=True):
    """Roll back to this revision: nobody confirmed the one that runs."""

    revision: int


class Keep(msgspec.Struct, frozen=True):
    """Write into this revision's record that it stays."""

    revision: int


Action = Wake | GoBack | Keep

_AGAIN: Final = 5.0
"""Seconds until a way back that could not be gone is tried again."""


def decide(trial: Trial | None, event: Event, now: datetime) -> tuple[Trial | None, tuple[Action, ...]]:
    """Say what becomes of a trial."""
    if isinstance(event, Runs):
        trial = _of(event.note)
        return trial, () if trial is None else (Wake(_left(trial, now)),)
    if trial is None:
        return None, ()
    if isinstance(event, Confirmed):
        return None, (Keep(trial.revision),)
    if (left := _left(trial, now)) > 0:
        return trial, (Wake(left),)
    # it stays on trial until something else runs: the bus may be away
    return trial, (GoBack(trial.back_to), Wake(_AGAIN))


def _of(note: RevisionNote | None) -> Trial | None:
    if note is None or note.confirm_by is None or note.confirmed is not None:
        return None
    return Trial(note.revision, note.back_to, note.at, note.confirm_by)


def _left(trial: Trial, now: datetime) -> float:
    """Give the seconds that are left; a clock that was set back does not make it longer than it was."""
    left = (trial.until - now).total_seconds()
    return max(0.0, min(left, (trial.until - trial.begun).total_seconds()))
