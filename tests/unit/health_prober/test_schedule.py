"""The short way for what is as it was leads where the long one does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from health_prober.attempt import PASSED, Passed
from health_prober.check import State, Succeeded, calm, decide, rules_of
from health_prober.probe import Probe
from health_prober.schedule import Schedule
from vipbus.contracts import TcpCheck

RULES = rules_of(TcpCheck(address="10.0.0.1", port=80, interval=6.0))
seconds = st.floats(min_value=0.0, max_value=1e6)
states = st.builds(
    State,
    verdict=st.just("up"),
    due=seconds,
    failures=st.sampled_from([0, 0, 0, 1]),
    streak=st.sampled_from([0, 0, 0, -1]),
    told=st.sampled_from([PASSED, PASSED, Passed("status 200"), None]),
)


@given(states, st.floats(min_value=0.0, max_value=100.0))
def test_of_what_is_calm_a_success_changes_the_time_only(state: State, took: float) -> None:
    assume(calm(state))
    after, decision = decide(RULES, state, Succeeded(state.due), state.due + took)
    assert decision is None
    assert after == State("up", after.due, told=PASSED)
    assert (state.failures, state.streak) == (0, 0)


@pytest.mark.parametrize(
    "state",
    [
        State("down", 5.0, told=PASSED),
        State("unknown", 5.0, told=PASSED),
        State("up", 5.0),
        State("up", 5.0, told=Passed(weight=7)),
        State("up", 5.0, failures=1, told=PASSED),
        State("up", 5.0, streak=-1, told=PASSED),  # a round of `fall` has failed, and a success forgets it
    ],
)
def test_the_rest_is_not_calm(state: State) -> None:
    assert not calm(state)


@given(
    st.floats(min_value=0.1, max_value=60.0),
    st.floats(min_value=0.0, max_value=10.0),
    seconds,
    st.floats(min_value=0.0, max_value=300.0),
)
def test_the_next_round_is_the_same(interval: float, jitter: float, due: float, took: float) -> None:
    check = TcpCheck(address="10.0.0.1", port=80, interval=interval, jitter=jitter)
    rules = rules_of(check)
    short, long = (Probe(check, rules, State("up", due, told=PASSED)) for _ in range(2))
    schedule = Schedule()
    schedule.put(short)
    now = due + took
    assert schedule.again([short], now) == []
    long.state, decision = decide(rules, long.state, Succeeded(due), now)
    assert decision is None
    schedule.put(long)
    assert (short.due, short.tick) == (pytest.approx(long.due), pytest.approx(long.tick))
    assert short.round == long.round


def test_what_is_not_calm_any_more_is_given_back() -> None:
    check = TcpCheck(address="10.0.0.1", port=80)
    probe = Probe(check, rules_of(check), State("up", 5.0))
    schedule = Schedule()
    schedule.put(probe)
    assert schedule.again([probe], 5.1) == [probe]
