"""A target that flaps is kept down, and comes back when it has been quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_prober.conclusion import Conclusion, conclude, is_news, verdict_of
from health_prober.damping import in_words
from health_prober.judgement import NOTHING
from health_prober.targets import Target
from health_prober.votes import Ballot
from tests.unit.health_prober.documents import check, target
from vipbus.contracts import Damping, Verdict, VerdictName

RULES = Damping(penalty=1000, suppress=2500, reuse=750, half_life=60)
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def flapping(rules: Damping = RULES) -> Target:
    made = target(check())
    return Target(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "damping": rules})


def ballot(verdict: VerdictName, since: datetime) -> Ballot:
    cause = "answered in 2 ms" if verdict == "up" else "connection refused"
    return Ballot(
        verdict=verdict,
        cause=cause,
        extras=NOTHING,
        since_ns=int(since.timestamp() * 1e9),
        voters=1,
        minority=(),
    )


class Leader:
    """Says verdicts of one target; ``standing`` is all that it remembers."""

    def __init__(self, of: Target) -> None:
        self.target = of
        self.standing: Verdict | None = None
        self.last: Conclusion | None = None

    def sees(self, verdict: VerdictName, at: float) -> VerdictName:
        now = BEGIN + timedelta(seconds=at)
        self.last = conclude(self.target, ballot(verdict, now), self.standing, now)
        if is_news(self.last, self.standing):
            self.standing = verdict_of(self.target, self.last, self.standing, now, prober="p", lease=1)
        assert self.standing is not None
        return self.standing.verdict


def test_the_third_fall_in_a_row_is_one_too_many() -> None:
    leader = Leader(flapping())
    story = [
        leader.sees(verdict, at)
        for at, verdict in enumerate(("up", "down", "up", "down", "up", "down", "up"))
    ]
    assert story == ["up", "down", "up", "down", "up", "down", "down"]
    assert leader.standing is not None
    assert leader.standing.damped
    assert leader.standing.cause == "flaps: damped until about 12:02:03 UTC (answered in 2 ms)"


def test_it_is_up_again_when_the_penalty_has_decayed_and_not_before() -> None:
    leader = Leader(flapping())
    for at, verdict in enumerate(("up", "down", "up", "down", "up", "down", "up")):
        leader.sees(verdict, at)
    assert leader.last is not None
    assert leader.last.damped.until is not None
    reuse = (leader.last.damped.until - BEGIN).total_seconds()
    assert leader.sees("up", reuse - 0.5) == "down"
    assert leader.sees("up", reuse + 0.001) == "up"
    assert leader.standing is not None
    assert not leader.standing.damped
    # it is remembered for a while that it flapped
    assert leader.sees("down", reuse + 1) == "down"
    assert leader.standing.penalty == pytest.approx(1750, rel=0.02)


def test_falls_count_while_it_is_kept_down() -> None:
    quiet, loud = Leader(flapping()), Leader(flapping())
    for leader in (quiet, loud):
        for at, verdict in enumerate(("up", "down", "up", "down", "up", "down", "up")):
            leader.sees(verdict, at)
    loud.sees("down", 8)
    loud.sees("up", 9)
    quiet.sees("up", 9)
    assert loud.last is not None
    assert quiet.last is not None
    assert loud.last.damped.penalty == pytest.approx(quiet.last.damped.penalty + 1000, rel=0.02)


def test_a_verdict_knows_what_it_was_before() -> None:
    leader = Leader(flapping())
    story: list[tuple[VerdictName, VerdictName]] = [
        ("up", "unknown"),
        ("up", "unknown"),
        ("down", "up"),
        ("down", "up"),
        ("up", "down"),
        ("up", "down"),
        ("unknown", "up"),
        ("up", "unknown"),
    ]
    for at, (verdict, before) in enumerate(story):
        leader.sees(verdict, at)
        assert leader.standing is not None
        assert (leader.standing.verdict, leader.standing.before) == (verdict, before)


def test_what_goes_with_a_verdict_does_not_change_what_was_before() -> None:
    leader = Leader(flapping())
    for at, verdict in enumerate(("down", "up", "down", "up", "down", "up", "down", "up")):
        leader.sees(verdict, at)
    assert leader.standing is not None
    # kept down for flapping, it was up before all of that
    assert (leader.standing.verdict, leader.standing.before) == ("down", "up")


def test_without_rules_nothing_is_damped() -> None:
    leader = Leader(target(check()))
    story = [leader.sees(verdict, at) for at, verdict in enumerate(("up", "down") * 10)]
    assert story == ["up", "down"] * 10
    assert leader.standing is not None
    assert leader.standing.penalty_at is None


def test_a_clock_that_was_set_back_makes_no_penalty_grow() -> None:
    leader = Leader(flapping())
    leader.sees("up", 0)
    leader.sees("down", 1)
    leader.sees("up", -1000)
    assert leader.standing is not None
    assert leader.standing.penalty <= 1000


@given(st.lists(st.tuples(st.sampled_from(["up", "down"]), st.floats(0.1, 100)), max_size=40))
def test_a_new_leader_goes_on_from_what_stands(story: list[tuple[VerdictName, float]]) -> None:
    """All that is remembered is in the verdict: a leader that is new at every step says the same."""
    old, at = Leader(flapping()), 0.0
    standing: Verdict | None = None
    for verdict, wait in story:
        at += wait
        new = Leader(flapping())
        new.standing = standing
        assert new.sees(verdict, at) == old.sees(verdict, at)
        standing = new.standing
        # never up while the checks say down
        if verdict == "down":
            assert standing is not None
            assert standing.verdict == "down"


def test_whoever_stops_to_flap_is_back_within_four_half_lives() -> None:
    leader = Leader(flapping())
    for at in range(200):
        leader.sees("up" if at % 2 else "down", at)
    leader.sees("up", 200)
    assert leader.last is not None
    assert leader.last.damped.until is not None
    assert (leader.last.damped.until - BEGIN).total_seconds() - 200 <= 4 * RULES.half_life + 1


def test_a_day_is_told_where_the_hour_is_not_enough() -> None:
    assert in_words(BEGIN + timedelta(hours=1), BEGIN, "ok") == "flaps: damped until about 13:00:00 UTC (ok)"
    later = in_words(BEGIN + timedelta(days=2), BEGIN, "ok")
    assert later == "flaps: damped until about 2026-01-03 12:00:00 UTC (ok)"
