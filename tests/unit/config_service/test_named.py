"""Which real servers an operator means: names as people write them, tables of cases."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.named import chosen, nearest, real_server
from vipbus.contracts import address_token, virtual_server_token
from vipbus.runtime.naming import means_token


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("10.9.0.21:80", "10-9-0-21_80"),
        (" 10.9.0.21:80 ", "10-9-0-21_80"),
        ("10-9-0-21_80", "10-9-0-21_80"),
        ("[fd00::21]:80", "fd00--21_80"),
        ("[FD00:0:0::21]:80", "fd00--21_80"),
        ("FD00--21_80", "fd00--21_80"),
        ("", ""),
        ("10.9.0.21", ""),
        ("10.9.0.021:80", ""),
        ("10.9.0.256:80", ""),
        ("fd00::21:80", ""),
        ("[10.9.0.21]:80", ""),
        ("web1:80", ""),
        # a wildcard of the bus is no name
        ("*", ""),
        (">", ""),
        ("10-9-0-21_80.>", ""),
    ],
)
def test_real_servers(name: str, token: str) -> None:
    assert real_server(name) == token


def _plain(address: IPv4Address | IPv6Address) -> bool:
    # Python and inet_ntop(3) write IPv4 inside IPv6 differently; no server has such an address
    return address.version == 4 or (address.ipv4_mapped is None and int(address) >= 2**48)


@given(
    st.ip_addresses().filter(_plain).map(str),
    st.integers(0, 65535),
    st.sampled_from(["tcp", "udp", "sctp"]),
)
def test_whatever_is_configured_is_found_by_its_words(address: str, port: int, protocol: str) -> None:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    token = virtual_server_token(address, port, protocol)
    assert real_server(where) == address_token(address, port)
    assert means_token(f"{where} {protocol.upper()}", token)
    assert means_token(where, token)
    assert means_token(token, token)


@given(st.text())
def test_whatever_is_written_is_a_token_or_nothing(name: str) -> None:
    assert not set(real_server(name)) & set(".*> \t\n")
    nearest(name, ["10-9-0-21_80"])


@pytest.mark.parametrize(
    ("name", "tokens", "said"),
    [
        ("10.9.0.29:80", [], "no real server is configured on this bus"),
        ("10.9.0.29:80", ["10-9-0-21_80"], "there is 10.9.0.21:80"),
        ("10.9.0.21", ["10-9-0-21_80", "fd00--1_5353"], "there is 10.9.0.21:80 and 1 more"),
        (
            "web",
            [f"10-9-0-{n}_80" for n in range(10, 20)],
            "there is 10.9.0.10:80, 10.9.0.11:80, 10.9.0.12:80 and 7 more",
        ),
    ],
)
def test_the_nearest_names(name: str, tokens: list[str], said: str) -> None:
    assert nearest(name, tokens) == said


def test_only_the_pools_that_are_meant() -> None:
    pairs = [("10-9-0-1_80_tcp", "a"), ("10-9-0-1_80_udp", "a"), ("10-9-0-2_80_tcp", "a")]
    assert chosen(pairs, None) == pairs
    assert chosen(pairs, "10.9.0.1:80") == pairs[:2]
    assert chosen(pairs, "10.9.0.1:80 UDP") == pairs[1:2]
    assert chosen(pairs, "10.9.0.3:80") == []
    assert chosen(pairs, "web") == []
    assert chosen(pairs, "web", {"10-9-0-1_80_udp", "10-9-0-2_80_tcp"}) == pairs[1:]
    marks = [("fwm-7_ipv4", "a"), ("fwm-7_ipv6", "a"), ("fwm-70_ipv4", "a")]
    assert chosen(marks, "fwm:7") == marks[:2]
    assert chosen(marks, "FWM 7 IPv6") == marks[1:2]
