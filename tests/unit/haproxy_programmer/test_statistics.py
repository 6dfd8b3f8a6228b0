"""What HAProxy's statistics are read as, what becomes of them in metrics, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer import runtime
from haproxy_programmer.metrics import SERVERS_LEFT_OUT
from haproxy_programmer.observed import UnreadableError
from haproxy_programmer.runtime import SilentError
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slot, Slots
from haproxy_programmer.statistics import NUMBERS, Read, statistics
from haproxy_programmer.totals import Totals
from haproxy_programmer.traffic import Traffic
from haproxy_programmer.traffic_metrics import TrafficMetrics
from tests.support.proxy import pool, proxy
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.metrics import Registry
from vipbus.telemetry.prometheus import exposition

COLUMNS = ("pxname", "svname", *NUMBERS, "status", "type", "addr", "check_status", "last_chk")
KINDS = {"FRONTEND": 0, "BACKEND": 1}


def row(section: str, name: str, **values: Any) -> str:
    cells = {"pxname": section, "svname": name, "type": KINDS.get(name, 2), "status": "UP", **values}
    return ",".join(str(cells.get(column, "")) for column in COLUMNS) + ","


def answer(*rows: str, pid: int = 7, **info: int) -> str:
    told = "".join(f"{name}: {value}\n" for name, value in {"Name": "HAProxy", "Pid": pid, **info}.items())
    return f"{told}\n# {','.join(COLUMNS)},\n" + "".join(f"{each}\n" for each in rows) + "\n"


GOOD = answer(
    row("web", "FRONTEND", status="OPEN", scur=3, slim=2000, stot=10, hrsp_2xx=9, hrsp_5xx=1, bin=5, bout=6),
    row("pool-web", "s1", addr="127.0.0.1:80", scur=1, stot=4, econ=1, wretr=2, check_status="* L4OK"),
    row("pool-web", "s2", addr="0.0.0.0:1", status="MAINT"),
    row("pool-web", "BACKEND", scur=1, stot=4, qtime=250),
    CurrConns=5,
    Maxconn=100,
    Idle_pct=93,
    DroppedLogs=2,
)


def site(members: int = 1, name: str = "web") -> Site:
    held = {f"s{at}": Slot(address="127.0.0.1", port=79 + at) for at in range(1, members + 1)}
    return Site(
        proxies=(proxy(80, name=name),),
        pools=(pool(name=name),),
        slots={f"pool-{name}": Slots(size=max(members, 2), held=held)},
    )


def test_rows_are_read_by_the_names_of_their_columns() -> None:
    read = statistics(GOOD)
    assert (read.pid, read.info["CurrConns"]) == (7, 5)
    front, first, second, back = read.rows
    assert (front.kind, front.proxy, front.numbers["slim"]) == ("frontend", "web", 2000)
    assert (first.key, first.check) == (("server", "pool-web", "s1"), "* L4OK")
    assert "scur" not in second.numbers, "what is empty is not 0"
    assert (back.kind, back.server, back.numbers["qtime"]) == ("backend", "", 250)


def test_a_text_of_a_check_may_have_anything_in_it() -> None:
    read = statistics(answer(row("pool-web", "s1", last_chk='"a ""quote"", a comma"', stot=4)))
    assert read.rows[0].numbers == {"stot": 4}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "Unknown command\n",
        GOOD.replace("Pid: 7", "Pid: x"),
        GOOD[:-1],
        GOOD[: len(GOOD) // 2],
        GOOD.replace("pxname", "name", 1),
        GOOD.replace(",scur,", ",cur,"),
        GOOD.replace(",type,", ",kind,"),
        answer("web,FRONTEND"),
        answer('web,"FRONTEND'),
        answer(row("web", '"FRONTEND"x')),
        answer("x" * 200_000),
    ],
)
def test_what_is_cut_short_or_garbage_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(UnreadableError):
        statistics(text)


@pytest.mark.parametrize(
    "value", ["-1", "x", "1.5", "٣", "1e9", "9" * 20, "9" * 5000, " 1", "0x1", "\x00", "nan"]
)
def test_a_cell_that_is_no_number_is_as_good_as_empty(value: str) -> None:
    assert statistics(answer(row("web", "FRONTEND", scur=value, stot=2))).rows[0].numbers == {"stot": 2}


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"Pid: 1\n\n# pxname,svname,{text}\n\n", answer(text)):
        with contextlib.suppress(UnreadableError):
            assert isinstance(statistics(whole), Read)


def counted(totals: Totals, text: str) -> int:
    return totals.take(statistics(text), ["stot"]).get(("backend", "pool-web", ""), {}).get("stot", 0)


def backend(stot: int, pid: int = 7) -> str:
    return answer(row("pool-web", "BACKEND", stot=stot), pid=pid)


@pytest.mark.parametrize(
    ("reads", "came"),
    [
        ([(7, 4), (7, 4), (7, 9)], [4, 0, 5]),
        ([(7, 100), (8, 3), (8, 5)], [100, 3, 2]),
        ([(7, 100), (8, 3), (7, 101), (8, 4)], [100, 3, 1, 1]),
        ([(7, 100), (7, 2)], [100, 2]),
        ([(7, 2**60), (7, 2**60 + 1)], [2**60, 1]),
    ],
    ids=["one worker", "a new worker", "both answer around a reload", "cleared by hand", "large"],
)
def test_what_came_is_counted_once_whoever_answers(reads: list[tuple[int, int]], came: list[int]) -> None:
    totals = Totals()
    assert [counted(totals, backend(stot, pid)) for pid, stot in reads] == came


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2**63)), max_size=40))
def test_counts_never_fall(reads: list[tuple[int, int]]) -> None:
    totals = Totals()
    assert all(counted(totals, backend(stot, pid)) >= 0 for pid, stot in reads)


def exported(text: str, of: Site, most: int = 10, before: tuple[str, ...] = ()) -> dict[str, float]:
    registry = Registry()
    made = TrafficMetrics(most, registry)
    for each in (*before, text):
        made.take(of, statistics(each))
    lines = exposition(registry).decode().splitlines()
    found = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name.removeprefix("vipbus_haproxy_"): float(value) for name, _, value in found}


def test_metrics_have_names_of_the_configuration_and_base_units() -> None:
    found = exported(GOOD, site())
    server = 'pool="web",server="127.0.0.1:80"'
    assert found['proxy_sessions{proxy="web"}'] == 3
    assert found['proxy_sessions_limit{proxy="web"}'] == 2000
    assert found['proxy_responses_total{proxy="web",status="5xx"}'] == 1
    assert found['proxy_bytes_total{direction="out",proxy="web"}'] == 6
    assert found['proxy_up{proxy="web"}'] == 1
    assert found[f'server_errors_total{{{server},what="connect"}}'] == 1
    assert found[f"server_retries_total{{{server}}}"] == 2
    assert found[f'server_check{{{server},status="L4OK"}}'] == 1
    assert found['pool_mean_seconds{phase="queue",pool="web"}'] == 0.25
    assert not [name for name in found if "0.0.0.0" in name], "a free slot is nobody"


def test_a_section_that_is_not_ours_has_no_series() -> None:
    text = answer(
        row("stats", "FRONTEND", stot=4), row("pool-x", "s1", stot=1), row("pool-web", "s9", stot=1)
    )
    assert not any("{" in name for name in exported(text, site()))


def test_so_many_members_have_series_and_the_others_are_counted() -> None:
    rows = [row("pool-web", f"s{at}", stot=at) for at in range(1, 21)]
    rows.append(row("pool-web", "BACKEND", stot=210))
    text = answer(*rows)
    registry = Registry()
    TrafficMetrics(5, registry).take(site(20), statistics(text))
    (metric,) = [each for each in registry if each.name == "vipbus_haproxy_server_sessions_total"]
    assert len(metric.values) == 5
    assert SERVERS_LEFT_OUT.value() == 15
    (whole,) = [each for each in registry if each.name == "vipbus_haproxy_pool_sessions_total"]
    assert whole.value(pool="web") == 210


def test_series_go_with_whom_they_are_of_and_a_slot_s_next_member_begins_anew() -> None:
    registry = Registry()
    made = TrafficMetrics(10, registry)
    (sessions,) = [each for each in registry if each.name == "vipbus_haproxy_server_sessions_total"]
    (up,) = [each for each in registry if each.name == "vipbus_haproxy_server_up"]
    made.take(site(), statistics(answer(row("pool-web", "s1", stot=100))))
    other = Slots(size=2, held={"s1": Slot(address="::1", port=80)})
    moved = Site(proxies=site().proxies, pools=site().pools, slots={"pool-web": other})
    made.take(moved, statistics(answer(row("pool-web", "s1", stot=103))))
    assert sessions.samples() == [({"pool": "web", "server": "[::1]:80"}, 3.0)]
    assert [labels for labels, _ in up.samples()] == [{"pool": "web", "server": "[::1]:80"}]
    made.take(Site(), statistics(answer()))
    assert not any(each.values for each in registry)


@pytest.mark.parametrize(
    ("told", "serves"),
    [
        ("UP", 1),
        ("UP 1/3", 1),
        ("no check", 1),
        ("DRAIN", 1),
        ("DOWN", 0),
        ("DOWN 1/2", 0),
        ("MAINT", 0),
        ("MAINT (via x)", 0),
        ("", 0),
        ("?", 0),
    ],
)
def test_a_status_is_up_or_not(told: str, serves: int) -> None:
    found = exported(answer(row("pool-web", "s1", status=told)), site())
    assert found['server_up{pool="web",server="127.0.0.1:80"}'] == serves


@pytest.mark.parametrize("check", ["x" * 5000, 'a"b', "l4ok", "L4OK;", "\\"])
def test_what_a_check_says_is_one_of_few_words(check: str) -> None:
    quoted = '"' + check.replace('"', '""') + '"'
    found = exported(answer(row("pool-web", "s1", check_status=quoted)), site())
    assert found['server_check{pool="web",server="127.0.0.1:80",status="other"}'] == 1


Says = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def socket_that(says: Says) -> AsyncIterator[tuple[Traffic, Readiness]]:
    """Give a HAProxy's socket that answers as it likes, and who reads it."""
    directory = Path(tempfile.mkdtemp(prefix="haproxy-"))
    place = Place(directory=directory)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        with contextlib.suppress(ConnectionError):
            await says(writer)
        writer.close()

    server = await asyncio.start_unix_server(answered, place.socket)
    readiness = Readiness("haproxy-programmer", "lb-a")
    try:
        yield Traffic(place, site, readiness, most=3, registry=Registry()), readiness
    finally:
        server.close()
        shutil.rmtree(directory)


