"""Slow starts: a table of cases, and the ramp as a property."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.ramp import ramped
from tests.unit.ipvs_programmer.world import EPOCH
from vipbus.contracts import SlowStart


def at(seconds: float, slow: SlowStart, whole: int) -> tuple[int, float | None]:
    weight, following = ramped(slow, whole, EPOCH, EPOCH + timedelta(seconds=seconds))
    return weight, None if following is None else (following - EPOCH).total_seconds()


LINE = SlowStart(duration=60)
STAIRS = SlowStart(duration=60, steps=4)


@pytest.mark.parametrize(
    ("seconds", "slow", "whole", "expected"),
    [
        (0, LINE, 100, (1, 2)),  # a hundredth of it after one second is still 1
        (1, LINE, 100, (1, 2)),
        (2, LINE, 100, (3, 3)),
        (30, LINE, 100, (50, 31)),
        (30.9, LINE, 100, (50, 31)),
        (59.9, LINE, 100, (98, 60)),
        (60, LINE, 100, (100, None)),
        (1e6, LINE, 100, (100, None)),
        # no wake-up that changes nothing
        (0, LINE, 3, (1, 40)),
        (40, LINE, 3, (2, 60)),
        (0, STAIRS, 100, (1, 15)),
        (15, STAIRS, 100, (25, 30)),
        (44, STAIRS, 100, (50, 45)),
        (45, STAIRS, 100, (75, 60)),
        # nothing to ramp
        (0, LINE, 1, (1, None)),
        (0, LINE, 0, (0, None)),
        (0, SlowStart(duration=0), 100, (100, None)),
        # the prober's clock is ahead: a little is waited for, much is not
        (-1, LINE, 100, (1, 2)),
        (-60, LINE, 100, (1, 2)),
        (-61, LINE, 100, (100, None)),
        # never more than ten steps a second
        (0, SlowStart(duration=1, steps=2**40), 1000, (1, 0.1)),
    ],
)
def test_the_weight(seconds: float, slow: SlowStart, whole: int, expected: tuple[int, float | None]) -> None:
    assert at(seconds, slow, whole) == expected


slow_starts = st.builds(SlowStart, duration=st.floats(0, 1e6), steps=st.integers(0, 2**53 - 1))


@given(slow=slow_starts, whole=st.integers(0, 2**31 - 1), times=st.lists(st.floats(0, 1.1), max_size=20))
def test_it_only_grows_and_ends_at_the_whole_weight(slow: SlowStart, whole: int, times: list[float]) -> None:
    before = 0
    for share in sorted(times):
        weight, _ = at(share * slow.duration, slow, whole)
        assert before <= weight <= whole
        assert weight >= min(1, whole)
        before = weight
    assert at(slow.duration, slow, whole) == (whole, None)


@given(slow=slow_starts, whole=st.integers(0, 1000))
def test_waking_when_it_is_due_sees_every_step(slow: SlowStart, whole: int) -> None:
    seen, now = [], EPOCH
    for _ in range(2 + whole):
        weight, following = ramped(slow, whole, EPOCH, now)
        seen.append(weight)
        if following is None:
            break
        assert following > now
        # until then it is the same
        assert ramped(slow, whole, EPOCH, following - timedelta(microseconds=1))[0] == weight
        now = following
    assert seen[-1] == whole
    assert seen == sorted(set(seen))
