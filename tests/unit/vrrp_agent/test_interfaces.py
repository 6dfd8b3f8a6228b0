"""What the kernel says of interfaces, and what follows from it for an instance."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import VirtualAddress
from vrrp_agent import rtnetlink
from vrrp_agent.arp import announced, gratuitous
from vrrp_agent.interfaces import Interfaces, Monitor
from vrrp_agent.rtnetlink import Address, Link, LinkGone
from vrrp_agent.timers import Timers

ETH0 = Link(index=2, name="eth0", enabled=True, up=True)
NONE: frozenset[str] = frozenset()


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(flags: int, *, family: int = 0, kind: int = rtnetlink.RTM_NEWLINK) -> bytes:
    return message(kind, struct.pack("=BxHiII", family, 1, 2, flags, 0) + attribute(3, b"eth0\0"))


def address(text: str, kind: int = rtnetlink.RTM_NEWADDR, family: int = socket.AF_INET) -> bytes:
    body = struct.pack("=BBBBi", family, 24, 0, 0, 2) + attribute(1, b"\1\2\3\4")
    return message(kind, body + attribute(2, socket.inet_aton(text)))


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (link(0x41), [ETH0]),
        (link(0x01), [Link(index=2, name="eth0", enabled=True, up=False)]),
        (link(0x00), [Link(index=2, name="eth0", enabled=False, up=False)]),
        (link(0x41, kind=rtnetlink.RTM_DELLINK), [LinkGone(2)]),
        # a bridge reports its ports in the same group; a port that leaves it is not gone
        (link(0x41, family=7, kind=rtnetlink.RTM_DELLINK), []),
        (address("10.9.0.1"), [Address(2, "10.9.0.1", 24)]),
        (address("10.9.0.1", rtnetlink.RTM_DELADDR), [Address(2, "10.9.0.1", 24, present=False)]),
        (address("10.9.0.1", family=10), []),
        (link(0x41) + address("10.9.0.1"), [ETH0, Address(2, "10.9.0.1", 24)]),
        (message(24, b"a route"), []),
    ],
)
def test_messages(data: bytes, changes: list[object]) -> None:
    assert list(rtnetlink.decode(data)) == changes


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255), st.binary(max_size=3))
def test_noise_never_raises(noise: bytes, at: int, value: int, tail: bytes) -> None:
    list(rtnetlink.decode(noise))
    whole = link(0x41) + address("10.9.0.1")
    list(rtnetlink.decode(whole[:at] + bytes([value]) + whole[at + 1 :] + tail))
    list(rtnetlink.decode(message(rtnetlink.RTM_NEWLINK, noise)))
    list(rtnetlink.decode(message(rtnetlink.RTM_NEWADDR, noise)))


def test_the_primary_address_is_the_first_that_is_not_virtual() -> None:
    interfaces = Interfaces()
    interfaces.apply(
        [ETH0, Address(2, "10.9.0.100", 24), Address(2, "10.9.0.1", 24), Address(2, "10.9.0.2", 24)]
    )
    assert interfaces.primary("eth0", {"10.9.0.100"}) == "10.9.0.1"
    interfaces.apply([Address(2, "10.9.0.1", 24, present=False)])
    assert interfaces.primary("eth0", {"10.9.0.100"}) == "10.9.0.2"


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


def test_gratuitous_arp_as_scapy_reads_it() -> None:
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415  # slow to import

    frame = gratuitous(bytes.fromhex("020000000001"), "10.9.0.100")
    read = Ether(frame)
    assert (read.dst, read.src) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    assert (read[ARP].op, read[ARP].psrc, read[ARP].pdst) == (1, "10.9.0.100", "10.9.0.100")
    assert announced(frame) == (bytes.fromhex("020000000001"), "10.9.0.100")
    # keepalived and arping -A announce by a reply
    reply = bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, psrc="10.9.0.7", pdst="10.9.0.7"))
    assert announced(reply) is not None
    request = bytes(Ether() / ARP(op=1, psrc="10.9.0.1", pdst="10.9.0.100"))
    assert announced(request) is None


@given(st.binary(max_size=80))
def test_noise_announces_nothing_and_never_raises(noise: bytes) -> None:
    assert announced(noise) is None or len(noise) >= 42


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
