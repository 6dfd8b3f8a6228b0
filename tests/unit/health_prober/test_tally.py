"""Sums that follow changes are those that a pass over everything would give."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from health_prober import metrics
from health_prober.tally import Tally
from vipbus.contracts import Verdict, VerdictName, Vote

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
AGAINST = Vote(prober="p", verdict="down", cause="refused")
VERDICTS: tuple[VerdictName, ...] = ("up", "down", "unknown")


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict | None:
    """Give what may stand of a target."""
    if draw(st.booleans()):
        return None
    return Verdict(
        virtual_server="v",
        real_server="r",
        verdict=draw(st.sampled_from(VERDICTS)),
        cause="",
        since=EPOCH,
        prober="q",
        lease=1,
        damped=draw(st.booleans()),
        minority=(AGAINST,) * draw(st.integers(0, 2)),
    )


STEP = st.one_of(
    st.tuples(st.just("note"), st.sampled_from("abc"), verdicts()),
    st.tuples(st.just("leave"), st.sampled_from("abc"), st.none()),
    st.tuples(st.just("clear"), st.just(""), st.none()),
)


@given(st.lists(STEP, max_size=30))
def test_the_sums_are_those_of_all_that_stands(steps: list[tuple[str, str, Verdict | None]]) -> None:
    tally, standing = Tally(), dict[str, Verdict | None]()
    for what, key, verdict in steps:
        if what == "note":
            tally.note(key, verdict)
            standing[key] = verdict
        elif what == "leave":
            tally.leave(key)
            standing.pop(key, None)
        else:
            tally.clear()
            standing.clear()
    tally.show(split=4)
    sums = Counter("unknown" if each is None else each.verdict for each in standing.values())
    assert {name: metrics.VERDICTS.value(verdict=name) for name in VERDICTS} == {
        name: sums[name] for name in VERDICTS
    }
    known = [each for each in standing.values() if each is not None]
    assert metrics.DAMPED.value() == sum(each.damped for each in known)
    assert metrics.MINORITY.value() == sum(len(each.minority) for each in known)
    assert metrics.SPLIT.value() == 4
