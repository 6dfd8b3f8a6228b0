"""Clients that come back, pools that stand in, slow starts, and who a client is, with a real haproxy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from haproxy_programmer.members import Member
from tests.support.nats import free_port
from tests.support.proxy import get, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, one_pool, up
from tests.support.proxy_echo import Echo, echoes
from vipbus.contracts import CookiePersistence, ProxyBind, ProxyRoute, SourcePersistence


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(3) as made:
        yield made


def state(member: Member, word: str) -> Member:
    return msgspec.structs.replace(member, state=word)


def cookie(port: int) -> str:
    return ask(port).answer["set-cookie"].partition(";")[0]


COOKIE = CookiePersistence(name="WHO", key="secret", secure=True, max_life=3600)


def test_a_cookie_keeps_to_its_member_through_a_drain_and_leaves_one_that_is_down(
    servers: list[Echo],
) -> None:
    members = [up(each.port) for each in servers]
    with one_pool(servers, persistence=COOKIE) as (running, port):
        first = ask(port)
        said = first.answer["set-cookie"]
        mine = said.partition(";")[0]
        assert {"HttpOnly", "Secure", "SameSite=Lax"} <= {each.strip() for each in said.split(";")}
        assert {ask(port, Cookie=mine).port for _ in range(9)} == {first.port}
        assert "cookie" not in ask(port, Cookie=mine).headers, "the pool does not see it"
        at = next(number for number, each in enumerate(members) if each.port == first.port)
        for word, stays in (("drain", True), ("down", False), ("up", True), ("disabled", False)):
            changed = [*members]
            changed[at] = state(members[at], word)
            assert not running.bring({"pool-web": changed})
            assert (ask(port, Cookie=mine).port == first.port) is stays, word
            if word != "up":
                assert first.port not in {ask(port).port for _ in range(9)}


def test_a_cookie_is_of_a_member_and_not_of_its_slot(servers: list[Echo]) -> None:
    first, second, third = (up(each.port) for each in servers)
    with one_pool(servers[:1], persistence=COOKIE, slots=2) as (running, port):
        mine = cookie(port)
        running.site = msgspec.structs.replace(running.site, slots={})
        assert not running.bring({"pool-web": [second, third]})
        answers = [ask(port, Cookie=mine) for _ in range(6)]
        assert {each.port for each in answers} == {second.port, third.port}
        running.site = msgspec.structs.replace(running.site, slots={})
        assert not running.bring({"pool-web": [second, first]})
        assert {ask(port, Cookie=mine).port for _ in range(6)} == {first.port}
        assert "two equal cookies" not in running.ask("show errors")


def test_an_address_keeps_to_its_member_and_not_to_its_slot(servers: list[Echo]) -> None:
    first, second, third = (up(each.port) for each in servers)
    with one_pool(servers[:2], persistence=SourcePersistence(), slots=2) as (running, port):
        clients = {f"127.0.0.{number}": ask(port, source=f"127.0.0.{number}").port for number in range(2, 12)}
        assert set(clients.values()) == {first.port, second.port}
        assert {each: ask(port, source=each).port for each in clients} == clients
        running.site = msgspec.structs.replace(running.site, slots={})
        assert not running.bring({"pool-web": [second]})
        assert not running.bring({"pool-web": [second, first]})  # each in the other's slot
        assert {each: ask(port, source=each).port for each in clients} == clients
        assert not running.bring({"pool-web": [state(first, "drain"), second]})
        assert {each: ask(port, source=each).port for each in clients} == clients
        assert not running.bring({"pool-web": [state(first, "down"), second]})
        assert {ask(port, source=each).port for each in clients} == {second.port}
        assert third.port not in clients.values()


@pytest.mark.parametrize("path", ["/", "/routed"])
def test_another_pool_stands_in_while_nobody_serves(servers: list[Echo], path: str) -> None:
    port = free_port()
    first, second, third = (up(each.port) for each in servers)
    pools = [pool(fallback="sorry"), pool(name="api", fallback="sorry"), pool(name="sorry")]
    front = proxy(port, monitor="/alive", route=(ProxyRoute(path=("/routed",), pool="api"),))
    members = {"pool-web": [first, second], "pool-api": [first, second], "pool-sorry": [third]}
    with Haproxy([front], pools, members) as running:

        def becomes(*words: str) -> set[int]:
            two = [state(each, word) for each, word in zip((first, second), words, strict=False)]
            last = [state(third, words[2])]
            assert not running.bring({"pool-web": two, "pool-api": two, "pool-sorry": last})
            return {ask(port, path).port for _ in range(6)}

        assert becomes("up", "up", "up") == {first.port, second.port}
        assert becomes("up", "down", "up") == {first.port}
        assert becomes("down", "drain", "up") == {third.port}
        assert get(port, "/alive")[0] == 200
        assert becomes("down", "down", "down") == {0}
        assert get(port, "/alive")[0] == 503
        assert becomes("up", "down", "down") == {first.port}


def test_who_comes_up_gets_its_share_little_by_little(servers: list[Echo]) -> None:
    first, second, third = (up(each.port, 100) for each in servers)
    with one_pool(servers[:2], (100, 100), slow_start=60, slots=4) as (running, port):
        assert Counter(ask(port).port for _ in range(40)) == {first.port: 20, second.port: 20}
        for slow, others in ((second, [first, state(second, "down")]), (third, [first])):
            assert not running.bring({"pool-web": others})
            assert not running.bring({"pool-web": [*others[:1], slow]})
            counts = Counter(ask(port).port for _ in range(40))
            assert counts[first.port] >= 30
            assert not running.bring({"pool-web": [*others[:1], slow]}), "it is left to begin"


def test_a_proxy_in_front_tells_who_the_client_is(servers: list[Echo]) -> None:
    port = free_port()
    front = {"bind": (ProxyBind(address="127.0.0.1", port=port, accept_proxy=True),)}
    said = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
    with one_pool(servers, front=front):
        seen = ask(port, before=said, X_Forwarded_For="10.0.0.1", X_Forwarded_Proto="https")
        assert seen.headers["x-forwarded-for"] == "203.0.113.7"
        assert (seen.headers["x-forwarded-proto"], seen.headers["x-forwarded-port"]) == ("http", "443")
        assert ask(port).status == 0, "others are refused"
    with one_pool(servers, front={"forwarded_for": False}) as (_, port):
        assert "x-forwarded-for" not in ask(port).headers


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_members_are_told_who_the_client_is(servers: list[Echo], version: str, mode: str) -> None:
    with one_pool(servers, send_proxy=version, mode=mode) as (_, port):
        for source in ("127.0.0.8", "127.0.0.9"):
            seen = ask(port, source=source)
            expected = f"PROXY TCP4 {source} 127.0.0.1 " if version == "v1" else f"PROXY v2 {source}"
            assert seen.first.startswith(expected)
            assert seen.status == 200
