"""HAProxy on two routers: it listens before the address is there, and the address goes where it answers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.client import Client
from tests.lab.network import VIRTUAL, Network, haproxy, listens
from tests.lab.router import Vipbus
from tests.support import proxy
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually

pytestmark = needs_root

TOML = f"""\
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
version = 3
advert_int = "1s"
virtual_ipaddress = ["{VIRTUAL}/24"]
tracks = [{{ kind = "proxy", name = "web", weight = -60 }}]

[[proxy]]
name = "web"
bind = ["{VIRTUAL}:80"]
pool = "app"

[[pool]]
name = "app"
real_server = [{{ address = "10.9.0.21:8080" }}, {{ address = "10.9.0.22:8080" }}]

[[pool.check]]
kind = "tcp"
interval = "1s"

[router.r1.vrrp_instance.VI_1]
priority = 150

[router.r2.vrrp_instance.VI_1]
priority = 100
"""
WITHIN = 30.0
"""Seconds; whatever takes longer hangs."""


class Pair:
    """Two routers with the same proxy, two real servers and a client."""

    def __init__(self, network: Network) -> None:
        for number in (1, 2):
            network.web(f"s{number}", f"10.9.0.2{number}")
        self.routers = [network.vipbus(f"r{number}", f"10.9.0.1{number}", TOML) for number in (1, 2)]
        self.first, self.second = self.routers
        self.client: Client = network.client()
        for router in self.routers:
            router.start()
        self.settled(self.first)
        self.client.start(VIRTUAL, 80)
        self.served()

    def settled(self, active: Vipbus) -> None:
        """Wait until one router alone has the address, and HAProxy listens on both."""
        eventually(
            lambda: [router for router in self.routers if router.holds(VIRTUAL)] == [active],
            f"{active.name} alone has the address",
            within=WITHIN,
        )
        for router in self.routers:
            eventually(
                lambda router=router: listens(router.namespace, f"{VIRTUAL}:80"),  # type: ignore[misc]  # bound
                f"{router.name} listens",
                within=WITHIN,
            )

    def served(self) -> None:
        """Wait for steady answers, by both real servers."""
        begin = time.monotonic()
        eventually(lambda: self.client.answered_since(begin, 50), "the client is answered", within=WITHIN)
        seen = self.client.recent(1)
        assert set(seen.servers) == {"s1", "s2"}, seen


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    proxy.haproxy()
    with Network() as network:
        yield Pair(network)


def epoch(router: Vipbus) -> int:
    """How often the router's role has changed."""
    return int(
        max(event["data"]["epoch"] for event in router.events("vipbus.state.role.>"))  # type: ignore[index]  # JSON
    )


def told(router: Vipbus) -> list[tuple[bool, str]]:
    """What the router's agent said of the tracked proxy, in order."""
    return [
        (event["data"]["up"], event["data"]["cause"])  # type: ignore[index]  # JSON
        for event in router.events("vipbus.event.track.>")
        if (event["data"]["kind"], event["data"]["name"]) == ("proxy", "web")  # type: ignore[index]  # JSON
    ]


def test_haproxy_listens_on_the_address_of_another_router(pair: Pair) -> None:
    pair.settled(pair.first)
    assert not pair.second.holds(VIRTUAL)
    assert listens(pair.second.namespace, f"{VIRTUAL}:80")


def test_a_haproxy_that_is_killed_is_back_before_anyone_takes_over(pair: Pair) -> None:
    before, roles, words = haproxy(pair.first), epoch(pair.first), told(pair.first)
    for pid in (*before["master"], *before["workers"]):
        os.kill(pid, signal.SIGKILL)
    pair.served()
    assert not {*before["master"], *before["workers"]} & {
        pid for pids in haproxy(pair.first).values() for pid in pids
    }
    pair.settled(pair.first)
    assert epoch(pair.first) == roles
    assert told(pair.first) == words


def test_the_address_leaves_a_haproxy_that_does_not_answer_and_comes_back_with_it(pair: Pair) -> None:
    (worker,) = haproxy(pair.first)["workers"]
    os.kill(worker, signal.SIGSTOP)
    try:
        pair.settled(pair.second)
        pair.served()
        status = pair.first.ask("status")
        assert status.returncode == 3
        assert "priority 150 (effective 90)" in status.stdout
        assert "HAProxy does not answer on" in " ".join(status.stdout.split())
        up, cause = told(pair.first)[-1]
        assert not up
        assert "HAProxy does not answer on" in cause
        assert "within 5 s" in cause
        shown = pair.first.ask("vrrp", "show").stdout
        assert "proxy web DOWN, -60" in shown
        (said,) = pair.first.events("vipbus.state.proxy-process.>")[-1:]
        assert said["data"]["answers"] is False  # type: ignore[index]  # JSON
        assert pair.first.metric("haproxy-programmer", "vipbus_haproxy_answers") == 0
    finally:
        os.kill(worker, signal.SIGCONT)
    pair.settled(pair.first)
    pair.served()
    assert told(pair.first)[-1] == (True, "it answers on its statistics socket")
    assert haproxy(pair.first)["workers"] == [worker], "nothing was started again"


def test_a_router_that_stops_hands_its_clients_over_and_takes_them_back(pair: Pair) -> None:
    pair.settled(pair.first)
    assert pair.first.stop() == 0
    eventually(lambda: pair.second.holds(VIRTUAL), "the other has the address", within=WITHIN)
    pair.served()
    pair.first.start()
    pair.settled(pair.first)
    pair.served()
