"""How ``vipbus table`` puts documents and counters together, and how it writes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.layout import WIDTH
from ctl.table import screen, status
from ctl.table_flow import Rates, rates_between
from ctl.table_render import render
from ctl.table_report import (
    RealServerReport,
    RouterReport,
    Said,
    VirtualServerReport,
    virtual_server_report,
)
from ctl.words import number
from tests.unit.ctl.documents import real_server, said, table, verdict, virtual_server
from vipbus.contracts import Destination
from vipbus.contracts.table_commands import DestinationTraffic, PoolTraffic, Traffic

GOLDEN = Path(__file__).with_name("golden")
NOW = datetime(2026, 3, 1, 16, 4, 5, tzinfo=UTC)
VIRTUAL = "10-9-0-1_80_tcp"
A, B, C, D, E, F = (f"10.9.0.2{number}" for number in range(1, 7))
replace = msgspec.structs.replace


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def destination(address: str, weight: int = 1, **more: Any) -> Destination:
    return Destination(address=address, port=80, weight=weight, forwarding="DR", **({"configured": 1} | more))


def counted(address: str, traffic: Traffic | None = None, active: int = 0, inactive: int = 0) -> Any:
    return DestinationTraffic(
        address=address, port=80, active=active, inactive=inactive, traffic=traffic or Traffic()
    )


DOCUMENT = replace(
    table("router-a"),
    scheduler_flags=("flag-1", "flag-2"),
    persistence_timeout=300,
    one_packet=True,
    live_weight=12,
    destinations=(
        destination(A, 10, configured=10),
        destination(B, 2, configured=10, checked=5, ramp=40),
        destination(C, 0, configured=3, operator="drain"),
        destination(D, 0, reason="inhibited"),
        destination("10.9.0.31", 0, configured=None, reason="draining", until=NOW + timedelta(minutes=5)),
        destination("10.9.0.99", reason="sorry"),
    ),
)
SAID = Said(
    virtual_servers={VIRTUAL: replace(virtual_server("router-a"), quorum=2)},
    real_servers={
        VIRTUAL: [
            *(real_server("router-a", address) for address in (A, B, C, D, E)),
            real_server("router-a", F, checked=False),
        ]
    },
    verdicts={
        each.key: each
        for each in (
            verdict(A),
            replace(verdict(B), weight=5, warning="the certificate expires in 3 days"),
            verdict(D, "down", cause="connection refused"),
            verdict(E, "down", cause="timed out after 1 s"),
        )
    },
    operators={each.key: each for each in (said(C), said(F, "disable", why=""))},
)
READ = {
    VIRTUAL: PoolTraffic(
        virtual_server=VIRTUAL,
        at=101.0,
        traffic=Traffic(connections=1000, connections_rate=9),
        destinations=(
            counted(
                A,
                Traffic(
                    connections=500,
                    packets_in=70_000,
                    packets_out=60_000,
                    bytes_in=5_000_000,
                    bytes_out=9_000_000_000,
                    connections_rate=4,
                    packets_in_rate=1234,
                    packets_out_rate=999,
                    bytes_in_rate=45_678,
                    bytes_out_rate=123_456_789,
                ),
                active=12,
                inactive=3,
            ),
            counted(B, Traffic(connections=10), active=1),
            counted("10.9.0.55"),
        ),
    )
}


def report(**more: Any) -> VirtualServerReport:
    return virtual_server_report(
        more.get("document", DOCUMENT), SAID, more.get("now", READ), more.get("before")
    )


def real(address: str, **more: Any) -> RealServerReport:
    (found,) = [each for each in report(**more).real_servers if each.address == address]
    return found


def test_a_table_is_written_with_all_that_is_known_of_it() -> None:
    standby = replace(table("router-b", programmed=False), address="fd00::1", virtual_server="fd00--1_80_tcp")
    failing = replace(
        table("router-b", error="the kernel has no scheduler mh: modprobe ip_vs_mh", programmed=False),
        scheduler="mh",
        scheduler_flags=("flag-1", "flag-2", "flag-3"),
        mark=7,
        family=6,
        address="",
        port=0,
        virtual_server="fwm-7_ipv6",
    )
    lost = replace(DOCUMENT, quorum=False, live_weight=1, destinations=(), virtual_server=VIRTUAL)
    reports = [
        RouterReport(router="router-a", virtual_servers=(report(),)),
        RouterReport(
            router="router-b",
            problem="ipvs-programmer does not answer; is `vipbus run` running on router-b?",
            virtual_servers=(
                report(document=standby, now={}),
                report(document=failing, now={}),
                report(document=lost, now={}),
            ),
        ),
    ]
    assert render(reports, NOW) == (GOLDEN / "table.txt").read_text()


def test_a_kernel_that_was_not_read_has_no_numbers() -> None:
    assert real(A, now={}).flow is None
    assert "\n  10.9.0.21:80             DR         10       -        -       -" in render(
        [RouterReport(router="r", virtual_servers=(report(now={}),))], NOW
    )


def test_rates_of_one_read_are_the_kernels_and_of_two_what_came_between() -> None:
    flow = real(A).flow
    assert flow is not None
    assert flow.rates == Rates(
        connections=4, packets_in=1234, packets_out=999, bytes_in=45_678, bytes_out=123_456_789
    )
    pool = READ[VIRTUAL]
    first, *others = pool.destinations
    earlier = replace(
        pool,
        at=99.0,
        traffic=replace(pool.traffic, connections=900),
        destinations=(
            replace(first, traffic=replace(first.traffic, connections=480, bytes_in=4_999_000)),
            *others[:1],
        ),
    )
    two = report(before={VIRTUAL: earlier})
    flow = real(A, before={VIRTUAL: earlier}).flow
    assert flow is not None
    assert flow.rates == Rates(connections=10, packets_in=0, packets_out=0, bytes_in=500, bytes_out=0)
    assert two.flow is not None
    assert two.flow.rates is not None
    assert two.flow.rates.connections == 50
    assert (two.flow.active, two.flow.inactive) == (13, 3)
    new = real("10.9.0.55", before={VIRTUAL: earlier}).flow
    assert new is not None
    assert new.rates is None, "what was not there before has no rate yet"


@given(*[st.integers(0, 2**64 - 1)] * 2, st.floats(-1, 1e6))
def test_a_counter_that_went_back_gives_no_rate(before: int, now: int, seconds: float) -> None:
    rates = rates_between(Traffic(bytes_in=before), Traffic(bytes_in=now), seconds)
    if now < before or seconds <= 0:
        assert rates is None
    else:
        assert rates is not None
        assert rates.bytes_in >= 0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (4, "4"),
        (4.5, "4.5"),
        (0.333333, "0.333"),
        (999, "999"),
        (999.7, "1k"),
        (1234, "1.23k"),
        (45_678, "45.7k"),
        (999_499, "999k"),
        (999_600, "1M"),
        (123_456_789, "123M"),
        (2**63, "9223372T"),
    ],
)
def test_numbers_are_short(value: float, written: str) -> None:
    assert number(value) == written


def test_what_an_operator_said_stands_with_its_name() -> None:
    drained, disabled = real(C), real(F)
    assert (drained.operator, drained.operator_by, drained.operator_why) == ("drain", "ann@lb1", "new disk")
    assert (disabled.in_table, disabled.operator, disabled.is_checked) == (False, "disable", False)


def test_a_real_server_by_a_container_s_labels_says_so() -> None:
    labelled = replace(real_server("router-a", A), origin="docker shop-4")
    words = replace(SAID, real_servers={VIRTUAL: [labelled]})
    found = virtual_server_report(DOCUMENT, words, READ, None)
    written = render([RouterReport(router="router-a", virtual_servers=(found,))], NOW)
    assert "configured 10 by docker shop-4" in written
    assert written.count(" by docker") == 1


def test_a_document_without_origins_has_the_configured_weight() -> None:
    old = replace(DOCUMENT, destinations=(destination(A, 4, configured=None),))
    assert real(A, document=old).configured == 1


def test_what_somebody_else_put_there_is_shown_as_that() -> None:
    alien = real("10.9.0.55")
    assert (alien.in_table, alien.weight, alien.configured, alien.is_checked) == (True, None, None, False)


def test_hostile_words_draw_nothing_on_the_terminal() -> None:
    bad = "\033[2J\n\r" + "x" * 300
    document = replace(
        DOCUMENT,
        scheduler=bad,
        cause=bad,
        error=bad,
        address=bad,
        destinations=(destination(A), destination(bad)),
    )
    words = replace(
        SAID,
        verdicts={each.key: each for each in (verdict(A, "down", cause=bad),)},
        operators={each.key: each for each in (replace(said(A, why=bad), by=bad),)},
    )
    found = virtual_server_report(document, words, READ, None)
    out = replace(found, programmed=False)
    written = render([RouterReport(router=bad, problem=bad, virtual_servers=(found, out))], NOW)
    assert "\033" not in written
    assert "\r" not in written
    assert all(len(line) <= WIDTH for line in written.splitlines())


def test_the_last_moment_there_is_can_be_written() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    document = replace(DOCUMENT, destinations=(destination(A, reason="draining", until=last),), since=last)
    assert "LEAVING" in render([RouterReport(router="r", virtual_servers=(report(document=document),))], NOW)


def test_a_screen_is_never_longer_than_the_terminal() -> None:
    text = "".join(f"line {number}\n" for number in range(100))
    assert screen(text, 100).splitlines()[-1] == "line 99"
    cut = screen(text, 24).splitlines()
    assert len(cut) == 24
    assert cut[-1] == "and 77 lines more: name one virtual server or pool"
    assert len(screen(text, 0).splitlines()) == 2


def test_exit_status_tells_of_a_router_that_was_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert status([RouterReport(router="r1")]) == 0
    assert status([RouterReport(router="r1"), RouterReport(router="r2", problem="no \033 answer")]) == 3
    assert capsys.readouterr().err == "vipbus table: r2: no \ufffd answer\n"
