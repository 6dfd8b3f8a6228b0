"""What ``vipbus plan`` asks, and how it writes what it is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ctl.exits import EXIT_NO, EXIT_NOT_DONE
from ctl.layout import WIDTH
from ctl.plan import Found, planned, status
from ctl.plan_render import render
from ctl.programmers import NoRouterError, chosen
from tests.unit.ctl.documents import instance, real_server, virtual_server
from vipbus.bus import BusAwayError
from vipbus.contracts import HttpCheck, IpvsSettings, Program, RealServer, TcpCheck, VrrpScript
from vipbus.contracts.table_commands import PlannedOperation, PlannedPool, TablePlan

GOLDEN = Path(__file__).with_name("golden")
NOTHING = TablePlan(router="router-b", revision=3, compared=2, waiting=2)
CHANGES = TablePlan(
    router="router-a",
    revision=3,
    source="/etc/keepalived/new.conf",
    compared=14,
    waiting=1,
    left_out=7,
    counts=(
        ("edit-service", 1),
        ("add-destination", 2),
        ("edit-destination", 1),
        ("delete-destination", 1),
        ("delete-service", 1),
    ),
    pools=(
        PlannedPool(
            virtual_server="10-9-0-1_80_tcp",
            operations=(
                PlannedOperation(
                    kind="edit-service",
                    text="edit service TCP 10.9.0.1:80 scheduler wrr persistent 300",
                    before="scheduler rr",
                ),
                PlannedOperation(
                    kind="add-destination",
                    text="add destination 10.9.0.23:80 to TCP 10.9.0.1:80 weight 1",
                ),
                PlannedOperation(
                    kind="edit-destination",
                    text="edit destination 10.9.0.22:80 of TCP 10.9.0.1:80 weight 5 DR upper 100 lower 75",
                    before="weight 1 DR",
                ),
                PlannedOperation(
                    kind="delete-destination", text="delete destination 10.9.0.21:80 from TCP 10.9.0.1:80"
                ),
            ),
        ),
        PlannedPool(
            virtual_server="fwm-7_ipv6",
            operations=(
                PlannedOperation(
                    kind="add-destination",
                    text="add destination [fd00::21]:0 to FWM 7 IPv6 weight 1",
                ),
            ),
            refused="the kernel has no scheduler mh: modprobe ip_vs_mh",
            foreign=True,
        ),
        PlannedPool(
            virtual_server="10-9-0-9_80_tcp",
            operations=(PlannedOperation(kind="delete-service", text="delete service TCP 10.9.0.9:80"),),
        ),
    ),
)


def test_plans_are_written_counts_first() -> None:
    assert render([CHANGES, NOTHING]) == (GOLDEN / "plan.txt").read_text()


def test_colours_change_no_word() -> None:
    coloured = render([CHANGES], colour=True)
    assert "\033[" in coloured
    for code in ("\033[31m", "\033[32m", "\033[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == render([CHANGES])


def test_hostile_words_draw_nothing_on_the_terminal() -> None:
    bad = "\033[2J\n\r" + "x" * 300
    plan = TablePlan(
        router=bad,
        source=bad,
        counts=(("add-service", 1),),
        pools=(
            PlannedPool(
                virtual_server=bad,
                operations=(PlannedOperation(kind="add-service", text=bad, before=bad),),
                refused=bad,
            ),
        ),
    )
    written = render([plan])
    assert "\033" not in written
    assert "\r" not in written
    assert all(len(line) <= WIDTH for line in written.splitlines())


@pytest.mark.parametrize(
    ("plans", "missing", "expected"),
    [
        ((NOTHING,), (), 0),
        ((NOTHING, CHANGES), (), EXIT_NO),
        ((CHANGES,), ("router-b: no answer",), EXIT_NOT_DONE),
        ((), ("router-b: no answer",), EXIT_NOT_DONE),
    ],
)
def test_exit_status(plans: tuple[TablePlan, ...], missing: tuple[str, ...], expected: int) -> None:
    assert status(Found(plans=plans, missing=missing)) == expected


def test_what_decides_a_table_is_asked_about_and_nothing_else() -> None:
    checked = RealServer(
        router="router-a",
        virtual_server="10-9-0-1_80_tcp",
        address="10.9.0.23",
        port=80,
        weight=7,
        checks=(
            HttpCheck(address="10.9.0.23", port=8080),
            TcpCheck(address="10.9.0.23", port=81),
        ),
        notify_up=Program(arguments=("/bin/true",)),
        alpha=True,
    )
    settings = IpvsSettings(router="router-a", flush=True)
    script = VrrpScript(router="router-a", name="s", command=Program(arguments=("/bin/true",)))
    found = planned(
        Path("new.conf"),
        [
            script,
            instance("router-a"),
            virtual_server("router-a"),
            checked,
            real_server("router-a", "10.9.0.24", checked=False),
            settings,
        ],
    )
    assert found.source == "new.conf"
    assert (found.instances, found.virtual_servers) == (
        (instance("router-a"),),
        (virtual_server("router-a"),),
    )
    assert found.ipvs == settings
    first, second = found.real_servers
    assert first == msgspec.structs.replace(
        checked, checks=(TcpCheck(address="10.9.0.23", port=80),), notify_up=None
    )
    assert second.checks == ()


def test_routers_are_found_by_name_or_token() -> None:
    assert chosen(["lb2", "LB1"], None) == ["LB1", "lb2"]
    assert chosen(["lb2", "LB1"], "lb1") == ["LB1"]
    with pytest.raises(NoRouterError, match=r"no router 'x\\x1b'; there is LB1, lb2"):
        chosen(["lb2", "LB1"], "x\x1b")
    with pytest.raises(BusAwayError, match="no router is on this bus"):
        chosen([], None)
