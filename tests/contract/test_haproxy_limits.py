"""Who is not let in and who comes too often, with a real haproxy; lists change without a reload."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from haproxy_programmer.listing import Listing
from haproxy_programmer.render import generation
from haproxy_programmer.writing import UnwritableError
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, haproxy, member, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, holding, one_pool
from tests.support.proxy_echo import Echo, echoes
from tests.support.waiting import eventually
from vipbus.contracts import ClientLimit, ConfigDocument, ProxyBind


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(1) as made:
        yield made


class Lists:
    def __init__(self, running: Haproxy) -> None:
        self._running = running
        self._listing = Listing(running.place)
        self._first = generation(running.site)

    def deny(self, *networks: str) -> None:
        site = self._running.site
        proxies = tuple(msgspec.structs.replace(each, deny=networks) for each in site.proxies)
        self._running.site = msgspec.structs.replace(site, proxies=proxies)
        assert generation(self._running.site) == self._first
        pid = self._running.look().pid
        assert asyncio.run(self._listing.bring(self._running.site, pid)) == ""


def test_a_list_is_obeyed_and_changed_as_a_whole(servers: list[Echo]) -> None:
    def let_in(*lasts: int) -> list[int]:
        return [last for last in lasts if ask(port, source=f"127.0.0.{last}").status == 200]

    with one_pool(servers, front={"deny": ("127.0.0.8/30", "2001:db8::/32", "127.0.0.20")}) as (
        running,
        port,
    ):
        assert let_in(7, 8, 11, 12, 20, 21) == [7, 12, 21]
        lists = Lists(running)
        lists.deny("127.0.0.12")
        assert let_in(7, 8, 11, 12, 20, 21) == [7, 8, 11, 20, 21]
        lists.deny()
        assert let_in(7, 12, 20) == [7, 12, 20]
        lists.deny(*(f"198.51.{high}.{low}" for high in range(8) for low in range(250)), "127.0.0.7")
        assert let_in(7, 12) == [12]


def test_the_programmer_changes_a_list_without_a_reload_and_a_reload_keeps_it(
    nats_server: NatsServer,
) -> None:
    haproxy()
    programmer = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)

    def becomes(*denied: str, retries: int = 3) -> None:
        front = proxy(programmer.port, deny=denied)
        entities = [front, pool(retries=retries), member(server.port)]
        publish_config(nats_server.url, entities, ROUTER)

    def status() -> tuple[int, int]:
        return ask(programmer.port).status, ask(programmer.port, source="127.0.0.9").status

    try:
        programmer.start()
        with echoes(1) as (server,):
            becomes()
            eventually(lambda: status() == (200, 200), "both are served", within=20)
            workers = programmer.workers()
            becomes("127.0.0.9")
            eventually(lambda: status() == (200, 0), "one is not let in", within=20)
            assert programmer.workers() == workers
            becomes("127.0.0.9", retries=4)
            eventually(lambda: workers[0] not in programmer.workers(), "a new worker", within=20)
            assert status() == (200, 0)
    finally:
        programmer.close()
        shutil.rmtree(programmer.directory)


def test_whom_a_proxy_in_front_names_is_the_one_who_is_refused(servers: list[Echo]) -> None:
    port = free_port()
    bind = ProxyBind(address="127.0.0.1", port=port, accept_proxy=True)
    with one_pool(servers, front={"bind": (bind,), "deny": ("203.0.113.0/24",)}):
        for client, status in (("203.0.113.7", 0), ("198.51.100.7", 200)):
            assert ask(port, before=f"PROXY TCP4 {client} 192.0.2.1 1 80\r\n".encode()).status == status


@pytest.mark.parametrize(
    "network", ["", "127.0.0.1/33", "a", "127.0.0.1 ", "1.2.3.4\nadd acl", "::1;1", "1.2.3.4/"]
)
def test_what_is_no_network_is_refused(network: str) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(proxy(80)) | {"deny": [network]})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=ConfigDocument)


@pytest.mark.parametrize("line", ["a b", "a\nb", "a;b", "", "a#b"])
def test_no_line_of_a_list_is_two(servers: list[Echo], line: str) -> None:
    with one_pool(servers) as (running, port):
        forged = msgspec.structs.replace
        site = forged(running.site, proxies=(Forged(line),))  # type: ignore[arg-type]
        with pytest.raises(UnwritableError):
            Listing(running.place).write(site)
        with pytest.raises(UnwritableError):
            asyncio.run(Listing(running.place).bring(site, 1))
        assert ask(port).status == 200


class Forged:
    """A proxy that no contract has seen."""

    id = "web"
    monitor_drain = False

    def __init__(self, line: str) -> None:
        self.deny = (line,)


def test_requests_beyond_the_rate_are_told_so_each_client_by_itself(servers: list[Echo]) -> None:
    with one_pool(servers, front={"limit": ClientLimit(rate=5, period=60)}) as (_, port):
        assert [ask(port).status for _ in range(7)] == [200] * 5 + [429] * 2
        assert ask(port, source="127.0.0.9").status == 200


def test_connections_beyond_the_rate_are_closed_in_mode_tcp(servers: list[Echo]) -> None:
    front = {"limit": ClientLimit(rate=3, period=60)}
    with one_pool(servers, mode="tcp", front=front) as (_, port):
        assert [ask(port).status for _ in range(5)] == [200] * 3 + [0] * 2


def test_connections_at_the_same_time_are_bounded(servers: list[Echo]) -> None:
    with one_pool(servers, front={"limit": ClientLimit(connections=2)}) as (_, port):
        with holding(port, servers):

            def third_is_closed() -> bool:
                # what looked whether HAProxy listens may be counted still, and this one closed in its place
                with socket.create_connection(("127.0.0.1", port)):
                    return ask(port).status == 0

            eventually(third_is_closed, "two are let in, and a third is closed")
            assert ask(port, source="127.0.0.9").status == 200
        eventually(lambda: ask(port).status == 200, "those that have ended are not counted any more")
