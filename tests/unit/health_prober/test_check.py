"""The timing and the judgement of one check, as tables and as properties."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_prober.check import (
    Decision,
    Event,
    Failed,
    Rules,
    State,
    Succeeded,
    Unproven,
    begin,
    decide,
    learn,
    rules_of,
)
from vipbus.contracts import TcpCheck, VerdictName

RULES = Rules(delay_loop=6.0, timeout=3.0, retry=2, delay_before_retry=1.0, offset=0.5)
"""Rounds begin at 3, 9, 15, ... (offset 0.5 of 6 s)."""


def failed(began: float) -> Failed:
    return Failed(began, "connection refused")


@pytest.mark.parametrize(
    ("before", "event", "now", "after", "verdict"),
    [
        # unknown: one success is enough, failures count as they do for a server that is up
        (State("unknown", 0.5), Succeeded(0.5), 0.6, State("up", 3.0), "up"),
        (State("unknown", 0.5), failed(0.5), 0.6, State("unknown", 1.6, 1, 0.5), None),
        (State("unknown", 2.6, 2, 0.5), failed(2.6), 2.7, State("down", 3.0), "down"),
        # up: a success changes nothing, `retry` more attempts before it is down
        (State("up", 9.0), Succeeded(9.0), 9.1, State("up", 15.0), None),
        (State("up", 9.0), failed(9.0), 9.1, State("up", 10.1, 1, 9.0), None),
        (State("up", 10.1, 1, 9.0), failed(10.1), 10.2, State("up", 11.2, 2, 9.0), None),
        (State("up", 11.2, 2, 9.0), failed(11.2), 11.3, State("down", 15.0), "down"),
        # a success between failures forgets them
        (State("up", 11.2, 2, 9.0), Succeeded(11.2), 11.3, State("up", 15.0), None),
        # down: one attempt a round, one success is up
        (State("down", 15.0), failed(15.0), 18.0, State("down", 21.0), None),
        (State("down", 15.0), Succeeded(15.0), 15.1, State("up", 21.0), "up"),
        # a round that took longer than the interval is followed by the next at once, then by the grid again
        (State("down", 15.0), failed(15.0), 22.0, State("down", 22.0), None),
        (State("down", 22.0), failed(22.0), 25.0, State("down", 27.0), None),
        # what fails here says nothing of the target and does not count
        (State("up", 10.1, 1, 9.0), Unproven(), 10.1, State("up", 11.1, 1, 9.0), None),
        (State("down", 15.0), Unproven(), 15.0, State("down", 16.0), None),
        (State("unknown", 0.5), Unproven(), 0.5, State("unknown", 1.5), None),
    ],
)
def test_what_an_attempt_leads_to(
    before: State, event: Event, now: float, after: State, verdict: VerdictName | None
) -> None:
    state, decision = decide(RULES, before, event, now)
    assert state == after
    assert (decision.verdict if decision else None) == verdict


def test_a_decision_tells_when_it_began_and_how_many_attempts_it_took() -> None:
    _, down = decide(RULES, State("up", 11.2, 2, 9.0), failed(11.2), 11.3)
    assert down == Decision("down", "connection refused", 9.0, 3)
    _, up = decide(RULES, State("down", 15.0), Succeeded(15.0), 15.0004)
    assert up == Decision("up", "answered in 0.4 ms", 15.0, 1)


def test_without_retry_the_first_failure_decides() -> None:
    rules = Rules(delay_loop=1.0, timeout=1.0, retry=0, delay_before_retry=1.0, offset=0.0)
    _, decision = decide(rules, State("up", 1.0), failed(1.0), 1.1)
    assert decision == Decision("down", "connection refused", 1.0, 1)


def test_an_unknown_target_is_tried_soon_and_a_known_one_within_an_interval() -> None:
    for number in range(200):
        check = TcpCheck(address=f"10.9.0.{number}", port=80, delay_loop=60.0)
        assert 100.0 <= begin(rules_of(check), "unknown", 100.0).due < 101.0
        assert 100.0 < begin(rules_of(check), "up", 100.0).due <= 160.001
    short = TcpCheck(address="10.9.0.1", port=80, delay_loop=0.1)
    assert begin(rules_of(short), "unknown", 100.0).due < 100.1


@pytest.mark.parametrize("delay_loop", [0.0, -1.0, 0.001])
def test_an_interval_of_nothing_is_no_busy_loop(delay_loop: float) -> None:
    rules = rules_of(TcpCheck(address="10.9.0.1", port=80, delay_loop=delay_loop))
    state, _ = decide(rules, begin(rules, "up", 100.0), Succeeded(100.0), 100.0)
    assert 0.01 <= state.due - 100.0 <= 0.03


def test_starts_are_spread_over_the_interval() -> None:
    rules = [rules_of(TcpCheck(address=f"10.9.{n >> 8}.{n & 255}", port=80)) for n in range(1000)]
    tenths = [0] * 10
    for each in rules:
        tenths[int(each.offset * 10)] += 1
    assert min(tenths) > 60


def test_a_verdict_taken_over_leaves_the_schedule_alone() -> None:
    assert learn(State("up", 10.1, 1, 9.0), "down") == State("down", 10.1)
    assert learn(State("unknown", 10.1, 1, 9.0), "up") == State("up", 10.1)
    assert learn(State("up", 10.1, 1, 9.0), "up") == State("up", 10.1, 1, 9.0)


@dataclass(frozen=True)
class World:
    """A target that is dead from ``dies`` on and alive again from ``returns`` on."""

    dies: float
    returns: float
    silent: bool
    """Dead means that nothing answers; else the connection is refused at once."""

    def attempt(self, rules: Rules, began: float) -> tuple[Event, float]:
        if not self.dies <= began < self.returns:
            return Succeeded(began), began + 0.0005
        return failed(began), began + (rules.timeout if self.silent else 0.0002)


def life(rules: Rules, world: World, until: float) -> tuple[list[tuple[float, Decision]], list[float]]:
    state, now = begin(rules, "up", 0.0), 0.0
    decisions: list[tuple[float, Decision]] = []
    attempts: list[float] = []
    while now < until:
        attempts.append(state.due)
        event, now = world.attempt(rules, state.due)
        state, decision = decide(rules, state, event, now)
        if decision is not None:
            decisions.append((now, decision))
    return decisions, attempts


rules_drawn = st.builds(
    Rules,
    delay_loop=st.floats(0.05, 60),
    timeout=st.floats(0.05, 10),
    retry=st.integers(0, 4),
    delay_before_retry=st.floats(0, 5),
    offset=st.floats(0, 0.999999),
)


@given(rules_drawn, st.floats(1, 100), st.booleans())
def test_a_dead_server_is_down_in_time_and_a_live_one_up_in_time(
    rules: Rules, dies: float, silent: bool
) -> None:
    down_within = (
        rules.delay_loop + (rules.retry + 1) * rules.timeout + rules.retry * rules.delay_before_retry
    )
    returns = dies + down_within + 3 * rules.delay_loop
    up_within = max(rules.delay_loop, rules.timeout if silent else 0)
    world = World(dies, returns, silent)
    decisions, _ = life(rules, world, returns + 3 * up_within + 1)
    slack = 0.01  # the answers' own times and the grid's rounding
    assert [decision.verdict for _, decision in decisions] == ["down", "up"]
    assert decisions[0][0] - dies <= down_within + slack
    assert decisions[1][0] - returns <= up_within + slack


@given(rules_drawn)
def test_the_schedule_does_not_drift(rules: Rules) -> None:
    _, attempts = life(rules, World(1e9, 1e9, silent=False), until=200 * rules.delay_loop)
    for earlier, later in pairwise(attempts):
        assert later - earlier == pytest.approx(rules.delay_loop, rel=1e-3)
    assert attempts[-1] - attempts[0] == pytest.approx((len(attempts) - 1) * rules.delay_loop, rel=1e-6)
