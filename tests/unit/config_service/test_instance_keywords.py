"""An instance's election, transport, virtual MAC, announcements: values, defaults, what voids what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config_service.support import (
    compiled,
    errors,
    global_defs,
    instance,
    the_instance,
    warnings,
)
from vipbus.contracts import Garp, UnicastPeer, VirtualMac, VrrpInstance


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        (("state MASTER",), "priority", 255),
        (("state MASTER", "priority 150"), "priority", 150),
        (("state BACKUP",), "priority", 100),
        (("preempt",), "nopreempt", False),
        (("preempt_delay 4.25",), "preempt_delay", 4.25),
        (("down_timer_adverts 100",), "down_timer_adverts", 100),
        (("accept",), "accept", True),
        (("no_accept",), "accept", False),
        (("no_accept", "priority 255"), "accept", True),
        (("strict_mode",), "strict", True),
        (("strict_mode no",), "strict", False),
        (("lower_prio_no_advert",), "lower_prio_no_advert", True),
        (("lower_prio_no_advert off",), "lower_prio_no_advert", False),
        (("higher_prio_send_advert yes",), "higher_prio_send_advert", True),
        (("owner_ignore_adverts true",), "owner_ignore_adverts", True),
        (("skip_check_adv_addr off",), "strict", False),
        (("mcast_src_ip 10.9.0.2",), "source", "10.9.0.2"),
        (("mcast_src_ip 10.9.0.2", "track_src_ip"), "track_source", True),
        (("mcast_dst_ip 239.1.1.1",), "multicast_group", "239.1.1.1"),
        (("unicast_peer { 10.9.0.2 }",), "unicast_peers", (UnicastPeer(address="10.9.0.2"),)),
        (("unicast_peer { 10.9.0.2 }",), "check_unicast_source", False),
        (("unicast_peer { 10.9.0.2 }", "check_unicast_src"), "check_unicast_source", True),
        (("unicast_peer { 10.9.0.2 min_ttl 5 }",), "check_unicast_source", True),
        (
            ("unicast_peer { 10.9.0.2 max_ttl 9 min_ttl 5 }",),
            "unicast_peers",
            (UnicastPeer(address="10.9.0.2", min_ttl=5, max_ttl=9),),
        ),
        (("unicast_peer { 10.9.0.2 }", "unicast_ttl 0"), "unicast_ttl", 0),
        (("unicast_fault_no_peer",), "unicast_fault_no_peer", True),
        (("version 3", "v3_checksum_as_v2"), "checksum_as_v2", True),
        (("vrf red",), "vrf", "red"),
        (("promote_secondaries",), "promote_secondaries", True),
        (("dont_track_primary",), "track_interface", False),
        (("use_vmac",), "virtual_mac", VirtualMac(name="vrrp.51")),
        (("use_vmac netlink_notify_msg",), "virtual_mac", VirtualMac(name="vrrp.51")),
        (("use_vmac vm0",), "virtual_mac", VirtualMac(name="vm0")),
        (("use_vmac name group",), "virtual_mac", VirtualMac(name="group")),
        (
            ("use_vmac vm0 02:00:00:00:00:0A",),
            "virtual_mac",
            VirtualMac(name="vm0", mac="02:00:00:00:00:0a"),
        ),
        (("use_vmac 02:0:0:0:0",), "virtual_mac", VirtualMac(name="vrrp.51", mac="02:00:00:00:00:33")),
        (("use_vmac", "vmac_xmit_base"), "virtual_mac", VirtualMac(name="vrrp.51", xmit_base=True)),
        (
            ("use_ipvlan 10.9.0.9",),
            "virtual_mac",
            VirtualMac(kind="ipvlan", name="vrrp.51", address="10.9.0.9/32"),
        ),
        (("use_ipvlan iv 10.9.0.9/24 bridge",), "source", "10.9.0.9"),
        (("use_ipvlan 10.9.0.9", "mcast_src_ip 10.9.0.8"), "source", "10.9.0.8"),
        (
            ("use_ipvlan name bridge", "virtual_ipaddress { 2001:db8::1 }"),
            "virtual_mac",
            VirtualMac(kind="ipvlan", name="bridge"),
        ),
        (("garp_master_delay 0",), "garp", Garp(master_delay=0.0, lower_prio_delay=5.0)),
        (("garp_master_repeat 1",), "garp", Garp(master_repeat=1, lower_prio_repeat=5)),
        (("garp_lower_prio_delay 1",), "garp", Garp(lower_prio_delay=1.0)),
        (("garp_lower_prio_repeat 0",), "garp", Garp(lower_prio_repeat=0)),
        (("garp_master_refresh 60",), "garp", Garp(master_refresh=60.0)),
        (("garp_master_refresh_repeat 2",), "garp", Garp(master_refresh_repeat=2)),
        (("garp_extra_if 100",), "garp", Garp()),
        (
            ("garp_extra_if 100", "virtual_ipaddress { 10.9.0.1 dev eth1 use_vmac }"),
            "garp",
            Garp(master_refresh=100.0, extra_interfaces=("eth1",)),
        ),
        (("garp_extra_if 100", "virtual_ipaddress { 10.9.0.1 dev eth1 }"), "garp", Garp()),
        (
            ("garp_extra_if all 100", "garp_master_refresh 30", "virtual_ipaddress { 10.9.0.1 dev eth1 }"),
            "garp",
            Garp(master_refresh=30.0, extra_interfaces=("eth1",), extra_all=True),
        ),
        (("garp_extra_if all 0", "virtual_ipaddress { 10.9.0.1 dev eth1 }"), "garp", Garp()),
    ],
)
def test_values(lines: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(the_instance(instance(*lines)), field) == value


def test_the_defaults() -> None:
    found = the_instance(instance())
    expected = VrrpInstance(router="r1", name="VI_1", interface="eth0", virtual_router_id=51)
    for field in VrrpInstance.__struct_fields__:
        if field != "virtual_ipaddress":
            assert getattr(found, field) == getattr(expected, field)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("vrrp_version 3", "version", 3),
        ("vrrp_strict", "strict", True),
        ("vrrp_down_timer_adverts 7", "down_timer_adverts", 7),
        ("vrrp_lower_prio_no_advert", "lower_prio_no_advert", True),
        ("vrrp_higher_prio_send_advert", "higher_prio_send_advert", True),
        ("vrrp_owner_ignore_adverts", "owner_ignore_adverts", True),
        ("vrrp_mcast_group4 224.0.0.77", "multicast_group", "224.0.0.77"),
        ("vrrp_mcast_group6 ff02::77", "multicast_group", None),
        ("vmac_prefix x", "virtual_mac", VirtualMac(name="x.51")),
        ("vrrp_min_garp", "garp", Garp(master_delay=0.0, master_repeat=1)),
        ("vrrp_min_garp off", "garp", Garp()),
        ("vrrp_garp_master_delay 9", "garp", Garp(master_delay=9.0)),
        ("vrrp_garp_master_repeat 9", "garp", Garp(master_repeat=9)),
        ("vrrp_garp_lower_prio_delay 9", "garp", Garp(lower_prio_delay=9.0)),
        ("vrrp_garp_lower_prio_repeat 9", "garp", Garp(lower_prio_repeat=9)),
        ("vrrp_garp_master_refresh 9", "garp", Garp(master_refresh=9.0)),
        ("vrrp_garp_interval 0.5", "garp", Garp(arp_interval=0.5)),
        ("vrrp_gna_interval 0.5", "garp", Garp(na_interval=0.5)),
    ],
)
def test_global_defaults(line: str, field: str, value: object) -> None:
    text = f"global_defs {{\n{line}\n}}\n" + instance("use_vmac" if "vmac" in line else "nopreempt")
    assert getattr(the_instance(text), field) == value


@pytest.mark.parametrize(
    ("line", "over", "field", "value"),
    [
        ("vrrp_strict", "strict_mode off", "strict", False),
        ("vrrp_down_timer_adverts 7", "down_timer_adverts 4", "down_timer_adverts", 4),
        ("vrrp_lower_prio_no_advert", "lower_prio_no_advert off", "lower_prio_no_advert", False),
        ("vrrp_mcast_group4 224.0.0.77", "mcast_dst_ip 224.0.0.78", "multicast_group", "224.0.0.78"),
        ("vrrp_mcast_group4 224.0.0.77", "unicast_peer { 10.9.0.2 }", "multicast_group", None),
        (
            "vrrp_garp_master_delay 9",
            "garp_master_delay 1",
            "garp",
            Garp(master_delay=1.0, lower_prio_delay=9.0),
        ),
        (
            "vrrp_min_garp",
            "garp_master_repeat 3",
            "garp",
            Garp(master_delay=0.0, master_repeat=3, lower_prio_repeat=1),
        ),
        ("v3_checksum_as_v2", "version 3", "checksum_as_v2", True),
        ("v3_checksum_as_v2", "version 2", "checksum_as_v2", False),
        ("vrrp_check_unicast_src", "unicast_peer { 10.9.0.2 }", "check_unicast_source", True),
        ("vrrp_check_unicast_src", "nopreempt", "check_unicast_source", False),
    ],
)
def test_an_instance_says_otherwise(line: str, over: str, field: str, value: object) -> None:
    text = f"global_defs {{\n{line}\n}}\n" + instance(over)
    assert getattr(the_instance(text), field) == value
    assert warnings(text) == []


VOID: list[tuple[tuple[str, ...], str, str, Any]] = [
    (
        ("preempt_delay 5", "nopreempt"),
        "preempt_delay has no effect here: with nopreempt",
        "preempt_delay",
        0.0,
    ),
    (
        ("preempt_delay 5", "state MASTER", "priority 9"),
        "preempt_delay has no effect here: state",
        "preempt_delay",
        0.0,
    ),
    (
        ("preempt_delay 5", "priority 255"),
        "preempt_delay has no effect here: priority 255",
        "preempt_delay",
        0.0,
    ),
    (("state MASTER",), "state MASTER without a priority means 255", "priority", 255),
    (
        ("mcast_dst_ip 224.0.0.19", "unicast_peer { 10.9.0.2 }"),
        "mcast_dst_ip has no",
        "multicast_group",
        None,
    ),
    (
        ("unicast_src_ip 10.9.0.2",),
        "unicast_src_ip without a peer: advertisements go by",
        "source",
        "10.9.0.2",
    ),
    (
        ("unicast_peer { }",),
        "unicast_peer without a peer: advertisements go by multicast",
        "unicast_peers",
        (),
    ),
    (("unicast_ttl 5",), "unicast_ttl has no effect here: there is no unicast_peer", "unicast_ttl", 255),
    (("check_unicast_src",), "check_unicast_src has no effect here: there is", "check_unicast_source", False),
    (("track_src_ip",), "track_src_ip has no effect here: no source is named", "track_source", False),
    (("v3_checksum_as_v2",), "v3_checksum_as_v2 has no effect here: it is for", "checksum_as_v2", False),
    (("vmac_xmit_base",), "vmac_xmit_base has no effect here: there is no use_vmac", "virtual_mac", None),
    (
        ("use_vmac", "unicast_peer { 10.9.0.2 }"),
        "use_vmac with unicast peers means vmac_xmit_base too",
        "virtual_mac",
        VirtualMac(name="vrrp.51", xmit_base=True),
    ),
    (("timer_expired_backup",), "timer_expired_backup has no effect here: a router that", "nopreempt", False),
    (("old_unicast_checksum",), "old_unicast_checksum has no effect here", "checksum_as_v2", False),
    # what strict mode voids
    (
        ("preempt_delay 5", "strict_mode"),
        "preempt_delay has no effect here: strict mode",
        "preempt_delay",
        0.0,
    ),
    (("down_timer_adverts 5", "strict_mode"), "down_timer_adverts has no effect", "down_timer_adverts", 3),
    (("accept", "strict_mode"), "accept has no effect here: strict mode knows it for", "accept", False),
    (("lower_prio_no_advert no", "strict_mode"), "lower_prio_no_advert has no", "lower_prio_no_advert", True),
    (("higher_prio_send_advert", "strict_mode"), "higher_prio_send_adv", "higher_prio_send_advert", False),
    (
        ("state MASTER", "priority 9", "strict_mode"),
        "state has no effect here: in strict mode",
        "state",
        "BACKUP",
    ),
    (
        ("vmac_xmit_base", "use_vmac", "strict_mode"),
        "vmac_xmit_base has no effect here: strict mode",
        "virtual_mac",
        VirtualMac(name="vrrp.51"),
    ),
    (
        ("unicast_peer { 10.9.0.2 }", "strict_mode"),
        "unicast_peer is beyond what strict mode allows; it counts",
        "unicast_peers",
        (UnicastPeer(address="10.9.0.2"),),
    ),
    (
        ("garp_lower_prio_repeat 2", "strict_mode"),
        "garp_lower_prio_repeat has no effect here: strict mode",
        "garp",
        Garp(lower_prio_delay=0.0, lower_prio_repeat=0),
    ),
    (
        ("authentication { auth_type PASS", "auth_pass x }", "strict_mode"),
        "authentication has no effect here: strict mode has none",
        "auth_pass",
        None,
    ),
]


@pytest.mark.parametrize(("lines", "warning", "field", "value"), VOID)
def test_what_voids_what(lines: tuple[str, ...], warning: str, field: str, value: object) -> None:
    text = instance(*lines)
    assert getattr(the_instance(text), field) == value
    (said,) = warnings(text)
    assert said.startswith(f"2: {warning}")


def test_what_strict_mode_does_of_itself() -> None:
    found = the_instance(instance("strict_mode", "version 3"))
    assert (found.accept, found.lower_prio_no_advert, found.garp.lower_prio_repeat) == (False, True, 0)
    assert the_instance(instance("strict_mode", "version 3", "accept")).accept
    assert the_instance(instance("strict_mode", "priority 255")).accept
    globally = global_defs("vrrp_strict", "vrrp_higher_prio_send_advert", "vrrp_down_timer_adverts 9")
    found = the_instance(globally)
    assert (found.higher_prio_send_advert, found.down_timer_adverts) == (False, 3)
    assert warnings(globally) == []


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (
            ("strict_mode", "virtual_ipaddress { 2001:db8::1 }"),
            "3: strict mode wants a link-local address first",
        ),
        (("strict_mode", "no_virtual_ipaddress"), "3: strict mode wants an address; add one"),
        (
            (f"auth_hmac {{ key 1 {'k' * 32}", "active_key 1", "mode permissive }", "strict_mode"),
            "4: strict mode wants mode enforce; remove one of both",
        ),
    ],
)
def test_what_strict_mode_refuses(lines: tuple[str, ...], error: str) -> None:
    text = instance(*lines)
    if "no_virtual_ipaddress" in lines:
        text = text.replace("virtual_ipaddress { 10.9.0.1 }\n", "")
    (said,) = errors(text)
    assert said.startswith(error)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("preempt_delay 1001", "preempt_delay: '1001' is no number of seconds from 0 to 1000"),
        ("down_timer_adverts 0", "down_timer_adverts: '0' is no whole number from 1 to 100"),
        ("down_timer_adverts 101", "down_timer_adverts: '101' is no whole number from 1 to 100"),
        ("strict_mode maybe", "strict_mode: 'maybe' is none of on off true false yes no"),
        ("strict_mode On", "strict_mode: 'On' is none of on off true false yes no"),
        ("timer_expired_backup 255", "timer_expired_backup: '255' is no whole number from 1 to 254"),
        ("mcast_src_ip eth0", "mcast_src_ip: 'eth0' is no IP address"),
        ("mcast_src_ip 2001:db8::1", "mcast_src_ip 2001:db8::1 is no IPv4 address, as the instance's are"),
        ("unicast_src_ip 2001:db8::1", "unicast_src_ip 2001:db8::1 is no IPv4 address"),
        ("mcast_dst_ip 10.9.0.5", "mcast_dst_ip: '10.9.0.5' is no multicast address"),
        ("mcast_dst_ip ff05::12", "mcast_dst_ip: 'ff05::12' is no link-local group"),
        ("mcast_dst_ip ff02::12", "mcast_dst_ip ff02::12 is no IPv4 address"),
        ("mcast_dst_ip ff::2:1", "mcast_dst_ip: 'ff::2:1' is no multicast address"),
        ("unicast_peer { 2001:db8::5 }", "unicast_peer 2001:db8::5 is no IPv4 address"),
        ("unicast_peer { 10.9.0.5 10.9.0.6 }", "'10.9.0.6' after a unicast_peer is not known"),
        ("unicast_peer { 10.9.0.5 min_ttl }", "min_ttl needs a number after it"),
        ("unicast_peer { 10.9.0.5 min_ttl 256 }", "'256' is no whole number from 0 to 255"),
        ("unicast_peer { 10.9.0.5 min_ttl 9 max_ttl 5 }", "min_ttl 9 is more than max_ttl 5"),
        ("unicast_ttl 256", "unicast_ttl: '256' is no whole number from 0 to 255"),
        ("use_vmac a b", "use_vmac: the interface is given twice"),
        ("use_vmac 00:00:5e:00:01:33", "use_vmac: 00:00:5e:00:01:33 is one of VRRP's own"),
        ("use_vmac 01:00:00:00:00:01", "use_vmac: '01:00:00:00:00:01' is no host's MAC address"),
        ("use_vmac 02:00:00", "use_vmac: '02:00:00' is no MAC address"),
        ("use_vmac abcdefghijklmnop", "use_vmac: 'abcdefghijklmnop' is no network interface's name"),
        ("use_ipvlan", "use_ipvlan needs an address of its own for IPv4"),
        ("use_ipvlan v 2001:db8::9", "use_ipvlan 2001:db8::9 is no IPv4 address"),
        ("use_ipvlan v 10.9.0.9/33", "use_ipvlan: '33' is no whole number from 0 to 32"),
        ("garp_master_delay 1.5", "garp_master_delay: '1.5' is no whole number from 0 to 4294"),
        ("garp_master_repeat 0", "garp_master_repeat: '0' is no whole number from 1"),
        ("garp_extra_if all", "garp_extra_if: the seconds are missing"),
        ("garp_extra_if every 5", "garp_extra_if: it is written garp_extra_if [all] SECONDS"),
        ("garp_extra_if 86401", "garp_extra_if: '86401' is no whole number from 0 to 86400"),
        ("vrf a/b", "vrf: 'a/b' is no network interface's name"),
    ],
)
def test_errors(line: str, error: str) -> None:
    (said,) = errors(instance(line))
    assert said.startswith(f"2: {error}")


def test_keywords_that_exclude_each_other() -> None:
    for first, second in (
        ("accept", "no_accept"),
        ("preempt", "nopreempt"),
        ("mcast_src_ip 10.9.0.2", "unicast_src_ip 10.9.0.3"),
        ("use_vmac", "use_ipvlan 10.9.0.9"),
    ):
        (said,) = errors(instance(first, second))
        assert said.startswith(
            f"3: {second.split()[0]} is given twice, first as '{first.split()[0]}' on line 2"
        )


def test_devices_of_one_name_are_numbered_as_keepalived_does() -> None:
    text = (
        instance("use_vmac")
        + instance("use_vmac", "virtual_ipaddress { 2001:db8::1 }", name="B")
        + instance("interface eth1", "use_vmac", "virtual_ipaddress { 10.9.0.3 }", name="C")
        + instance("interface eth2", "use_vmac vrrp2.51", "virtual_ipaddress { 10.9.0.4 }", name="D")
    )
    found = [one for one in compiled(text).entities if isinstance(one, VrrpInstance)]
    assert [one.virtual_mac.name for one in found if one.virtual_mac] == [
        "vrrp.51",
        "vrrp1.51",
        "vrrp3.51",
        "vrrp2.51",
    ]
    (said,) = errors(
        instance("use_vmac v")
        + instance("use_vmac v", "interface eth1", "virtual_ipaddress { ::2 }", name="B")
    )
    assert said.startswith("8: v is another instance's device already")


def test_use_vmac_addr_is_for_addresses_on_other_interfaces() -> None:
    found = the_instance(instance("use_vmac_addr", "virtual_ipaddress { 10.9.0.1", "10.9.0.2 dev eth1 }"))
    assert found.virtual_mac is None
    assert [one.own_mac for one in found.virtual_ipaddress] == [False, True]
