"""What verdicts and services on the bus mean for an instance: tables of what is known and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import (
    Condition,
    Head,
    ProxyProcess,
    RealServer,
    TcpCheck,
    Track,
    Verdict,
    VrrpConfiguration,
    VrrpInstance,
    VrrpSettings,
)
from vipbus.runtime.revision import Revision
from vrrp_agent.bus_sources import Sources
from vrrp_agent.exchange import SourceSeen
from vrrp_agent.source_words import Members, readable, service_says, verdict_says

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEB = "10-9-0-1_80_tcp"
FIRST, SECOND, THIRD = "10-9-0-21_80", "10-9-0-22_80", "10-9-0-23_80"


def verdict(real_server: str, name: str, cause: str = "connection refused") -> Verdict:
    return Verdict(
        virtual_server=WEB,
        real_server=real_server,
        verdict=name,  # type: ignore[arg-type]  # the tests name only verdicts
        cause=cause,
        since=NOW,
        prober="p1",
        lease=1,
    )


UP, DOWN, UNKNOWN = ((lambda server, name=name: verdict(server, name)) for name in ("up", "down", "unknown"))  # type: ignore[misc]  # bound
POOL = {FIRST: True, SECOND: True}

VERDICTS: list[tuple[str, str, list[Verdict], Members, bool, str]] = [
    ("nothing known", WEB, [], {}, True, "no verdict yet"),
    ("nothing known of a pool", WEB, [], {WEB: POOL}, True, "a real server of it is up"),
    ("one of two is up", WEB, [UP(FIRST), DOWN(SECOND)], {}, True, "a real server of it is up"),
    ("unknown counts as up", WEB, [UNKNOWN(FIRST), DOWN(SECOND)], {}, True, "a real server of it is up"),
    (
        "both down",
        WEB,
        [DOWN(SECOND), verdict(FIRST, "down", "timed out after 1 s")],
        {WEB: POOL},
        False,
        "no real server of it is up: 10.9.0.21:80 timed out after 1 s, and 1 more",
    ),
    (
        "the only one is down",
        WEB,
        [DOWN(FIRST)],
        {},
        False,
        "no real server of it is up: 10.9.0.21:80 connection refused",
    ),
    (
        "one without a verdict yet",
        WEB,
        [DOWN(FIRST)],
        {WEB: POOL},
        True,
        "a real server of it is up",
    ),
    (
        "one that nobody checks is up",
        WEB,
        [DOWN(FIRST)],
        {WEB: {FIRST: True, SECOND: False}},
        True,
        "a real server of it is up",
    ),
    (
        "a verdict of one that left the pool",
        WEB,
        [DOWN(FIRST), DOWN(SECOND), UP(THIRD)],
        {WEB: POOL},
        False,
        "no real server of it is up: 10.9.0.21:80 connection refused, and 1 more",
    ),
    ("a pool of another virtual server", WEB, [DOWN(FIRST), UP(THIRD)], {"other": POOL}, True, "is up"),
    ("one real server up", f"{WEB}.{FIRST}", [verdict(FIRST, "up", "answered")], {}, True, "answered"),
    ("one real server down", f"{WEB}.{FIRST}", [DOWN(FIRST)], {WEB: POOL}, False, "connection refused"),
    ("one unknown", f"{WEB}.{FIRST}", [UNKNOWN(FIRST)], {}, True, "unknown: connection refused"),
    ("another one down", f"{WEB}.{FIRST}", [DOWN(SECOND)], {}, True, "no verdict yet"),
    (
        "one that nobody checks any more",
        f"{WEB}.{FIRST}",
        [DOWN(FIRST)],
        {WEB: {FIRST: False}},
        True,
        "no check is configured",
    ),
]


@pytest.mark.parametrize(
    ("name", "known", "members", "up", "cause"),
    [case[1:] for case in VERDICTS],
    ids=[case[0] for case in VERDICTS],
)
def test_what_verdicts_say(name: str, known: list[Verdict], members: Members, up: bool, cause: str) -> None:
    said = verdict_says(name, known, members)
    assert (said.kind, said.name, said.up) == ("verdict", name, up)
    assert cause in said.cause


def condition(
    service: str = "ipvs-programmer",
    router: str | None = "Router-A",
    *problems: str,
    ready: bool | None = None,
    number: int = 1,
) -> Condition:
    return Condition(
        service=service,
        router=router,
        instance_id=f"{number}",
        version="0.1.0",
        pid=number,
        started=NOW,
        ready=not problems if ready is None else ready,
        problems=problems,
    )


AWAY = "the bus at nats://127.0.0.1:4222 is away: connection refused"
SERVICES: list[tuple[str, str, list[Condition], bool | None, str]] = [
    ("ready", "ipvs-programmer", [condition()], True, "ready"),
    ("ready here", "ipvs-programmer.router-a", [condition()], True, "ready"),
    ("written as the operator does", "ipvs-programmer.Router-A", [condition()], True, "ready"),
    ("only elsewhere", "ipvs-programmer.router-b", [condition()], None, ""),
    ("nobody", "ipvs-programmer", [], None, ""),
    ("somebody else", "ipvs-programmer", [condition("vrrp-agent")], None, ""),
    ("of no router", "ipvs-programmer.router-a", [condition(router=None)], None, ""),
    (
        "not ready",
        "ipvs-programmer.router-a",
        [condition("ipvs-programmer", "Router-A", "no IPVS", "and more")],
        False,
        "no IPVS",
    ),
    (
        "not ready and silent about it",
        "ipvs-programmer",
        [condition(ready=False)],
        False,
        "it is not ready and does not say why",
    ),
    (
        "one of two is ready",
        "health-prober",
        [
            condition("health-prober", "a", "no file", number=1),
            condition("health-prober", "b", number=2),
        ],
        True,
        "ready",
    ),
    (
        "none of two is ready",
        "health-prober",
        [
            condition("health-prober", "b", "second", number=2),
            condition("health-prober", "a", "first", number=1),
        ],
        False,
        "first",
    ),
    (
        "the bus's trouble is not its own",
        "ipvs-programmer",
        [condition("ipvs-programmer", "Router-A", AWAY)],
        True,
        "ready",
    ),
    (
        "its own trouble beside the bus's",
        "ipvs-programmer",
        [condition("ipvs-programmer", "Router-A", AWAY, "no IPVS")],
        False,
        "no IPVS",
    ),
]


@pytest.mark.parametrize(
    ("name", "answers", "up", "cause"), [case[1:] for case in SERVICES], ids=[case[0] for case in SERVICES]
)
def test_what_services_say(name: str, answers: list[Condition], up: bool | None, cause: str) -> None:
    said = service_says(name, answers)
    if up is None:
        assert said is None
    else:
        assert said == SourceSeen(kind="service", name=name, up=up, cause=cause)


def revision(tracks: Iterable[Track], real_servers: Iterable[RealServer] = ()) -> Revision:
    instance = VrrpInstance(
        router="a", name="VI_1", interface="eth0", virtual_router_id=51, tracks=tuple(tracks)
    )
    return Revision(
        head=Head(router="a", revision=1, entities=1, digest="", source="test", accepted_at=NOW),
        vrrp=VrrpConfiguration(router="a", settings=VrrpSettings(router="a"), instances=(instance,)),
        virtual_servers=(),
        real_servers=tuple(real_servers),
    )


SERVICE, VERDICT = Track(kind="service", name="ipvs-programmer.a"), Track(kind="verdict", name=WEB)


def answers_to(*each: str) -> list[str]:
    """Ask with these answers, one question a word; give what was told, one word a question."""
    sources = Sources()
    assert sources.track(revision([SERVICE])) == []
    told = []
    for word in each:
        name, _, settled = word.partition("/")
        found = {
            "silence": [],
            "ready": [condition("ipvs-programmer", "a")],
            "not": [condition("ipvs-programmer", "a", "no IPVS")],
        }[name]
        news = sources.answered("ipvs-programmer", found, settled=settled != "early")
        told.append(" ".join(f"{'up' if seen.up else 'down'}" for seen in news) or "-")
    return told


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("ready ready ready", "up - -"),
        ("silence silence silence silence", "- - down -"),
        ("ready silence silence ready silence silence silence ready", "up - - - - - down up"),
        ("not not ready", "down - up"),
        ("silence silence not silence silence silence", "- - down - - down"),
        ("silence/early silence/early silence/early silence/early", "- - - -"),
        ("not/early not/early not ready/early", "- - down up"),
        ("silence silence silence/early silence", "- - - down"),
    ],
)
def test_only_news_is_told_and_silence_only_after_three(asked: str, told: str) -> None:
    assert answers_to(*asked.split()) == told.split()


def test_a_new_configuration_forgets_what_is_not_tracked_any_more() -> None:
    sources = Sources()
    sources.track(revision([VERDICT, SERVICE, Track(kind="script", name="chk")]))
    assert (sources.verdicts, sources.services) == ({WEB}, {"ipvs-programmer.a"})
    (seen,) = sources.verdicts_are(WEB, [DOWN(FIRST)])
    assert sources.verdicts_are(WEB, [DOWN(FIRST)]) == []
    sources.track(revision([VERDICT]))
    assert sources.verdicts_are(WEB, [DOWN(FIRST)]) == []
    assert sources.answered("ipvs-programmer", [condition()], settled=True) == []
    sources.track(revision([]))
    sources.track(revision([VERDICT]))
    assert sources.verdicts_are(WEB, [DOWN(FIRST)]) == [seen]


def test_the_pool_of_the_configuration_is_what_counts() -> None:
    sources = Sources()
    checked = RealServer(
        router="a",
        virtual_server=WEB,
        address="10.9.0.21",
        port=80,
        checks=(TcpCheck(address="10.9.0.21", port=80),),
    )
    unchecked = msgspec.structs.replace(checked, address="10.9.0.22", checks=())
    sources.track(revision([VERDICT], [checked]))
    assert [seen.up for seen in sources.verdicts_are(WEB, [DOWN(FIRST)])] == [False]
    sources.track(revision([VERDICT], [checked, unchecked]))
    assert [seen.up for seen in sources.verdicts_are(WEB, [DOWN(FIRST)])] == [True]


def process(*, answers: bool, cause: str) -> ProxyProcess:
    return ProxyProcess(router="a", answers=answers, cause=cause, since=NOW)


def test_one_haproxy_serves_every_tracked_proxy() -> None:
    sources = Sources()
    assert (
        sources.track(revision([Track(kind="proxy", name="web"), Track(kind="proxy", name="Shop 2")])) == []
    )
    silent = process(answers=False, cause="no answer within 5 s")
    said = [
        SourceSeen(kind="proxy", name=name, up=False, cause="no answer within 5 s")
        for name in ("Shop 2", "web")
    ]
    assert sources.proxies_are(silent) == said
    assert sources.proxies_are(silent) == []
    assert [seen.up for seen in sources.proxies_are(process(answers=True, cause="it answers"))] == [
        True,
        True,
    ]
    sources.track(revision([Track(kind="proxy", name="web")]))
    assert [seen.name for seen in sources.proxies_are(silent)] == ["web"]


@pytest.mark.parametrize(
    "name", ["", ".", "*", ">", "a b", "A", "a.b.c", "a.*", "a.", ".b", "a\n", "10.9.0.1:80"]
)
def test_a_name_that_no_verdict_has_is_never_followed_and_never_down(name: str) -> None:
    sources = Sources()
    (seen,) = sources.track(revision([Track(kind="verdict", name=name)]))
    assert (seen.kind, seen.name, seen.up) == ("verdict", name, None)
    assert sources.verdicts == frozenset()


@given(st.text(), st.sampled_from(["verdict", "service"]))
def test_any_name_is_asked_for_as_one_subject_or_not_at_all(name: str, kind: str) -> None:
    sources = Sources()
    sources.track(revision([Track(kind=kind, name=name)]))  # type: ignore[arg-type]  # one of the kinds
    followed = sources.verdicts | sources.services
    assert followed == ({name} if readable(kind, name) else set())  # type: ignore[arg-type]  # one of the kinds
    for subject in followed:
        service = subject.partition(".")[0]
        assert service.isascii()
        assert not set(service) & set(" *>.\t\n")
    for service in sources.services:
        assert (
            sources.answered(service.partition(".")[0], [condition(service, name or None)], settled=True)
            is not None
        )
