"""Which readings of the kernel's connections are a hint."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.suspicion import PAUSE, Watched, look
from ipvs_programmer.table import Counts


def hints(readings: list[tuple[int, int]], *, after: int = 10, every: float = 1.0) -> str:
    """Take readings of (active, inactive) in; a ``!`` for each that is a hint, a ``.`` for the others."""
    watched: Watched | None = None
    said = ""
    for number, (active, inactive) in enumerate(readings):
        watched, tells = look(watched, Counts(active, inactive), after, number * every)
        said += "!" if tells else "."
    return said


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([(0, 50)], "."),  # nothing to compare it with
        ([(0, 50), (0, 50)], ".."),
        ([(0, 50), (0, 51)], ".!"),
        ([(0, 50), (0, 49)], ".."),
        ([(0, 0), (0, 9), (0, 10)], "..!"),
        ([(0, 0), (0, 9), (0, 9)], "..."),
        ([(0, 0), (1, 20), (1, 40)], "..."),
        ([(0, 0), (1, 20), (0, 40)], "..!"),
        ([(0, 0), (0, 10), (0, 20), (0, 30), (0, 40)], ".!..."),  # one growth, one hint
        ([(0, 0), (0, 10), (0, 10), (0, 20)], ".!.."),  # another, too soon
        ([(0, 0), (0, 10), *[(0, 10)] * 10, (0, 20), (0, 30)], ".!" + "." * 10 + "!."),
        ([(0, 0), (0, 10), *[(5, 20)] * 10, (0, 30)], ".!" + "." * 10 + "!"),
        ([(0, 0), (0, 10), (3, 12), (0, 14), (0, 16)], ".!..."),
    ],
)
def test_readings(readings: list[tuple[int, int]], said: str) -> None:
    assert hints(readings) == said


def test_a_second_growth_that_began_too_soon_is_told_when_it_goes_on() -> None:
    growth = [(0, 20 + number) for number in range(15)]
    assert hints([(0, 0), (0, 10), (0, 10), *growth]) == ".!" + "." * 9 + "!" + "." * 6


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**32 - 1)), max_size=200),
    st.integers(1, 100),
    st.floats(0.01, 5),
)
def test_hints_are_rare_and_always_for_a_reason(
    readings: list[tuple[int, int]], after: int, every: float
) -> None:
    said = hints(readings, after=after, every=every)
    at = [number for number, mark in enumerate(said) if mark == "!"]
    assert all((second - first) * every >= PAUSE * 0.999 for first, second in pairwise(at))
    for number in at:
        active, inactive = readings[number]
        assert active == 0
        assert inactive >= after
        assert inactive > readings[number - 1][1]
