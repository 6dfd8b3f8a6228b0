"""When a dead child is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.runtime.supervision import LONGEST_DELAY, STEADY, Ending, History, decide, ending

KILLED = Ending(signal=9)
FAILED = Ending(status=1)
HELPLESS = Ending(status=2)


def delays(*runs: float, end: Ending = FAILED) -> list[float]:
    """Let a child run for these seconds each time; return the delays before its restarts."""
    history, now, result = History(started=0.0), 0.0, []
    for ran in runs:
        now += ran
        history, restart = decide(history, end, now)
        result.append(restart.after)
        now += restart.after
        history = History(started=now, restarts=history.restarts, early=history.early)
    return result


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([0.1], [0.0], id="the first death is answered at once"),
        pytest.param([0.1] * 3, [0.0] * 3, id="so are the next two"),
        pytest.param([0.1] * 8, [0.0] * 3 + [0.1, 0.2, 0.4, 0.8, 1.6], id="a crash loop backs off"),
        pytest.param([0.1] * 14, [*delays(*[0.1] * 13), 60.0], id="to a minute"),
        pytest.param([5.0] * 50, [0.0] * 50, id="killed every five seconds it is always back at once"),
        pytest.param([0.1] * 8 + [60.0], [*delays(*[0.1] * 8), 0.0], id="a steady run ends the loop"),
        pytest.param([0.1] * 5 + [10.0, 0.1], [0, 0, 0, 0.1, 0.2, 0.1, 0.2], id="ten seconds forgive two"),
    ],
)
def test_delays(runs: list[float], expected: list[float]) -> None:
    assert delays(*runs) == pytest.approx(expected)


def test_a_service_that_says_a_restart_will_not_help_waits_a_minute_and_is_a_problem() -> None:
    _, restart = decide(History(started=0.0), HELPLESS, 0.2)
    assert restart.after == LONGEST_DELAY
    assert restart.problem.startswith("exit status 2: ")


def test_back_at_once_is_no_problem() -> None:
    history, restart = decide(History(started=0.0), KILLED, 0.2)
    assert (restart.after, restart.problem, history.restarts) == (0.0, "", 1)


@given(st.lists(st.tuples(st.floats(0, 200), st.sampled_from([KILLED, FAILED, HELPLESS])), max_size=60))
def test_whatever_happens(runs: list[tuple[float, Ending]]) -> None:
    history, now = History(started=0.0), 0.0
    for count, (ran, end) in enumerate(runs, 1):
        now += ran
        history, restart = decide(history, end, now)
        assert history.restarts == count
        assert 0 <= restart.after <= LONGEST_DELAY
        assert bool(restart.problem) == (restart.after > 0)
        if ran >= STEADY and end is not HELPLESS:
            assert restart.after == 0
        now += restart.after
        history = History(started=now, restarts=history.restarts, early=history.early)


def test_a_clock_that_goes_back_does_no_harm() -> None:
    assert decide(History(started=10.0), KILLED, 9.0)[1].after == 0.0


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "exit status 0"),
        (1, "exit status 1"),
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (-40, "killed by signal 40"),
    ],
)
def test_endings_in_words(returncode: int, words: str) -> None:
    assert str(ending(returncode)) == words
