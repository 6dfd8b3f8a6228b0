"""Members become real servers of the pools that they name, or a line says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config_service.docker_labels.containers import Network
from config_service.docker_labels.labels import Member
from config_service.docker_labels.overlay import Laid, overlay
from config_service.load import load
from config_service.problems import ConfigError
from tests.unit.config_service.docker_labels.made import SERVERS, entities, member
from vipbus.contracts import HttpCheck, RealServer, ScriptCheck, TcpCheck

Lay = Callable[..., Laid]
VRRP = """
vrrp_instance demo {
    interface eth1
    virtual_router_id 91
    virtual_ipaddress { 10.91.1.100/24
        10.91.2.1/24 dev eth2 }
}
"""
POOL = """
virtual_server 10.91.1.100 80 {
    delay_loop 2
    lb_kind NAT
    protocol TCP
    real_server 10.91.2.21 8080 {
        weight 7
        inhibit_on_failure
        notify_up "/bin/true 10.91.2.21"
        TCP_CHECK { connect_timeout 1 }
        HTTP_GET { connect_port 9000
            url { path /healthz } }
        MISC_CHECK { misc_path "/bin/check 10.91.2.21 8080" }
    }
    real_server 10.91.2.22 8080 { weight 3 }
}
"""
EMPTY = """
virtual_server 10.91.1.100 80 {
    delay_loop 3
    connect_timeout 2
    protocol TCP
    weight 4
}
"""


def added(laid: Laid) -> list[RealServer]:
    return [each for each in laid.entities if isinstance(each, RealServer) and each.origin]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    def laid(text: str, *members: Member, name: str = "x.conf") -> Laid:
        return overlay(entities(text, tmp_path, name), members)

    return laid


def test_it_is_like_the_first_real_server_of_its_pool(lay: Lay) -> None:
    laid = lay(VRRP + POOL, member())
    (real,) = added(laid)
    assert (real.address, real.port, real.weight, real.origin) == ("10.91.2.130", 8080, 7, "docker web-1")
    assert real.inhibit_on_failure
    assert real.notify_up is None, "a program that is told of one real server knows nothing of another"
    tcp, http, script = real.checks
    assert isinstance(tcp, TcpCheck)
    assert (tcp.address, tcp.port, tcp.interval, tcp.timeout) == ("10.91.2.130", 8080, 2.0, 1.0)
    assert isinstance(http, HttpCheck)
    assert (http.address, http.port) == ("10.91.2.130", 9000)
    assert isinstance(script, ScriptCheck)
    assert script.program.arguments == ("/bin/check", "10.91.2.130", "8080")
    assert laid.refused == laid.unknown == ()


def test_what_the_configuration_says_stays_the_same_objects(tmp_path: Path) -> None:
    base = entities(VRRP + POOL, tmp_path)
    laid = overlay(base, [member()])
    assert all(ours is theirs for ours, theirs in zip(laid.entities, base, strict=False))
    assert overlay(base, []).entities == base


def test_an_empty_pool_has_a_template(lay: Lay) -> None:
    (real,) = added(lay(EMPTY, member()))
    assert real.weight == 4
    (check,) = real.checks
    assert isinstance(check, TcpCheck)
    assert (check.address, check.port, check.interval, check.timeout) == ("10.91.2.130", 8080, 3.0, 2.0)


def test_an_empty_pool_of_udp_is_not_checked_by_tcp(lay: Lay) -> None:
    (real,) = added(lay(EMPTY.replace("TCP", "UDP"), member()))
    assert real.checks == ()


NATIVE = """
[[virtual_server]]
address = "10.91.1.100:80"
weight = 9
{check}
"""


def test_an_empty_pool_of_the_native_language_has_its_checks(lay: Lay) -> None:
    check = '[[virtual_server.check]]\nkind = "http"\ninterval = "1s"\n'
    (real,) = added(lay(NATIVE.format(check=check), member(), name="x.toml"))
    (found,) = real.checks
    assert isinstance(found, HttpCheck)
    assert (real.weight, found.address, found.port, found.interval) == (9, "10.91.2.130", 8080, 1.0)
    (real,) = added(lay(NATIVE.format(check=""), member(), name="x.toml"))
    (found,) = real.checks
    assert isinstance(found, TcpCheck)


@pytest.mark.parametrize(
    "check",
    [
        "template = {}",
        '[[virtual_server.real_server]]\naddress = "10.91.2.21:80"\norigin = "docker x"',
    ],
)
def test_no_document_says_where_a_real_server_comes_from(tmp_path: Path, check: str) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        entities(NATIVE.format(check=check), tmp_path, "x.toml")


@pytest.mark.parametrize(
    "name",
    ["10.91.1.100:80", "10.91.1.100", "10.91.1.100 80 tcp", "10-91-1-100_80_tcp", "10.91.1.100:80/tcp"],
)
def test_a_pool_is_named_as_everywhere(lay: Lay, name: str) -> None:
    assert len(added(lay(VRRP + POOL, member(virtual_server=name)))) == 1


GROUP = """
virtual_server_group Web { 10.91.1.100 80
    10.91.1.101 81 }
virtual_server group Web { protocol TCP
    delay_loop 2 }
virtual_server fwmark 7 { protocol TCP
    lb_kind NAT }
