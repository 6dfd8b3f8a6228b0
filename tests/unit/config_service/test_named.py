"""Which real servers an operator means: names as people write them, tables of cases."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.named import chosen, is_virtual_server, nearest, real_server
from vipbus.contracts import address_token, virtual_server_token


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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("10.9.0.1:80 TCP", True),
        ("10.9.0.1:80 tcp", True),
        ("10.9.0.1:80/tcp", True),
        ("10.9.0.1:80", True),
        ("10-9-0-1_80_tcp", True),
        ("10-9-0-1_80_TCP", True),
        ("10.9.0.1:80 UDP", False),
        ("10.9.0.1:8", False),
        ("10.9.0.1:443", False),
        ("", False),
        ("TCP", False),
    ],
)
def test_virtual_servers(name: str, meant: bool) -> None:
    assert is_virtual_server(name, "10-9-0-1_80_tcp") is meant


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
    assert is_virtual_server(f"{where} {protocol.upper()}", token)
    assert is_virtual_server(where, token)
    assert is_virtual_server(token, token)


@given(st.text())
def test_whatever_is_written_is_a_token_or_nothing(name: str) -> None:
    assert not set(real_server(name)) & set(".*> \t\n")
    is_virtual_server(name, "10-9-0-1_80_tcp")
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
