"""The quorum: keepalived's rule as a table of cases, and hysteresis as a property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.quorum import is_met

weights = st.integers(0, 2**33)
limits = st.integers(1, 2**31 - 1)


@pytest.mark.parametrize(
    ("before", "weight", "quorum", "hysteresis", "met"),
    [
        (True, 1, 1, 0, True),
        (True, 0, 1, 0, False),
        (False, 0, 1, 0, False),
        (False, 1, 1, 0, True),
        # without hysteresis there is one threshold
        (True, 2, 3, 0, False),
        (False, 3, 3, 0, True),
        # with it, lost below 3 - 1 and gained at 3 + 1
        (True, 2, 3, 1, True),
        (True, 1, 3, 1, False),
        (False, 3, 3, 1, False),
        (False, 4, 3, 1, True),
        # capped at quorum - 1: 5 counts as 2, so that one that is up is enough to keep it
        (True, 1, 3, 5, True),
        (True, 0, 3, 5, False),
        (False, 4, 3, 5, False),
        (False, 5, 3, 5, True),
        (False, 1, 1, 7, True),
    ],
)
def test_the_rule(before: bool, weight: int, quorum: int, hysteresis: int, met: bool) -> None:  # columns
    assert is_met(before, weight, quorum, hysteresis) is met


@given(before=st.booleans(), quorum=limits, hysteresis=st.integers(0, 2**31 - 1))
def test_a_pool_of_no_weight_has_no_quorum(before: bool, quorum: int, hysteresis: int) -> None:
    assert not is_met(before, 0, quorum, hysteresis)


@given(before=st.booleans(), weight=weights, quorum=limits, hysteresis=st.integers(0, 2**31 - 1))
def test_a_weight_that_stays_changes_nothing_more(
    before: bool, weight: int, quorum: int, hysteresis: int
) -> None:
    once = is_met(before, weight, quorum, hysteresis)
    assert is_met(once, weight, quorum, hysteresis) is once


@given(quorum=limits, hysteresis=st.integers(0, 2**31 - 1), course=st.lists(weights, max_size=30))
def test_it_changes_only_by_the_whole_width(quorum: int, hysteresis: int, course: list[int]) -> None:
    width = min(hysteresis, quorum - 1)
    met, turned_at = True, None
    for weight in course:
        now = is_met(met, weight, quorum, hysteresis)
        if now != met:
            assert weight >= quorum + width if now else weight < quorum - width
            if turned_at is not None:
                assert abs(weight - turned_at) > 2 * width
            turned_at = weight
        met = now


@given(
    before=st.booleans(),
    quorum=limits,
    hysteresis=st.integers(0, 2**31 - 1),
    pair=st.tuples(weights, weights).map(sorted),
)
def test_more_weight_never_loses_it(before: bool, quorum: int, hysteresis: int, pair: list[int]) -> None:
    less, more = (is_met(before, weight, quorum, hysteresis) for weight in pair)
    assert more or not less
