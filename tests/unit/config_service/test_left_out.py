"""What vipbus goes without: a warning by name, with the reason and the place; the rest of the file counts."""

from __future__ import annotations

import pytest

from config_service.keepalived.schema import TABLES
from tests.unit.config_service.support import (
    compiled,
    global_defs,
    instance,
    server,
    the_instance,
    the_server,
    the_settings,
    warnings,
)
from vipbus.contracts import RealServer, VirtualServer, VrrpInstance


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("linkbeat_interfaces {\neth0\n}\n" + instance(), "1: linkbeat_interfaces at the top of the file is"),
        ("linkbeat_use_polling\n" + instance(), "1: linkbeat_use_polling at the top of the file is left out"),
        (
            "net_namespace blue\n" + instance(),
            "1: net_namespace at the top of the file is left out of vipbus on",
        ),
        ("net_namespace_ipvs blue\n" + server(), "1: net_namespace_ipvs at the top of the file is left out"),
        (
            "instance a\n" + server(),
            "1: instance at the top of the file is left out of vipbus on purpose: vipbus",
        ),
        (
            "bfd_instance b {\nneighbor_ip 10.9.0.2\nweight 5 reverse\n}\n" + instance(),
            "1: bfd_instance at the top of the file is left out of vipbus on purpose: vipbus has no BFD; ",
        ),
        (
            global_defs("enable_snmp_vrrp"),
            "2: enable_snmp_vrrp in global_defs is left out of vipbus on purpose",
        ),
        (
            global_defs("enable_dbus"),
            "2: enable_dbus in global_defs is left out of vipbus on purpose: the bus",
        ),
        (
            global_defs("bfd_priority 5"),
            "2: bfd_priority in global_defs is left out of vipbus on purpose: vipbus",
        ),
        (
            global_defs("umask 022"),
            "2: umask in global_defs is left out of vipbus on purpose: each file that",
        ),
        (
            global_defs('startup_script "/bin/x y" root'),
            "2: startup_script in global_defs is left out of vipbus",
        ),
        (global_defs("checker_cpu_affinity 0 1 2"), "2: checker_cpu_affinity in global_defs is left out of"),
        (
            global_defs("nftables_ipvs"),
            "2: nftables_ipvs in global_defs is left out of vipbus on purpose: each",
        ),
        (
            global_defs("max_auto_priority 5"),
            "2: max_auto_priority has no effect here: the agent has real-time",
        ),
        (
            global_defs("vrrp_rx_bufs_policy MTU"),
            "2: vrrp_rx_bufs_policy has no effect here: the agent reads",
        ),
        (
            instance("linkbeat_use_polling"),
            "2: linkbeat_use_polling in vrrp_instance is left out of vipbus on",
        ),
        (
            instance("skip_check_adv_addr on"),
            "2: skip_check_adv_addr has no effect here: the list of addresses",
        ),
        (
            "SSL {\npassword hunter2\n}\n" + instance(),
            "2: password in SSL is left out of vipbus on purpose: no password of a key stands in a",
        ),
    ],
)
def test_a_keyword_that_is_left_out_is_a_warning(text: str, warning: str) -> None:
    (said,) = warnings(text)
    assert said.startswith(warning)
    assert "hunter2" not in said


def test_of_ah_the_instance_is_left_without_authentication() -> None:
    text = instance("authentication {", "auth_type AH", "auth_pass Geheim", "}")
    (said,) = warnings(text)
    assert said.startswith(
        "3: auth_type: AH is left out of vipbus on purpose: it is gone from VRRP since RFC"
    )
    assert "runs without authentication, and its peers must, too" in said
    assert the_instance(text).auth_pass is None


def test_a_bfd_instance_is_not_tracked() -> None:
    text = instance("track_bfd { b }", "track_interface { eth1 }")
    (said,) = warnings(text)
    assert said.startswith(
        "2: track_bfd in vrrp_instance is left out of vipbus on purpose: vipbus has no BFD; "
    )
    assert said.endswith("is not tracked, and this instance goes on without")
    assert [track.name for track in the_instance(text).tracks] == ["eth1"]


def test_a_group_tracks_no_bfd_instance() -> None:
    text = "vrrp_sync_group G {\ngroup { VI_1 }\ntrack_bfd {\nb weight 5\n}\n}\n" + instance()
    assert any(said.startswith("3: track_bfd in vrrp_sync_group is left out") for said in warnings(text))


