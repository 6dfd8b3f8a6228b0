"""Who sticks to which member is known after a reload, and on the other router, with real haproxys."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_haproxy_programmer import publish
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import Programmer, get, haproxy, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, up
from tests.support.proxy_echo import Echo, echoes
from tests.support.proxy_socket import ask as say
from tests.support.waiting import eventually
from vipbus.contracts import ProxyPeer, ProxyPeers, SourcePersistence

CLIENTS = [f"127.0.3.{number}" for number in range(1, 21)]


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Programmer]:
    haproxy()
    # pytest's own directories may be too long for a socket's path
    made = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start("--reload-interval", "0.1")
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(3) as made:
        yield made


def members_of(port: int) -> dict[str, int]:
    return {each: ask(port, source=each).port for each in CLIENTS}


def told(programmer: Programmer) -> bool:
    """Until a first worker has waited 5 s for each of a former worker and other routers it tells nobody."""
    found = re.search(r" flags=0x([0-9a-f]+) ", say(programmer.haproxy / "stats.sock", "show peers"))
    return found is not None and int(found[1], 16) & 3 == 3


def test_a_reload_forgets_no_client(
    programmer: Programmer, nats_server: NatsServer, servers: list[Echo]
) -> None:
    ports = [each.port for each in servers]
    sticky = SourcePersistence(expire=600)
    publish(nats_server, programmer, ports, persistence=sticky)
    eventually(lambda: get(programmer.port)[0] == 200, "it serves", within=20)
    eventually(lambda: told(programmer), "it has given up waiting to be told itself", within=30)
    before = members_of(programmer.port)
    assert set(before.values()) == set(ports)
    for number in range(3):
        count = programmer.log.count("HAProxy reloaded")
        publish(nats_server, programmer, ports, persistence=sticky, retries=4 + number)
        eventually(
            lambda count=count: programmer.log.count("HAProxy reloaded") > count, "a reload", within=20
        )
        eventually(
            lambda: (
                say(programmer.haproxy / "stats.sock", "show table pool-web").count("use=") >= len(CLIENTS)
            ),
            "the new worker is told",
        )
        assert members_of(programmer.port) == before


def test_the_other_router_knows_too_whatever_its_slots(servers: list[Echo]) -> None:
    peers = tuple(ProxyPeer(router=each, address="127.0.0.1", port=free_port()) for each in ("lb-a", "lb-b"))
    members = [up(each.port) for each in servers]
    first, second = free_port(), free_port()
    pools = [pool(persistence=SourcePersistence(expire=600))]

    def router(name: str, port: int, order: int) -> Haproxy:
        told = ProxyPeers(router=name, peers=peers)
        return Haproxy([proxy(port)], pools, {"pool-web": members[::order]}, peers=told)

    with router("lb-a", first, 1) as a:
        with router("lb-b", second, -1) as b:
            before = members_of(first)
            assert set(before.values()) == {each.port for each in servers}
            eventually(
                lambda: b.ask("show table pool-web").count("use=") >= len(CLIENTS),
                "the other knows",
                within=20,
            )
            assert members_of(second) == before
        again = router("lb-b", second, -1)
        with again as b:
            eventually(
                lambda: b.ask("show table pool-web").count("use=") >= len(CLIENTS),
                "one that comes back is told all of it",
                within=20,
            )
            assert members_of(second) == before
        assert "pool-web" in a.ask("show table")
