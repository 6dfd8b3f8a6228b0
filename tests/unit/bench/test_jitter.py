"""How late an advertisement was, and when a backup spoke."""

from __future__ import annotations

import pytest

from tests.bench.jitter import lateness, takeovers
from tests.bench.wire import Heard

MS = 1_000_000


def heard(*at: float, source: str = "10.88.0.1") -> list[Heard]:
    return [Heard(int(each * MS), source, 51, 150) for each in at]


def test_only_what_comes_after_the_interval_is_late() -> None:
    found = lateness(heard(0, 100, 199, 302.5), 0.1, ())
    assert found == pytest.approx([0, 0, 0.0035])


def test_what_was_on_its_way_while_the_machine_stood_still_is_left_out() -> None:
    found = lateness(heard(0, 100, 203, 303, 404), 0.1, [(150 * MS, 151 * MS)])
    assert found == pytest.approx([0, 0, 0.001])


def test_a_backup_that_begins_to_speak_is_a_takeover_however_long_it_goes_on() -> None:
    story = [
        *heard(0, 100),
        *heard(400, 500, source="10.88.0.2"),
        *heard(600),
        *heard(900, source="10.88.0.2"),
    ]
    assert takeovers(story, "10.88.0.2") == 2
    assert takeovers(story, "10.88.0.3") == 0
