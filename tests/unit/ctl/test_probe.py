"""What ``vipbus probe`` understands of names, asks for, and writes."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ctl.exits import EXIT_NO, EXIT_NOT_DONE
from ctl.layout import WIDTH
from ctl.probe import Found, status
from ctl.probe_ask import ask_here
from ctl.probe_names import UnknownNameError, replica_named
from ctl.probe_plan import GRACE, Plan, plan
from ctl.probe_render import render
from vipbus.contracts import (
    PROBE_BEGINS_WITHIN,
    PROBE_LONGEST,
    HttpCheck,
    ProbeAttempt,
    ProbeNow,
    ProbeReport,
    ProbeStep,
    ProbeTarget,
    ProxyPool,
    RealServer,
    TcpCheck,
    Verdict,
    VirtualServer,
)
from vipbus.runtime.ending import run_to_end

NOW = datetime(2026, 3, 1, 16, 4, 5, tzinfo=UTC)
replace = msgspec.structs.replace


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def virtual(address: str = "10.9.0.1", port: int = 80, protocol: str = "TCP") -> VirtualServer:
    return VirtualServer(
        router="router-a",
        address=address,
        port=port,
        protocol=protocol,  # type: ignore[arg-type]  # the tests name only protocols
        scheduler="rr",
        forwarding="DR",
    )


def real(address: str, port: int = 80, *, of: VirtualServer, router: str = "router-a") -> RealServer:
    check = TcpCheck(address=address, port=port, timeout=2.0)
    return RealServer(router=router, virtual_server=of.id, address=address, port=port, checks=(check,))


WEB = virtual()
DNS_TCP = virtual("10.9.0.2", 53)
DNS_UDP = virtual("10.9.0.2", 53, "UDP")
SIX = virtual("fd00::1", 443)
BARE = virtual("10.9.0.3", 81)
VIRTUAL = (WEB, DNS_TCP, DNS_UDP, SIX, BARE)
HTTP = HttpCheck(address="10.9.0.21", port=8080, timeout=3.0)
FIRST = real("10.9.0.21", of=WEB)
FIRST_ELSEWHERE = replace(FIRST, router="router-b", checks=(*FIRST.checks, HTTP))
REAL = (
    real("10.9.0.22", of=WEB),
    FIRST,
    FIRST_ELSEWHERE,
    real("10.9.0.23", 80, of=WEB),
    real("10.9.0.23", 81, of=WEB),
    real("fd00::21", 443, of=SIX),
    replace(real("10.9.0.21", 81, of=BARE), checks=()),
)


def planned(virtual_server: str, real_server: str | None = None, kind: str | None = None) -> Plan:
    return plan(VIRTUAL, REAL, virtual_server=virtual_server, real_server=real_server, kind=kind)


def refusal(*names: str | None) -> str:
    with pytest.raises(UnknownNameError) as raised:
        planned(*names)  # type: ignore[arg-type]  # the first is a name
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("10.9.0.1:80", WEB),
        ("10.9.0.1:80:tcp", WEB),
        ("10.9.0.1:80 TCP", WEB),
        ("10.9.0.1:80/tcp", WEB),
        ("10.9.0.1 80 tcp", WEB),
        ("  10.9.0.1\t80 ", WEB),
        ("10.9.0.1", WEB),
        ("10-9-0-1_80_tcp", WEB),
        ("10-9-0-1_80_TCP", WEB),
        ("[fd00::1]:443", SIX),
        ("[fd00::1]:443:tcp", SIX),
        ("FD00:0:0::1 443", SIX),
        ("fd00::1", SIX),
        ("[fd00::1]", SIX),
        ("fd00--1_443_tcp", SIX),
    ],
)
def test_a_virtual_server_is_found_however_it_is_written(name: str, meant: VirtualServer) -> None:
    checked = replace(real("10.9.0.9", of=meant))
    found = plan(VIRTUAL, (checked,), virtual_server=name, real_server=None, kind=None)
    assert (found.virtual_server, found.words) == (meant.id, meant.words)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("10.9.0.2:53", "'10.9.0.2:53' may be 10.9.0.2:53 TCP or 10.9.0.2:53 UDP: name one"),
        (
            "10.9.0.1:8",
            "no virtual server '10.9.0.1:8'; there is 10.9.0.1:80 TCP, 10.9.0.3:81 TCP, 10.9.0.2:53 UDP",
        ),
        (
            "10.9.0.22:80",
            "'10.9.0.22:80' is a real server of 10.9.0.1:80 TCP: name the virtual server, then this one",
        ),
        ("lb.example", "no virtual server 'lb.example'; there is 10.9.0.1:80 TCP, 10.9.0.2:53 TCP"),
        ("10.9.0.1:80:tcp:x", "no virtual server '10.9.0.1:80:tcp:x'; there is 10.9.0.1:80 TCP"),
        ("10.9.0.1:80:sctp", "no virtual server '10.9.0.1:80:sctp'; there is 10.9.0.1:80 TCP"),
        ("10.9.0.1:x", "no virtual server '10.9.0.1:x'; there is"),
        ("10.9.0.1:٣", "no virtual server '10.9.0.1:٣'; there is"),
        ("[fd00::1", "'[fd00::1"),
        ("[", "no virtual server '['; there is"),
        ("\0", "no virtual server '\\x00'; there is"),
        ("x" * 100_000, "no virtual server 'xxxx"),
    ],
)
def test_what_is_no_virtual_server_is_told_with_what_there_is(name: str, said: str) -> None:
    if name == "[fd00::1":  # a bracket forgotten is forgiven
        name, said = "[fd00::2", "no virtual server '[fd00::2'; there is [fd00::1]:443 TCP"
    assert refusal(name).startswith(said)


def test_an_empty_bus_knows_no_virtual_server() -> None:
    with pytest.raises(UnknownNameError, match=r"^no virtual server is configured$"):
        plan((), (), virtual_server="10.9.0.1:80", real_server=None, kind=None)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("10.9.0.22:80", "10-9-0-22_80"),
        ("10.9.0.22", "10-9-0-22_80"),
        ("10.9.0.22 80", "10-9-0-22_80"),
        ("10-9-0-22_80", "10-9-0-22_80"),
        ("10.9.0.23:81", "10-9-0-23_81"),
    ],
)
def test_a_real_server_is_found_in_its_pool(name: str, token: str) -> None:
    found = planned("10.9.0.1:80", name)
    assert [target.real_server for target in found.targets] == [token]
    assert found.asked == ProbeNow(virtual_server="10-9-0-1_80_tcp", real_server=token)


def test_what_is_no_real_server_of_the_pool_is_told() -> None:
    assert refusal("10.9.0.1:80", "10.9.0.23") == "'10.9.0.23' may be 10.9.0.23:80 or 10.9.0.23:81: name one"
    said = refusal("10.9.0.1:80", "10.9.0.2:80")
    assert said.startswith("10.9.0.1:80 TCP has no real server '10.9.0.2:80'; there is 10.9.0.2")
    assert refusal("10.9.0.2:53 tcp", "10.9.0.21") == "10.9.0.2:53 TCP has no real servers"
    assert refusal("10.9.0.2:53 tcp") == "10.9.0.2:53 TCP has no checks: it always counts as up"
    said = refusal("10.9.0.3:81", "10.9.0.21:81")
    assert said == "10.9.0.21:81 of 10.9.0.3:81 TCP has no checks: it always counts as up"


def test_the_checks_of_all_routers_are_tried_once_each() -> None:
    found = planned("10.9.0.1:80")
    assert [(target.real_server, len(target.checks)) for target in found.targets] == [
        ("10-9-0-21_80", 2),
        ("10-9-0-22_80", 1),
        ("10-9-0-23_80", 1),
        ("10-9-0-23_81", 1),
    ]
    assert found.within == PROBE_BEGINS_WITHIN + 3.0 + GRACE
    only = planned("10.9.0.1:80", kind="http")
    assert only.targets == (ProbeTarget(real_server="10-9-0-21_80", checks=(HTTP,)),)
    assert only.asked.kind == "http"
    assert (
        refusal("10.9.0.1:80", None, "dns") == "10.9.0.1:80 TCP has no check of kind 'dns'; it has http, tcp"
    )


def test_no_check_is_waited_for_without_end() -> None:
    slow = replace(FIRST, checks=(replace(HTTP, timeout=86400.0),))
    found = plan(VIRTUAL, (slow,), virtual_server="10.9.0.1:80", real_server=None, kind=None)
    assert found.within == PROBE_BEGINS_WITHIN + PROBE_LONGEST + GRACE


def test_a_group_is_probed_as_one_of_its_virtual_servers() -> None:
    one, two = (replace(virtual(address), group="front") for address in ("10.9.0.8", "10.9.0.9"))
    mark = VirtualServer(router="router-a", mark=7, group="front", scheduler="rr", forwarding="DR")
    pool = [real("10.9.0.21", of=each) for each in (one, two, mark)]

    def meant(name: str) -> str:
        return plan(
            (one, two, mark, WEB), pool, virtual_server=name, real_server=None, kind=None
        ).virtual_server

    assert meant("front") == one.id
    assert meant("fwm:7") == mark.id
    assert meant("10.9.0.9") == two.id
    # of two pools somebody has to say which
    pool[1] = replace(pool[1], checks=(HTTP,))
    with pytest.raises(UnknownNameError, match=r"'front' may be .*8:80 TCP or .*9:80 TCP or FWM 7"):
        meant("front")


APP = ProxyPool(router="router-a", name="App")
API = ProxyPool(router="router-a", name="front")
BEHIND = (
    replace(real("10.9.0.41", 8080, of=WEB), virtual_server=APP.id),
    replace(real("10.9.0.42", 8080, of=WEB), virtual_server=API.id),
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pool app", "pool app"),
        ("POOL App", "pool app"),
        (" pool-app ", "pool app"),
        ("app", "pool app"),
        ("pool front", "pool front"),
        ("front", "10.9.0.8:80 TCP"),
        ("10.9.0.8", "10.9.0.8:80 TCP"),
    ],
)
def test_a_pool_of_proxies_is_named_in_full_or_alone_where_nothing_else_is_meant(
    name: str, meant: str
) -> None:
    group = replace(virtual("10.9.0.8"), group="front")
    servers = (*BEHIND, real("10.9.0.21", of=group))
    found = plan((group,), servers, (APP, API), virtual_server=name, real_server=None, kind=None)
    assert found.words == meant
    assert len(found.targets) == 1
    assert found.asked.virtual_server == found.virtual_server


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pool ap", "no virtual server or pool 'pool ap'; there is pool app"),
        ("pool", "no virtual server or pool 'pool'; there is pool app"),
        ("10.9.0.41:8080", "'10.9.0.41:8080' is a real server of pool app: name the pool, then this one"),
    ],
)
def test_what_is_no_pool_is_told_with_what_there_is(name: str, said: str) -> None:
    for there in ((), VIRTUAL):
        with pytest.raises(UnknownNameError) as raised:
            plan(there, BEHIND, (APP,), virtual_server=name, real_server=None, kind=None)
        assert str(raised.value).startswith(said)


def test_a_replica_is_named_by_how_its_name_begins() -> None:
    there = ("lb1-4711-a1b2c3", "lb1-4712-ffffff", "lb2-99-000000", "P3")
    assert replica_named("lb2", there) == "lb2-99-000000"
    assert replica_named("p3", there) == "P3"
    assert replica_named("lb1-4711-a1b2c3", there) == "lb1-4711-a1b2c3"
    for name, said in (
        ("lb1", "'lb1' may be lb1-4711-a1b2c3 or lb1-4712-ffffff: name one"),
        ("lb2-98", "no health-prober 'lb2-98'; there is lb2-99-000000"),
    ):
        with pytest.raises(UnknownNameError) as raised:
            replica_named(name, there)
        assert str(raised.value) == said
    with pytest.raises(UnknownNameError, match=r"none is on this bus: start `vipbus run -f FILE`"):
        replica_named("p1", ())


# ---- what is written

REFUSED = ProbeAttempt(
    real_server="10-9-0-21_80",
    kind="http",
    where="http://10.9.0.21:80/health",
    result="failure",
    cause="wrong status 503 (wanted 200-299)",
    seconds=0.00434,
    steps=(
        ProbeStep(at=0.00041, what="connected"),
        ProbeStep(at=0.0019, what="GET /health sent"),
        ProbeStep(at=0.0042, what="status 503"),
    ),
)
PASSED = ProbeAttempt(
    real_server="10-9-0-22_80",
    kind="tls",
    where="10.9.0.22:443",
    result="success",
    cause="TLS 1.3, answered in 3.1 ms",
    seconds=0.0031,
    steps=(ProbeStep(at=0.0031, what="handshake done"),),
    warning="the certificate expires in 3 days",
)
SCRIPT = replace(
    PASSED,
    kind="script",
    where="/usr/bin/check",
    cause="exit 9, answered in 12.0 ms",
    weight=7,
    warning="",
    steps=(),
)
FILE = replace(
    SCRIPT, kind="file", where="/run/weight", cause="-3, answered in 0.1 ms", weight=None, weight_added=-3
)
LOCAL = ProbeAttempt(
    real_server="10-9-0-23_80",
    kind="ping",
    where="10.9.0.23 by eth9",
    result="local",
    cause="interface eth9: this host has none; name one that it has",
    seconds=12.5,
    steps=(ProbeStep(at=12.25, what="gave up"),),
)
VERDICTS = {
    token: Verdict(
        virtual_server="10-9-0-1_80_tcp",
        real_server=token,
        verdict=name,  # type: ignore[arg-type]  # verdicts
        cause=cause,
        since=NOW - timedelta(hours=2, minutes=5),
        prober="p1",
        lease=1,
    )
    for token, name, cause in (
        ("10-9-0-21_80", "up", "status 200, answered in 3.1 ms"),
        ("10-9-0-22_80", "down", "connection refused"),
    )
}
HERE = ProbeReport(prober="here", attempts=(REFUSED,))
ALL = (
    ProbeReport(prober="lb1-4711-a1b2c3", attempts=(REFUSED, PASSED, SCRIPT, FILE, LOCAL), left_out=995),
    ProbeReport(prober="lb2", attempts=(replace(PASSED, warning=""),)),
    ProbeReport(prober="lb3", attempts=(PASSED, replace(PASSED, real_server="10-9-0-23_80"))),
    ProbeReport(prober="lb4"),
)
WHERE = "10.9.0.1:80 TCP"


@pytest.mark.parametrize(("name", "reports"), [("probe-here", (HERE,)), ("probe-all", ALL)])
def test_golden(name: str, reports: tuple[ProbeReport, ...], request: pytest.FixtureRequest) -> None:
    """The whole text, to be read by a person: change it with the file beside this test."""
    golden = Path(request.path).parent / "golden" / f"{name}.txt"
    assert render(reports, WHERE, VERDICTS, NOW) == golden.read_text()


def test_every_line_fits_and_colour_says_nothing_more() -> None:
    long = replace(
        REFUSED, cause="why " * 60, where="/x" * 300, steps=(ProbeStep(at=1e300, what="so " * 90),) * 3
    )
    text = render((ProbeReport(prober="p" * 30, attempts=(long,)),), WHERE, VERDICTS, NOW)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\033" not in text
    coloured = render(ALL, WHERE, VERDICTS, NOW, colour=True)
    assert "\033" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == render(ALL, WHERE, VERDICTS, NOW)


def test_what_comes_from_the_bus_cannot_write_on_the_terminal() -> None:
    evil = "\033[2Jx\nfrom z\r"
    attempt = ProbeAttempt(
        real_server=evil,
        kind=evil,
        where=evil,
        result="success",
        cause=evil,
        seconds=float("inf"),
        steps=(ProbeStep(at=-1e308, what=evil), ProbeStep(at=float("nan"), what=evil)),
        warning=evil,
    )
    verdicts = {evil: replace(VERDICTS["10-9-0-21_80"], cause=evil)}
    text = render((ProbeReport(prober=evil, attempts=(attempt, attempt)),), WHERE, verdicts, NOW)
    assert "\033" not in text
    assert "\r" not in text
    assert "\nfrom z" not in text


@pytest.mark.parametrize(
    ("reports", "missing", "expected"),
    [
        ((ProbeReport(prober="here", attempts=(PASSED,)),), (), 0),
        ((HERE,), (), EXIT_NO),
        ((HERE,), ("p2 does not answer",), EXIT_NO),
        ((ProbeReport(prober="here", attempts=(REFUSED, LOCAL), left_out=3),), (), EXIT_NO),
        ((ProbeReport(prober="here", attempts=(PASSED, LOCAL)),), (), EXIT_NOT_DONE),
        ((ProbeReport(prober="here", attempts=(PASSED,), left_out=1),), (), EXIT_NOT_DONE),
        ((ProbeReport(prober="p1", attempts=(PASSED,)),), ("p2 does not answer",), EXIT_NOT_DONE),
        ((ProbeReport(prober="here"),), (), EXIT_NOT_DONE),
        ((), ("p2 does not answer",), EXIT_NOT_DONE),
    ],
)
def test_exit_status(reports: tuple[ProbeReport, ...], missing: tuple[str, ...], expected: int) -> None:
    found = Found(plan=planned("10.9.0.1:80"), reports=reports, missing=missing, verdicts={})
    assert status(found) == expected


# ---- the process that runs the checks


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("pass", "the process that runs them answered nothing"),
        ("print('no JSON')", "the process that runs them answered what is not understood (JSON is malformed"),
        ("print('[]')", "answered what is not understood (Expected `object`, got `array`)"),
        ("print('[' * 100_000)", "answered what is not understood"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)))", "answered what is not understood"),
        ("import sys; sys.exit('No module named health_prober')", ": No module named health_prober"),
        ("import os; os.kill(os.getpid(), 9)", ": it was ended by SIGKILL"),
        ("import sys; sys.exit(7)", ": it ended with status 7"),
    ],
)
def test_a_process_that_does_not_answer_is_one_line_that_helps(program: str, said: str) -> None:
    told = run_to_end(ask_here(planned("10.9.0.1:80"), (sys.executable, "-c", program)))
    assert isinstance(told, str)
    assert told.startswith("the checks cannot be run here: ")
    assert said in told
    assert told.endswith("; `--from all` asks the replicas of health-prober instead")
    assert "\n" not in told


def test_a_process_that_cannot_be_started_is_told() -> None:
    told = run_to_end(ask_here(planned("10.9.0.1:80"), ("/nowhere/python",)))
    assert isinstance(told, str)
    assert "/nowhere/python cannot be started: no such file or directory" in told
