"""Lines of ``virtual_ipaddress``, ``virtual_ipaddress_excluded`` and ``static_ipaddress``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config_service.support import errors, instance, the_instance, the_settings, warnings
from vipbus.contracts import VirtualAddress

V4: dict[str, Any] = {"address": "10.9.0.1", "prefix": 24, "dev": "eth0"}
V6: dict[str, Any] = {"address": "2001:db8::1", "prefix": 64, "dev": "eth0"}
FOREVER = 2**32 - 1


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("10.9.0.1", VirtualAddress(**V4 | {"prefix": 32})),
        ("10.9.0.1/24", VirtualAddress(**V4)),
        ("10.9.0.1/24 dev vlan.7", VirtualAddress(**V4 | {"dev": "vlan.7"})),
        ("10.9.0.1/24 brd 10.9.0.99", VirtualAddress(**V4, broadcast="10.9.0.99")),
        ("10.9.0.1/24 brd +", VirtualAddress(**V4, broadcast="10.9.0.255")),
        ("10.9.0.1/24 brd -", VirtualAddress(**V4, broadcast="10.9.0.0")),
        ("10.9.0.1/30 broadcast +", VirtualAddress(**V4 | {"prefix": 30}, broadcast="10.9.0.3")),
        ("10.9.0.1/24 scope global", VirtualAddress(**V4)),
        ("10.9.0.1/24 scope link", VirtualAddress(**V4, scope=253)),
        ("10.9.0.1/24 scope 200", VirtualAddress(**V4, scope=200)),
        ("10.9.0.1/24 label eth0:vip", VirtualAddress(**V4, label="eth0:vip")),
        ("10.9.0.1 peer 10.9.0.2", VirtualAddress(**V4 | {"prefix": 32}, peer="10.9.0.2/32")),
        ("10.9.0.1 peer 10.9.0.2/24", VirtualAddress(**V4, peer="10.9.0.2/24")),
        ("10.9.0.1/24 home", VirtualAddress(**V4, home=True)),
        ("10.9.0.1/24 noprefixroute", VirtualAddress(**V4, no_prefix_route=True)),
        ("10.9.0.1/24 autojoin", VirtualAddress(**V4, auto_join=True)),
        ("10.9.0.1/24 no_track", VirtualAddress(**V4, tracked=False)),
        ("10.9.0.1/24 preferred_lft 50", VirtualAddress(**V4, preferred_lifetime=50)),
        ("10.9.0.1/24 preferred_lft forever", VirtualAddress(**V4)),
        ("10.9.0.1/24 dev eth1 use_vmac", VirtualAddress(**V4 | {"dev": "eth1"}, own_mac=True)),
        ("10.9.0.1/24 use_vmac", VirtualAddress(**V4)),
        ("2001:DB8:0::1/64", VirtualAddress(**V6)),
        ("2001:db8::1", VirtualAddress(**V6 | {"prefix": 128})),
        ("2001:db8::1/64 -nodad", VirtualAddress(**V6, nodad=False)),
        ("2001:db8::1/64 mngtmpaddr", VirtualAddress(**V6, managed_temporary=True)),
        ("2001:db8::1/64 preferred_lft 0", VirtualAddress(**V6, preferred_lifetime=0)),
        (
            "2001:db8::1 preferred_lft forever",
            VirtualAddress(**V6 | {"prefix": 128}, preferred_lifetime=FOREVER),
        ),
        ("2001:db8::1 peer 2001:db8::2/64", VirtualAddress(**V6, peer="2001:db8::2/64")),
        (
            "fe80::1/64 dev eth1 scope link",
            VirtualAddress(address="fe80::1", prefix=64, dev="eth1", scope=253),
        ),
    ],
)
def test_lines(line: str, address: VirtualAddress) -> None:
    assert the_instance(instance(f"virtual_ipaddress {{ {line} }}")).virtual_ipaddress == (address,)
    found = the_instance(instance(f"virtual_ipaddress_excluded {{ {line.replace('10.9', '10.7')} }}"))
    other = (found.virtual_ipaddress_excluded[0].prefix, found.virtual_ipaddress_excluded[0].dev)
    assert other == (address.prefix, address.dev)
    static = the_settings(instance("virtual_ipaddress { 10.1.0.1 }") + f"static_ipaddress {{ {line} }}\n")
    assert static.static_addresses[0].address == address


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("10.9.0.1 brd +", "brd + needs host bits; a /32 has no broadcast address"),
        ("10.9.0.1/31 brd -", "brd - needs host bits; a /31 has no broadcast address"),
        ("10.9.0.1/24 brd x", "'x' is no IP address"),
        ("10.9.0.1/24 brd ::1", "brd '::1' is no IPv4 address"),
        ("10.9.0.1/24 brd", "brd needs an address, + or - after it"),
        ("10.9.0.1/24 brd + broadcast -", "brd is given twice"),
        ("2001:db8::1/64 brd +", "2001:db8::1 is IPv6, which has no broadcast; remove brd"),
        ("2001:db8::1/64 label x", "2001:db8::1 is IPv6, which has no labels; remove label"),
        ("2001:db8::1/129", "'129' is no whole number from 1 to 128"),
        ("2001:db8::1/0", "'0' is no whole number from 1 to 128"),
        ("10.9.0.1/255.255.255.0", "'255.255.255.0' is no whole number from 1 to 32"),
        ("10.9.0.1 scope nobody", "'nobody' is no scope that this machine knows"),
        ("10.9.0.1 scope 256", "'256' is no number from 0 to 255"),
        ("10.9.0.1 label eth0:12345678901", "label 'eth0:12345678901' is none; 1 to 15 characters"),
        (
            "10.9.0.1/24 peer 10.9.0.2",
            "10.9.0.1 has a peer, so its prefix is the peer's; write 10.9.0.1 peer 10.9",
        ),
        ("10.9.0.1 peer 2001:db8::1", "peer 2001:db8::1 is no IPv4 address, as 10.9.0.1 is"),
        ("10.9.0.1 preferred_lft -1", "'-1' is no whole number from 0 to 4294967295"),
        ("10.9.0.1 track_group x", "track_group belongs to static addresses; remove it"),
        ("10.9.0.1 labl x", "'labl' after an address is not known; a line is ADDRESS[/LENGTH] [dev IF]"),
        ("10.9.0.1-9", "'10.9.0.1-9' is no IP address"),
        ("ff02::1", "'ff02::1' is no unicast address"),
        ("::", "'::' is the unspecified address"),
    ],
)
def test_lines_that_are_none(line: str, error: str) -> None:
    (said,) = errors(instance(f"virtual_ipaddress {{ {line} }}"))
    assert said.startswith(f"2: {error}")


def test_the_advice_for_a_peer_can_be_taken() -> None:
    (said,) = errors(instance("virtual_ipaddress { 10.9.0.1/24 peer 10.9.0.2 }"))
    line = said.partition("write ")[2]
    assert the_instance(instance(f"virtual_ipaddress {{ {line} }}")).virtual_ipaddress[0].prefix == 24


def test_a_static_address_without_an_interface_goes_on_the_default_one() -> None:
    text = "static_ipaddress { 10.8.0.1/24 }\n" + instance()
    assert the_settings(text).static_addresses[0].address.dev == "eth0"
    text += "global_defs { default_interface eth5 }\n"
    assert the_settings(text).static_addresses[0].address.dev == "eth5"


def test_the_families_of_addresses() -> None:
    mixed = instance("virtual_ipaddress { 10.9.0.1", "2001:db8::1 }")
    (said,) = errors(mixed)
    assert said.startswith(
        "3: 2001:db8::1 is IPv6 and the first address IPv4; move it to virtual_ipaddress_excl"
    )
    (said,) = errors(instance("native_ipv6"))
    assert said.startswith("5: 10.9.0.1 is IPv4, but native_ipv6 asks for IPv6")
    found = the_instance(instance("virtual_ipaddress_excluded { 2001:db8::1 }"))
    assert (found.family, found.version, len(found.virtual_ipaddress_excluded)) == (4, 2, 1)


@pytest.mark.parametrize(
    ("lines", "family"),
    [
        (("virtual_ipaddress { 10.9.0.1 }",), 4),
        (("virtual_ipaddress { 2001:db8::1 }",), 6),
        (("no_virtual_ipaddress",), 4),
        (("no_virtual_ipaddress", "native_ipv6"), 6),
        (("no_virtual_ipaddress", "unicast_peer { 2001:db8::2 }"), 6),
        (("no_virtual_ipaddress", "mcast_dst_ip ff02::99"), 6),
        (("no_virtual_ipaddress", "mcast_src_ip fe80::1"), 6),
    ],
)
def test_the_family_of_an_instance(lines: tuple[str, ...], family: int) -> None:
    text = instance(*lines)
    if "no_virtual_ipaddress" in lines:
        text = text.replace("virtual_ipaddress { 10.9.0.1 }\n", "")
    found = the_instance(text)
    assert (found.family, found.version) == (family, 2 if family == 4 else 3)


def test_ipv6_forces_version_3() -> None:
    text = instance("version 2", "virtual_ipaddress { 2001:db8::1 }")
    assert the_instance(text).version == 3
    assert warnings(text) == ["2: version has no effect here: VRRP for IPv6 is version 3"]
    assert warnings("global_defs { vrrp_version 2 }\n" + instance("virtual_ipaddress { 2001:db8::1 }")) == []


def test_an_election_without_addresses() -> None:
    text = instance("no_virtual_ipaddress").replace("virtual_ipaddress { 10.9.0.1 }\n", "")
    assert the_instance(text).virtual_ipaddress == ()
    assert errors(instance("no_virtual_ipaddress")) == [
        "2: no_virtual_ipaddress beside addresses; remove one"
    ]
