"""A real server without a route back answers a client through the router, on the real kernel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.lab import alone as lab
from tests.lab.namespace import Namespace, command
from tests.unit.ipvs_programmer.world import World, real_server, virtual_server
from vipbus.contracts import Entity, SettingChanged, VirtualServer

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(300)]

Protocol = Literal["TCP", "UDP"]
VIRTUAL = {4: "10.8.0.100", 6: "fd08::100"}
REAL = {4: "10.9.0.21", 6: "fd09::21"}
ROUTER = {4: "10.9.0.11", 6: "fd09::11"}
CHAIN = "vipbus_masquerade"
SAVE = {4: "iptables-legacy-save", 6: "ip6tables-legacy-save"}


@contextlib.contextmanager
def network(directory: Path) -> Iterator[tuple[Namespace, Namespace]]:
    """Give client and router; the real server beyond knows its own network alone."""
    with lab.nodes("client", "router", "server") as (client, router, server):
        lab.cable(client, "eth0", router, "eth0")
        lab.cable(router, "eth1", server, "eth0")
        lab.address(client, "eth0", "10.8.0.200/24", "fd08::200/64")
        lab.address(router, "eth0", "10.8.0.11/24", "10.8.0.100/32", "fd08::11/64", "fd08::100/128")
        lab.address(router, "eth1", f"{ROUTER[4]}/24", f"{ROUTER[6]}/64")
        lab.address(server, "eth0", f"{REAL[4]}/24", f"{REAL[6]}/64")
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            router.run("sh", "-ec", f"echo 1 > /proc/sys/net/{name}")
        lab.peer(server, directory / "server.log")
        yield client, router


def seen(client: Namespace, family: int, protocol: Protocol) -> str:
    """Ask the virtual address and give the source that the real server saw; empty: no answer."""
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with (
        client.entered(),
        socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind) as asking,
    ):
        asking.settimeout(1.0)
        try:
            asking.connect((VIRTUAL[family], 80))
            asking.send(b"whom do you see?")
            return asking.recv(100).decode().removeprefix("::ffff:")
        except OSError:
            return ""


def configuration(*, masquerade: bool) -> tuple[Entity, ...]:
    servers: list[VirtualServer] = [
        virtual_server(VIRTUAL[family], protocol=protocol, instance=None, masquerade=masquerade)
        for family in (4, 6)
        for protocol in ("TCP", "UDP")
    ]
    return (
        *servers,
        *(real_server(REAL[6 if ":" in each.address else 4], of=each, checked=False) for each in servers),
    )


def rules(family: int) -> list[str]:
    """Give what stands in the table nat; the caller is in the router's namespace."""
    return [line for line in command(SAVE[family], "-t", "nat").splitlines() if line.startswith("-A")]


def test_masquerade(tmp_path: Path) -> None:
    with network(tmp_path) as (client, router), router.entered():
        asyncio.run(_story(client, router, tmp_path / "programmer"))


async def _story(client: Namespace, router: Namespace, directory: Path) -> None:
    async with lab.alone(router, directory) as programmer:
        heard: list[SettingChanged] = []
        world: World = programmer.world
        world.bus.listen(SettingChanged, heard.append)
        world.configure(*configuration(masquerade=False))
        await world.settled()
        programmer.start()
        await programmer.until(lambda: "10.8.0.100" in router.run("ipvsadm", "-Ln"), "the table is filled")
        # a rule that is not ours, before and after
        foreign = "-A POSTROUTING -o eth9 -j MASQUERADE"
        router.run("iptables-legacy", "-t", "nat", *foreign.split())
        every: list[tuple[int, Protocol]] = [(4, "TCP"), (4, "UDP"), (6, "TCP"), (6, "UDP")]

        def answered() -> list[str]:
            return [seen(client, family, protocol) for family, protocol in every]

        unanswered = await asyncio.to_thread(answered)
        assert unanswered == ["", "", "", ""], "the real server has no route back"

        world.configure(*configuration(masquerade=True))
        here = [ROUTER[family] for family, _ in every]
        await programmer.until(lambda: answered() == here, "the real server sees the router")
        assert router.run("cat", "/proc/sys/net/ipv4/vs/conntrack").strip() == "1"
        assert [(each.name, each.value, each.set) for each in heard] == [("net.ipv4.vs.conntrack", "1", True)]
        assert not (await programmer.condition()).problems

        await _put_back(programmer, router, heard)
        await programmer.until(lambda: answered() == here, "the real server sees the router again")

        world.configure(*configuration(masquerade=False))
        await programmer.until(
            lambda: not any(CHAIN in rule for family in (4, 6) for rule in rules(family)),
            "the rules went with the configuration",
        )
        assert rules(4) == [foreign]

        world.configure(*configuration(masquerade=True))
        await programmer.until(lambda: any(CHAIN in rule for rule in rules(6)), "the rules are there again")
        programmer.stop()
        assert rules(4) == [foreign]
        assert rules(6) == []


async def _put_back(programmer: lab.Alone, router: Namespace, heard: list[SettingChanged]) -> None:
    """Remove our rules as a reload of the host's own firewall does, and wait for them."""
    whole = {family: rules(family) for family in (4, 6)}
    router.run("iptables-legacy", "-t", "nat", "-D", *whole[4][0].split()[1:])
    router.run("iptables-legacy", "-t", "nat", "-F", CHAIN)
    await programmer.until(
        lambda: ("masquerade by iptables", "put back") in {(each.name, each.value) for each in heard},
        "it was put back, and told",
    )
    assert {family: rules(family) for family in (4, 6)} == whole
