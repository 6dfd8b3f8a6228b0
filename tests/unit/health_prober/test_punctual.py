"""A prober that is late says so, and what it left out is counted."""

from __future__ import annotations

import pytest

from health_prober.metrics import PROBE_LATENESS, ROUNDS_SKIPPED
from health_prober.punctual import WINDOW, Punctuality, bound_of


@pytest.mark.parametrize(("interval", "bound"), [(0.01, 0.1), (1.0, 0.1), (5.0, 0.5), (60.0, 6.0)])
def test_late_is_a_tenth_of_a_second_or_of_the_interval(interval: float, bound: float) -> None:
    assert bound_of(interval) == pytest.approx(bound)


@pytest.mark.parametrize(
    ("began", "late", "waiting", "trouble"),
    [
        (0, 0, 0.0, ""),
        (1000, 0, 0.0, ""),
        (1000, 10, 0.0, ""),  # one in a hundred may be
        (1000, 11, 0.0, "11 of 1000 attempts began up to 0.3 s late"),
        (5, 1, 0.0, "1 of 5 attempts began up to 0.3 s late"),
        (0, 0, 2.5, "1 of 1 attempts began up to 2.5 s late"),  # nothing begins at all
    ],
)
def test_a_window_is_judged_at_its_end(began: int, late: int, waiting: float, trouble: str) -> None:
    punctuality = Punctuality(100.0)
    before = PROBE_LATENESS.count()
    punctuality.began([0.3] * late + [0.001] * (began - late))
    for _ in range(late):
        punctuality.late(0.3, 1.0)
    punctuality.turn(100.0 + WINDOW - 0.1, waiting)
    assert punctuality.trouble == ""
    punctuality.turn(100.0 + WINDOW, waiting)
    assert punctuality.trouble.partition(":")[0] == trouble
    assert PROBE_LATENESS.count() == before + began
    punctuality.turn(100.0 + 2 * WINDOW, 0.0)
    assert punctuality.trouble == ""


def test_rounds_that_could_not_begin_are_counted() -> None:
    punctuality = Punctuality(0.0)
    before = ROUNDS_SKIPPED.value()
    punctuality.began([0.5, 1.0, 3.7])
    for lateness in (0.5, 1.0, 3.7):
        punctuality.late(lateness, 1.0)
    assert ROUNDS_SKIPPED.value() == before + 4
    punctuality.turn(WINDOW, 0.0)
    assert "began up to 3.7 s late, 4 rounds were left out: give" in punctuality.trouble
