"""A revision on trial, event by event; no clock but the one that is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from config_service.trial import Action, Confirmed, Event, GoBack, Keep, Runs, Tick, Trial, Wake, decide
from vipbus.contracts.revisions import RevisionNote

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTE = RevisionNote(
    router="r1",
    revision=7,
    at=NOW,
    entities=1,
    digest="d",
    base=7,
    back_to=6,
    confirm_by=NOW + timedelta(seconds=60),
)
TRIAL = Trial(7, 6, NOW, NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("state", "event", "after", "then", "actions"),
    [
        (None, Runs(None), 0, None, ()),
        (None, Runs(msgspec.structs.replace(NOTE, confirm_by=None)), 0, None, ()),
        (None, Runs(NOTE), 0, TRIAL, (Wake(60),)),
        # a process that was started again meanwhile
        (None, Runs(NOTE), 45, TRIAL, (Wake(15),)),
        (None, Runs(NOTE), 90, TRIAL, (Wake(0),)),
        # a clock that was set back by an hour
        (None, Runs(NOTE), -3600, TRIAL, (Wake(60),)),
        (None, Runs(msgspec.structs.replace(NOTE, confirmed=NOW)), 1, None, ()),
        (TRIAL, Tick(), 59, TRIAL, (Wake(1),)),
        (TRIAL, Tick(), 60, TRIAL, (GoBack(6), Wake(5))),
        # the bus was away when it should have gone back
        (TRIAL, Tick(), 65, TRIAL, (GoBack(6), Wake(5))),
        (TRIAL, Confirmed(), 10, None, (Keep(7),)),
        # late, and yet before it went back
        (TRIAL, Confirmed(), 61, None, (Keep(7),)),
        (None, Confirmed(), 10, None, ()),
        (None, Tick(), 90, None, ()),
        # something else runs: a rollback, a new file
        (TRIAL, Runs(msgspec.structs.replace(NOTE, revision=8, confirm_by=None)), 20, None, ()),
    ],
)
def test_decide(
    state: Trial | None, event: Event, after: float, then: Trial | None, actions: tuple[Action, ...]
) -> None:
    assert decide(state, event, NOW + timedelta(seconds=after)) == (then, actions)
