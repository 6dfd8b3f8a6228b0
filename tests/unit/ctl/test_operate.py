"""What a table has of a real server after an operator's word, as a table of cases; and who says it."""

from __future__ import annotations

import msgspec
import pytest

from ctl.commands.operate import whoever
from ctl.operate_progress import Found, Progress, found, found_in_pool
from tests.unit.ctl.documents import table, verdict
from tests.unit.ctl.proxied import APP, held, pool_table
from tests.unit.ctl.proxied import verdict as proxied_verdict
from vipbus.contracts import (
    Destination,
    OperatorStateName,
    ProxyPoolTable,
    VerdictName,
    VirtualServerTable,
)
from vipbus.contracts.proxy import MemberState

REAL = "10-9-0-21_80"
KEY = f"10-9-0-1_80_tcp.{REAL}"
replace = msgspec.structs.replace


def holding(*weights: int, router: str = "router-a", service: str = "10-9-0-1_80_tcp") -> VirtualServerTable:
    """Give a table that has the real server with a weight, or not at all, and another one."""
    pool = [Destination(address="10.9.0.21", port=80, weight=weight, forwarding="DR") for weight in weights]
    other = Destination(address="10.9.0.22", port=80, weight=1, forwarding="DR")
    return replace(table(router), destinations=(*pool, other), virtual_server=service)


OUT, STANDBY = "out of the table", "not in the table (standby)"


@pytest.mark.parametrize(
    ("state", "document", "said", "expected"),
    [
        ("drain", holding(1), None, Found("weight 1", done=False)),
        ("drain", holding(0), None, Found("weight 0", done=True)),
        ("drain", holding(), None, Found(OUT, done=True)),
        ("disable", holding(1), None, Found("weight 1", done=False)),
        ("disable", holding(0), None, Found("weight 0", done=False)),
        ("disable", holding(), None, Found(OUT, done=True)),
        (None, holding(1), None, Found("weight 1", done=True)),
        (None, holding(0), None, Found("weight 0", done=False)),
        (None, holding(), "up", Found(OUT, done=False)),
        (None, holding(), "down", Found(f"{OUT}, since it is down: why", done=True, explained=True)),
        # it will come in, unless it is alpha
        (None, holding(), "unknown", Found(f"{OUT}, since it is unknown: why", done=False, explained=True)),
        ("drain", table("router-a", programmed=False), None, Found(STANDBY, done=True)),
        (None, table("router-a", programmed=False), None, Found(STANDBY, done=True)),
        ("drain", table("router-a", error="no IPVS"), None, Found("not known: no IPVS", done=False)),
    ],
)
def test_what_a_table_has(
    state: OperatorStateName | None, document: VirtualServerTable, said: str | None, expected: Found
) -> None:
    told = verdict("10.9.0.21", said, cause="why") if said is not None else None
    assert found(state, document, REAL, told) == expected


def test_every_router_that_answers_is_waited_for() -> None:
    progress = Progress("drain", [KEY], {}, {"router-a", "router-b"})
    assert not progress.look([holding(1), table("router-b", programmed=False)])
    assert progress.undone == ["router-a"]
    assert progress.look([holding(0), table("router-b", programmed=False)])
    assert list(progress.lines()) == ["router-a: weight 0", "router-b: not in the table (standby)"]
    assert progress.undone == []


def test_one_that_does_not_answer_is_not_waited_for_and_not_done() -> None:
    progress = Progress("drain", [KEY], {}, {"router-a"})
    assert progress.look([holding(0), holding(1, router="router-b")])
    assert progress.undone == ["router-b"]
    assert list(progress.lines())[1] == (
        "router-b: weight 1; LAST HEARD, its ipvs-programmer does not answer"
    )


def test_pools_that_differ_are_named() -> None:
    other = "10-9-0-1_443_tcp"
    progress = Progress("disable", [KEY, f"{other}.{REAL}"], {}, {"router-a"})
    tables = [holding(), holding(1, service=other), holding(1, service="10-9-0-9_80_tcp")]
    assert not progress.look(tables)
    assert list(progress.lines()) == [
        "router-a: weight 1 in 10.9.0.1:443 TCP",
        "router-a: out of the table in 10.9.0.1:80 TCP",
    ]


def test_without_any_table_nothing_is_waited_for() -> None:
    progress = Progress("drain", [KEY], {}, set())
    assert progress.look([])
    assert list(progress.lines()) == ["no router has said yet what its table holds"]


def test_who_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "lb1")
    assert whoever() == "ann@lb1"


def in_haproxy(*states: MemberState, error: str = "", router: str = "router-a") -> ProxyPoolTable:
    """Give a pool that has the member in this state, or not at all, and another one."""
    members = [held(APP[0], at, state=state) for at, state in enumerate(states, 1)]
    return pool_table("App", *members, held(APP[1], 9), error=error, router=router)


MEMBER = "10-1-0-21_8080"
IN_POOL = f"pool-app.{MEMBER}"


@pytest.mark.parametrize(
    ("state", "document", "said", "expected"),
    [
        ("drain", in_haproxy("up"), None, Found("up in HAProxy", done=False)),
        ("drain", in_haproxy("drain"), None, Found("drained in HAProxy", done=True)),
        ("drain", in_haproxy("disabled"), None, Found("disabled in HAProxy", done=True)),
        ("drain", in_haproxy(), None, Found("not in HAProxy", done=True)),
        ("disable", in_haproxy("drain"), None, Found("drained in HAProxy", done=False)),
        ("disable", in_haproxy("disabled"), None, Found("disabled in HAProxy", done=True)),
        ("disable", in_haproxy("draining"), None, Found("not in HAProxy", done=True)),
        (None, in_haproxy("up"), None, Found("up in HAProxy", done=True)),
        (None, in_haproxy("drain"), None, Found("drained in HAProxy", done=False)),
        (None, in_haproxy("down"), "up", Found("down in HAProxy", done=False)),
        (
            None,
            in_haproxy("disabled"),
            "down",
            Found("disabled in HAProxy, since it is down: why", False, True),
        ),
        (None, in_haproxy("down"), "down", Found("down in HAProxy, since it is down: why", True, True)),
        ("drain", in_haproxy("up", error="silent"), None, Found("not known: silent", done=False)),
    ],
)
def test_what_haproxy_has(
    state: OperatorStateName | None, document: ProxyPoolTable, said: VerdictName | None, expected: Found
) -> None:
    known = proxied_verdict(APP[0], said, "why") if said is not None else None
    assert found_in_pool(state, document, MEMBER, known) == expected


def test_both_tiers_of_a_router_have_it_before_it_is_done() -> None:
    progress = Progress("drain", [KEY, IN_POOL], {}, {"router-a"}, {"router-a"})
    assert not progress.look([holding(0)], [in_haproxy("up")])
    assert progress.undone == ["router-a"]
    assert progress.look([holding(0)], [in_haproxy("drain"), in_haproxy("up", router="router-b")])
    assert list(progress.lines()) == [
        "router-a: weight 0",
        "router-a: drained in HAProxy",
        "router-b: up in HAProxy; LAST HEARD, its haproxy-programmer does not answer",
    ]
    assert [each.virtual_servers for each in progress.tables()] == [
        ("10-9-0-1_80_tcp",),
        ("pool-app",),
        ("pool-app",),
    ]
