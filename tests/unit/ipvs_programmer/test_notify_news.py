"""What is to be told of a pool: a table of what it was and is, and that nothing is told twice."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.notify.news import GONE, News, PoolState, Standing, follow, together


def pool(quorum: str, **real_servers: Standing) -> PoolState:
    """Make a pool with its quorum ``up`` or ``down``."""
    return PoolState(quorum == "up", real_servers)


def words(news: tuple[News, ...]) -> list[str]:
    return [f"{each.real_server or 'VS'} {'UP' if each.up else 'DOWN'}" for each in news]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        # who stands from the start is not told of, and the quorum is
        (pool("up", a="up", b="assumed"), ["VS UP"]),
        (pool("up", a="up", b="down"), ["b DOWN", "VS UP"]),
        # who must be found up first is told of when it was
        (pool("down", a="unjudged"), []),
    ],
)
def test_the_start(now: PoolState, told: list[str]) -> None:
    assert words(follow(None, now)[1]) == told


def test_the_start_with_initial_notifies() -> None:
    now = pool("up", a="up", b="assumed", c="down", d="unjudged")
    assert words(follow(None, now, initial=True)[1]) == ["a UP", "b UP", "c DOWN", "VS UP"]


def test_a_sorry_server_that_serves_from_the_start() -> None:
    assert words(follow(None, pool("down", a="down"), sorry=True)[1]) == ["a DOWN", "VS DOWN"]
    assert words(follow(None, pool("down", a="down"))[1]) == ["a DOWN"]


@pytest.mark.parametrize(
    ("told", "now", "news"),
    [
        (pool("up", a="up"), pool("up", a="up"), []),
        (pool("up", a="assumed"), pool("up", a="up"), []),
        (pool("up", a="up"), pool("up", a="assumed"), []),
        (pool("up", a="up", b="up"), pool("up", a="down", b="up"), ["a DOWN"]),
        # a real server before the quorum that hangs on it
        (pool("up", a="up"), pool("down", a="down"), ["a DOWN", "VS DOWN"]),
        (pool("down", a="down"), pool("up", a="up"), ["a UP", "VS UP"]),
        (pool("down", a="down"), pool("up", a="assumed"), ["a UP", "VS UP"]),
        (pool("down", a="unjudged"), pool("up", a="up"), ["a UP", "VS UP"]),
        (pool("down", a="unjudged"), pool("down", a="down"), ["a DOWN"]),
        (pool("down", a="unjudged"), pool("down", a="unjudged"), []),
        # nobody judges it any more, and it has left the table
        (pool("up", a="up"), pool("down", a="unjudged"), ["a DOWN", "VS DOWN"]),
        (pool("down", a="down"), pool("down", a="unjudged"), []),
        # the quorum alone: a weight or the configuration has changed
        (pool("up", a="up"), pool("down", a="up"), ["VS DOWN"]),
        # what comes and goes with the configuration
        (pool("up", a="up"), pool("up", a="up", b="up"), []),
        (pool("up", a="up"), pool("up", a="up", b="down"), ["b DOWN"]),
        (pool("up", a="up", b="up", c="down", d="unjudged"), pool("up", a="up"), ["b DOWN"]),
        (pool("up", a="up", b="down"), GONE, ["a DOWN", "VS DOWN"]),
        (pool("down", b="down"), GONE, []),
        (pool("up", a="up", b="up"), pool("up", b="down", a="down"), ["b DOWN", "a DOWN"]),
    ],
)
def test_what_changes(told: PoolState, now: PoolState, news: list[str]) -> None:
    assert words(follow(told, now)[1]) == news


@pytest.mark.parametrize(
    ("of", "one"),
    [
        ([pool("up", a="up"), pool("up", a="up")], pool("up", a="up")),
        # verdicts come one after another
        ([pool("down", a="down"), pool("up", a="up")], pool("up", a="up")),
        ([pool("down", a="down"), pool("down", a="down")], pool("down", a="down")),
        # a new address says nothing of its own before it is judged
        ([pool("down", a="down"), pool("up", a="assumed")], pool("down", a="down")),
        ([pool("up", a="up"), pool("down", a="unjudged")], pool("up", a="up")),
        ([pool("up", a="assumed"), pool("up", a="assumed")], pool("up", a="assumed")),
        ([pool("down", a="unjudged"), pool("down", a="unjudged")], pool("down", a="unjudged")),
        ([pool("up", a="up"), pool("up", b="up")], pool("up", a="up", b="up")),
    ],
)
def test_a_group_is_one_pool(of: list[PoolState], one: PoolState) -> None:
    for order in (of, of[::-1]):
        found = together(order)
        assert (found.quorum, dict(found.real_servers)) == (one.quorum, dict(one.real_servers))


standings = st.sampled_from(("up", "down", "assumed", "unjudged"))
states = st.builds(
    PoolState,
    quorum=st.booleans(),
    real_servers=st.dictionaries(st.sampled_from("abc"), standings),
)


@given(st.lists(states, min_size=1, max_size=12), st.booleans(), st.booleans())
def test_whoever_listens_knows_what_is_so_and_hears_nothing_twice(
    story: list[PoolState], initial: bool, sorry: bool
) -> None:
    told: PoolState | None = None
    heard: dict[str, bool] = {}
    for now in story:
        before = told.real_servers if told is not None else {}
        told, news = follow(told, now, initial=initial, sorry=sorry)
        subjects = [each.real_server for each in news]
        assert len(set(subjects)) == len(subjects)
        assert "" not in subjects[:-1]  # the quorum comes last
        for each in news:
            assert heard.get(each.real_server) != each.up
            heard[each.real_server] = each.up
        for token in before.keys() - now.real_servers.keys():
            assert heard.pop(token, False) is False  # it went down when it left
        for token, state in told.real_servers.items():
            if state not in {"up", "assumed"}:
                assert not heard.get(token, False)
            elif initial:
                assert heard[token]
            else:
                assert heard.setdefault(token, True)  # silence from the start means that it is up
        assert heard.get("", now.quorum) == now.quorum
        # a restart: what was told is read from its file, and the same is so
        again = msgspec.json.decode(msgspec.json.encode(told), type=PoolState)
        assert follow(again, now, initial=initial, sorry=sorry) == (told, ())
