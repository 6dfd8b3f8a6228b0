"""Many checks' troubles in one line, said when they matter."""

from __future__ import annotations

from health_prober.troubles import Troubles

FILES = "probes cannot be made (too many open files)"
MARK = "mark 7: not permitted"


def test_the_most_frequent_comes_first_with_its_count() -> None:
    troubles = Troubles()
    troubles.has("a", MARK)
    assert troubles.news(0.0) == MARK
    for check in "bcd":
        troubles.has(check, FILES)
    assert troubles.news(0.1) == f"3 checks: {FILES} (1 have other troubles)"
    troubles.late("2 of 3 attempts began late")
    assert troubles.news(0.2) == f"3 checks: {FILES} (1 have other troubles); 2 of 3 attempts began late"


def test_numbers_alone_are_said_now_and_then() -> None:
    troubles = Troubles()
    troubles.has("a", FILES)
    assert troubles.news(0.0) == FILES
    assert troubles.due is None
    troubles.has("b", FILES)
    assert troubles.news(0.1) is None
    assert troubles.due == 10.0
    assert troubles.news(10.0) == f"2 checks: {FILES}"
    assert troubles.due is None


def test_the_end_is_said_at_once_and_only_once() -> None:
    troubles = Troubles()
    assert troubles.news(0.0) in (None, "")
    troubles.has("a", FILES)
    assert troubles.news(0.1) == FILES
    assert bool(troubles)
    troubles.over("a")
    assert troubles.news(0.2) == ""
    assert not troubles
    troubles.over("a")
    assert not troubles.changed
