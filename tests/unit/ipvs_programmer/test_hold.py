"""When a pool is held: a table of cases, and what holds whatever happens."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.hold import Hold, Member, Weighed, decide
from tests.unit.ipvs_programmer.world import EPOCH

WINDOW = 60.0
Downs = dict[str, float]
"""Which real servers are down, and since when, in seconds."""


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def members(names: str, downs: Downs, weight: int = 1, configured: int = 1) -> dict[str, Member]:
    return {
        name: Member(
            weight=Weighed(configured, weight),
            stands=name not in downs,
            down_since=at(downs[name]) if name in downs else None,
        )
        for name in names
    }


def follow(names: str, *steps: Downs, below: int = 30, start: Hold | None = None) -> Hold:
    """Go through pictures of a pool that was whole."""
    hold = start or Hold({name: Weighed(1, 1) for name in names})
    for downs in steps:
        hold = decide(below, WINDOW, members(names, downs), hold)
    return hold


TEN = "abcdefghij"


@pytest.mark.parametrize(
    ("names", "below", "steps", "inside", "held"),
    [
        ("abc", 30, [{}], "abc", ""),
        ("abc", 30, [{"a": 0}], "bc", ""),
        ("abc", 30, [{"a": 0, "b": 1}], "c", ""),
        ("abc", 30, [{"a": 0, "b": 1, "c": 2}], "abc", "abc"),
        # what left before it was seen stays out
        ("abc", 30, [{"a": 0, "b": 1}, {"a": 0, "b": 1, "c": 2}], "c", "c"),
        (TEN, 30, [dict.fromkeys("abcdefg", 0.0), dict.fromkeys("abcdefghi", 0.0)], "hij", "hi"),
        # exactly the share is enough
        (TEN, 30, [dict.fromkeys("abcdefg", 0.0)], "hij", ""),
        (TEN, 31, [dict.fromkeys("abcdefg", 0.0)], TEN, "abcdefg"),
        ("ab", 100, [{"a": 0}], "b", ""),
        ("ab", 100, [{"a": 0, "b": 60}], "ab", "ab"),
        ("ab", 100, [{"a": 0, "b": 61}], "", ""),
        # one by one, each further from the last than the window
        ("abc", 50, [{"a": 0}, {"a": 0, "b": 61}, {"a": 0, "b": 61, "c": 122}], "", ""),
        # some died long ago; then the rest goes at once
        ("abcd", 50, [{"a": 0}, {"a": 0, "b": 100}, {"a": 0, "b": 100, "c": 500, "d": 510}], "cd", "cd"),
        # two died long ago together, the last one alone
        ("abc", 50, [{"a": 0, "b": 1}], "abc", "ab"),
        ("abc", 30, [{"a": 0, "b": 1}, {"a": 0, "b": 1, "c": 500}], "", ""),
        # held: what goes down meanwhile is held too, whenever that is
        ("abcd", 60, [{"a": 0, "b": 1}, {"a": 0, "b": 1, "c": 5000}], "abcd", "abc"),
        # held until enough are up, not only one
        (TEN, 30, [dict.fromkeys(TEN, 0.0), dict.fromkeys(TEN[1:], 0.0)], TEN, TEN[1:]),
        (TEN, 30, [dict.fromkeys(TEN, 0.0), dict.fromkeys(TEN[3:], 0.0)], "abc", ""),
        # a partner that recovers releases nobody
        ("abcde", 50, [{"a": 0}, {"a": 0, "b": 500, "c": 501}, {"a": 0, "b": 500, "c": 501}], "bcde", "bc"),
        ("abcdef", 90, [{"a": 0, "b": 1}, {"a": 0}], "abcdef", "a"),
        # held again after a release, from what stood then
        (
            "abc",
            30,
            [dict.fromkeys("abc", 0.0), dict.fromkeys("bc", 0.0), dict.fromkeys("abc", 900.0)],
            "a",
            "a",
        ),
        ("abc", 0, [dict.fromkeys("abc", 0.0)], "", ""),
        ("", 30, [{}], "", ""),
        ("a", 100, [{"a": 0}], "", ""),
    ],
)
def test_what_is_held(names: str, below: int, steps: list[Downs], inside: str, held: str) -> None:
    hold = follow(names, *steps, below=below)
    assert ("".join(sorted(hold.inside)), "".join(sorted(hold.held))) == (inside, held)
    assert hold.of == len(names)


def test_what_is_held_keeps_its_weight_until_it_is_configured_anew() -> None:
    both: Downs = {"a": 0, "b": 0}
    hold = decide(50, WINDOW, members("ab", {}, weight=7), Hold())
    hold = decide(50, WINDOW, members("ab", both), hold)
    assert hold.inside == {"a": Weighed(1, 7), "b": Weighed(1, 7)}
    hold = decide(50, WINDOW, members("ab", both, weight=3, configured=3), hold)
    assert hold.inside == {"a": Weighed(3, 3), "b": Weighed(3, 3)}


def test_what_an_operator_disables_does_not_count() -> None:
    hold = follow("abcd", dict.fromkeys("abcd", 0.0), below=40)
    assert hold.held == set("abcd")
    hold = decide(40, WINDOW, members("cd", {"c": 0, "d": 0}), hold)
    assert (set(hold.inside), hold.held) == (set("cd"), set("cd"))
    # two are disabled, one of the others is up: half of the pool that counts
    hold = decide(40, WINDOW, members("cd", {"d": 0}), hold)
    assert (set(hold.inside), hold.held) == ({"c"}, set())
    # what comes back from there while it is down does not stand
    hold = decide(40, WINDOW, members("abcd", {"a": 0, "b": 0, "d": 0}), hold)
    assert (set(hold.inside), hold.held) == ({"c"}, set())


# ---- whatever happens

NAMES = "abcdefgh"


@st.composite
def stories(draw: st.DrawFn) -> list[Downs]:
    """A pool through time: each step some go down, now, and some come up."""
    downs: Downs = {}
    now = 0.0
    story = []
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([0.0, 1.0, 20.0, 59.0, 61.0, 500.0]))
        for name in draw(st.sets(st.sampled_from(NAMES))):
            if name in downs:
                del downs[name]
            else:
                downs[name] = now
        story.append(dict(downs))
    return story


shares = st.integers(0, 100)


@given(stories(), shares)
def test_a_held_one_is_down_and_stood_before(story: list[Downs], below: int) -> None:
    hold = follow(NAMES)
    for downs in story:
        before, hold = hold, follow(NAMES, downs, below=below, start=hold)
        assert hold.held <= downs.keys()
        assert hold.held <= before.inside.keys()
        assert hold.inside.keys() == (set(NAMES) - downs.keys()) | hold.held
        assert all(hold.inside[token] == before.inside[token] for token in hold.held)


@given(stories())
def test_no_share_no_hold(story: list[Downs]) -> None:
    hold = follow(NAMES)
    for downs in story:
        hold = follow(NAMES, downs, below=0, start=hold)
        assert not hold.held


@given(stories(), shares)
def test_a_release_leaves_a_pool_that_the_verdicts_allow(story: list[Downs], below: int) -> None:
    hold = follow(NAMES)
    for downs in story:
        before, hold = hold, follow(NAMES, downs, below=below, start=hold)
        if before.held and not hold.held:
            up = len(NAMES) - len(downs)
            # enough are up again, or not one of those that were held is down
            assert 100 * up >= below * len(NAMES) or not before.held & downs.keys()
            assert before.held & hold.inside.keys() == before.held - downs.keys()


@given(stories(), st.integers(1, 100))
def test_a_held_pool_never_gets_smaller_before_it_is_released(story: list[Downs], below: int) -> None:
    hold = follow(NAMES)
    for downs in story:
        before, hold = hold, follow(NAMES, downs, below=below, start=hold)
        if before.held and hold.held:
            assert before.inside.keys() <= hold.inside.keys()


@given(st.permutations(NAMES), st.integers(1, 100), st.floats(60.001, 1e6))
def test_slow_attrition_is_followed_to_the_end(order: list[str], below: int, apart: float) -> None:
    hold = follow(NAMES)
    downs: Downs = {}
    for number, name in enumerate(order):
        downs[name] = number * apart
        hold = follow(NAMES, downs, below=below, start=hold)
        assert not hold.held
    assert not hold.inside


@given(st.permutations(NAMES), st.integers(1, 100), st.data())
def test_a_mass_failure_leaves_the_share(order: list[str], below: int, data: st.DataObject) -> None:
    """However its verdicts come, one by one or together."""
    times = data.draw(st.lists(st.floats(0, WINDOW), min_size=len(order), max_size=len(order)))
    hold = follow(NAMES)
    downs: Downs = {}
    for name, when in zip(order, times, strict=True):
        downs[name] = when
        if data.draw(st.booleans()):
            hold = follow(NAMES, downs, below=below, start=hold)
    hold = follow(NAMES, downs, below=below, start=hold)
    # one alone is followed, so that the first of them may be gone
    assert 100 * len(hold.inside) >= below * len(NAMES) or len(hold.inside) >= len(NAMES) - 1


@given(stories(), shares)
def test_the_same_picture_again_changes_nothing(story: list[Downs], below: int) -> None:
    """So that a restart that finds the table as it was goes on with it."""
    hold = follow(NAMES)
    for downs in story:
        hold = follow(NAMES, downs, below=below, start=hold)
        assert follow(NAMES, downs, below=below, start=hold) == hold
