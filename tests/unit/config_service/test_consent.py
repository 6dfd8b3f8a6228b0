"""Which change may be made over which revision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from config_service.consent import conflict, on_trial
from config_service.trial import Trial
from vipbus.contracts.revisions import RevisionNote

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTE = RevisionNote(
    router="r1", revision=7, at=NOW, by="ann@lb1", how="apply", why="more", entities=1, digest="d", base=7
)


@pytest.mark.parametrize(
    ("rests_on", "revision", "base", "why"),
    [
        (None, 7, 7, ""),
        (7, 7, 7, ""),
        (6, 7, 7, "it rests on revision 6, and revision 7 (apply by ann@lb1: more) came meanwhile"),
        (0, 7, 7, "it rests on revision 0, and revision 7"),
        (8, 7, 7, "there is no revision 8 yet: revision 7 runs"),
        # what containers did since is no conflict
        (7, 9, 7, ""),
        (8, 9, 7, ""),
        (6, 9, 7, "it rests on revision 6"),
        (0, 0, 0, ""),
    ],
)
def test_conflict(rests_on: int | None, revision: int, base: int, why: str) -> None:
    found = conflict(rests_on, revision, NOTE, base)
    assert found.startswith(why)
    assert bool(found) == bool(why)


def test_nothing_is_changed_over_a_trial() -> None:
    assert on_trial(None) == ""
    assert "revision 7 is on trial until" in on_trial(Trial(7, 6, NOW, NOW + timedelta(seconds=60)))
