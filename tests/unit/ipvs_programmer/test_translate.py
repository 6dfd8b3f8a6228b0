"""The configuration's entities in the kernel's terms, as a table of cases."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import constants as c
from ipvs_programmer.table import Checksum, Forwarding, Key, MarkKey, ServiceKey, Tunnel, TunnelKind
from ipvs_programmer.translate import (
    configured_tunnel,
    forwarding_of,
    key_of,
    service_of,
    sorry_destination,
    tunnel_of,
)
from tests.unit.ipvs_programmer.tables import destination
from tests.unit.ipvs_programmer.world import real_server, virtual_server
from vipbus.contracts import SorryServer, VirtualServer
from vipbus.contracts import Tunnel as Said

V4, V6 = socket.AF_INET.value, socket.AF_INET6.value


@pytest.mark.parametrize(
    ("virtual", "key"),
    [
        (virtual_server(), ServiceKey(6, "10.9.0.1", 80)),
        (virtual_server("fd00:0::1", 53, protocol="UDP"), ServiceKey(17, "fd00::1", 53)),
        (virtual_server(port=0, protocol="SCTP"), ServiceKey(132, "10.9.0.1", 0)),
        (virtual_server("", 0, mark=7), MarkKey(V4, 7)),
        (virtual_server("", 0, mark=7, family=6), MarkKey(V6, 7)),
        # the protocol of a mark means nothing
        (virtual_server("", 0, mark=2**32 - 1, protocol="UDP"), MarkKey(V4, 2**32 - 1)),
    ],
)
def test_identities(virtual: VirtualServer, key: Key) -> None:
    assert key_of(virtual) == key


@pytest.mark.parametrize(
    ("settings", "flags", "timeout", "netmask", "engine"),
    [
        ({}, 0, 0, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 50}, c.IP_VS_SVC_F_PERSISTENT, 50, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 50, "persistence_prefix": 24}, 1, 50, 0xFFFFFF00, ""),
        ({"persistence_timeout": 50, "persistence_prefix": 32}, 1, 50, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 50, "persistence_prefix": 1}, 1, 50, 0x80000000, ""),
        # what is out of range for IPv4 is each client alone
        ({"persistence_timeout": 50, "persistence_prefix": 64}, 1, 50, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 50, "persistence_engine": "sip"}, 1, 50, 0xFFFFFFFF, "sip"),
        # both mean nothing without persistence
        ({"persistence_prefix": 24, "persistence_engine": "sip"}, 0, 0, 0xFFFFFFFF, ""),
        ({"one_packet": True}, c.IP_VS_SVC_F_ONEPACKET, 0, 0xFFFFFFFF, ""),
        ({"scheduler_flags": ("flag-1", "flag-3")}, 0x08 | 0x20, 0, 0xFFFFFFFF, ""),
        ({"scheduler_flags": ("flag-2",), "persistence_timeout": 9}, 0x10 | 1, 9, 0xFFFFFFFF, ""),
    ],
)
def test_settings(settings: dict[str, Any], flags: int, timeout: int, netmask: int, engine: str) -> None:
    virtual = virtual_server(**settings)
    service = service_of(key_of(virtual), virtual)
    assert (service.flags, service.timeout, service.netmask, service.engine) == (
        flags,
        timeout,
        netmask,
        engine,
    )


@pytest.mark.parametrize(("prefix", "netmask"), [(None, 128), (64, 64), (128, 128), (1, 1)])
def test_the_mask_of_ipv6_is_a_prefix(prefix: int | None, netmask: int) -> None:
    for virtual in (
        virtual_server("fd00::1", persistence_timeout=50, persistence_prefix=prefix),
        virtual_server("", 0, mark=7, family=6, persistence_timeout=50, persistence_prefix=prefix),
    ):
        assert service_of(key_of(virtual), virtual).netmask == netmask


GUE = Said(type="gue", port=6080, checksum="remcsum")
GUE_IN_KERNEL = Tunnel(TunnelKind.GUE, 6080, Checksum.REMCSUM)


@pytest.mark.parametrize(
    ("virtual", "real", "expected"),
    [
        ({"forwarding": "NAT"}, {}, (Forwarding.NAT, None)),
        ({"forwarding": "DR"}, {}, (Forwarding.DR, None)),
        ({"forwarding": "TUN"}, {}, (Forwarding.TUN, None)),
        ({"forwarding": "TUN", "tunnel": GUE}, {}, (Forwarding.TUN, GUE_IN_KERNEL)),
        ({"forwarding": "TUN", "tunnel": GUE}, {"forwarding": "NAT"}, (Forwarding.NAT, None)),
        ({"forwarding": "NAT"}, {"forwarding": "TUN", "tunnel": GUE}, (Forwarding.TUN, GUE_IN_KERNEL)),
        # a tunnel that its virtual server does not use is nobody's default
        ({"forwarding": "NAT", "tunnel": GUE}, {"forwarding": "TUN"}, (Forwarding.TUN, None)),
        (
            {"forwarding": "TUN", "tunnel": GUE},
            {"tunnel": Said(type="gre", checksum="csum")},
            (Forwarding.TUN, Tunnel(TunnelKind.GRE, 0, Checksum.CSUM)),
        ),
        ({"forwarding": "TUN", "tunnel": GUE}, {"tunnel": Said()}, (Forwarding.TUN, None)),
    ],
)
def test_forwarding(
    virtual: dict[str, Any], real: dict[str, Any], expected: tuple[Forwarding, Tunnel | None]
) -> None:
    own = msgspec.structs.replace(real_server("10.9.0.21"), **real)
    assert forwarding_of(virtual_server(**virtual), own) == expected


@pytest.mark.parametrize(
    ("said", "tunnel"),
    [
        (Said(port=9, checksum="csum"), None),
        (Said(type="gre", port=9, checksum="remcsum"), Tunnel(TunnelKind.GRE)),
        (Said(type="gue", port=9), Tunnel(TunnelKind.GUE, 9)),
    ],
)
def test_what_a_type_has_no_use_for_is_left_out(said: Said, tunnel: Tunnel | None) -> None:
    assert tunnel_of(said) == tunnel


tunnels = st.builds(
    Said,
    type=st.sampled_from(["ipip", "gue", "gre"]),
    port=st.integers(0, 65535),
    checksum=st.sampled_from(["none", "csum", "remcsum"]),
)


@given(said=tunnels)
def test_a_tunnel_is_said_as_the_kernel_has_it(said: Said) -> None:
    tunnel = tunnel_of(said)
    back = configured_tunnel(tunnel)
    assert (back is None) == (said.type == "ipip")
    assert back is None or tunnel_of(back) == tunnel


def test_a_sorry_server_has_its_own_method() -> None:
    sorry = SorryServer(address="fd00:0::9", port=81, forwarding="TUN", tunnel=GUE)
    expected = destination("fd00::9", 81, forwarding=Forwarding.TUN)
    assert sorry_destination(sorry) == msgspec.structs.replace(expected, tunnel=GUE_IN_KERNEL)
    plain = SorryServer(address="10.9.0.9", port=81, forwarding="NAT", tunnel=GUE)
    assert sorry_destination(plain) == destination("10.9.0.9", 81)
