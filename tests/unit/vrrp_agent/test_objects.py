"""What is asked of the kernel is written or refused in words, whatever it is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import VirtualAddress, VirtualRoute, VirtualRule
from vipbus.contracts.vrrp_objects import NextHop
from vrrp_agent import netlink, objects, writing
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.objects import Objects
from vrrp_agent.rtnetlink import Link

number = st.one_of(st.integers(-2, 300), st.integers(-(2**70), 2**70))
some = st.one_of(st.none(), number)
WORDS = ("eth0", "", "10.0.0.1", "fe80::1", "10.0.0.0/8", "::/0")
word = st.one_of(st.sampled_from(WORDS), st.text(max_size=20))
metric = st.tuples(st.sampled_from(["mtu", "rtt", "cc_algo", "unspec", "x"]), number)
hop = st.builds(NextHop, via=word, dev=st.just("eth0"), weight=number)
pair = st.one_of(st.none(), st.tuples(number, number))
family = st.sampled_from([4, 6])
ADDRESSES = st.builds(
    VirtualAddress,
    address=st.sampled_from(["10.0.0.1", "fe80::1"]),
    prefix=number,
    dev=st.just("eth0"),
    broadcast=st.one_of(st.none(), word),
    scope=number,
    label=st.one_of(st.none(), word),
    peer=st.sampled_from([None, "10.0.0.2/24", "::2/128"]),
    preferred_lifetime=some,
)
ROUTES = st.builds(
    VirtualRoute,
    family=family,
    destination=st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32"]),
    via=st.one_of(st.none(), word),
    dev=st.one_of(st.none(), st.just("eth0")),
    source=st.one_of(st.none(), word),
    source_prefix=st.one_of(st.none(), word),
    table=number,
    metric=some,
    scope=some,
    protocol=some,
    tos=number,
    metrics=st.lists(metric, max_size=3).map(tuple),
    nexthops=st.lists(hop, max_size=2).map(tuple),
)
RULES = st.builds(
    VirtualRule,
    family=family,
    priority=some,
    table=some,
    goto=some,
    source=st.one_of(st.none(), word),
    destination=st.one_of(st.none(), word),
    tos=number,
    mark=some,
    mask=some,
    iif=st.one_of(st.none(), word),
    tunnel=some,
    suppress_prefix_length=some,
    realm=some,
    user_ids=pair,
    ip_protocol=some,
    source_ports=pair,
    protocol=some,
)


@pytest.fixture(scope="module")
def hands() -> Objects:
    writing.load()
    interfaces = Interfaces()
    interfaces.apply([Link(index=2, name="eth0", enabled=True, up=True)])
    return Objects(interfaces)


@given(st.one_of(ADDRESSES, ROUTES, RULES), st.sampled_from(["add", "remove"]))
def test_every_object_is_written_or_refused_in_words(
    hands: Objects, each: VirtualAddress | VirtualRoute | VirtualRule, verb: objects.Verb
) -> None:
    written = hands._message(verb, each)
    if isinstance(written, bytes):
        (message,) = netlink.messages(written)
        assert len(message.body) + netlink.HEADER.size == len(written)
    else:
        assert written
    hands._interfaces.holds(each)


def test_the_kernels_words_are_read_from_a_refusal() -> None:
    text = b"ipv4: Invalid scope value\0"
    padded = text + bytes(-len(text) % 4)
    request = struct.pack("=IHHII", 40, 20, 5, 7, 0)
    attribute = struct.pack("=HH", 4 + len(text), 1) + padded
    for flags, payload in ((0x300, b""), (0x200, bytes(24))):
        body = struct.pack("=i", -22) + request + payload + attribute
        data = struct.pack("=IHHII", 16 + len(body), 2, flags, 7, 0) + body
        (message,) = netlink.messages(data)
        found = netlink.answer(message)
        assert found == netlink.Answer(7, 22, "ipv4: Invalid scope value")
        assert netlink.in_words(found) == "Invalid argument (ipv4: Invalid scope value)"
