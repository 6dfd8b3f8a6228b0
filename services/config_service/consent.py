"""Whether a change may be made now: not over a revision that its asker has not seen, nor one on trial."""

from __future__ import annotations

from datetime import datetime

from config_service.trial import Trial
from vipbus.contracts.revisions import RevisionNote


def said_of(note: RevisionNote) -> str:
    """Name a revision and who said it: ``revision 7 (apply by root@lb-a: more weight)``."""
    who = f" by {note.by}" if note.by else ""
    return f"revision {note.revision} ({note.how}{who}{f': {note.why}' if note.why else ''})"


def conflict(rests_on: int | None, revision: int, last: RevisionNote | None, base: int) -> str:
    """Say why a change that rests on a revision cannot be made; empty when it can.

    ``revision`` runs, ``base`` is the one in which an operator had the last word, ``last`` is its note. What
    containers do meanwhile is no conflict.
    """
    if rests_on is None or base <= rests_on <= revision:
        return ""
    if rests_on > revision:
        return (
            f"there is no revision {rests_on} yet: revision {revision} runs; look at `vipbus config history`"
        )
    what = said_of(last) if last is not None else f"revision {base}"
    return f"it rests on revision {rests_on}, and {what} came meanwhile; look at `vipbus config diff` first"


def on_trial(trial: Trial | None) -> str:
    """Say why nothing else may be changed while a revision waits to be confirmed; empty when it may."""
    if trial is None:
        return ""
    until = local(trial.until)
    return (
        f"revision {trial.revision} is on trial until {until}; `vipbus config confirm` lets it stay, "
        f"`vipbus config rollback {trial.back_to}` ends it"
    )


def local(moment: datetime) -> str:
    """Write a moment as the clock of this host shows it."""
    return moment.astimezone().strftime("%H:%M:%S")
