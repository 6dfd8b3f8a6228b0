"""What ``vipbus vrrp show`` writes: a text to be read by a person, in lines that fit."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ctl.layout import WIDTH
from ctl.vrrp_render import render
from vipbus.contracts import InstanceReport, Lateness, TrackState, VrrpReport

NOW = datetime(2026, 3, 1, 16, 4, 5, tzinfo=UTC)
replace = msgspec.structs.replace


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


ACTIVE = InstanceReport(
    instance="VI_1",
    role="active",
    epoch=4,
    priority=150,
    effective_priority=130,
    interface="eth0",
    virtual_router_id=51,
    version=3,
    family=4,
    source="192.0.2.1",
    active_router=None,
    addresses=tuple(f"10.9.0.{number}" for number in range(1, 21)),
    cause="192.0.2.2 fell silent",
    since=NOW - timedelta(hours=2, minutes=5),
    sync_group="VG_1",
    tracks=(
        TrackState(kind="script", name="chk_haproxy", up=False, weight=-20, cause="exit status 1"),
        TrackState(kind="interface", name="eth1", up=True, weight=0, cause=""),
        TrackState(kind="verdict", name="10-9-0-1_80_tcp", up=None, weight=0, cause="no verdict yet"),
    ),
    sent=75321,
    received=12,
    dropped=(("checksum", 2), ("ttl", 1)),
    transitions=(("active", 2), ("backup", 2)),
    lateness=Lateness(count=75321, p50=0.0001, p99=0.0005, max=0.00412),
)
BACKUP = replace(
    ACTIVE,
    role="backup",
    epoch=3,
    priority=100,
    effective_priority=100,
    source="192.0.2.2",
    active_router="192.0.2.1",
    addresses=("10.9.0.1",),
    cause="192.0.2.1 is active with priority 130",
    sync_group=None,
    tracks=(),
    sent=0,
    received=75320,
    dropped=(),
    transitions=(("backup", 1),),
    lateness=None,
)
FAULT = replace(
    BACKUP,
    instance="VI_2",
    role="fault",
    active_router=None,
    source="",
    addresses=(),
    cause="interface eth2 is down; script chk is down",
    faults=("interface eth2 is down", "script chk is down"),
    received=0,
    transitions=(),
    family=6,
)
REPORTS = (
    VrrpReport(router="router-a", instances=(ACTIVE,), unclaimed=(("unknown VRID", 3),)),
    VrrpReport(router="router-b", instances=(BACKUP, FAULT)),
    VrrpReport(router="router-c", instances=()),
)


def test_golden(request: pytest.FixtureRequest) -> None:
    """The whole text, to be read by a person: change it with the file beside this test."""
    golden = Path(request.path).parent / "golden" / "vrrp-show.txt"
    assert render(REPORTS, NOW) == golden.read_text()


def test_every_line_fits_and_colour_says_nothing_more() -> None:
    long = replace(ACTIVE, cause="why " * 60, faults=("because " * 30,))
    text = render((VrrpReport(router="r" * 40, instances=(long,)),), NOW)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\033" not in text
    assert re.sub(r"\033\[\d+m", "", render(REPORTS, NOW, colour=True)) == render(REPORTS, NOW)


def test_a_name_from_the_bus_cannot_write_on_the_terminal() -> None:
    evil = "\033[2Jx\nrouter z\r"
    report = replace(
        ACTIVE,
        instance=evil,
        cause=evil,
        interface=evil,
        addresses=(evil,),
        faults=(evil,),
        dropped=((evil, 1),),
        tracks=(TrackState(kind=evil, name=evil, up=True, weight=1, cause=evil),),
    )
    text = render((VrrpReport(router=evil, instances=(report,), unclaimed=((evil, 1),)),), NOW)
    assert "\033" not in text
    assert "\r" not in text
    assert "\nrouter z" not in text