"""


def test_a_group_is_all_its_addresses_and_a_mark_is_one(lay: Lay) -> None:
    laid = lay(GROUP, member(virtual_server="web"), member("dns-1", "fwmark 7"))
    assert [(each.virtual_server, each.origin, len(each.checks)) for each in added(laid)] == [
        ("10-91-1-100_80_tcp", "docker web-1", 1),
        ("10-91-1-101_81_tcp", "docker web-1", 1),
        ("fwm-7_ipv4", "docker dns-1", 0),
    ]
    assert {check.port for each in added(laid) for check in each.checks} == {8080}


def test_direct_routing_keeps_the_port_and_checks_the_one_that_is_said(lay: Lay) -> None:
    text = VRRP + POOL.replace("NAT", "DR").replace("8080", "80")
    (real,) = added(lay(text, member()))
    assert (real.port, real.checks[0].port) == (80, 8080)
    (real,) = added(lay(text, member(port=None)))
    assert (real.port, real.checks[0].port) == (80, 80)


def test_an_unhealthy_one_gets_no_new_connections_and_stays(lay: Lay) -> None:
    (real,) = added(lay(VRRP + POOL, member(unhealthy=True, weight=5)))
    assert (real.weight, len(real.checks)) == (0, 3)


def test_when_all_are_unhealthy_the_engine_is_not_followed(lay: Lay) -> None:
    """Its health checks may have no time; the routers' own checks decide."""
    two = Network("servers", "10.91.2.131", 24)
    all_of_it = [member(unhealthy=True), member("web-2", unhealthy=True, networks=(two,), weight=2)]
    laid = lay(VRRP + EMPTY, *all_of_it)
    assert [each.weight for each in added(laid)] == [4, 2]
    ((token, text),) = laid.held
    assert token == "10-91-1-100_80_tcp"
    assert text.startswith("all containers of 10.91.1.100:80 TCP are unhealthy; they keep their weight")
    # one that serves is enough, of the configuration or by a label
    laid = lay(VRRP + POOL, *all_of_it)
    assert ([each.weight for each in added(laid)], laid.held) == ([0, 0], ())
    laid = lay(VRRP + EMPTY, *all_of_it[:1], member("web-3", networks=(two,)))
    assert ([each.weight for each in added(laid)], laid.held) == ([0, 4], ())
    # whoever has no weight by its label cannot get any
    laid = lay(VRRP + EMPTY, member(unhealthy=True, weight=0))
    assert ([each.weight for each in added(laid)], laid.held) == ([0], ())


FRONT = Network("front", "10.91.1.130", 24)
OTHER = Network("other", "10.91.3.130", 24)
SIX = Network("six", "", 0, "fd00::130", 64)


@pytest.mark.parametrize(
    ("text", "networks", "address"),
    [
        (VRRP + POOL, (SERVERS, FRONT, OTHER), "10.91.2.130"),  # where the pool's other real servers are
        (VRRP + EMPTY, (SERVERS, OTHER), "10.91.2.130"),  # where a virtual address is
        (EMPTY, (OTHER,), "10.91.3.130"),  # the only one there is
        (VRRP + POOL, (SIX, OTHER), "10.91.3.130"),  # the only one of the family
        (
            VRRP + POOL.replace("NAT", "TUN").replace("8080", "80"),
            (SIX,),
            "fd00::130",
        ),  # TUN crosses families
    ],
)
def test_the_network_that_is_reachable(
    lay: Lay, text: str, networks: tuple[Network, ...], address: str
) -> None:
    (real,) = added(lay(text, member(networks=networks)))
    assert real.address == address


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            {"networks": (FRONT, SERVERS)},
            "it is in the networks front, servers; say which one the routers reach by label vipbus.network",
        ),
        (
            {"networks": (SIX,)},
            "10.91.1.100:80 TCP is IPv4, and it has no IPv4 address in six; give that network",
        ),
        ({"port": None}, "label vipbus.port is missing; say the port that it listens on"),
    ],
)
def test_what_has_no_place_is_said(lay: Lay, said: dict[str, Any], text: str) -> None:
    laid = lay(VRRP + EMPTY, member(**said))
    assert added(laid) == []
    (refused,) = laid.refused
    assert refused.text.startswith(f"container web-1: {text}")


def test_an_unknown_pool_is_said_with_what_there_is(lay: Lay) -> None:
    (unknown,) = lay(VRRP + POOL, member(virtual_server="wbe")).unknown
    assert unknown.text == "container web-1: no virtual server is 'wbe'; there is 10.91.1.100:80 TCP"


def test_two_of_one_address(lay: Lay) -> None:
    there = Network("servers", "10.91.2.21", 24)
    laid = lay(VRRP + POOL, member(networks=(there,)), member("web-2"), member("web-3"))
    assert [each.origin for each in added(laid)] == ["docker web-2"]
    first, third = (each.text for each in laid.refused)
    assert first == (
        "container web-1: 10.91.2.21 port 8080 is in the pool of 10.91.1.100:80 TCP already, by the "
        "configuration; remove one"
    )
    assert third == (
        "container web-3: 10.91.2.130 port 8080 is in the pool of 10.91.1.100:80 TCP already, by container "
        "web-2; remove one"
    )


def test_without_containers_an_empty_pool_is_left_out_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text(VRRP + EMPTY)
    loaded = load(file, "r1")
    assert not any(isinstance(each, RealServer) for each in loaded.entities)
    assert "has no real_server and is left out" in str(loaded.warnings[0])