def test_a_real_server_is_not_checked_by_bfd() -> None:
    text = server(inside="BFD_CHECK {\nname b\n}\nTCP_CHECK { }")
    (said,) = warnings(text)
    assert said.startswith(
        "3: BFD_CHECK in real_server is left out of vipbus on purpose: vipbus has no BFD; "
    )
    _, real = the_server(text)
    assert len(real.checks) == 1
    _, unchecked = the_server(server(inside="BFD_CHECK {\nname b\n}"))
    assert unchecked.checks == ()


@pytest.mark.parametrize(
    ("line", "warning", "kept"),
    [
        ("10.1.0.0/24 via 10.9.0.5 realms 5", "realms of a route is left out of vipbus; the route is set", 2),
        (
            "2001:db8:1::/64 dev eth0 expires 60",
            "expires of a route is left out of vipbus; the route is set",
            2,
        ),
        (
            "10.1.0.0/24 encap ip id 5 dev eth0",
            "encap of a route is left out of vipbus, and this route with it",
            1,
        ),
        (
            "10.1.0.0/24 vrf blue",
            "vrf of a route is left out of vipbus, and this route with it; set it by ip",
            1,
        ),
    ],
)
def test_of_a_route_what_it_can_do_without(line: str, warning: str, kept: int) -> None:
    text = instance(f"virtual_routes {{\n{line}\n10.3.0.0/24 via 10.9.0.5\n}}")
    (said,) = warnings(text)
    assert said.startswith(f"3: {warning}")
    assert len(the_instance(text).virtual_routes) == kept


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (
            "use_vmac v group 5",
            "2: use_vmac: group '5' is left out of vipbus; the new device is in the default",
        ),
        (
            "use_ipvlan v 10.9.0.9 vepa",
            "2: use_ipvlan: vepa is left out of vipbus; the new device is in mode",
        ),
    ],
)
def test_of_a_virtual_mac(line: str, warning: str) -> None:
    text = instance(line)
    (said,) = warnings(text)
    assert said.startswith(warning)
    found = the_instance(text).virtual_mac
    assert found is not None
    assert found.name == "v"


def test_of_instances_that_do_not_move_together_the_first_follows_an_address() -> None:
    text = (
        "track_group T { group { A B } }\nstatic_ipaddress { 10.8.0.1/24 dev eth0 track_group T }\n"
        + instance(name="A")
        + instance("virtual_router_id 52", "virtual_ipaddress { 10.9.0.2 }", name="B")
    )
    (said,) = warnings(text)
    assert said.startswith("1: track_group 'T' names several instances that are no vrrp_sync_group; only A")
    (address,) = the_settings(text).static_addresses
    assert address.track_group == "A"


def test_whatever_is_left_out_compiles_with_any_words_and_any_block() -> None:
    heads = {
        "": "",
        "global_defs": "global_defs {",
        "vrrp_instance": instance("virtual_router_id 1", "virtual_ipaddress { 10.9.0.9 }", name="V")[:-2],
        "vrrp_sync_group": "vrrp_sync_group G {\ngroup { VI_1 }",
        "SSL": "SSL {",
        "FILE_CHECK": "track_file f { file /f }\nvirtual_server 10.9.0.1 80 {\nreal_server 10.9.1.21 80 {\n"
        "FILE_CHECK {\ntrack_file f",
        "real_server": "virtual_server 10.9.0.1 80 {\nprotocol TCP\nreal_server 10.9.1.21 80 {",
    }
    kinds = (VrrpInstance, VirtualServer, RealServer)
    for table in TABLES:
        head = heads[table.name] if table.left_out else ""
        for word in table.left_out:
            text = f"{head}\n{word} any 'words of' it {{\nand {{\na block 5\n}}\n}}\n" + "}" * (
                head.count("{") - head.count("}")
            )
            without = "\n".join(line for line in (head, "}" * (head.count("{") - head.count("}"))))
            found = compiled(f"{text}\n{instance()}")
            plain = compiled(f"{without}\n{instance()}")
            assert [one for one in found.entities if isinstance(one, kinds)] == [
                one for one in plain.entities if isinstance(one, kinds)
            ]
            assert any(f"{word} " in one.text and "left out" in one.text for one in found.warnings)
