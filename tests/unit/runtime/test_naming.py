"""Which virtual server a name means: names as people write them, tables of cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import VirtualServer
from vipbus.runtime.naming import Marked, Place, marked, means, means_token, place_of


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("10.9.0.1", Place("10.9.0.1")),
        ("10.9.0.1:80", Place("10.9.0.1", 80)),
        ("10.9.0.1 80", Place("10.9.0.1", 80)),
        ("10.9.0.1:80/tcp", Place("10.9.0.1", 80, "tcp")),
        ("10.9.0.1:80 UDP", Place("10.9.0.1", 80, "udp")),
        ("10.9.0.1 tcp", Place("10.9.0.1", None, "tcp")),
        ("FD00:0::1", Place("fd00::1")),
        ("[fd00::1]:80 sctp", Place("fd00::1", 80, "sctp")),
        ("[10.9.0.1]:80", None),
        ("10.9.0.1:http", None),
        ("10.9.0.1:80:90", None),
        ("10.9.0.01:80", None),
        ("web", None),
        ("", None),
        ("[", None),
    ],
)
def test_places(name: str, place: Place | None) -> None:
    assert place_of(name) == place


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fwm:7", Marked(7)),
        ("FWM 7", Marked(7)),
        ("FWM 7 IPv6", Marked(7, 6)),
        ("fwmark 7 inet", Marked(7, 4)),
        ("fwmark 7 inet6", Marked(7, 6)),
        ("mark 4294967295", Marked(4294967295)),
        ("fwm-7_ipv6", Marked(7, 6)),
        (" fwm7 ", Marked(7)),
        ("fwm", None),
        ("fwm 7 ipv5", None),
        ("fwm -7x", None),
        ("7", None),
        ("fwm 99999999999", None),
    ],
)
def test_marks(name: str, found: Marked | None) -> None:
    assert marked(name) == found


@pytest.mark.parametrize(
    ("name", "token", "meant"),
    [
        ("10.9.0.1:80 TCP", "10-9-0-1_80_tcp", True),
        ("10.9.0.1:80 tcp", "10-9-0-1_80_tcp", True),
        ("10.9.0.1:80/tcp", "10-9-0-1_80_tcp", True),
        ("10.9.0.1:80", "10-9-0-1_80_tcp", True),
        ("10-9-0-1_80_tcp", "10-9-0-1_80_tcp", True),
        ("10-9-0-1_80_TCP", "10-9-0-1_80_tcp", True),
        ("10.9.0.1:80 UDP", "10-9-0-1_80_tcp", False),
        ("10.9.0.1:8", "10-9-0-1_80_tcp", False),
        ("10.9.0.1:443", "10-9-0-1_80_tcp", False),
        ("10.9.0.1", "10-9-0-1_80_tcp", False),
        ("", "10-9-0-1_80_tcp", False),
        ("TCP", "10-9-0-1_80_tcp", False),
        ("FWM 7", "fwm-7_ipv4", True),
        ("fwm:7", "fwm-7_ipv6", True),
        ("fwm-7_ipv4", "fwm-7_ipv4", True),
        ("FWM 7 IPv6", "fwm-7_ipv4", False),
        ("FWM 7", "fwm-70_ipv4", False),
        ("web", "fwm-7_ipv4", False),
        ("pool app", "pool-app", True),
        ("Pool  App", "pool-app", True),
        ("pool-app", "pool-app", True),
        ("pool my app", "pool-my-app", True),
        ("pool ap", "pool-app", False),
        ("pool", "pool-app", False),
        ("app", "pool-app", False),
        ("pool app", "10-9-0-1_80_tcp", False),
    ],
)
def test_tokens(name: str, token: str, meant: bool) -> None:
    assert means_token(name, token) is meant


SERVER = VirtualServer(
    router="r1", address="10.9.0.1", port=80, group="Web front", scheduler="rr", forwarding="NAT"
)
MARK = VirtualServer(router="r1", mark=7, family=6, group="Web front", scheduler="rr", forwarding="NAT")


@pytest.mark.parametrize(
    ("name", "server", "mark"),
    [
        ("10.9.0.1", True, False),
        ("10.9.0.1:80", True, False),
        ("10.9.0.1:81", False, False),
        ("10.9.0.1 udp", False, False),
        ("Web front", True, True),
        ("web-front", True, True),
        ("web", False, False),
        ("", False, False),
        ("FWM 7", False, True),
        ("fwm:7 ipv4", False, False),
    ],
)
def test_servers(name: str, server: bool, mark: bool) -> None:
    assert (means(name, SERVER), means(name, MARK)) == (server, mark)


@given(st.text())
def test_any_text_means_something_or_nothing(name: str) -> None:
    place_of(name)
    marked(name)
    means_token(name, "10-9-0-1_80_tcp")
    means(name, SERVER)


@given(st.integers(1, 2**32 - 1), st.sampled_from([4, 6]))
def test_a_mark_is_found_by_its_words(mark: int, family: int) -> None:
    server = VirtualServer(
        router="r1", mark=mark, family=6 if family == 6 else 4, scheduler="rr", forwarding="NAT"
    )
    assert means_token(server.words, server.id)
    assert means(server.words, server)
