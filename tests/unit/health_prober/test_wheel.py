"""The timer wheel: never early, late by less than a tick, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_prober.wheel import NOWHERE, Wheel

TICK = 0.001
ROUNDING = 0.02 * TICK
"""Of two roundings."""


@dataclass(eq=False)
class Item:
    due: float
    tick: int = NOWHERE


items = st.builds(Item, st.floats(1000, 1010))


@given(st.lists(items, max_size=50), st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=50))
def test_everything_comes_once_and_in_time(put: list[Item], steps: list[float]) -> None:
    wheel: Wheel[Item] = Wheel(TICK)
    for item in put:
        wheel.add(item.due, item)
    now = 1000.0
    came: list[Item] = []
    for step in (*steps, 12.0):
        before, now = now, now + step
        for item in wheel.take(now):
            assert item.due < now + ROUNDING
            # whoever came only now was not yet to come at the look before
            assert item.due > before - 1.01 * TICK
            came.append(item)
        assert wheel.next is None or wheel.next > now - TICK
    assert sorted(map(id, came)) == sorted(map(id, put))
    assert all(item.tick == NOWHERE for item in came)


@given(st.floats(1, 1e9))
def test_what_is_due_comes_within_a_tick(due: float) -> None:
    wheel: Wheel[Item] = Wheel(TICK)
    wheel.add(due, item := Item(due))
    assert wheel.next is not None
    assert due - ROUNDING - 1e-6 <= wheel.next <= due + 1.1 * TICK
    assert list(wheel.take(due + 2 * TICK)) == [item]


def test_what_is_put_elsewhere_or_taken_out_does_not_come_where_it_was() -> None:
    wheel: Wheel[Item] = Wheel(TICK)
    moved, gone, stays = Item(1.0), Item(1.0), Item(1.0)
    for item in (moved, gone, stays):
        wheel.add(item.due, item)
    wheel.add(2.0, moved)
    wheel.remove(gone)
    assert list(wheel.take(1.5)) == [stays]
    assert list(wheel.take(2.5)) == [moved]
    assert wheel.next is None


def test_what_was_taken_out_is_forgotten_by_a_sweep() -> None:
    wheel: Wheel[Item] = Wheel(TICK)
    far, near = Item(1e6), Item(5.0)
    wheel.add(far.due, far)
    wheel.add(near.due, near)
    wheel.remove(near)
    wheel.sweep()
    assert wheel.next == pytest.approx(1e6, abs=2 * TICK)
    wheel.remove(far)
    wheel.sweep()
    assert wheel.next is None
