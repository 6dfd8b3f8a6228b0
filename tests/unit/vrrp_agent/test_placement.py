"""Where an instance's objects go, which devices that needs, and what no packet may reach."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vrrp import instance
from vipbus.contracts import VirtualAddress, VirtualMac, VirtualRoute, VirtualRule, VrrpInstance
from vrrp_agent import filters, placement, sysctls
from vrrp_agent.placement import Device, devices, placed


def vip(text: str, dev: str = "eth0", **more: Any) -> VirtualAddress:
    return VirtualAddress(address=text, prefix=64 if ":" in text else 24, dev=dev, **more)


def where(config: VrrpInstance) -> list[str]:
    return [each.dev for each in placed(config) if isinstance(each, VirtualAddress)]


V4, V6, FAR = vip("10.88.0.100"), vip("2001:db8::100"), vip("10.99.0.100", "eth1")
MINE = vip("10.99.0.100", "eth1", own_mac=True)


@pytest.mark.parametrize(
    ("changes", "homes", "macs"),
    [
        ({}, ["eth0", "eth0", "eth1"], []),
        (
            {"virtual_mac": VirtualMac(name="vrrp.51")},
            ["vrrp.51", "vrrp.51", "eth1"],
            [("vrrp.51", "eth0", "00:00:5e:00:01:33")],
        ),
        (
            {"virtual_mac": VirtualMac(name="vrrp.51", each_address=True)},
            ["vrrp.51", "vr51-6.eth0", "vr51-4.eth1"],
            [
                ("vrrp.51", "eth0", "00:00:5e:00:01:33"),
                ("vr51-6.eth0", "eth0", "00:00:5e:00:02:33"),
                ("vr51-4.eth1", "eth1", "00:00:5e:00:01:33"),
            ],
        ),
        (
            {"virtual_mac": VirtualMac(name="vrrp.51", mac="02:AA:00:00:00:01")},
            ["vrrp.51", "vrrp.51", "eth1"],
            [("vrrp.51", "eth0", "02:aa:00:00:00:01")],
        ),
        (
            {"virtual_ipaddress_excluded": (V6, MINE)},
            ["eth0", "eth0", "vr51-4.eth1"],
            [("vr51-4.eth1", "eth1", "00:00:5e:00:01:33")],
        ),
    ],
)
def test_addresses_go_where_their_mac_is(
    changes: dict[str, Any], homes: list[str], macs: list[tuple[str, str, str]]
) -> None:
    base = {"virtual_ipaddress": (V4,), "virtual_ipaddress_excluded": (V6, FAR)}
    config = instance("a", **{**base, **changes})
    assert where(config) == homes
    assert [(each.name, each.parent, each.mac) for each in devices(config)] == macs


def test_routes_and_rules_stay_as_they_are() -> None:
    route = VirtualRoute(family=4, destination="10.0.0.0/8", dev="eth0")
    rule = VirtualRule(family=4, table=7, source="10.88.0.100/32")
    config = instance(
        "a", virtual_mac=VirtualMac(name="vrrp.51"), virtual_routes=(route,), virtual_rules=(rule,)
    )
    assert placed(config)[1:] == (route, rule)
    assert placement.device(config) == "vrrp.51"
    assert placement.device(instance("a")) == "eth0"


def test_an_ipvlan_has_no_mac_and_its_own_address() -> None:
    config = instance("a", virtual_mac=VirtualMac(kind="ipvlan", name="ipv.51", address="10.88.0.51/24"))
    own = vip("10.88.0.51", "ipv.51")
    assert devices(config) == (Device(name="ipv.51", parent="eth0", kind="ipvlan", mac="", address=own),)


def test_a_long_name_is_cut_and_stays_another() -> None:
    names = set()
    for dev in ("enp3s0f0np0.100", "enp3s0f0np0.101"):
        config = instance("a", virtual_ipaddress=(vip("10.88.0.100", dev, own_mac=True),))
        (name,) = where(config)
        assert len(name) <= 15
        names.add(name)
    assert len(names) == 2


def test_ipv6_is_off_where_it_is_not_needed() -> None:
    off = {each.name: each.value for each in sysctls.for_child(_device(six=False), filters=False)}
    on = {each.name: each.value for each in sysctls.for_child(_device(six=True), filters=True)}
    assert (off["disable_ipv6"], on["disable_ipv6"]) == (1, 0)
    assert (off["rp_filter"], on["rp_filter"]) == (0, 2)


def _device(*, six: bool) -> Device:
    return Device(name="vrrp.51", parent="eth0", kind="macvlan", mac="00:00:5e:00:01:33", six=six)


def test_an_address_takes_nothing_unless_this_router_owns_it() -> None:
    configs = [
        instance("a", accept=False, virtual_ipaddress=(V4,), virtual_ipaddress_excluded=(FAR,)),
        instance("a", accept=False, priority=255, virtual_ipaddress=(vip("10.88.0.7"),)),
        instance("a", virtual_ipaddress=(vip("10.88.0.8"),)),
        instance(
            "a", accept=False, virtual_mac=VirtualMac(name="vrrp.9"), virtual_ipaddress=(vip("fe80::9"),)
        ),
    ]
    assert filters.closed(configs) == {
        ("eth0", "10.88.0.100"),
        ("eth1", "10.99.0.100"),
        ("vrrp.9", "fe80::9"),
    }


def test_the_rules_name_each_address_where_it_belongs() -> None:
    script = filters.accept_mode(
        frozenset({("eth0", "10.88.0.100"), ("eth1", "2001:db8::1"), ("eth1", "fe80::1")})
    )
    assert "closed4 { 10.88.0.100 }" in script
    assert "closed6 { 2001:db8::1 }" in script
    assert 'closed_local { "eth1" . fe80::1 }' in script
    moved = filters.silence("ip6", frozenset({("vrrp.51", "eth0", 7)}))
    assert 'below { "vrrp.51" : 7 }' in moved


@pytest.mark.parametrize("name", ['a"; flush ruleset; #', "a b", "a*", "", "a\nb", "sixteen-letters-"])
def test_no_name_says_anything_else(name: str) -> None:
    with pytest.raises(ValueError, match="no interface's name"):
        filters.accept_mode(frozenset({(name, "fe80::1")}))
    with pytest.raises(ValueError, match="no interface's name"):
        filters.silence("ip", frozenset({(name, "eth0", 1)}))
