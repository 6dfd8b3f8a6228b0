"""What a change of role says to pipes, programs and mail: keepalived's own words."""

from __future__ import annotations

from typing import Any

import pytest

from vipbus.contracts import Notify, Program
from vrrp_agent.notify.told import Told, ToldState, line, mail, programs


def program(*arguments: str) -> Program:
    return Program(arguments=arguments, user="nobody")


_ALL = Notify(
    master=program("/m", "a"),
    backup=program("/b"),
    fault=program("/f"),
    stop=program("/s"),
    deleted=program("/d"),
    master_rx_lower_pri=program("/low"),
    any=program("/any", "x y"),
    priority_changes=True,
    mail=True,
)


def told(state: ToldState, notify: Notify = _ALL, **changes: Any) -> Told:
    return Told(**{"name": "VI_1", "state": state, "priority": 100, "notify": notify, **changes})


@pytest.mark.parametrize(
    ("state", "text", "run"),
    [
        ("MASTER", "MASTER", ["/m a", "/any x y INSTANCE VI_1 MASTER 100"]),
        ("BACKUP", "BACKUP", ["/b", "/any x y INSTANCE VI_1 BACKUP 100"]),
        ("FAULT", "FAULT", ["/f", "/any x y INSTANCE VI_1 FAULT 100"]),
        ("STOP", "STOP", ["/s", "/any x y INSTANCE VI_1 STOP 100"]),
        ("DELETED", "DELETED", ["/d", "/any x y INSTANCE VI_1 DELETED 100"]),
        ("MASTER_RX_LOWER_PRI", "MASTER_RX_LOWER_PRI", ["/low"]),
        ("MASTER_PRIORITY", "MASTER_PRIORITY", []),
        ("BACKUP_PRIORITY", "BACKUP_PRIORITY", []),
    ],
)
def test_an_instance(state: ToldState, text: str, run: list[str]) -> None:
    assert line(told(state)) == f'INSTANCE "VI_1" {text} 100\n'
    assert [" ".join(each.arguments) for each in programs(told(state))] == run
    assert all(each.user == "nobody" for each in programs(told(state)))


def test_an_argument_with_a_space_stays_one() -> None:
    assert programs(told("STOP"))[1].arguments == ("/any", "x y", "INSTANCE", "VI_1", "STOP", "100")


def test_a_group() -> None:
    group = told("FAULT", kind="GROUP", name="G1", priority=0)
    assert line(group) == 'GROUP "G1" FAULT 0\n'
    assert programs(group)[1].arguments[-4:] == ("GROUP", "G1", "FAULT", "0")


def test_nobody_who_wants_to_hear() -> None:
    for state in ("MASTER", "BACKUP", "FAULT", "STOP", "DELETED", "MASTER_RX_LOWER_PRI"):
        assert programs(told(state, Notify())) == ()
        assert mail(told(state, Notify()), "r") is None


def test_priorities_are_told_where_they_are_wanted() -> None:
    assert line(told("MASTER_PRIORITY", Notify())) == ""
    assert line(told("MASTER_PRIORITY", Notify(priority_changes=True))) != ""


def test_without_notify_deleted_it_is_a_fault_without_its_program() -> None:
    notify = Notify(fault=program("/f"), stop=program("/s"), any=program("/any"))
    assert line(told("DELETED", notify)) == 'INSTANCE "VI_1" FAULT 100\n'
    assert [each.arguments for each in programs(told("DELETED", notify))] == [
        ("/any", "INSTANCE", "VI_1", "FAULT", "100")
    ]


def test_again_is_for_pipes_alone() -> None:
    again = told("MASTER", again=True)
    assert line(again) == 'INSTANCE "VI_1" MASTER 100\n'
    assert (programs(again), mail(again, "r")) == ((), None)


def test_a_line_is_one_line() -> None:
    assert line(told("MASTER", name='V"\nI')) == 'INSTANCE "V" I" MASTER 100\n'


def test_mail() -> None:
    mailed = mail(told("FAULT", cause="interface eth0 is down"), "router-a")
    assert mailed is not None
    assert mailed.subject == "[router-a] VRRP instance VI_1 is in fault"
    assert mailed.text == (
        "VRRP instance VI_1 on router router-a is in fault.\n\n"
        "Router:   router-a\n"
        "Instance: VI_1\n"
        "State:    FAULT\n"
        "Priority: 100\n"
        "Cause:    interface eth0 is down\n"
    )
    group = mail(told("MASTER", kind="GROUP", name="G1", priority=0), "router-a")
    assert group is not None
    assert group.subject == "[router-a] VRRP sync group G1 is active"
    assert "Priority" not in group.text
    assert mail(told("MASTER_RX_LOWER_PRI"), "r") is None
    assert mail(told("MASTER_PRIORITY"), "r") is None
