"""The timing and the judgement of one check, as tables and as properties."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_prober.attempt import PASSED, Passed
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

RULES = Rules(interval=6.0, timeout=3.0, retry=2, delay_before_retry=1.0, offset=0.5)
"""Rounds begin at 3, 9, 15, ... (offset 0.5 of 6 s)."""


SLOW = Rules(interval=6.0, timeout=3.0, retry=1, delay_before_retry=1.0, offset=0.5, rise=3, fall=2)
HEAVY = Passed(weight=7)


def failed(began: float) -> Failed:
    return Failed(began, "connection refused")


def up(due: float, told: Passed | None = PASSED) -> State:
    """A server that was seen to be up."""
    return State("up", due, told=told)


def trying(verdict: VerdictName, due: float, number: int, since: float) -> State:
    """A server of which so many attempts in a row failed in this round."""
    return State(verdict, due, failures=number, attempts=number, since=since)


@pytest.mark.parametrize(
    ("before", "event", "now", "after", "verdict"),
    [
        # unknown: one success is enough, failures count as they do for a server that is up
        (State("unknown", 0.5), Succeeded(0.5), 0.6, up(3.0), "up"),
        (State("unknown", 0.5), failed(0.5), 0.6, trying("unknown", 1.6, 1, 0.5), None),
        (trying("unknown", 2.6, 2, 0.5), failed(2.6), 2.7, State("down", 3.0), "down"),
        # up: a success changes nothing, `retry` more attempts before it is down
        (up(9.0), Succeeded(9.0), 9.1, up(15.0), None),
        (State("up", 9.0), failed(9.0), 9.1, trying("up", 10.1, 1, 9.0), None),
        (trying("up", 10.1, 1, 9.0), failed(10.1), 10.2, trying("up", 11.2, 2, 9.0), None),
        (trying("up", 11.2, 2, 9.0), failed(11.2), 11.3, State("down", 15.0), "down"),
        # a success between failures forgets them
        (State("up", 11.2, 2, attempts=2, since=9.0, told=PASSED), Succeeded(11.2), 11.3, up(15.0), None),
        # what a success says besides is news when it is another, and once after a verdict was taken over
        (up(9.0), Succeeded(9.0, HEAVY), 9.1, up(15.0, HEAVY), "up"),
        (up(9.0, HEAVY), Succeeded(9.0, HEAVY), 9.1, up(15.0, HEAVY), None),
        (State("up", 9.0), Succeeded(9.0, Passed("status 200")), 9.1, up(15.0, Passed("status 200")), "up"),
        (State("up", 9.0), Succeeded(9.0), 9.1, up(15.0), "up"),
        # down: one attempt a round, one success is up
        (State("down", 15.0), failed(15.0), 18.0, State("down", 21.0), None),
        (State("down", 15.0), Succeeded(15.0), 15.1, up(21.0), "up"),
        # a round that took longer than the interval is followed by the next at once, then by the grid again
        (State("down", 15.0), failed(15.0), 22.0, State("down", 22.0), None),
        (State("down", 22.0), failed(22.0), 25.0, State("down", 27.0), None),
        # what fails here says nothing of the target and does not count
        (trying("up", 10.1, 1, 9.0), Unproven(), 10.1, trying("up", 11.1, 1, 9.0), None),
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


def life_of(rules: Rules, verdict: VerdictName, results: str) -> list[tuple[float, str]]:
    """Let attempts end as told, ``+`` or ``-``; return when each began and the verdict after it."""
    state, seen = State(verdict, 9.0), []
    for result in results:
        now = state.due
        event: Event = Succeeded(now) if result == "+" else failed(now)
        state, _ = decide(rules, state, event, now + 0.1)
        seen.append((round(now, 3), state.verdict))
    return seen


def test_rise_counts_rounds_in_a_row() -> None:
    assert life_of(SLOW, "down", "++-+++") == [
        (9.0, "down"),
        (15.0, "down"),
        (21.0, "down"),
        (27.0, "down"),
        (33.0, "down"),
        (39.0, "up"),
    ]


def test_fall_counts_rounds_each_with_its_retries() -> None:
    assert life_of(SLOW, "up", "-+----") == [
        (9.0, "up"),
        (10.1, "up"),
        (15.0, "up"),
        (16.1, "up"),
        (21.0, "up"),
        (22.1, "down"),
    ]


def test_one_success_after_a_restart_does_not_forget_rise() -> None:
    taken_over = begin(SLOW, "down", 9.0)
    state, decision = decide(SLOW, taken_over, Succeeded(taken_over.due), taken_over.due + 0.1)
    assert (state.verdict, decision) == ("down", None)


def test_an_unknown_target_is_known_soon_whatever_rise_and_fall_say() -> None:
    assert life_of(SLOW, "unknown", "+++") == [(9.0, "unknown"), (10.1, "unknown"), (11.2, "up")]
    assert life_of(SLOW, "unknown", "-+---")[-1][1] == "unknown"
    assert life_of(SLOW, "unknown", "----")[-1][1] == "down"


def test_a_decision_tells_the_first_attempt_of_its_streak() -> None:
    state = State("up", 9.0)
    for _ in range(3):
        state, decision = decide(SLOW, state, failed(state.due), state.due)
        assert decision is None
    state, decision = decide(SLOW, state, failed(state.due), state.due)
    assert decision == Decision("down", "connection refused", 9.0, 4)


def test_jitter_does_not_add_up_and_stays_within() -> None:
    rules = Rules(interval=1.0, timeout=1.0, retry=0, delay_before_retry=1.0, offset=0.25, jitter=0.4)
    state, late = State("up", 5.0), []
    for number in range(500):
        state, _ = decide(rules, state, Succeeded(state.due), state.due)
        late.append(state.due - (5.25 + number))
    assert min(late) > -1e-6
    assert max(late) < 0.4
    assert max(late) - min(late) > 0.3


def test_warmup_spreads_the_first_attempts() -> None:
    check = TcpCheck(address="10.9.0.1", port=80, warmup=30.0)
    rules = rules_of(check)
    assert begin(rules, "unknown", 100.0).due == pytest.approx(100.0 + 30.0 * rules.offset)
    assert begin(rules_of(msgspec.structs.replace(check, warmup=0.0)), "unknown", 100.0).due == 100.0


def test_a_decision_tells_when_it_began_and_how_many_attempts_it_took() -> None:
    _, down = decide(RULES, trying("up", 11.2, 2, 9.0), failed(11.2), 11.3)
    assert down == Decision("down", "connection refused", 9.0, 3)
    _, up = decide(RULES, State("down", 15.0), Succeeded(15.0), 15.0004)
    assert up == Decision("up", "answered in 0.4 ms", 15.0, 1)


def test_without_retry_the_first_failure_decides() -> None:
    rules = Rules(interval=1.0, timeout=1.0, retry=0, delay_before_retry=1.0, offset=0.0)
    _, decision = decide(rules, State("up", 1.0), failed(1.0), 1.1)
    assert decision == Decision("down", "connection refused", 1.0, 1)


def test_an_unknown_target_is_tried_soon_and_a_known_one_within_an_interval() -> None:
    for number in range(200):
        check = TcpCheck(address=f"10.9.0.{number}", port=80, interval=60.0)
        assert 100.0 <= begin(rules_of(check), "unknown", 100.0).due < 101.0
        assert 100.0 < begin(rules_of(check), "up", 100.0).due <= 160.001
    short = TcpCheck(address="10.9.0.1", port=80, interval=0.1)
    assert begin(rules_of(short), "unknown", 100.0).due < 100.1


@pytest.mark.parametrize("interval", [0.0, -1.0, 0.001])
def test_an_interval_of_nothing_is_no_busy_loop(interval: float) -> None:
    rules = rules_of(TcpCheck(address="10.9.0.1", port=80, interval=interval))
    state, _ = decide(rules, begin(rules, "up", 100.0), Succeeded(100.0), 100.0)
    assert 0.01 <= state.due - 100.0 <= 0.03


def test_starts_are_spread_over_the_interval() -> None:
    rules = [rules_of(TcpCheck(address=f"10.9.{n >> 8}.{n & 255}", port=80)) for n in range(1000)]
    tenths = [0] * 10
    for each in rules:
        tenths[int(each.offset * 10)] += 1
    assert min(tenths) > 60


def test_a_verdict_taken_over_leaves_the_schedule_alone() -> None:
    assert learn(trying("up", 10.1, 1, 9.0), "down") == State("down", 10.1)
    assert learn(trying("unknown", 10.1, 1, 9.0), "up") == State("up", 10.1)
    assert learn(trying("up", 10.1, 1, 9.0), "up") == trying("up", 10.1, 1, 9.0)


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
        before = state.verdict
        state, decision = decide(rules, state, event, now)
        if decision is not None and decision.verdict != before:
            decisions.append((now, decision))
    return decisions, attempts


rules_drawn = st.builds(
    Rules,
    interval=st.floats(0.05, 60),
    timeout=st.floats(0.05, 10),
    retry=st.integers(0, 4),
    delay_before_retry=st.floats(0, 5),
    offset=st.floats(0, 0.999999),
)


@given(rules_drawn, st.floats(1, 100), st.booleans())
def test_a_dead_server_is_down_in_time_and_a_live_one_up_in_time(
    rules: Rules, dies: float, silent: bool
) -> None:
    down_within = rules.interval + (rules.retry + 1) * rules.timeout + rules.retry * rules.delay_before_retry
    returns = dies + down_within + 3 * rules.interval
    up_within = max(rules.interval, rules.timeout if silent else 0)
    world = World(dies, returns, silent)
    decisions, _ = life(rules, world, returns + 3 * up_within + 1)
    slack = 0.01  # the answers' own times and the grid's rounding
    assert [decision.verdict for _, decision in decisions] == ["down", "up"]
    assert decisions[0][0] - dies <= down_within + slack
    assert decisions[1][0] - returns <= up_within + slack


@given(rules_drawn)
def test_the_schedule_does_not_drift(rules: Rules) -> None:
    _, attempts = life(rules, World(1e9, 1e9, silent=False), until=200 * rules.interval)
    for earlier, later in pairwise(attempts):
        assert later - earlier == pytest.approx(rules.interval, rel=1e-3)
    assert attempts[-1] - attempts[0] == pytest.approx((len(attempts) - 1) * rules.interval, rel=1e-6)
