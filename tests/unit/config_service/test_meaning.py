"""What a file's blocks mean together: entities, defaults, warnings and clashes."""

from __future__ import annotations

import re

import pytest

from config_service.keepalived.compile import router_name
from tests.unit.config_service.support import (
    GOOD,
    compiled,
    errors,
    instance,
    server,
    the_instance,
    the_server,
    warnings,
)
from vipbus.contracts import (
    RealServer,
    TcpCheck,
    VirtualAddress,
    VirtualServer,
    VrrpInstance,
    VrrpSettings,
)


def test_the_good_file_means_this() -> None:
    configuration = compiled(GOOD, router=None)
    web, dns = "10-9-0-100_80_tcp", "2001-db8--1_53_udp"
    assert configuration.warnings == ()
    assert configuration.summary == "2 instances, 2 virtual servers, 3 real servers"
    assert configuration.entities == (
        VrrpSettings(router="lb-a"),
        VrrpInstance(
            router="lb-a",
            name="VI_1",
            interface="eth0",
            virtual_router_id=51,
            priority=150,
            version=3,
            advert_int=0.5,
            nopreempt=True,
            virtual_ipaddress=(
                VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0"),
                VirtualAddress(address="10.9.0.101", prefix=32, dev="eth1"),
            ),
        ),
        VrrpInstance(
            router="lb-a",
            name="VI 2",
            interface="eth1",
            virtual_router_id=51,
            virtual_ipaddress=(VirtualAddress(address="10.9.0.102", prefix=32, dev="eth1"),),
        ),
        VirtualServer(
            router="lb-a",
            address="10.9.0.100",
            port=80,
            protocol="TCP",
            scheduler="wrr",
            forwarding="NAT",
            persistence_timeout=360,
            instance="VI_1",
        ),
        RealServer(
            router="lb-a",
            virtual_server=web,
            address="10.9.1.21",
            port=8080,
            weight=3,
            checks=(
                TcpCheck(
                    address="10.9.1.21",
                    port=8081,
                    interval=1.5,
                    timeout=1.0,
                    retry=2,
                    delay_before_retry=0.5,
                ),
            ),
        ),
        RealServer(
            router="lb-a",
            virtual_server=web,
            address="10.9.1.22",
            port=8080,
            checks=(TcpCheck(address="10.9.1.22", port=8080, interval=1.5),),
        ),
        VirtualServer(
            router="lb-a",
            address="2001:db8::1",
            port=53,
            protocol="UDP",
            scheduler="rr",
            forwarding="DR",
            persistence_timeout=50,
        ),
        RealServer(router="lb-a", virtual_server=dns, address="2001:db8::21", port=53, weight=0),
    )


@pytest.mark.parametrize(
    ("option", "router_id", "name"),
    [("a", "b", "a"), (None, "b", "b"), (None, None, "host"), ("", "b", "b")],
)
def test_the_routers_name(option: str | None, router_id: str | None, name: str) -> None:
    assert router_name(option, router_id, "host") == name


def test_vrrp_version_holds_for_instances_above_it() -> None:
    assert the_instance(instance() + "global_defs {\nvrrp_version 3\n}\n").version == 3


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            ("nopreempt", "state MASTER", "priority 150"),
            "2: nopreempt has no effect here: state MASTER asks for the opposite",
        ),
        (("nopreempt", "priority 255"), "2: nopreempt has no effect here: priority 255 owns the address"),
        (("nopreempt", "priority 255", "state MASTER"), "2: nopreempt has no effect here: priority 255"),
    ],
)
def test_nopreempt_may_be_void(lines: tuple[str, ...], warning: str) -> None:
    (said,) = warnings(instance(*lines))
    assert said.startswith(warning)
    assert not the_instance(instance(*lines)).nopreempt


def test_a_checked_virtual_server_without_a_protocol_is_udp_with_a_warning() -> None:
    text = "virtual_server 10.9.0.1 80 {\nreal_server 10.9.1.21 80 { TCP_CHECK { } }\n}\n"
    assert the_server(text)[0].protocol == "UDP"
    (said,) = warnings(text)
    assert said.startswith(
        "1: virtual_server 10.9.0.1 80 has no protocol and so is UDP, but its real servers"
    )


@pytest.mark.parametrize("method", ["DR", "TUN"])
def test_a_port_that_cannot_be_changed(method: str) -> None:
    text = server(f"lb_kind {method}", real="10.9.1.21 8080", inside="TCP_CHECK { }")
    virtual, real = the_server(text)
    assert (real.port, real.checks[0].port) == (virtual.port, 8080)
    (said,) = warnings(text)
    assert said.startswith(f"3: {method} cannot change the port 80 to 8080: traffic goes to port 80 of")


def test_an_empty_pool_is_left_out_with_a_warning() -> None:
    text = instance() + "virtual_server 10.9.0.1 81 {\n}\n"
    assert [type(entity) for entity in compiled(text).entities] == [VrrpSettings, VrrpInstance]
    assert warnings(text) == ["6: virtual_server 10.9.0.1 81 has no real_server and is left out"]


def test_a_last_line_without_an_end_is_suspicious() -> None:
    assert warnings(server().rstrip("\n")) == ["6: the last line has no end; was the file cut off?"]


@pytest.mark.parametrize(
    "lines",
    [
        ("virtual_ipaddress { 10.9.0.1", "10.9.0.1/24 label eth0:1 }"),
        ("virtual_ipaddress { 10.9.0.1 }", "virtual_ipaddress_excluded { 10.9.0.1 }"),
        ("virtual_ipaddress { fe80::1", "fe80::1 dev eth0 }"),
    ],
)
def test_an_instance_may_name_an_address_twice(lines: tuple[str, ...]) -> None:
    (said,) = warnings(instance(*lines))
    assert re.fullmatch(r"3: \S+ is already an address of VI_1 on line 2; remove one on every router", said)
    found = the_instance(instance(*lines))
    assert len(found.virtual_ipaddress + found.virtual_ipaddress_excluded) == 2


