"""What ``vipbus status`` says, as a table: all well, one thing changed, the line that follows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from ctl.assess import assess
from ctl.layout import WIDTH
from ctl.render import render
from ctl.report import Report
from ctl.snapshot import Snapshot
from ctl.supervisor_file import ChildState, SupervisorState
from tests.unit.ctl.documents import (
    BEFORE,
    NOW,
    condition,
    head,
    healthy,
    instance,
    real_server,
    revision,
    role,
    said,
    table,
    verdict,
    virtual_server,
)
from vipbus.contracts import Destination, Role, SorryServer, VirtualAddress, Vote

replace = msgspec.structs.replace
Change = Callable[[Snapshot], Snapshot]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def without(*services: str) -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        left = tuple(
            found for found in snapshot.conditions if f"{found.service} {found.router}" not in services
        )
        return replace(snapshot, conditions=left)

    return change


def with_condition(service: str, router: str, **changes: object) -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        new = condition(service, router, **changes)  # type: ignore[arg-type]  # the table's words
        kept = without(f"{service} {router}")(snapshot).conditions
        return replace(snapshot, conditions=(*kept, new))

    return change


def with_roles(*roles: tuple[str, str]) -> Change:
    return lambda snapshot: replace(
        snapshot, roles=tuple(role(router, name, cause="why") for router, name in roles)
    )


def with_supervisor(*children: ChildState, runs: bool = True, bus_problem: str = "") -> Change:
    return lambda snapshot: replace(
        snapshot,
        supervisor=SupervisorState(
            pid=99,
            router="router-a",
            file="/etc/keepalived/keepalived.conf",
            bus=snapshot.bus,
            started=BEFORE,
            children=children,
        ),
        supervisor_runs=runs,
        bus_problem=bus_problem,
    )


def with_verdict(name: str, address: str = "10.9.0.22", **changes: object) -> Change:
    """Have one real server say something else; the cause is refused where it is down."""
    cause = "connection refused" if name == "down" else "answered in 0.4 ms"

    def change(snapshot: Snapshot) -> Snapshot:
        new = replace(verdict(address, name, cause=cause), **changes)
        return replace(snapshot, verdicts=tuple(new if v.key == new.key else v for v in snapshot.verdicts))

    return change


def operated() -> Snapshot:
    """Everything that can be said of real servers, an operator's words among it."""
    snapshot = with_verdict(
        "up", "10.9.0.21", weight=7, weight_added=-2, warning="certificate expires in 3 days"
    )(healthy())
    snapshot = with_verdict(
        "down",
        "10.9.0.22",
        voters=3,
        minority=(Vote(prober="p2", verdict="up", cause="answered in 0.4 ms"),),
    )(snapshot)
    extra = ("10.9.0.23", "10.9.0.24", "10.9.0.25")
    return replace(
        snapshot,
        revisions=tuple(
            replace(r, real_servers=(*r.real_servers, *(real_server(r.router, address) for address in extra)))
            for r in snapshot.revisions
        ),
        verdicts=(
            *snapshot.verdicts,
            replace(verdict("10.9.0.23", "down", cause="flapping: penalty 2600"), damped=True),
            verdict("10.9.0.24", "down", cause="connection refused"),
            replace(verdict("10.9.0.25"), weight_added=3),
        ),
        operators=(said("10.9.0.21"), said("10.9.0.24", "disable", why=""), said("10.9.0.99", "disable")),
        tables=(replace(snapshot.tables[0], held=("10-9-0-22_80",)), *snapshot.tables[1:]),
    )


def in_fault(*faults: str) -> Role:
    return replace(role("router-b", "fault", cause="; ".join(faults)), faults=faults)


def without_addresses(*names: str) -> Snapshot:
    """One router with instances of one VRID, all active, on interfaces of their own."""
    instances = tuple(
        replace(instance("router-a"), name=name, interface=name, virtual_ipaddress=()) for name in names
    )
    whole = replace(
        revision("router-a"),
        vrrp=replace(revision("router-a").vrrp, instances=instances),
        virtual_servers=(),
        real_servers=(),
    )
    roles = tuple(replace(role("router-a"), instance=name, addresses=()) for name in names)
    return replace(healthy(("router-a",)), revisions=(whole,), roles=roles, tables=())


