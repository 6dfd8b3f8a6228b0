"""What neighbours learn: announcements, virtual MACs, addresses that take nothing."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.vrrp import instance, needs_root
from tests.support.vrrp_kernel import Lan
from tests.support.waiting import eventually
from vipbus.contracts import Garp, VirtualAddress, VirtualMac, VrrpInstance
from vrrp_agent import arp, neighbour_advertisement
from vrrp_agent.announcer import Announcer
from vrrp_agent.filters import closed
from vrrp_agent.placement import placed
from vrrp_agent.successors import Successors

pytestmark = needs_root

MAC4, MAC6 = "00:00:5e:00:01:33", "00:00:5e:00:02:33"


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan() as made:
        for number in (1, 2, 3):
            made.host(number)
        yield made


def vip(text: str, dev: str = "eth0", **more: Any) -> VirtualAddress:
    return VirtualAddress(address=text, prefix=64 if ":" in text else 24, dev=dev, **more)


def with_mac(family: int = 4, **changes: Any) -> VrrpInstance:
    addresses = (vip("10.50.0.100"),) if family == 4 else (vip("fe80::51"), vip("2001:db8:50::100"))
    return msgspec.structs.replace(
        instance("a", virtual_ipaddress=addresses, version=3, family=family),
        **{"virtual_mac": VirtualMac(name="vrrp.51"), **changes},
    )


@pytest.mark.parametrize("address", ["10.50.0.90", "2001:db8:50::90"])
def test_an_announcement_moves_a_neighbours_entry(lan: Lan, address: str) -> None:
    first, second, client = lan.hosts
    virtual = vip(address)
    assert first.objects.add([virtual]) == ""
    eventually(lambda: client.pings(address), "the first answers")
    assert client.neighbour(address) == first.mac("eth0")
    assert first.objects.remove([virtual]) == ""
    assert second.objects.add([virtual]) == ""
    assert second.announcer.announce([virtual], 1) == ""
    eventually(lambda: client.neighbour(address) == second.mac("eth0"), "the client knows of the move")
    assert client.pings(address)
    second.objects.remove([virtual])


def test_an_advertisement_says_router_where_packets_are_forwarded(lan: Lan) -> None:
    router, _, client = lan.hosts
    virtual = vip("2001:db8:50::91")

    def announced_as_router() -> bool:
        client.ip(
            "neigh", "replace", virtual.address, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "stale"
        )
        router.announcer.announce([virtual], 1)
        eventually(lambda: client.neighbour(virtual.address) == router.mac("eth0"), "the entry has moved")
        (entry,) = [each for each in client.json("-6", "neigh", "show") if each["dst"] == virtual.address]
        return "router" in entry

    assert not router.interfaces.forwards("eth0")
    assert not announced_as_router()
    router.namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/forwarding")
    router.sees(lambda seen: seen.forwards("eth0"), "the interface forwards")
    assert announced_as_router()
    router.namespace.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/forwarding")


def test_a_virtual_mac_is_all_that_neighbours_see(lan: Lan) -> None:
    router, other, client = lan.hosts
    config = with_mac()
    router.sees(lambda _: router.macs.ensure(config) == "", "the device is there")
    device = router.json("-d", "link", "show", "dev", "vrrp.51")[0]
    assert device["address"] == MAC4
    assert device["linkinfo"]["info_kind"] == "macvlan"
    assert device["linkinfo"]["info_data"]["mode"] == "private"
    assert device["inet6_addr_gen_mode"] == "none"
    assert router.sysctl("ipv4/conf/eth0/arp_ignore") == 1

    (virtual,) = placed(config)
    assert isinstance(virtual, VirtualAddress)
    assert virtual.dev == "vrrp.51"
    assert router.objects.add([virtual]) == ""
    assert router.announcer.announce([virtual], 2) == ""
    client.ip("neigh", "flush", "all")
    assert client.pings("10.50.0.100")
    assert client.neighbour("10.50.0.100") == MAC4
    # and it stays so when the router asks for the client on behalf of the address
    router.ip("neigh", "flush", "all")
    assert client.pings("10.50.0.100")
    assert client.neighbour("10.50.0.100") == MAC4
    # the router's own address keeps its own MAC
    client.ip("neigh", "flush", "all")
    assert client.pings("10.50.0.1")
    assert client.neighbour("10.50.0.1") == router.mac("eth0")

    router.objects.remove([virtual])
    router.macs.remove(config)
    router.settle()
    router.sees(lambda seen: seen.link("vrrp.51") is None, "the device is gone")
    assert router.sysctl("ipv4/conf/eth0/arp_ignore") == 0
    assert router.sysctl("ipv4/conf/eth0/arp_announce") == 0
    assert other.interfaces.link("vrrp.51") is None


def test_a_virtual_mac_for_ipv6(lan: Lan) -> None:
    router, _, client = lan.hosts
    config = with_mac(6)
    router.sees(lambda _: router.macs.ensure(config) == "", "the device is there")
    assert router.mac("vrrp.51") == MAC6
    # no link-local address of its own, or a backup would answer for it with the virtual MAC
    assert "inet6" not in router.ip("-6", "addr", "show", "dev", "vrrp.51")
    assert router.objects.add(placed(config)) == ""
    addresses = [each for each in placed(config) if isinstance(each, VirtualAddress)]
    assert router.announcer.announce(addresses, 1) == ""
    client.ip("neigh", "flush", "all")
    eventually(lambda: client.pings("2001:db8:50::100"), "the address answers")
    assert client.neighbour("2001:db8:50::100") == MAC6
    assert client.pings("fe80::51%eth0")
    router.objects.remove(placed(config))
    router.macs.remove(config)
    router.settle()


def test_a_device_of_a_life_before_is_adopted_and_a_strange_one_refused(lan: Lan) -> None:
    router = lan.hosts[1]
    config = with_mac()
    link = ("link", "add", "vrrp.51", "link", "eth0", "address", MAC4, "type", "macvlan", "mode", "private")
    router.ip(*link)
    router.ip("link", "set", "vrrp.51", "up")
    router.sees(lambda seen: (at := seen.link("vrrp.51")) is not None and at.up, "it is there")
    before = router.interfaces.index_of("vrrp.51")
    assert router.macs.ensure(config) == ""
    router.settle()
    assert router.interfaces.index_of("vrrp.51") == before

    # another identifier: a leftover of ours is made anew
    other = msgspec.structs.replace(config, virtual_router_id=52)
    router.sees(lambda _: router.macs.ensure(other) == "", "it is made anew")
    assert router.mac("vrrp.51") == "00:00:5e:00:01:34"
    router.macs.remove(other)
    router.settle()
    router.sees(lambda seen: seen.link("vrrp.51") is None, "it is gone")

    router.ip("link", "add", "vrrp.51", "type", "bridge")
    router.sees(lambda seen: seen.link("vrrp.51"), "a bridge has the name")
    assert "vrrp.51 exists and is no macvlan on eth0" in router.macs.ensure(config)
    router.macs.remove(config)
    router.settle()
    assert router.interfaces.link("vrrp.51") is not None
    router.ip("link", "del", "vrrp.51")


@pytest.mark.parametrize("mac", [MAC4, "02:00:5e:00:00:01"])
def test_what_a_life_before_left_behind_is_removed(lan: Lan, mac: str) -> None:
    router = lan.hosts[1]
    config = with_mac(virtual_mac=VirtualMac(name="vrrp.51", mac=mac))
    router.ip("link", "add", "vrrp.51", "link", "eth0", "address", mac, "type", "macvlan", "mode", "private")
    router.sees(lambda seen: seen.link("vrrp.51"), "it is there")
    router.macs.remove(config)
    router.settle()
    router.sees(lambda seen: seen.link("vrrp.51") is None, "it is gone")


def test_a_kernel_without_ipvlan_says_so(lan: Lan) -> None:
    router = lan.hosts[1]
    made = router.namespace.run(
        "sh", "-c", "ip link add probe link eth0 type ipvlan && ip link del probe && echo yes", check=False
    )
    config = with_mac(virtual_mac=VirtualMac(kind="ipvlan", name="ipv.51", address="10.50.0.51/24"))
    if "yes" in made:
        router.sees(lambda _: router.macs.ensure(config) == "", "the ipvlan is there")
    else:
        router.sees(lambda _: "has no ipvlan" in router.macs.ensure(config), "it is said")
        assert "being made" not in router.macs.ensure(config)  # and not tried over and over
    router.macs.remove(config)
    router.settle()


def test_addresses_with_a_mac_of_their_own(lan: Lan) -> None:
    router = lan.hosts[1]
    router.cable("eth1")
    config = with_mac(
        virtual_mac=VirtualMac(name="vrrp.51", each_address=True),
        virtual_ipaddress=(vip("10.50.0.100"), vip("10.59.0.100", "eth1")),
        virtual_ipaddress_excluded=(vip("2001:db8:50::100"),),
    )
    router.sees(lambda _: router.macs.ensure(config) == "", "the devices are there")
    assert router.objects.add(placed(config)) == ""
    for device, address, mac in (
        ("vrrp.51", "10.50.0.100", MAC4),
        ("vr51-4.eth1", "10.59.0.100", MAC4),
        ("vr51-6.eth0", "2001:db8:50::100", MAC6),
    ):
        shown = router.json("addr", "show", "dev", device)[0]
        assert shown["address"] == mac
        assert address in [each["local"] for each in shown["addr_info"]]
    router.macs.remove(config)
    router.settle()
    router.sees(
        lambda seen: not any(seen.link(name) for name in ("vrrp.51", "vr51-4.eth1", "vr51-6.eth0")),
        "all are gone",
    )


@pytest.mark.parametrize("virtual_mac", [False, True])
def test_successors_are_heard(lan: Lan, virtual_mac: bool) -> None:
    leaving, successor, _ = lan.hosts
    device = "vrrp.51" if virtual_mac else "eth0"
    config = with_mac()
    if virtual_mac:
        for router in (leaving, successor):
            router.sees(lambda _, router=router: router.macs.ensure(config) == "", "the device is there")
    heard: list[tuple[str, str]] = []
    with leaving.namespace.entered():
        successors = Successors(
            leaving.poller, lambda *announced: heard.append(announced), leaving.monitor.interfaces
        )
        successors.watch({device})
    addresses = [vip("10.50.0.100", device), vip("2001:db8:50::100", device)]

    def both() -> bool:
        successor.announcer.announce(addresses, 1)
        leaving.poller.wait(0.1)
        return {(device, each.address) for each in addresses} <= set(heard)

    eventually(both, "both kinds of announcement are heard")
    successors.watch(set())
    for router in (leaving, successor):
        router.macs.remove(config)
        router.settle()


def test_an_address_that_takes_nothing(lan: Lan) -> None:
    router, _, client = lan.hosts
    config = instance(
        "a",
        accept=False,
        virtual_ipaddress=(vip("10.50.0.100"), vip("2001:db8:50::100"), vip("fe80::100")),
    )
    addresses = [*config.virtual_ipaddress, vip("10.50.0.101"), vip("2001:db8:50::101")]
    router.objects.add(addresses)
    router.announcer.announce(addresses, 1)
    with router.namespace.entered():
        router.firewall.want(closed([config]))
    router.settle()
    assert router.firewall.problem == ""
    for address, answers in (
        ("10.50.0.100", False),
        ("10.50.0.101", True),
        ("10.50.0.1", True),
        ("2001:db8:50::100", False),
        ("2001:db8:50::101", True),
        ("fe80::100%eth0", False),
    ):
        assert client.pings(address) == answers, address
    # neighbours still find it, or nothing could be routed through it
    client.ip("neigh", "flush", "all")
    client.pings("2001:db8:50::100")
    client.pings("10.50.0.100")
    eventually(lambda: client.neighbour("2001:db8:50::100") == router.mac("eth0"), "its MAC is known")
    assert client.neighbour("10.50.0.100") == router.mac("eth0")
    # what the host sends to itself is its own business
    assert router.pings("10.50.0.100")

    # the host's own firewall is loaded again
    router.namespace.run("nft", "flush", "ruleset")
    router.poller.wait(2)
    router.settle()
    assert not client.pings("10.50.0.100")

    # whoever owns the addresses accepts what is sent to them
    owner = msgspec.structs.replace(config, priority=255)
    router.firewall.want(closed([owner]))
    router.settle()
    assert client.pings("10.50.0.100")
    assert router.namespace.run("nft", "list", "ruleset") == ""
    router.objects.remove(addresses)
    router.firewall.close()


def test_tables_of_a_life_before_are_removed(lan: Lan) -> None:
    router = lan.hosts[1]
    router.namespace.run("nft", "add", "table", "inet", "vipbus_vrrp")
    router.namespace.run("nft", "add", "table", "ip", "somebody")
    router.firewall.want(frozenset())
    router.settle()
    assert router.namespace.run("nft", "list", "tables").split() == ["table", "ip", "somebody"]
    router.namespace.run("nft", "delete", "table", "ip", "somebody")


def test_a_backups_virtual_mac_is_silent(lan: Lan) -> None:
    router, _, client = lan.hosts
    config = with_mac(6)
    router.sees(lambda _: router.macs.ensure(config) == "", "the device is there")
    with client.namespace.entered():
        sniffer = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(neighbour_advertisement.ETH_P_IPV6)
        )
    sniffer.settimeout(0.1)
    groups = iter(range(100, 1000))

    def senders() -> set[str]:
        """Who reports a group that the device with the virtual MAC joins."""
        with router.namespace.entered():
            member = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        group = socket.inet_pton(socket.AF_INET6, f"ff02::{next(groups)}")
        index = router.interfaces.index_of("vrrp.51")
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=I", index))
        found = set()
        try:
            while True:
                frame = sniffer.recv(2000)
                if group in frame[54:]:
                    found.add(frame[6:12].hex(":"))
        except TimeoutError:
            member.close()
            return found

    eventually(lambda: senders() == {MAC6}, "unhindered it speaks for itself")
    router.firewall.want(frozenset(), router.macs.below([config]))
    router.settle()
    assert router.firewall.problem == ""
    eventually(lambda: senders() == {router.mac("eth0")}, "the interface below speaks for it")
    sniffer.close()
    router.macs.remove(config)
    router.firewall.close()
    router.settle()


def test_paced_announcements_come_one_by_one(lan: Lan) -> None:
    router = lan.hosts[0]
    now = [100.0]
    with router.namespace.entered():
        announcer = Announcer(router.interfaces, clock=lambda: now[0])
    addresses = [vip("10.50.0.100"), vip("10.50.0.101")]
    garp = Garp(arp_interval=0.5)
    assert announcer.announce(addresses, 2, garp=garp) == ""
    assert announcer.deadline == 100.5
    announcer.work(100.4)  # there is nothing to do yet
    # another instance's wait behind them
    assert announcer.announce([vip("10.50.0.102")], 1, garp=garp) == ""
    announcer.forget([vip("10.50.0.101")])
    sent = []
    while (deadline := announcer.deadline) is not None:
        now[0] = deadline
        sent.append(deadline)
        announcer.work(deadline)
    assert sent == [100.5, 101.0]
    announcer.close()


def test_other_interfaces_are_told_and_those_without_neighbours_passed_over(lan: Lan) -> None:
    router = lan.hosts[2]
    router.cable("eth1")
    router.ip("tuntap", "add", "tun0", "mode", "tun")
    router.ip("link", "set", "tun0", "up")
    router.sees(lambda seen: (link := seen.link("tun0")) is not None and link.enabled, "tun0 is up")
    with router.namespace.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETH_P_ARP))
        sniffer.bind(("eth1x", arp.ETH_P_ARP))
    sniffer.settimeout(5)
    virtual = vip("10.50.0.100")
    assert router.announcer.announce([virtual], 1, extra=("eth1", "tun0", "lo", "eth0")) == ""
    hardware, address = arp.announced(sniffer.recv(2000)) or (b"", "")
    assert (hardware.hex(":"), address) == (router.mac("eth1"), virtual.address)
    assert router.announcer.announce([vip("10.50.0.100", "tun0"), vip("10.50.0.100", "lo")], 1) == ""
    assert "eth9" in router.announcer.announce([vip("10.50.0.100", "eth9")], 1)
    router.ip("link", "set", "eth1", "down")
    assert "neighbours on eth1 are not told: Network is down" in router.announcer.announce(
        [vip("10.50.0.100", "eth1")], 1
    )
    sniffer.close()
