"""What a member is to be: a table of verdicts and operators' words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from haproxy_programmer.members import LARGEST, members
from haproxy_programmer.observed import UnreadableError, busy, observed
from tests.support.proxy import member
from vipbus.contracts import OperatorState, TcpCheck, Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = "pool-web.127-0-0-1_80"


def verdict(word: Any, **changes: Any) -> Verdict:
    return Verdict(
        virtual_server="pool-web",
        real_server="127-0-0-1_80",
        verdict=word,
        cause="x",
        since=NOW,
        prober="p",
        lease=1,
        **changes,
    )


def said(state: Any) -> OperatorState:
    return OperatorState(
        virtual_server="pool-web", real_server="127-0-0-1_80", state=state, by="me", since=NOW
    )


@pytest.mark.parametrize(
    ("found", "operator", "alpha", "state"),
    [
        (None, None, False, "up"),
        (None, None, True, "down"),
        (verdict("unknown"), None, False, "up"),
        (verdict("up"), None, True, "up"),
        (verdict("down"), None, False, "down"),
        (verdict("up"), said("drain"), False, "drain"),
        (verdict("down"), said("drain"), False, "drain"),
        (verdict("up"), said("disable"), False, "disabled"),
    ],
)
def test_who_outranks_whom(found: Any, operator: Any, *, alpha: bool, state: str) -> None:
    real = member(80, alpha=alpha, checks=(TcpCheck(address="127.0.0.1", port=80),))
    (made,) = members("pool-web", [real], {KEY: found} if found else {}, {KEY: operator} if operator else {})
    assert made.state == state


def test_members_are_those_of_the_pool() -> None:
    assert members("pool-web", [member(80, virtual_server="10-9-0-1_80_tcp")], {}, {}) == ()


@pytest.mark.parametrize(
    ("weights", "written"),
    [((1, 2), [1, 2]), ((0, 256), [0, 256]), ((1, 512), [1, 256]), ((0, 1000, 500), [0, 256, 128])],
)
def test_weights_fit(weights: tuple[int, ...], written: list[int]) -> None:
    made = members("pool-web", [member(n, weight=each) for n, each in enumerate(weights, 1)], {}, {})
    assert [each.weight for each in made] == written
    assert max(written) <= LARGEST


def test_a_check_weighs() -> None:
    (made,) = members("pool-web", [member(80, weight=5)], {KEY: verdict("up", weight=9, weight_added=-2)}, {})
    assert made.weight == 7


@pytest.mark.parametrize("text", ["", "Pid: 7\n", "Pid: 7\n\n1\n# be_id be_name\n3 x y\n", "nonsense" * 1000])
def test_an_answer_that_is_none_is_said(text: str) -> None:
    with pytest.raises(UnreadableError):
        observed(text)


def test_sessions_are_counted_with_those_that_wait() -> None:
    text = "# pxname,svname,qcur,scur,\npool-web,s1,2,3,\npool-web,s2,,0,\npool-web,BACKEND,9,9,\n\n"
    assert busy(text) == {("pool-web", "s1"): 5, ("pool-web", "s2"): 0}
    with pytest.raises(UnreadableError):
        busy("# a,b\n1,2\n")
