"""A timer among the descriptors: it goes off once its time has come, and not before."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

import pytest

from health_prober.alarm import Alarm


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    alarm = Alarm()
    yield alarm
    alarm.close()


def goes_off(alarm: Alarm, within: float) -> bool:
    return bool(select.select([alarm.descriptor], [], [], within)[0])


def test_it_goes_off_at_its_time(alarm: Alarm) -> None:
    moment = time.monotonic() + 0.02
    alarm.set(moment)
    assert goes_off(alarm, 10)
    assert time.monotonic() >= moment


@pytest.mark.parametrize("moment", [0.0, -1.0, 1.0])
def test_a_time_that_has_passed_is_now(alarm: Alarm, moment: float) -> None:
    alarm.set(moment)
    assert goes_off(alarm, 10)


def test_one_that_went_off_is_quiet_once_it_is_set_again(alarm: Alarm) -> None:
    for later in (None, time.monotonic() + 3600):
        alarm.set(time.monotonic())
        assert goes_off(alarm, 10)
        alarm.set(later)
        assert not goes_off(alarm, 0)
