"""What ``vipbus status`` says of proxies and pools: all well, one thing changed, the line that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ctl.assess import assess
from ctl.layout import WIDTH
from ctl.render import render
from ctl.report import Report
from ctl.snapshot import Snapshot
from tests.unit.ctl.documents import NOW, condition, head, healthy
from tests.unit.ctl.proxied import APP, held, member, pool, pool_table, proxied, said, verdict
from vipbus.contracts import ProxyPool

replace = msgspec.structs.replace
Change = Callable[[Snapshot], Snapshot]
REFUSED = "HAProxy refuses the configuration, what ran goes on: unknown keyword; correct it and apply again"
SILENT = "HAProxy does not answer on /run/stats.sock within 5 s; its log is /run/haproxy.log"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def with_verdicts(*down: str, cause: str = "connection refused") -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        changed = {verdict(each).key: verdict(each, "down", cause) for each in down}
        return replace(snapshot, verdicts=tuple(changed.get(each.key, each) for each in snapshot.verdicts))

    return change


def with_problem(*problems: str, error: str = "") -> Change:
    """Have the programmer report problems, and the error stand in its documents."""

    def change(snapshot: Snapshot) -> Snapshot:
        others = tuple(each for each in snapshot.conditions if each.service != "haproxy-programmer")
        return replace(
            snapshot,
            conditions=(*others, condition("haproxy-programmer", "router-a", problems=problems)),
            pools=tuple(replace(each, error=error) for each in snapshot.pools),
        )

    return change


def without_programmer(snapshot: Snapshot) -> Snapshot:
    others = tuple(each for each in snapshot.conditions if each.service != "haproxy-programmer")
    return replace(snapshot, conditions=others)


def with_pools(*pools: ProxyPool, members: tuple[str, ...] = APP) -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        (whole,) = snapshot.revisions
        others = [each for each in whole.real_servers if each.virtual_server != "pool-app"]
        real_servers = (*others, *(member(each) for each in members))
        return replace(snapshot, revisions=(replace(whole, proxy_pools=pools, real_servers=real_servers),))

    return change


def everybody_down(snapshot: Snapshot) -> Snapshot:
    down = pool_table("App", *(held(each, at, state="down") for at, each in enumerate(APP, 1)))
    with_fallback = with_pools(pool("App", fallback="api"), pool("api"))(with_verdicts(*APP)(snapshot))
    return replace(with_fallback, pools=(snapshot.pools[0], down))


CASES: list[tuple[str, Change, list[str]]] = [
    ("all well", lambda snapshot: snapshot, []),
    (
        "one down",
        with_verdicts(APP[1]),
        ["pool app: 1 of 3 real servers is not up: 10.1.0.22:8080 down (connection refused)"],
    ),
    (
        "two down, each with its cause",
        lambda s: with_verdicts(APP[2], cause="status 503, not 200")(with_verdicts(APP[0])(s)),
        [
            (
                "pool app: 2 of 3 real servers are not up: 10.1.0.21:8080 down (connection refused), "
                "10.1.0.23:8080 down (status 503, not 200)"
            )
        ],
    ),
    (
        "all down, and another pool has the requests",
        everybody_down,
        [
            (
                "pool app: 3 of 3 real servers are not up: 10.1.0.21:8080 down (connection refused), "
                "10.1.0.22:8080 down (connection refused), 10.1.0.23:8080 down (connection refused); its "
                "fallback, pool api, has the requests"
            )
        ],
    ),
    (
        "one down and drained by an operator",
        lambda s: replace(with_verdicts(APP[1])(s), operators=(said(APP[1]),)),
        [],
    ),
    (
        "all drained or disabled",
        lambda s: replace(s, operators=(said(APP[0]), said(APP[1], "disable"), said(APP[2]))),
        ["pool app: every real server is drained or disabled; `vipbus enable` one"],
    ),
    (
        "a pool without members",
        with_pools(pool("App"), pool("api"), members=()),
        ["pool app: there is no real server in it, so nobody answers; add one"],
    ),
    (
        "no verdict yet",
        lambda s: replace(s, verdicts=tuple(each for each in s.verdicts if each.key != verdict(APP[0]).key)),
        ["pool app: 1 of 3 real servers is not up: 10.1.0.21:8080 unknown (no verdict yet)"],
    ),
    (
        "HAProxy refuses the configuration",
        with_problem(REFUSED, error=REFUSED),
        [f"router-a: haproxy-programmer: {REFUSED}"],
    ),
    (
        "HAProxy does not answer",
        with_problem(SILENT, error=SILENT),
        [f"router-a: haproxy-programmer: {SILENT}"],
    ),
    (
        "an error that the programmer does not report any more",
        with_problem(error=SILENT),
        [f"router-a: pool api, pool app not in HAProxy as it should be: {SILENT}"],
    ),
    (
        "the programmer does not answer",
        without_programmer,
        ["router-a: haproxy-programmer does not answer; is `vipbus run` running on router-a?"],
    ),
    (
        "a router without proxies needs no such programmer",
        lambda _: healthy(),
        [],
    ),
    (
        "the programmer works from a revision of before",
        lambda s: replace(s, heads=(head("router-a", 4),)),
        [
            "router-a: revision 4 is not whole on the bus yet; if that stays, restart its config-service",
            "router-a: vrrp-agent works from revision 3, 4 is current; wait, or restart it",
            "router-a: ipvs-programmer works from revision 3, 4 is current; wait, or restart it",
            "router-a: haproxy-programmer works from revision 3, 4 is current; wait, or restart it",
        ],
    ),
    (
        "a pool that was never written",
        lambda s: replace(s, pools=s.pools[:1]),
        [
            (
                "router-a: pool app not in HAProxy as it should be: not written yet; wait, or see the log of "
                "haproxy-programmer"
            )
        ],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_what_is_not_ready(change: Change, expected: list[str]) -> None:
    report = assess(change(proxied()))
    assert list(report.not_ready) == expected
    assert report.ready == (not expected)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    text = render(report)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_member_of_both_tiers_warns_once() -> None:
    snapshot = proxied()
    warned = replace(verdict(APP[0]), warning="the certificate expires in 3 days")
    others = tuple(each for each in snapshot.verdicts if each.key != warned.key)
    report = assess(replace(snapshot, verdicts=(*others, warned)))
    assert report.ready
    assert report.warnings == ("10.1.0.21:8080 of pool app: the certificate expires in 3 days",)


def test_golden() -> None:
    """The whole text, to be read by a person: change it with the file beside this test."""
    snapshot = with_verdicts(APP[1])(proxied())
    snapshot = replace(
        with_pools(pool("App", fallback="api"), pool("api"))(snapshot),
        operators=(said(APP[2]),),
        pools=(
            pool_table("api", held("10.1.0.41", weight=7)),
            pool_table(
                "App",
                held(APP[0], 1),
                held(APP[1], 2, state="down"),
                held(APP[2], 3, state="drain"),
                held("10.1.0.9", 4, state="draining"),
            ),
        ),
    )
    golden = Path(__file__).with_name("golden") / "status-proxied.txt"
    assert render(assess(snapshot)) == golden.read_text()


def test_what_the_bus_says_cannot_write_on_the_terminal() -> None:
    evil = "\033[2Jx\nnot ready:\r"
    snapshot = proxied()
    (whole,) = snapshot.revisions
    whole = replace(whole, proxies=(replace(whole.proxies[0], name=evil, pool=evil),))
    table = replace(snapshot.pools[1], cause=evil)
    text = render(assess(replace(snapshot, revisions=(whole,), pools=(snapshot.pools[0], table))))
    assert "\033" not in text
    assert "\r" not in text
    assert "\nnot ready:" not in text


def test_the_largest_pool_is_reported_in_a_few_seconds() -> None:
    """Not a benchmark: a guard against a report that grows with the square of the pool."""
    many = tuple(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(20_000))
    snapshot = with_pools(pool("App"), pool("api"), members=many)(proxied())
    table = pool_table("App", *(held(each, at) for at, each in enumerate(many, 1)))
    started = time.monotonic()
    report = assess(replace(snapshot, pools=(snapshot.pools[0], table), now=NOW))
    assert len(render(report).splitlines()) > 20_000
    assert "and 19995 more" in report.not_ready[0]
    assert time.monotonic() - started < 10