@pytest.mark.parametrize("text", ["# nothing\n", "global_defs {\n}\n", "virtual_server 10.9.0.1 80 {\n}\n"])
def test_a_file_that_would_end_everything_is_refused(text: str) -> None:
    (said,) = errors(text)
    assert said.startswith("1: there is no vrrp_instance and no virtual_server with a pool in it")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            instance() + instance("interface eth1", "virtual_ipaddress { 10.9.0.2 }"),
            "6: vrrp_instance 'VI_1' is already on line 1; rename one",
        ),
        (
            instance() + instance("interface eth1", "virtual_ipaddress { 10.9.0.2 }", name="vi_1"),
            "6: vrrp_instance 'vi_1' cannot be told from 'VI_1' on the bus, which is on line 1; rename one",
        ),
        (
            instance() + instance("virtual_ipaddress { 10.9.0.2 }", name="B"),
            "9: virtual_router_id 51 on eth0 is already that of VI_1 on line 3; choose another",
        ),
        (
            instance() + instance("interface eth1", "virtual_ipaddress { 10.9.0.1/24 }", name="B"),
            "8: 10.9.0.1 is already an address of VI_1 on line 4; remove one",
        ),
        (
            server() + server(real="10.9.1.22 80"),
            "7: virtual_server 10.9.0.1:80 TCP is already on line 1; remove one",
        ),
        (
            server(head="2001:db8::1 80", real="2001:db8::2 80")
            + server(head="2001:DB8:0::1 80", real="2001:db8::2 80"),
            "7: virtual_server [2001:db8::1]:80 TCP is already on line 1; remove one",
        ),
        (
            server("real_server 10.9.1.21 80 { }"),
            "3: real_server 10.9.1.21 80 is already on line 2; remove one",
        ),
        (
            server("lb_kind DR", "real_server 10.9.1.21 81 { }"),
            "4: real_server 10.9.1.21 80 is already on line 3; remove one",
        ),
        (
            server(real="2001:db8::21 80"),
            "2: 2001:db8::21 is IPv6 and the virtual server IPv4; only TUN forwards between them",
        ),
    ],
)
def test_clashes(text: str, error: str) -> None:
    assert errors(text) == [error]


def test_the_same_id_on_two_interfaces_and_the_same_address_for_two_protocols_are_no_clash() -> None:
    two = instance() + instance("interface eth1", "virtual_ipaddress { 10.9.0.2 }", name="B")
    assert compiled(two + server() + server("protocol UDP")).summary.startswith("2 instances, 2 virtual")


def test_tunnels_forward_between_families() -> None:
    assert the_server(server("lb_kind TUN", real="2001:db8::21 80"))[1].address == "2001:db8::21"


def test_what_an_instance_cannot_be_without() -> None:
    assert errors("vrrp_instance VI_1 {\n}\n") == [
        "1: vrrp_instance VI_1 has no interface; add it",
        "1: vrrp_instance VI_1 has no virtual_router_id; add it",
        "1: vrrp_instance VI_1 has no virtual_ipaddress; add it, or no_virtual_ipaddress",
    ]


def addresses(count: int, start: str = "10.9") -> list[str]:
    if ":" in start:
        return [f"{start}{number + 1:x}" for number in range(count)]
    return [f"{start}.{number // 200}.{number % 200 + 1}" for number in range(count)]


@pytest.mark.parametrize(
    ("lines", "start", "room"),
    [
        ((), "10.9", 255),
        (("version 3",), "10.9", 255),
        ((), "2001:db8::", 90),
        ((f"auth_hmac {{ key 1 {'k' * 32}", "active_key 1 }"), "2001:db8::", 89),
        ((f"auth_hmac {{ key 1 {'k' * 32}", "active_key 1 }"), "10.9", 255),
    ],
)
def test_what_an_advertisement_has_no_room_for_is_excluded(
    lines: tuple[str, ...], start: str, room: int
) -> None:
    fits = instance(*lines, "virtual_ipaddress {", *addresses(room, start), "}")
    assert len(the_instance(fits).virtual_ipaddress) == room
    assert warnings(fits) == []
    text = instance(
        *lines,
        "virtual_ipaddress {",
        *addresses(room + 2, start),
        "}",
        "virtual_ipaddress_excluded { 192.0.2.1 }",
    )
    found = the_instance(text)
    assert len(found.virtual_ipaddress) == room
    last = [*addresses(room + 2, start)[-2:], "192.0.2.1"]
    assert [one.address for one in found.virtual_ipaddress_excluded] == last
    (said,) = warnings(text)
    line = len(lines) + 2 + room + 1
    assert said.startswith(
        f"{line}: an advertisement of VI_1 has room for {room} addresses; this one and those"
    )


def test_all_errors_are_told_in_the_order_of_the_lines() -> None:
    text = server("lb_algo x", real="10.9.1.21 99999") + "vrrp_instance A {\nfoo\n}\n"
    assert [line.split(":")[0] for line in errors(text)] == ["2", "3", "8", "8", "8", "9"]


def test_entities_are_what_the_contracts_say() -> None:
    for entity in compiled(GOOD).entities:
        assert isinstance(entity, VrrpSettings | VrrpInstance | VirtualServer | RealServer)
        assert entity.key.startswith("r1.")
