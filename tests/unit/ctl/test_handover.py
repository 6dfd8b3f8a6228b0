"""Who hands over to whom, and who has followed: tables of roles, what is asked, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.handover_plan import Plan, Problem, plan
from ctl.handover_progress import Progress
from vipbus.contracts import Role

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALL = frozenset({"a", "b", "c"})


def role(router: str, what: str, instance: str = "VI_1", **changes: Any) -> Role:
    base = Role(
        router=router,
        instance=instance,
        role=what,  # type: ignore[arg-type]  # the tests name only roles
        epoch=2,
        priority={"a": 150, "b": 120, "c": 100}[router],
        virtual_router_id=51,
        interface="eth0",
        addresses=("10.9.0.1",),
        revision=1,
        since=NOW,
        cause="why",
        active_router="192.0.2.1" if what == "backup" else None,
    )
    return msgspec.structs.replace(base, **changes)


A, B, C = role("a", "active"), role("b", "backup"), role("c", "backup")
FAULT = role("b", "fault", faults=("interface eth1 is down", "script chk is down"))
GROUP = [
    role(router, what, instance, sync_group="VG_1", virtual_router_id=number)
    for router, what in (("a", "active"), ("b", "backup"))
    for number, instance in enumerate(("VI_1", "VI_2", "VI_3"), 51)
]
OTHER_SITE = role("c", "active", virtual_router_id=61, addresses=("10.8.0.1",))

PLANS: list[tuple[str, list[Role], frozenset[str], str, str | None, str, str | None, list[str]]] = [
    ("to whoever is next", [A, B, C], ALL, "VI_1", None, "a", None, []),
    ("named as on the bus", [A, B, C], ALL, "vi_1", None, "a", None, []),
    ("to one", [A, B, C], ALL, "VI_1", "B", "a", "b", []),
    (
        "to one that is not the next",
        [A, B, C],
        ALL,
        "VI_1",
        "c",
        "a",
        "c",
        ["b has priority 120, c 100: unless it has nopreempt, it takes over next"],
    ),
    (
        "effective priorities count",
        [A, role("b", "backup", effective_priority=90), C],
        ALL,
        "VI_1",
        "c",
        "a",
        "c",
        [],
    ),
    (
        "alone on the bus",
        [A],
        ALL,
        "VI_1",
        None,
        "a",
        None,
        ["no other router of VI_1 answers on this bus: whoever hears it leave follows"],
    ),
    (
        "the other does not answer",
        [A, B],
        frozenset({"a"}),
        "VI_1",
        None,
        "a",
        None,
        ["no other router of VI_1 answers on this bus: whoever hears it leave follows"],
    ),
    ("one of two can", [A, FAULT, C], ALL, "VI_1", None, "a", None, []),
    (
        "a dead router says active for ever",
        [A, B, role("c", "active")],
        frozenset("ab"),
        "VI_1",
        None,
        "a",
        None,
        [],
    ),
    (
        "a sync group",
        GROUP,
        ALL,
        "VI_2",
        "b",
        "a",
        "b",
        ["VI_2 is in sync group VG_1: VI_1, VI_3 go too"],
    ),
    ("a sync group of one", GROUP[:1] + GROUP[3:4], ALL, "VI_1", None, "a", None, []),
    ("two sites, named by the target", [A, B, OTHER_SITE], ALL, "VI_1", "b", "a", "b", []),
    (
        "elections without addresses",
        [msgspec.structs.replace(each, addresses=()) for each in (A, B)],
        ALL,
        "VI_1",
        "b",
        "a",
        "b",
        [],
    ),
]


@pytest.mark.parametrize(
    ("roles", "answering", "instance", "to", "giver", "target", "notes"),
    [case[1:] for case in PLANS],
    ids=[case[0] for case in PLANS],
)
def test_who_hands_over(
    *,
    roles: list[Role],
    answering: frozenset[str],
    instance: str,
    to: str | None,
    giver: str,
    target: str | None,
    notes: list[str],
) -> None:
    found = plan(roles, answering, instance, to)
    assert isinstance(found, Plan), found
    assert (found.giver, found.to, list(found.notes), found.done) == (giver, target, notes, False)
    assert found.going[0].instance.lower() == instance.lower()
    assert len(found.going) == (3 if notes and "sync" in notes[0] else 1)


def test_who_is_active_already_has_nothing_to_do() -> None:
    found = plan([A, B], ALL, "VI_1", "a")
    assert isinstance(found, Plan)
    assert (found.done, found.giver) == (True, "a")


PROBLEMS: list[tuple[str, list[Role], frozenset[str], str, str | None, int, str]] = [
    (
        "an empty bus",
        [],
        ALL,
        "VI_1",
        None,
        EXIT_WRONG,
        "no instance 'VI_1' on this bus; no vrrp-agent has said anything there",
    ),
    ("no such instance", GROUP, ALL, "VI_9", None, EXIT_WRONG, "there is VI_1, VI_2, VI_3"),
    ("no name", [A, B], ALL, "", None, EXIT_WRONG, "no instance '' on this bus"),
    ("no such router", [A, B], ALL, "VI_1", "d", EXIT_WRONG, "d has no instance VI_1; it is on a, b"),
    (
        "two sites",
        [A, B, OTHER_SITE],
        ALL,
        "VI_1",
        None,
        EXIT_WRONG,
        (
            "VI_1 is not one virtual router on this bus: VI_1 (VRID 51) on a, b; VI_1 (VRID 61) on c; choose "
            "with --to"
        ),
    ),
    (
        "two active",
        [A, role("b", "active")],
        ALL,
        "VI_1",
        None,
        EXIT_NOT_DONE,
        "a and b are both active for VI_1 (VRID 51): they do not hear each other, so nothing is handed over",
    ),
    (
        "nobody active here",
        [B, C],
        ALL,
        "VI_1",
        None,
        EXIT_NOT_DONE,
        (
            "no router of this bus is active: b is backup, c is backup; 192.0.2.1 was heard on the wire: "
            "hand over on the bus of that router"
        ),
    ),
    (
        "the active one is gone",
        [A, FAULT],
        frozenset({"b"}),
        "VI_1",
        None,
        EXIT_NOT_DONE,
        (
            "no router of this bus is active: the vrrp-agent of a does not answer, b is fault (interface "
            "eth1 is down; script chk is down)"
        ),
    ),
    (
        "the other is in fault",
        [A, FAULT],
        ALL,
        "VI_1",
        None,
        EXIT_NOT_DONE,
        "nobody can follow a for VI_1 (VRID 51): b is fault (interface eth1 is down; script chk is down)",
    ),
    (
        "to one in fault",
        [A, FAULT, C],
        ALL,
        "VI_1",
        "b",
        EXIT_NOT_DONE,
        "b cannot follow for VI_1 (VRID 51): b is fault (interface eth1 is down; script chk is down)",
    ),
    (
        "to one that does not answer",
        [A, B, C],
        frozenset({"a", "c"}),
        "VI_1",
        "b",
        EXIT_NOT_DONE,
        "b cannot follow for VI_1 (VRID 51): the vrrp-agent of b does not answer",
    ),
    (
        "to one that has stopped",
        [A, role("b", "stopped")],
        ALL,
        "VI_1",
        "b",
        EXIT_NOT_DONE,
        "b cannot follow for VI_1 (VRID 51): b is stopped",
    ),
]


@pytest.mark.parametrize(
    ("roles", "answering", "instance", "to", "status", "said"),
    [case[1:] for case in PROBLEMS],
    ids=[case[0] for case in PROBLEMS],
)
def test_what_is_no_handover(
    *, roles: list[Role], answering: frozenset[str], instance: str, to: str | None, status: int, said: str
) -> None:
    found = plan(roles, answering, instance, to)
    assert isinstance(found, Problem), found
    assert said in found.text
    assert found.status == status


@given(
    st.lists(
        st.builds(
            role,
            st.sampled_from("abc"),
            st.sampled_from(["active", "backup", "fault", "stopped"]),
            st.sampled_from(["VI_1", "VI_2"]),
            sync_group=st.sampled_from([None, "VG_1"]),
            addresses=st.sampled_from([(), ("10.9.0.1",), ("10.8.0.1", "10.9.0.1")]),
        ),
        unique_by=lambda each: each.key,
    ),
    st.frozensets(st.sampled_from("abc")),
    st.sampled_from([None, "a", "b", "c", "d"]),
)
def test_any_roles_are_a_plan_that_holds_or_one_line(
    roles: list[Role], answering: frozenset[str], to: str | None
) -> None:
    found = plan(roles, answering, "VI_1", to)
    if isinstance(found, Problem):
        assert "\n" not in found.text
        assert found.status in (EXIT_WRONG, EXIT_NOT_DONE)
        return
    assert all(each in roles and each.role == "active" and each.router == found.giver for each in found.going)
    assert found.giver in answering
    assert found.done == (found.to == found.giver)
    if found.to is not None and not found.done:
        assert any((each.router, each.role) == (found.to, "backup") for each in roles)


# ---- while it is under way

TAKEN = role("b", "active", epoch=3, cause="192.0.2.1 left")
LEFT = role("a", "backup", epoch=3, active_router="192.0.2.9")


def progress(*before: Role, to: str | None = None, going: tuple[Role, ...] = (A,)) -> Progress:
    return Progress(Plan(going=going, to=to), before, 100.0)


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ([A, B], []),
        ([A, TAKEN], ["b is active for VI_1 after 0.25 s: 192.0.2.1 left"]),
        ([LEFT, TAKEN], ["b is active for VI_1 after 0.25 s: 192.0.2.1 left"]),
        ([role("a", "active", epoch=3), B], []),
        ([A, role("b", "active", epoch=3, virtual_router_id=61)], []),
        ([A, role("b", "active", "VI_2", epoch=3)], []),
        ([LEFT, B], []),
        ([role("a", "fault", epoch=3), B], []),
    ],
)
def test_a_successor_is_another_router_that_is_active_since(roles: list[Role], said: list[str]) -> None:
    under_way = progress(A, B)
    assert under_way.look(roles, 100.25) == said
    assert bool(under_way.missing) == (not said)


def test_what_a_dead_router_said_last_is_no_successor() -> None:
    dead = role("c", "active", epoch=9)
    under_way = progress(A, B, dead)
    assert under_way.look([A, B, dead], 100.1) == []
    # but one that has come back and is active anew is one
    assert len(under_way.look([A, B, role("c", "active", epoch=11)], 100.2)) == 1


def test_a_successor_on_another_bus_is_known_by_its_address_after_a_second() -> None:
    under_way = progress(A, B)
    assert under_way.look([LEFT, B], 101.0) == []
    assert under_way.heard
    assert under_way.look([LEFT, B], 101.9) == []
    assert under_way.look([LEFT, B], 102.1) == ["192.0.2.9 is active for VI_1; it is not on this bus"]
    assert not under_way.missing
    assert not under_way.wrong
    # one of this bus is preferred however late it says so
    under_way = progress(A, B)
    under_way.look([LEFT, B], 101.0)
    assert under_way.look([LEFT, TAKEN], 105.0) == ["b is active for VI_1 after 5.00 s: 192.0.2.1 left"]
    assert not under_way.heard


@pytest.mark.parametrize(("to", "wrong"), [("b", ""), ("c", "b"), (None, "")])
def test_another_than_was_asked_for_is_said(to: str | None, wrong: str) -> None:
    under_way = progress(A, B, C, to=to)
    under_way.look([LEFT, TAKEN, C], 100.1)
    assert under_way.wrong == wrong


def test_a_group_is_done_when_all_of_it_is() -> None:
    going = tuple(GROUP[:3])
    under_way = progress(*GROUP, going=going)
    taken = [
        msgspec.structs.replace(each, role="active", epoch=3) if each.router == "b" else each
        for each in GROUP
    ]
    assert len(under_way.look([*GROUP[:3], taken[3], *GROUP[4:]], 100.1)) == 1
    assert set(under_way.missing) == {"VI_2", "VI_3"}
    assert len(under_way.look(taken, 100.2)) == 2
    assert not under_way.missing
