"""What the kernel says of interfaces, and what follows from it for an instance."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import VirtualAddress
from vipbus.runtime.timers import Timers
from vrrp_agent import netlink, rtnetlink
from vrrp_agent.addresses import RTM_DELADDR, RTM_NEWADDR
from vrrp_agent.interfaces import Interfaces, Monitor
from vrrp_agent.rtnetlink import Address, Forwarding, Link, LinkGone

ETH0 = Link(index=2, name="eth0", enabled=True, up=True, neighbours=True)
MAC = bytes.fromhex("02aabbccddee")
NONE: frozenset[str] = frozenset()
VRRP51 = Link(
    index=7,
    name="vrrp.51",
    enabled=True,
    up=True,
    hardware=MAC,
    neighbours=True,
    kind="macvlan",
    mode=1,
    parent=2,
    master=9,
)
FORWARDS = Forwarding(2, True)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(flags: int, *, family: int = 0, kind: int = rtnetlink.RTM_NEWLINK) -> bytes:
    return message(kind, struct.pack("=BxHiII", family, 1, 2, flags, 0) + attribute(3, b"eth0\0"))


def macvlan() -> bytes:
    info = attribute(1, b"macvlan\0") + attribute(2, attribute(1, struct.pack("=I", 1)))
    return message(
        rtnetlink.RTM_NEWLINK,
        struct.pack("=BxHiII", 0, 1, 7, 0x41, 0)
        + attribute(3, b"vrrp.51\0")
        + attribute(1, MAC)
        + attribute(5, struct.pack("=I", 2))
        + attribute(10, struct.pack("=I", 9))
        + attribute(0x8000 | 18, info),
    )


def forwarding(family: int) -> bytes:
    body = bytes([family, 0, 0, 0]) + attribute(1, b"\2\0\0\0") + attribute(2, b"\1\0\0\0")
    return message(rtnetlink.RTM_NEWNETCONF, body)


def address6(text: str, *, flags: int = 0, peer: str = "") -> bytes:
    local = socket.inet_pton(socket.AF_INET6, text)
    body = struct.pack("=BBBBi", socket.AF_INET6, 64, 0, 0, 2) + attribute(8, struct.pack("=I", flags))
    if peer:
        body += attribute(1, socket.inet_pton(socket.AF_INET6, peer)) + attribute(2, local)
    else:
        body += attribute(1, local)
    return message(RTM_NEWADDR, body)


def address(text: str, kind: int = RTM_NEWADDR, family: int = socket.AF_INET) -> bytes:
    body = struct.pack("=BBBBi", family, 24, 0, 0, 2) + attribute(1, socket.inet_aton(text))
    return message(kind, body + attribute(2, socket.inet_aton(text)))


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (link(0x41), [ETH0]),
        (link(0x01), [Link(index=2, name="eth0", enabled=True, up=False, neighbours=True)]),
        (link(0x00), [Link(index=2, name="eth0", enabled=False, up=False, neighbours=True)]),
        (link(0x41, kind=rtnetlink.RTM_DELLINK), [LinkGone(2)]),
        # a bridge reports its ports in the same group; a port that leaves it is not gone
        (link(0x41, family=7, kind=rtnetlink.RTM_DELLINK), []),
        (address("10.9.0.1"), [Address(2, "10.9.0.1", 24)]),
        (address("10.9.0.1", RTM_DELADDR), [Address(2, "10.9.0.1", 24, present=False)]),
        (address("10.9.0.1", family=10), []),
        (link(0x41) + address("10.9.0.1"), [ETH0, Address(2, "10.9.0.1", 24)]),
        (macvlan(), [VRRP51]),
        (link(0x41 | 0x80), [Link(index=2, name="eth0", enabled=True, up=True)]),  # NOARP
        (link(0x41 | 0x08), [Link(index=2, name="eth0", enabled=True, up=True)]),  # loopback
        (address6("fe80::1"), [Address(2, "fe80::1", 64)]),
        (address6("fe80::1", flags=0x40), [Address(2, "fe80::1", 64, tentative=True)]),
        (address6("fe80::1", flags=0x48), [Address(2, "fe80::1", 64, tentative=True, duplicate=True)]),
        (address6("2001:db8::1", peer="2001:db8::2"), [Address(2, "2001:db8::1", 64, peer="2001:db8::2")]),
        (
            forwarding(10),
            [FORWARDS],
        ),
        (forwarding(2), []),
        (message(24, b"a route"), []),
    ],
)
def test_messages(data: bytes, changes: list[object]) -> None:
    assert list(rtnetlink.decode(data)) == changes


KINDS = (16, 17, 20, 21, 24, 25, 32, 33, 80, 2, 3)


@given(st.binary(max_size=200), st.sampled_from(KINDS), st.sampled_from((0, 2, 7, 10)))
def test_noise_never_raises(noise: bytes, kind: int, family: int) -> None:
    interfaces = Interfaces()
    for data in (noise, message(kind, noise), message(kind, bytes([family]) + noise)):
        interfaces.apply(rtnetlink.decode(data))
        for each in netlink.messages(data):
            netlink.answer(each)


@given(st.integers(0, 300), st.integers(0, 255), st.binary(max_size=3))
def test_a_damaged_byte_never_raises(at: int, value: int, tail: bytes) -> None:
    whole = link(0x41) + address("10.9.0.1") + address6("fe80::1") + macvlan()
    damaged = whole[:at] + bytes([value]) + whole[at + 1 :] + tail
    Interfaces().apply(rtnetlink.decode(damaged))


def test_the_primary_address_is_the_first_that_is_not_virtual() -> None:
    interfaces = Interfaces()
    interfaces.apply(
        [ETH0, Address(2, "10.9.0.100", 24), Address(2, "10.9.0.1", 24), Address(2, "10.9.0.2", 24)]
    )
    assert interfaces.primary("eth0", {"10.9.0.100"}) == "10.9.0.1"
    interfaces.apply([Address(2, "10.9.0.1", 24, present=False)])
    assert interfaces.primary("eth0", {"10.9.0.100"}) == "10.9.0.2"


def test_an_ipv6_instance_advertises_from_a_link_local_address_that_is_usable() -> None:
    interfaces = Interfaces()
    interfaces.apply([ETH0, Address(2, "2001:db8::1", 64), Address(2, "fe80::100", 64)])
    assert interfaces.primary("eth0", {"fe80::100"}, 6) == ""
    assert "no IPv6 link-local address" in interfaces.problem("eth0", {"fe80::100"}, 6)
    interfaces.apply([Address(2, "fe80::1", 64, tentative=True)])
    assert interfaces.primary("eth0", {"fe80::100"}, 6) == ""
    interfaces.apply([Address(2, "fe80::1", 64)])
    assert interfaces.primary("eth0", {"fe80::100"}, 6) == "fe80::1"
    assert interfaces.problem("eth0", {"fe80::100"}, 6) == ""


def test_an_address_that_another_host_has_is_of_no_use() -> None:
    virtual = VirtualAddress(address="2001:db8::1", prefix=64, dev="eth0")
    interfaces = Interfaces()
    interfaces.apply([ETH0, Address(2, "2001:db8::1", 64)])
    assert interfaces.unusable(virtual) == ""
    interfaces.apply([Address(2, "2001:db8::1", 64, duplicate=True)])
    assert interfaces.holds(virtual)
    assert "2001:db8::1 on eth0 is another host's too" in interfaces.unusable(virtual)


def test_a_vrf_must_be_the_right_one() -> None:
    blue = Link(index=9, name="blue", enabled=True, up=True, kind="vrf")
    bridge = Link(index=8, name="br0", enabled=True, up=True, kind="bridge")
    eth0 = Link(index=2, name="eth0", enabled=True, up=True, master=9)
    interfaces = Interfaces()
    interfaces.apply([blue, bridge, eth0, Address(2, "10.9.0.1", 24)])
    assert interfaces.problem("eth0", NONE, 4, "blue") == ""
    assert interfaces.problem("eth0", NONE, 4, "red") == "interface eth0 is not in VRF red"
    interfaces.apply([Link(index=2, name="eth0", enabled=True, up=True, master=8)])
    assert interfaces.problem("eth0", NONE, 4, "br0") == "interface eth0 is not in VRF br0"
    assert interfaces.problem("eth0", NONE) == ""


def test_links_are_found_by_the_name_they_have_now() -> None:
    interfaces = Interfaces()
    interfaces.apply([ETH0])
    interfaces.apply([Link(index=2, name="lan", enabled=True, up=True)])
    assert interfaces.link("eth0") is None
    assert interfaces.index_of("lan") == 2
    # two that exchange their names, by way of a third
    interfaces.apply([Link(index=3, name="wan", enabled=True, up=True)])
    for index, name in ((2, "x"), (3, "lan"), (2, "wan")):
        interfaces.apply([Link(index=index, name=name, enabled=True, up=True)])
    assert (interfaces.index_of("lan"), interfaces.index_of("wan")) == (3, 2)
    # a new one of the name is there before the old one is gone
    interfaces.apply([Link(index=4, name="lan", enabled=True, up=True), LinkGone(3)])
    assert interfaces.index_of("lan") == 4


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([], "interface eth0 does not exist"),
        ([Link(index=2, name="eth0", enabled=False, up=False)], "interface eth0 is down"),
        ([Link(index=2, name="eth0", enabled=True, up=False)], "eth0 has no carrier"),
        ([ETH0], "no IPv4 address of its own"),
        ([ETH0, Address(2, "10.9.0.100", 24)], "no IPv4 address of its own"),
        ([ETH0, Address(2, "10.9.0.1", 24), LinkGone(2)], "does not exist"),
        ([ETH0, Address(2, "10.9.0.1", 24), LinkGone(2), ETH0], "no IPv4 address of its own"),
    ],
)
def test_why_an_instance_cannot_run(changes: list[rtnetlink.Change], problem: str) -> None:
    interfaces = Interfaces()
    interfaces.apply(changes)
    assert problem in interfaces.problem("eth0", {"10.9.0.100"})


def test_nothing_is_wrong_with_a_whole_interface() -> None:
    interfaces = Interfaces()
    interfaces.apply([ETH0, Address(2, "10.9.0.1", 24)])
    assert interfaces.problem("eth0", NONE) == ""


def test_the_same_address_with_another_prefix_is_another() -> None:
    interfaces = Interfaces()
    interfaces.apply([ETH0, Address(2, "10.9.0.100", 24)])
    assert interfaces.holds(VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0"))
    assert not interfaces.holds(VirtualAddress(address="10.9.0.100", prefix=32, dev="eth0"))
    assert not interfaces.holds(VirtualAddress(address="10.9.0.100", prefix=24, dev="eth1"))


def test_this_hosts_own_loopback_is_seen() -> None:
    monitor = Monitor()
    monitor.drain()
    found = monitor.interfaces.link("lo")
    monitor.close()
    assert found is not None


def test_timers_give_each_name_its_last_deadline_alone() -> None:
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("b", 3.0)
    timers.set("a", 1.0)
    assert timers.next() == 1.0
    timers.set("a", 4.0)
    assert timers.next() == 3.0
    timers.set("b", None)
    timers.set("b", None)
    assert timers.expired(3.9) == []
    assert timers.expired(9.0) == ["a"]
    assert timers.next() is None
    assert timers.expired(99.0) == []