def electing() -> Snapshot:
    """Give the instance ten addresses and a group; what it tracks moves one router and stops the other."""
    addresses = tuple(VirtualAddress(address=f"10.9.0.{n}", prefix=24, dev="eth0") for n in range(1, 11))
    snapshot = healthy()
    revisions = tuple(
        replace(
            whole,
            vrrp=replace(
                whole.vrrp,
                instances=tuple(replace(each, virtual_ipaddress=addresses) for each in whole.instances),
            ),
        )
        for whole in snapshot.revisions
    )
    first = replace(snapshot.roles[0], effective_priority=130, sync_group="VG_1")
    second = in_fault("interface eth1 is down", "script chk_haproxy is down (exit status 1)")
    return replace(snapshot, revisions=revisions, roles=(first, replace(second, sync_group="VG_1")))


AWAY = ChildState(
    name="health-prober",
    pid=None,
    since=BEFORE,
    restarts=9,
    reason="exit status 1",
    problem="it keeps ending",
)

CASES: list[tuple[str, Change, list[str]]] = [
    ("all well", lambda snapshot: snapshot, []),
    ("one router", lambda _: healthy(("router-a",)), []),
    (
        "one router, backup to one on another bus",
        lambda _: replace(
            healthy(("router-a",)),
            roles=(role("router-a", "backup"),),
            tables=(table("router-a", programmed=False),),
        ),
        [],
    ),
    ("warm standby", lambda s: replace(s, tables=(table("router-a"), table("router-b"))), []),
    (
        "nothing configured",
        lambda s: Snapshot(now=NOW, bus=s.bus),
        ["no router is configured on this bus: start `vipbus run -f FILE`"],
    ),
    (
        "no prober",
        without("health-prober router-a"),
        [
            (
                "no health-prober answers, so no real server is checked: start one, or look at the log of "
                "`vipbus run`"
            )
        ],
    ),
    (
        "no config-service",
        without("config-service router-a"),
        ["no config-service answers, so no file is read: start one, or look at the log of `vipbus run`"],
    ),
    (
        "the standby's agent away",
        without("vrrp-agent router-b"),
        [
            "router-b: vrrp-agent does not answer; is `vipbus run` running on router-b?",
            "router-b: VI_1 was backup when last heard of; the role is 3 min old",
        ],
    ),
    (
        "the active router gone, nobody took over",
        without("vrrp-agent router-a", "ipvs-programmer router-a"),
        [
            "router-a: vrrp-agent does not answer; is `vipbus run` running on router-a?",
            "router-a: ipvs-programmer does not answer; is `vipbus run` running on router-a?",
            "router-a: VI_1 was active when last heard of; the role is 3 min old",
            (
                "no router of this bus is active for 10.9.0.1 (VRID 51); 192.0.2.1 was heard on the wire: "
                "look at the instances above"
            ),
        ],
    ),
    (
        "a programmer without IPVS",
        with_condition("ipvs-programmer", "router-a", problems=("this kernel has no IPVS; load ip_vs",)),
        ["router-a: ipvs-programmer: this kernel has no IPVS; load ip_vs"],
    ),
    (
        "behind",
        with_condition("vrrp-agent", "router-b", revision=2),
        ["router-b: vrrp-agent works from revision 2, 3 is current; wait, or restart it"],
    ),
    (
        "no revision at all",
        lambda s: replace(
            s,
            conditions=tuple(
                replace(c, revisions=()) if c.service == "vrrp-agent" else c for c in s.conditions
            ),
        ),
        [
            "router-a: vrrp-agent works from no revision, 3 is current; wait, or restart it",
            "router-b: vrrp-agent works from no revision, 3 is current; wait, or restart it",
        ],
    ),
    (
        "half a revision",
        lambda s: replace(s, heads=(head("router-a", 4), head("router-b"))),
        [
            "router-a: revision 4 is not whole on the bus yet; if that stays, restart its config-service",
            "router-a: vrrp-agent works from revision 3, 4 is current; wait, or restart it",
            "router-a: ipvs-programmer works from revision 3, 4 is current; wait, or restart it",
        ],
    ),
    (
        "both active",
        with_roles(("router-a", "active"), ("router-b", "active")),
        [
            (
                "router-a and router-b are both active for 10.9.0.1 (VRID 51): they do not hear each other; "
                "look at the network between them"
            ),
            "router-b: 10.9.0.1:80 TCP not in the kernel's table as it should be: VI_1 is backup",
        ],
    ),
    (
        "in fault",
        with_roles(("router-a", "active"), ("router-b", "fault")),
        ["router-b: VI_1 is in fault: why"],
    ),
    (
        "in fault for two reasons",
        lambda s: replace(s, roles=(s.roles[0], in_fault("script chk is down", "interface eth1 is down"))),
        ["router-b: VI_1 is in fault: script chk is down; interface eth1 is down"],
    ),
    (
        "elections without addresses",
        lambda _: without_addresses("VI_1", "VI_2"),
        [],
    ),
    (
        "no role yet",
        with_roles(("router-a", "active")),
        ["router-b: VI_1 has no role yet; wait, or see the log of vrrp-agent"],
    ),
    (
        "a table that failed",
        lambda s: replace(s, tables=(table("router-a", programmed=False, error="EPERM"), s.tables[1])),
        ["router-a: 10.9.0.1:80 TCP not in the kernel's table as it should be: EPERM"],
    ),
    (
        "a table never written",
        lambda s: replace(s, tables=(s.tables[1],)),
        [
            (
                "router-a: 10.9.0.1:80 TCP not in the kernel's table as it should be: not written yet; "
                "wait, or see the log of ipvs-programmer"
            )
        ],
    ),
    (
        "in no instance, so on every router",
        lambda s: replace(
            s,
            revisions=tuple(
                replace(r, virtual_servers=(virtual_server(r.router, None),)) for r in s.revisions
            ),
        ),
        ["router-b: 10.9.0.1:80 TCP not in the kernel's table as it should be: VI_1 is backup"],
    ),
    (
        "one down",
        lambda s: replace(
            s, verdicts=(s.verdicts[0], verdict("10.9.0.22", "down", cause="connection refused"))
        ),
        ["10.9.0.1:80 TCP: 1 of 2 real servers is not up: 10.9.0.22:80 down (connection refused)"],
    ),
    (
        "one down and drained by an operator",
        lambda s: replace(with_verdict("down")(s), operators=(said("10.9.0.22"),)),
        [],
    ),
    (
        "one drained, the other down",
        lambda s: replace(with_verdict("down")(s), operators=(said("10.9.0.21"),)),
        ["10.9.0.1:80 TCP: 1 of 2 real servers is not up: 10.9.0.22:80 down (connection refused)"],
    ),
    (
        "all drained or disabled",
        lambda s: replace(s, operators=(said("10.9.0.21"), said("10.9.0.22", "disable"))),
        ["10.9.0.1:80 TCP: every real server is drained or disabled; `vipbus enable` one"],
    ),
    (
        "a warning is no failure",
        with_verdict("up", warning="certificate expires in 3 days"),
        [],
    ),
    (
        "no verdicts",
        lambda s: replace(s, verdicts=()),
        [
            (
                "10.9.0.1:80 TCP: 2 of 2 real servers are not up: 10.9.0.21:80 unknown (no verdict yet), "
                "10.9.0.22:80 unknown (no verdict yet)"
            )
        ],
    ),
    (
        "real servers without checks need no verdict",
        lambda s: replace(
            s,
            verdicts=(),
            revisions=tuple(
                replace(r, real_servers=(real_server(r.router, "10.9.0.21", checked=False),))
                for r in s.revisions
            ),
        ),
        [],
    ),
    (
        "a process that keeps ending",
        with_supervisor(AWAY),
        ["router-a: health-prober does not run: it keeps ending"],
    ),
    (
        "a bus of its own away under a run",
        with_supervisor(bus_problem="no route to host"),
        [
            (
                "the bus at nats://127.0.0.1:4222 does not answer (no route to host); VRRP and the table "
                "go on without it: look at that server"
            )
        ],
    ),
    (
        "the embedded bus away under a run",
        with_supervisor(
            ChildState(name="nats-server", pid=98, since=BEFORE), bus_problem="connection refused"
        ),
        [
            (
                "the bus at nats://127.0.0.1:4222 does not answer (connection refused); VRRP and the table "
                "go on without it: look at nats-server's log in the state directory"
            )
        ],
    ),
    (
        "the run is gone",
        with_supervisor(runs=False, bus_problem="connection refused"),
        ["`vipbus run` (pid 99) does not run any more: start it again"],
    ),
    (
        "the bus away, nothing known here",
        lambda s: replace(s, bus_problem="connection refused"),
        ["the bus at nats://127.0.0.1:4222 does not answer (connection refused): start it, or name another"],
    ),
    (
        "no bus known",
        lambda _: Snapshot(now=NOW, bus="", bus_problem="no bus: start one"),
        ["no bus: start one"],
    ),
    (
        "a document that is not readable",
        lambda s: replace(s, unreadable=("role a.b on the bus is not readable (truncated)",)),
        [],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_not_ready(change: Change, expected: list[str]) -> None:
    report = assess(change(healthy()))
    assert list(report.not_ready) == expected
    assert report.ready == (not expected)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


@pytest.mark.parametrize("change", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_every_report_fits_and_says_all_without_colour(change: Change) -> None:
    report = assess(change(healthy()))
    text = render(report)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\033" not in text
    assert re.sub(r"\033\[\d+m", "", render(report, colour=True)) == text
    flat = " ".join(text.split())
    for line in report.not_ready:
        assert line in flat


def pooled() -> Snapshot:
    """A pool below its quorum with its sorry server, a slow start, and what has left the configuration."""
    snapshot = with_verdict("down", "10.9.0.22")(healthy())
    sorry = SorryServer(address="10.9.0.9", port=80, forwarding="DR", inhibit=True)
    until = NOW + timedelta(seconds=200)
    standing = replace(
        snapshot.tables[0],
        quorum=False,
        live_weight=100,
        destinations=(
            Destination(address="10.9.0.9", port=80, weight=1, forwarding="DR", reason="sorry"),
            Destination(address="10.9.0.21", port=80, weight=40, forwarding="DR", configured=100, ramp=40),
            Destination(
                address="10.9.0.31", port=80, weight=0, forwarding="DR", reason="draining", until=until
            ),
        ),
    )
    gone = replace(
        standing,
        virtual_server="10-9-0-1_443_tcp",
        port=443,
        quorum=True,
        destinations=standing.destinations[2:],
    )
    return replace(
        snapshot,
        revisions=tuple(
            replace(
                r,
                virtual_servers=tuple(
                    replace(server, quorum=150, sorry_server=sorry) for server in r.virtual_servers
                ),
            )
            for r in snapshot.revisions
        ),
        tables=(standing, gone, *snapshot.tables[1:]),
    )


def test_a_lost_quorum_of_a_plain_pool_is_said_once() -> None:
    """Nothing of it is up, and that has a line already."""
    snapshot = with_verdict("down", "10.9.0.22")(with_verdict("down", "10.9.0.21")(healthy()))
    lost = replace(snapshot.tables[0], quorum=False)
    report = assess(replace(snapshot, tables=(lost, *snapshot.tables[1:])))
    assert len(report.not_ready) == 1


@pytest.mark.parametrize("name", ["ready", "failing", "electing", "operated", "pooled"])
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    """The whole text, to be read by a person: change it with the file beside this test."""
    snapshot = {"electing": electing, "operated": operated, "pooled": pooled}.get(name, healthy)()
    if name == "failing":
        snapshot = without("ipvs-programmer router-b")(snapshot)
        snapshot = with_condition("ipvs-programmer", "router-a", problems=("this kernel has no IPVS",))(
            snapshot
        )
        snapshot = with_supervisor(AWAY)(snapshot)
        snapshot = replace(
            snapshot,
            tables=(
                table("router-a", programmed=False, error="this kernel has no IPVS"),
                *snapshot.tables[1:],
            ),
            verdicts=(snapshot.verdicts[0], verdict("10.9.0.22", "down", cause="connection refused")),
            unreadable=("role x.y on the bus is not readable (Invalid JSON)",),
        )
    golden = Path(request.path).parent / "golden" / f"status-{name}.txt"
    assert render(assess(snapshot)) == golden.read_text()


def test_a_warning_is_counted_and_said_once() -> None:
    snapshot = with_verdict("up", warning="certificate expires in 3 days")(healthy())
    report = assess(snapshot)
    assert report.ready
    assert report.warnings == ("10.9.0.22:80 of 10.9.0.1:80 TCP: certificate expires in 3 days",)
    assert render(report).startswith("vipbus: ready, 1 warning\n")


def test_a_name_from_the_bus_cannot_write_on_the_terminal() -> None:
    evil = "\033[2Jx\nnot ready:\r"
    snapshot = healthy()
    text = render(
        assess(replace(snapshot, roles=(replace(snapshot.roles[0], cause=evil), *snapshot.roles[1:])))
    )
    assert "\033" not in text
    assert "\r" not in text
    assert "\nnot ready:" not in text


def test_the_largest_configuration_is_reported_in_a_few_seconds() -> None:
    """Not a benchmark: a guard against a report that grows with the square of the pool."""
    servers = tuple(real_server("router-a", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(20_000))
    whole = replace(revision("router-a"), real_servers=servers)
    started = time.monotonic()
    report = assess(replace(healthy(("router-a",)), revisions=(whole,), verdicts=()))
    assert len(render(report).splitlines()) > 20_000
    assert len(report.not_ready) == 1
    assert "and 19995 more" in report.not_ready[0]
    assert time.monotonic() - started < 10


def test_advice_is_a_note_and_the_balancer_is_ready() -> None:
    snapshot = healthy()
    first, *others = snapshot.conditions
    advised = replace(first, advice=("sysctl -w net.ipv4.vs.expire_quiescent_template=1",))
    report = assess(replace(snapshot, conditions=(advised, *others)))
    assert report.ready
    assert report.notes == ("config-service of router-a: sysctl -w net.ipv4.vs.expire_quiescent_template=1",)
