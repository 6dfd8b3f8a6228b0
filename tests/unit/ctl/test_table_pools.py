"""How ``vipbus table`` and ``vipbus top`` put pools and HAProxy's counters together, and write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.layer_7_names import Layer7, Named
from ctl.layout import WIDTH
from ctl.table import status
from ctl.table_proxies import (
    PoolReport,
    ProxyRates,
    SaidOfPools,
    pool_report,
    proxy_report,
    rates_between,
)
from ctl.table_render import render
from ctl.table_report import RouterReport
from ctl.top.rows import news, server_rows
from tests.unit.ctl.proxied import APP, held, member, pool, pool_table, proxy, said, verdict
from vipbus.contracts.proxy_commands import (
    MemberTraffic,
    ProxiesTraffic,
    ProxyCounts,
    ProxyPoolTraffic,
    ProxyTraffic,
)

NOW = datetime(2026, 3, 1, 16, 4, 5, tzinfo=UTC)
replace = msgspec.structs.replace
LEAVING = "10.1.0.9"
SIX = "2001:db8:1111:2222:3333:4444:5555:6666"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def counts(**more: Any) -> ProxyCounts:
    return ProxyCounts(**{"sessions": 3, "sessions_total": 1000, "sessions_rate": 9, **more})


def traffic(address: str, **more: Any) -> MemberTraffic:
    return MemberTraffic(address=address, port=8080, status="UP", counts=counts(**more))


TABLE = pool_table(
    "App",
    held(APP[0], 1, weight=2),
    held(APP[1], 2, state="down"),
    held(APP[2], 3, state="drain"),
    held(LEAVING, 4, state="draining"),
    held(SIX, 5, state="disabled"),
)
SAID = SaidOfPools(
    tables={"pool-app": TABLE},
    real_servers={
        "pool-app": [
            member(APP[0], weight=2, origin="docker shop-4"),
            member(APP[1]),
            member(APP[2]),
            member(SIX, checks=()),
            member("10.1.0.77"),
        ]
    },
    verdicts={
        each.key: each
        for each in (
            replace(verdict(APP[0]), weight=5, warning="the certificate expires in 3 days"),
            verdict(APP[1], "down", "status 503, not 200"),
            verdict(APP[2]),
        )
    },
    operators={each.key: each for each in (said(APP[2]),)},
)
READ = ProxiesTraffic(
    router="router-a",
    at=101.0,
    proxies=(
        ProxyTraffic(
            proxy="web",
            status="FULL",
            counts=counts(sessions=2000, limit=2000, denied=7, errors=4, responses=(0, 900, 0, 60, 40, 0)),
        ),
    ),
    pools=(
        ProxyPoolTraffic(
            pool="pool-app",
            status="UP",
            counts=counts(sessions=7, queue=12, errors=5, responses=(0, 900, 0, 60, 40, 0)),
            members=(
                traffic(APP[0], bytes_in=45_678_000, bytes_out=9_000_000_000),
                traffic(APP[1], errors=5),
                traffic(APP[2]),
                traffic(LEAVING, sessions=1),
                traffic(SIX, sessions=0),
            ),
        ),
    ),
)


def report(
    now: ProxiesTraffic | None = READ, before: ProxiesTraffic | None = None, **more: Any
) -> PoolReport:
    return pool_report(more.get("pool", pool("App", fallback="api")), more.get("said", SAID), now, before)


def router(
    now: ProxiesTraffic | None = READ, before: ProxiesTraffic | None = None, **more: Any
) -> RouterReport:
    front = proxy_report(proxy(), now, before)
    return RouterReport(
        router="router-a",
        proxies=(front,),
        pools=(report(now, before), report(now, pool=pool("api"))),
        **more,
    )


def earlier(seconds: float, **changes: int) -> ProxiesTraffic:
    """Give a read so many seconds before, with less of everything."""

    def less(each: ProxyCounts) -> ProxyCounts:
        return replace(each, **{name: getattr(each, name) - by for name, by in changes.items()})

    (back,) = READ.pools
    (front,) = READ.proxies
    return replace(
        READ,
        at=READ.at - seconds,
        proxies=(replace(front, counts=less(front.counts)),),
        pools=(
            replace(
                back,
                counts=less(back.counts),
                members=tuple(replace(each, counts=less(each.counts)) for each in back.members),
            ),
        ),
    )


def test_golden() -> None:
    """The whole text, to be read by a person: change it with the file beside this test."""
    problem = "haproxy-programmer does not answer; is `vipbus run` running on router-b?"
    failing = replace(report(None), error="HAProxy refuses the configuration, what ran goes on: line 4")
    reports = [
        router(),
        replace(router(READ, earlier(2.0, sessions_total=100)), router="router-c", proxies=()),
        RouterReport(router="router-b", proxy_problem=problem, pools=(failing,)),
    ]
    text = render(reports, NOW)
    assert text == Path(__file__).with_name("golden").joinpath("table-pools.txt").read_text()
    assert max(map(len, text.splitlines())) <= WIDTH


def test_rates_are_what_came_between_two_reads() -> None:
    before = earlier(2.0, sessions_total=100, bytes_in=0)
    flow = report(READ, before).members[0].flow
    assert flow is not None
    assert flow.rates == ProxyRates(sessions=50, requests=0, bytes_in=0, bytes_out=0, errors=0)
    front = proxy_report(proxy(), READ, before).flow
    assert front is not None
    assert front.rates is not None
    assert front.rates.sessions == 50
    one = report().flow
    assert one is not None
    assert one.rates is None
    reloaded = report(READ, earlier(2.0, sessions_total=-5)).flow
    assert reloaded is not None
    assert reloaded.rates is None, "a new worker counts from 0"


@given(*[st.integers(0, 2**64 - 1)] * 2, st.floats(-1, 1e6))
def test_a_counter_that_went_back_gives_no_rate(before: int, now: int, seconds: float) -> None:
    rates = rates_between(ProxyCounts(bytes_in=before), ProxyCounts(bytes_in=now), seconds)
    assert (rates is None) == (now < before or seconds <= 0)


def test_a_member_that_is_not_in_haproxy_is_shown_as_that() -> None:
    (found,) = [each for each in report().members if each.address == "10.1.0.77"]
    assert (found.state, found.weight, found.flow, found.configured) == ("", None, None, 1)
    (left,) = [each for each in report().members if each.address == LEAVING]
    assert (left.state, left.configured) == ("draining", None)


def test_a_haproxy_that_was_not_read_makes_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert status([router()]) == 0
    assert status([router(None, proxy_problem="no answer")]) == 3
    assert capsys.readouterr().err == "vipbus table: router-a: no answer\n"


def test_hostile_words_draw_nothing_on_the_terminal() -> None:
    bad = "\033[2J\n\r" + "x" * 300
    table = replace(TABLE, error=bad, cause=bad, members=(held(APP[0]),))
    words = replace(
        SAID,
        tables={"pool-app": table},
        verdicts={each.key: each for each in (verdict(APP[0], "down", bad),)},
        operators={each.key: each for each in (replace(said(APP[0]), by=bad, why=bad),)},
    )
    evil = replace(READ, proxies=(replace(READ.proxies[0], status=bad),))
    found = RouterReport(
        router=bad,
        proxy_problem=bad,
        proxies=(proxy_report(replace(proxy(), name="web", pool=bad), evil, None),),
        pools=(report(said=words),),
    )
    written = render([found], NOW)
    assert "\033" not in written
    assert "\r" not in written
    assert all(len(line) <= WIDTH for line in written.splitlines())
    made = news((), (), (found,), NOW)
    every = (*made.routers, *made.pools, *(row for each in made.servers for row in server_rows(made, each)))
    assert all(row.text.isprintable() for row in every)


def test_top_shows_pools_beside_virtual_servers_and_their_members() -> None:
    api = report(
        pool=pool("api", fallback="sorry"), said=replace(SAID, tables={"pool-api": pool_table("api")})
    )
    told = replace(router(READ, earlier(2.0, sessions_total=100)), proxy_problem="no answer")
    made = news((), ("router-a",), (replace(told, pools=(told.pools[0], api)),), NOW)
    assert [" ".join(row.text.split()) for row in made.routers] == [
        "router-a no instance",
        "router-a haproxy LAST HEARD: no answer",
    ]
    assert [" ".join(row.text.split()) for row in made.pools] == [
        "pool App router-a 1/5 7 50 0 0",
        "pool api router-a 0/0 - - - - NOBODY IS UP, sorry serves",
    ]
    servers = [" ".join(row.text.split()) for row in server_rows(made, "router-a pool-app")]
    assert servers[0] == "10.1.0.21:8080 2 3 50 0 0 up 3 min: answered 200 in 2 ms"
    assert "10.1.0.22:8080 1 3 50 0 0 DOWN 3 min: status 503, not 200" in servers


@pytest.mark.parametrize(
    ("name", "full", "alone"),
    [
        ("pool app", Named("pool", "pool-app"), None),
        ("pool-app", Named("pool", "pool-app"), None),
        ("Pool  APP", Named("pool", "pool-app"), None),
        ("proxy web", Named("proxy", "web"), None),
        ("app", None, Named("pool", "pool-app")),
        ("web", None, Named("proxy", "web")),
        ("both", None, Named("pool", "pool-both")),
        ("proxy both", Named("proxy", "both"), None),
        ("proxy app", None, None),
        ("pool", None, None),
        ("pool ", None, None),
        ("10.9.0.1:80", None, None),
        ("x" * 100_000, None, None),
        ("\0", None, None),
    ],
)
def test_pools_and_proxies_are_named(name: str, full: Named | None, alone: Named | None) -> None:
    there = Layer7(pools=frozenset({"pool-app", "pool-both"}), proxies=frozenset({"web", "both"}))
    assert there.named(name) == full
    if full is None:
        assert there.alone(name) == alone
