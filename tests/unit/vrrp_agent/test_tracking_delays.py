"""Interfaces that bounce count as what they were until a change has lasted."""

from __future__ import annotations

import pytest

from vipbus.contracts import InterfaceDelay
from vrrp_agent.tracking.delays import Delayed, due, seen

_DELAY = InterfaceDelay(interface="eth0", up=3.0, down=1.0)


def run(changes: list[tuple[float, bool]], at: float, delay: InterfaceDelay = _DELAY) -> bool:
    """Take changes at their times and say what it counts as at a time."""
    state: Delayed | None = None
    for when, up in changes:
        if state is not None:
            state = due(state, when)
        state = seen(state, up=up, now=when, delay=delay)
    assert state is not None
    return due(state, at).up


@pytest.mark.parametrize(
    ("changes", "at", "up"),
    [
        ([(0, True)], 0, True),
        ([(0, False)], 0, False),
        ([(0, True), (5, False)], 5.9, True),
        ([(0, True), (5, False)], 6.0, False),
        ([(0, False), (5, True)], 7.9, False),
        ([(0, False), (5, True)], 8.0, True),
        # it came back before its time: as if nothing had been
        ([(0, True), (5, False), (5.5, True)], 9, True),
        ([(0, True), (5, False), (5.5, True), (5.8, False)], 6.7, True),
        ([(0, True), (5, False), (5.5, True), (5.8, False)], 6.8, False),
        # told twice: the first time counts
        ([(0, True), (5, False), (5.9, False)], 6.0, False),
    ],
)
def test_a_change_counts_when_it_has_lasted(changes: list[tuple[float, bool]], at: float, up: bool) -> None:
    assert run(changes, at) is up


def test_without_a_delay_it_counts_at_once() -> None:
    delay = InterfaceDelay(interface="eth0", up=0.0, down=2.0)
    assert run([(0, False), (5, True)], 5, delay) is True
    assert seen(Delayed(False), up=True, now=5, delay=delay) == Delayed(True)


def test_it_says_when_to_look_again() -> None:
    assert seen(Delayed(True), up=False, now=5, delay=_DELAY).turns_at == 6.0
