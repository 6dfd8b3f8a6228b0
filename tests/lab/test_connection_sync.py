"""Connection-sync daemons follow the role, so established connections survive the router; and timeouts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import alone as lab
from tests.lab.declare import Declaration, Instance, RouterSpec
from tests.lab.downloads import Download
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace, Switch
from tests.support.waiting import eventually
from tests.unit.ipvs_programmer.world import instance, real_server, virtual_server
from vipbus.contracts import Entity, IpvsSettings, IpvsTimeouts, SyncDaemon, SyncDaemonChanged

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(600)]

VIRTUAL = "10.9.0.1"
SERVERS = ("10.9.0.21", "10.9.0.22")
DOWNLOADS = 8
MORE = 50_000
"""Bytes that show that a download goes on: far more than is on its way at a moment."""


@dataclass
class Network:
    """Everything on one switch."""

    switch: Switch
    client: Namespace
    a: Namespace
    b: Namespace


@contextlib.contextmanager
def network(directory: Path) -> Iterator[Network]:
    """Two routers, two real servers of direct routing, a client."""
    with contextlib.ExitStack() as closing:
        prefix = f"lab{os.getpid():x}{secrets.token_hex(2)}"

        def node(name: str, address: str, sysctl: dict[str, int] | None = None) -> Namespace:
            made = Namespace(f"{prefix}-{name}")
            closing.callback(made.close)
            made.open(sysctl=sysctl)
            switch.plug(made, f"port-{name}", address)
            return made

        switch = Switch(f"{prefix}-switch")
        closing.callback(switch.close)
        switch.open()
        silent = {"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2}
        for number, address in enumerate(SERVERS):
            server = node(f"s{number}", address, {**silent, "ipv6.conf.all.disable_ipv6": 0})
            server.ip("addr", "add", f"{VIRTUAL}/32", "dev", "lo")
            lab.peer(server, directory / f"s{number}.log")
        yield Network(
            switch,
            client=node("client", "10.9.0.200"),
            a=node("a", "10.9.0.11"),
            b=node("b", "10.9.0.12"),
        )


def configuration(*, sync: bool) -> tuple[Entity, ...]:
    server = virtual_server(VIRTUAL, forwarding="DR", standby="warm")
    daemon = SyncDaemon(interface="eth0", instance="VI_1", sync_id=51, ttl=2)
    return (
        instance(),
        server,
        *(real_server(address, of=server, checked=False) for address in SERVERS),
        IpvsSettings(
            router="router-a",
            sync_daemon=daemon if sync else None,
            timeouts=IpvsTimeouts(tcp=600, udp=100),
        ),
    )


def daemons(router: Namespace) -> list[str]:
    """Give what ipvsadm says of the daemons: ``master eth0 51 ttl 2``."""
    said = router.run("ipvsadm", "-L", "--daemon")
    pattern = r"(\w+) sync daemon \(mcast=(\w+), syncid=(\d+),.*ttl=(\d+)"
    return [f"{who} {where} {number} ttl {ttl}" for who, where, number, ttl in re.findall(pattern, said)]


def timeouts(router: Namespace) -> list[int]:
    """Give what ipvsadm says of the timeouts: tcp, tcpfin, udp."""
    return [int(word) for word in router.run("ipvsadm", "-L", "--timeout").split() if word.isdigit()]


def established(router: Namespace) -> int:
    """Count the connections that a router knows and forwards."""
    return router.run("ipvsadm", "-Lnc").count("ESTABLISHED")


@contextlib.contextmanager
def downloads(client: Namespace, address: str = VIRTUAL) -> Iterator[list[Download]]:
    with contextlib.ExitStack() as closing:
        made = []
        for _ in range(DOWNLOADS):
            made.append(Download(client, address))
            closing.callback(made[-1].close)
        yield made


def test_downloads_survive_a_router(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        asyncio.run(_story(net, tmp_path))


async def _story(net: Network, directory: Path) -> None:
    async with (
        lab.alone(net.a, directory / "a", "--on-stop", "keep") as a,
        lab.alone(net.b, directory / "b") as b,
    ):
        heard: list[SyncDaemonChanged] = []
        b.world.bus.listen(SyncDaemonChanged, heard.append)
        before = timeouts(net.a)
        assert daemons(net.a) == []
        for router, role in ((a, "active"), (b, "backup")):
            router.world.configure(*configuration(sync=True))
            router.world.role(role, 1)
            await router.world.settled()
            router.start()
        net.a.ip("addr", "add", f"{VIRTUAL}/32", "dev", "eth0")
        await a.until(lambda: daemons(net.a) == ["master eth0 51 ttl 2"], "the active router sends")
        await b.until(lambda: daemons(net.b) == ["backup eth0 51 ttl 2"], "the other one receives")
        assert timeouts(net.a) == [600, before[1], 100]
        assert not (await a.condition()).problems

        with downloads(net.client) as running:
            await b.until(lambda: established(net.b) == DOWNLOADS, "the standby knows every connection")
            # a is cut off; b takes over
            net.switch.link("port-a", "down")
            net.a.ip("addr", "del", f"{VIRTUAL}/32", "dev", "eth0")
            await _take_over(net, b, 2)
            await b.until(lambda: daemons(net.b) == ["master eth0 51 ttl 2"], "it sends now")
            had = [each.received for each in running]
            await b.until(
                lambda: all(each.error or each.received > had[n] + MORE for n, each in enumerate(running)),
                "each download went on or broke",
            )
            assert [each.error for each in running] == [""] * DOWNLOADS
        assert [each.running for each in heard] == [("backup",), ("master",)]

        net.b.run("ipvsadm", "--stop-daemon", "master")
        net.b.run("ipvsadm", "--set", "77", "0", "0")
        await b.until(lambda: daemons(net.b) == ["master eth0 51 ttl 2"], "it is started again")
        await b.until(lambda: timeouts(net.b)[0] == 600, "the time-out is put back")

        await _without(net, a, b)
        b.stop()
        assert daemons(net.b) == []


async def _take_over(net: Network, router: lab.Alone, epoch: int) -> None:
    """Do what an agent does at a takeover."""
    router.world.role("active", epoch)
    router.node.ip("addr", "add", f"{VIRTUAL}/32", "dev", "eth0")
    net.client.ip("neigh", "flush", "all")
    await router.world.settled()


async def _without(net: Network, a: lab.Alone, b: lab.Alone) -> None:
    """Show that it is connection sync which keeps them: without it the same failover breaks all."""
    for router in (a, b):
        router.world.configure(*configuration(sync=False))
    a.world.role("backup", 3)
    net.switch.link("port-a", "up")
    await a.until(lambda: daemons(net.a) == daemons(net.b) == [], "no daemon is left")
    with downloads(net.client) as running:
        await b.until(lambda: all(each.received for each in running), "each has begun")
        b.world.role("backup", 3)
        net.b.ip("addr", "del", f"{VIRTUAL}/32", "dev", "eth0")
        await _take_over(net, a, 4)
        await a.until(lambda: all(each.error for each in running), "each broke")


def test_two_whole_routers() -> None:
    """The keepalived.conf that both would read: the sync id is the instance's VRID, the table is cleared."""
    declaration = Declaration(
        routers=(RouterSpec("r1", 150), RouterSpec("r2", 100)),
        servers=("s1", "s2"),
        instances=(Instance(advert_int=3.0),),
        global_defs=("lvs_sync_daemon eth0 VI_1", "lvs_timeouts tcp 600 tcpfin 60 udp 100"),
    )
    with Lab(declaration) as whole:
        for name, server in whole.servers.items():
            whole.close_port(name)
            lab.peer(server, whole.directory / f"{name}-download.log")
        whole.settled("r1", within=300)
        r1, r2 = (whole.routers[name].namespace for name in ("r1", "r2"))
        eventually(lambda: daemons(r1) == ["master eth0 51 ttl 1"], "the active router sends")
        eventually(lambda: daemons(r2) == ["backup eth0 51 ttl 1"], "the other one receives")
        assert timeouts(r1) == timeouts(r2) == [600, 60, 100]
        with downloads(whole.client.namespace, whole.address) as running:
            eventually(lambda: established(r2) == DOWNLOADS, "the standby knows every connection", within=30)
            whole.cut("r1")
            eventually(lambda: whole.serves("r2"), "r2 took over", within=30)
            had = [each.received for each in running]
            eventually(
                lambda: all(each.error or each.received > had[n] + MORE for n, each in enumerate(running)),
                "each download went on or broke",
                within=60,
            )
            assert [each.error for each in running] == [""] * DOWNLOADS
        eventually(lambda: daemons(r2) == ["master eth0 51 ttl 1"], "r2 sends")