def test_a_socket_that_talks_nonsense_is_a_problem_until_it_makes_sense() -> None:
    async def story() -> None:
        texts = [b"\xff\xfe\x00", GOOD[:-1].encode(), GOOD.encode()]

        async def says(writer: asyncio.StreamWriter) -> None:
            writer.write(texts.pop(0))
            await writer.drain()

        async with socket_that(says) as (traffic, readiness):
            for _ in range(2):
                await traffic.count()
                (problem,) = readiness.problems
                assert "statistics" in problem
            await traffic.count()
            assert readiness.problems == ()

    asyncio.run(story())


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_LARGEST", 1_000_000)

    async def says(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async def story() -> None:
        async with socket_that(says) as (traffic, readiness):
            with pytest.raises(SilentError, match="does not end"):
                await traffic.read()
            assert readiness.problems == ()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_WITHIN", 0.2)

    async def says(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def story() -> None:
        async with socket_that(says) as (traffic, _):
            with pytest.raises(SilentError, match=r"within 0\.2 s"):
                await traffic.read()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_who_asks_at_the_same_time_is_answered_by_one_read() -> None:
    asked = 0

    async def says(writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(GOOD.encode())
        await writer.drain()

    async def story() -> None:
        async with socket_that(says) as (traffic, _):
            reads = await asyncio.gather(*(traffic.read(within=60) for _ in range(5)))
            assert len({id(read) for _, read in reads}) == 1
            assert asked == 1
            await traffic.count()
            assert asked == 2

    asyncio.run(story())
