"""``vipbus top`` without a terminal: what keys and news do, and what is drawn of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.table_flow import Flow, Rates
from ctl.table_report import RealServerReport, RouterReport, VirtualServerReport
from ctl.top import model
from ctl.top.keys import keys
from ctl.top.model import KEPT, PANES, Connection, Event, Happened, Key, State, chosen, rows, update
from ctl.top.rows import News, Row, news, server_rows
from ctl.top.screen import draw, heights
from tests.unit.ctl.documents import BEFORE, role

NOW = BEFORE + timedelta(minutes=2)


def flow(active: int, connections: float = 12.5) -> Flow:
    return Flow(
        active=active,
        inactive=0,
        persistent=0,
        connections=0,
        packets_in=0,
        packets_out=0,
        bytes_in=0,
        bytes_out=0,
        rates=Rates(connections=connections, packets_in=0, packets_out=0, bytes_in=45600, bytes_out=math.pi),
    )


def real(last: int, verdict: str = "up", **more: object) -> RealServerReport:
    told = RealServerReport(
        address=f"10.9.0.{last}",
        port=80,
        in_table=True,
        weight=1,
        configured=1,
        verdict=verdict,  # type: ignore[arg-type]  # the tests name only verdicts
        cause="connection refused" if verdict == "down" else "answered in 0.4 ms",
        since=BEFORE,
        flow=flow(3),
    )
    return msgspec.structs.replace(told, **more)


def pool(port: int, *reals: RealServerReport, **more: object) -> VirtualServerReport:
    told = VirtualServerReport(
        virtual_server=f"10-9-0-1_{port}_tcp",
        name=f"10.9.0.1:{port} TCP",
        scheduler="rr",
        scheduler_flags=(),
        persistence_timeout=0,
        one_packet=False,
        programmed=True,
        quorum=1,
        has_quorum=True,
        live_weight=1,
        since=BEFORE,
        cause="VI_1 is active",
        error="",
        flow=flow(sum(each.flow.active for each in reals if each.flow)),
        real_servers=reals,
    )
    return msgspec.structs.replace(told, **more)


REPORTS = (
    RouterReport(
        router="router-a",
        virtual_servers=(
            pool(80, real(21), real(22, "down"), real(23, operator="drain", operator_by="ann@lb1", weight=0)),
            pool(443, real(31), has_quorum=False),
            pool(53, programmed=False, cause="VI_1 is backup", flow=None),
            pool(25, error="no scheduler mh"),
        ),
    ),
    RouterReport(router="router-b", problem="ipvs-programmer does not answer"),
    RouterReport(router="router-c"),
)
NEWS = news(
    (role("router-a"), role("router-b", "fault", cause="eth0 down")), frozenset({"Router-A"}), REPORTS, NOW
)


def state(*events: Event, **more: object) -> State:
    made = State(**more)  # type: ignore[arg-type]  # the test's words go straight through
    for event in (Connection("nats://10.9.0.5:4222", ""), NEWS, *events):
        made = update(made, event)
    return made


def press(made: State, *names: str) -> State:
    for name in names:
        made = update(made, Key(name))
    return made


def happened(first: int, count: int = 1) -> Happened:
    return Happened(tuple(Row(str(n), f"state.health.x number {n}") for n in range(first, first + count)))


def test_rows_say_who_is_active_what_pools_do_and_why() -> None:
    assert [row.text.split(maxsplit=3) for row in NEWS.routers] == [
        ["router-a", "VI_1", "ACTIVE", "150  2 min    no advertisement for 3.6 s"],
        ["router-b", "VI_1", "FAULT", "100  2 min    LAST HEARD, its vrrp-agent does not answer; eth0 down"],
        ["router-b", "table", "LAST", "HEARD: ipvs-programmer does not answer"],
        ["router-c", "no", "instance"],
    ]
    assert [row.text.split(maxsplit=8) for row in NEWS.pools] == [
        ["10.9.0.1:80", "TCP", "router-a", "2/3", "9", "12.5", "45.6k", "3.14"],
        ["10.9.0.1:443", "TCP", "router-a", "1/1", "3", "12.5", "45.6k", "3.14", "BELOW ITS QUORUM"],
        ["10.9.0.1:53", "TCP", "router-a", "-", "-", "-", "-", "-", "not in the table: VI_1 is backup"],
        ["10.9.0.1:25", "TCP", "router-a", "0/0", "0", "12.5", "45.6k", "3.14", "ERROR: no scheduler mh"],
    ]
    servers = [row.text for row in server_rows(NEWS, "router-a 10-9-0-1_80_tcp")]
    assert " ".join(servers[0].split()).startswith("10.9.0.21:80 1 3 12.5 45.6k 3.14 up 2 min: ")
    assert servers[1].endswith(" DOWN 2 min: connection refused")
    assert "  DRAIN by ann@lb1; up 2 min: " in servers[2]


def test_what_came_from_elsewhere_is_harmless() -> None:
    evil = msgspec.structs.replace(role("router-a"), cause="a\x1b[2Jb\nc")
    server = pool(80, real(21, cause="\x1b]0;x\x07"), error="\r")
    made = news((evil,), frozenset(), (RouterReport(router="\x1b", virtual_servers=(server,)),), NOW)
    every = (*made.routers, *made.pools, *(row for each in made.servers for row in server_rows(made, each)))
    assert all(row.text.isprintable() for row in every)


def test_the_servers_are_those_of_the_chosen_pool() -> None:
    made = press(state(), "down")
    assert [row.key for row in rows(made, "servers")] == ["10.9.0.31 80"]
    assert len(rows(press(made, "up"), "servers")) == 3
    # the choice stays with the pool when others come before it
    first = RouterReport(router="router-a", virtual_servers=(pool(22), *REPORTS[0].virtual_servers))
    made = update(made, news((), frozenset(), (first,), NOW))
    found = chosen(made, "pools")
    assert found is not None
    assert found.text.startswith("10.9.0.1:443 TCP")
    # and goes to the first when it is gone
    made = update(made, news((), frozenset(), (RouterReport(router="r", virtual_servers=(pool(22),)),), NOW))
    found = chosen(made, "pools")
    assert found is not None
    assert found.text.startswith("10.9.0.1:22 TCP")
    assert chosen(update(made, News()), "pools") is None


@pytest.mark.parametrize(
    ("names", "focus"),
    [
        ((), "pools"),
        (("tab",), "servers"),
        (("tab", "tab", "tab"), "routers"),
        (("backtab",), "routers"),
        (("left", "left"), "events"),
        (("right",), "servers"),
    ],
)
def test_tab_goes_round(names: tuple[str, ...], focus: str) -> None:
    assert press(state(), *names).focus == focus


def test_events_go_on_with_what_comes_until_one_looks_back() -> None:
    made = press(state(happened(1, 50)), "tab", "tab")
    assert (made.focus, chosen(made, "events")) == ("events", Row("50", "state.health.x number 50"))
    made = update(made, happened(51))
    assert chosen(made, "events") == Row("51", "state.health.x number 51")
    made = update(press(made, "pageup"), happened(52))
    assert chosen(made, "events") == Row("41", "state.health.x number 41")
    made = update(press(made, "end"), happened(53))
    assert chosen(made, "events") == Row("53", "state.health.x number 53")
    assert chosen(press(made, "home", "up"), "events") == Row("1", "state.health.x number 1")
    assert len(update(made, happened(100, KEPT + 5)).live.events) == KEPT


def test_a_pause_holds_the_picture_and_loses_nothing() -> None:
    made = press(state(happened(1)), " ")
    made = update(update(made, happened(2)), News())
    assert "PAUSED" in draw(made, NOW, 30, 120)[0].text
    assert (len(rows(made, "events")), len(rows(made, "pools"))) == (1, 4)
    made = press(made, "p")
    assert (len(rows(made, "events")), len(rows(made, "pools"))) == (2, 0)


def test_a_filter_is_written_kept_and_taken_away() -> None:
    made = press(state(happened(1, 3)), "/", "4", "4", "5", "backspace", "q", "backspace")
    assert (made.filter, made.typing, made.ended) == ("44", True, False)
    assert draw(made, NOW, 30, 120)[-1].text.startswith("filter: 44_")
    made = press(made, "enter")
    assert [row.text[:16] for row in rows(made, "pools")] == ["10.9.0.1:443 TCP"]
    assert (len(rows(made, "servers")), rows(made, "events")) == (1, ())
    assert "filter '44'" in draw(made, NOW, 30, 120)[0].text
    assert len(rows(press(made, "esc"), "pools")) == 4
    assert press(made, "/", "esc").filter == ""
    assert len(press(made, "/", *"x" * 200).filter) == 60
    assert press(made, "q").ended


def test_a_bus_that_is_away_is_said_above_what_was_last_heard() -> None:
    made = state(Connection("nats://10.9.0.5:4222", "connection refused"))
    head, away, *others = draw(made, NOW, 30, 120)
    assert head.text.endswith("bus nats://10.9.0.5:4222")
    assert (away.text, away.style) == ("AWAY: connection refused; what was last heard stands below", "bad")
    assert any("10.9.0.1:443 TCP" in line.text for line in others)
    assert "connected" in draw(state(), NOW, 30, 120)[0].text


def test_on_a_usual_terminal_everything_has_a_place() -> None:
    made = state(happened(1, 40))
    text = "\n".join(line.text for line in draw(made, NOW, 24, 100))
    for word in ("ACTIVE", "10.9.0.1:25 TCP", "10.9.0.23:80", "number 40", "q quit"):
        assert word in text
    marked = [line.text[:15] for line in draw(made, NOW, 24, 100) if line.style == "chosen"]
    assert marked == ["10.9.0.1:80 TCP"]


def test_the_chosen_row_is_always_to_be_seen() -> None:
    many = RouterReport(router="r", virtual_servers=tuple(pool(port) for port in range(1, 300)))
    made = update(State(), news((), frozenset(), (many,), NOW))
    for names in (["end"], ["pageup"], ["home"], ["down"] * 37):
        made = press(made, *names)
        for height in (5, 10, 24, 60):
            found = chosen(made, "pools")
            assert found is not None
            assert found.text[:20] in [line.text[:20] for line in draw(made, NOW, height, 100)]


@given(
    height=st.integers(1, 80),
    width=st.integers(1, 200),
    names=st.lists(
        st.sampled_from(["up", "down", "tab", "/", "x", "enter", "esc", " ", "end", "pageup"]), max_size=12
    ),
    events=st.integers(0, 60),
)
def test_a_screen_of_any_size_is_filled_exactly(
    height: int, width: int, names: list[str], events: int
) -> None:
    made = press(state(happened(1, events)) if events else State(), *names)
    lines = draw(made, datetime(2026, 1, 1, tzinfo=UTC), height, width)
    assert len(lines) == height
    assert max(len(line.text) for line in lines) <= width
    shares = heights(made, height - 2)
    assert set(shares) == set(PANES)
    assert sum(shares.values()) == max(height - 2, 0)
    assert min(shares.values()) >= 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        ("\t\x1b[Z", ["tab", "backtab"]),
        ("\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[1~\x1b[4~", ["pageup", "pagedown", "home", "end", "home", "end"]),
        ("/é\r\x7f", ["/", "é", "enter", "backspace"]),
        ("\x1b", ["esc"]),
        ("\x1b\x1b[A", ["esc", "up"]),
        ("\x1b[1;5A\x1b[200~\x1b[?1;2c", []),
        ("\x03", ["q"]),
        ("\x00\x01", []),
    ],
)
def test_keys(text: str, names: list[str]) -> None:
    assert list(keys(text)) == names


@given(st.text(max_size=40))
def test_whatever_is_typed_does_no_harm(text: str) -> None:
    made = press(state(happened(1, 3)), *keys(text))
    assert len(draw(made, NOW, 24, 80)) == 24
    assert isinstance(made, model.State)
