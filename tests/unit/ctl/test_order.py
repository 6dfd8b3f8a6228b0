"""The order in which the past is printed: by when it happened, as far as a little patience goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctl.order import InOrder
from vipbus.bus import Record

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def record(sequence: int, second: float, behind: int) -> Record:
    happened = BEGIN + timedelta(seconds=second)
    return Record(
        subject="vipbus.event.x",
        sequence=sequence,
        stored=BEGIN,
        headers={"ce-time": happened.isoformat()},
        body=b"{}",
        behind=behind,
    )


@pytest.mark.parametrize(
    ("seconds", "order"),
    [
        pytest.param([0, 0.1, 0.2], [1, 2, 3], id="as it came"),
        pytest.param([0.115, 0.107, 0.110], [2, 3, 1], id="two sources"),
        pytest.param([1, 1, 1], [1, 2, 3], id="of one moment: as the bus took them"),
        pytest.param([0, 5, 1, 6], [1, 3, 2, 4], id="late, within the patience of what follows"),
        pytest.param([0, 5, 7, 1, 8], [1, 2, 4, 3, 5], id="too late for its place"),
    ],
)
def test_the_past_is_told_by_its_own_time(seconds: list[float], order: list[int]) -> None:
    past, told = InOrder(), []
    for number, second in enumerate(seconds, 1):
        told += past.take(record(number, second, behind=len(seconds) - number))
    assert [each.sequence for each in told] == order


def test_what_comes_after_the_past_is_never_held_back() -> None:
    past = InOrder()
    assert [each.sequence for each in past.take(record(1, 5, behind=0))] == [1]
    assert [each.sequence for each in past.take(record(2, 1, behind=0))] == [2]


def test_nothing_is_lost_when_the_bus_goes_away_in_the_middle() -> None:
    past = InOrder()
    assert list(past.take(record(1, 0.2, behind=2))) == []
    assert list(past.take(record(2, 0.1, behind=1))) == []
    assert [each.sequence for each in past.rest()] == [2, 1]
    assert list(past.rest()) == []
