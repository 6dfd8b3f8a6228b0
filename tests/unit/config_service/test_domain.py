"""Validation knows the domain: what cannot work, and what is merely bad, in both languages with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_service.load import load
from config_service.problems import ConfigError
from tests.unit.config_service.support import instance, server
from tests.unit.config_service.test_advice import Machine

HOST = Machine(schedulers={"rr", "wlc"}, addresses={"10.9.1.21"})


def native_instance(name: str, *lines: str) -> str:
    given = {line.split()[0] for line in lines}
    rest = [
        line
        for line in ('interface = "eth0"', "virtual_router_id = 51", 'virtual_ipaddress = ["10.9.0.1/24"]')
        if line.split()[0] not in given
    ]
    return "\n".join(("[[vrrp_instance]]", f'name = "{name}"', *lines, *rest, ""))


def native_server(*lines: str, real: str = "10.9.1.21", inside: tuple[str, ...] = ()) -> str:
    head = ("[[virtual_server]]", 'address = "10.9.0.1:80"', *lines)
    return "\n".join((*head, "[[virtual_server.real_server]]", f'address = "{real}"', *inside, ""))


def check(*lines: str) -> tuple[str, ...]:
    return ("[[virtual_server.real_server.check]]", 'kind = "tcp"', *lines)


# keepalived.conf, where and how it is told; vipbus.toml, where and how it is told
CASES = {
    "a VRID on one interface twice": (
        instance() + instance("virtual_ipaddress { 10.9.0.2 }", name="B"),
        "error 9: virtual_router_id 51 on eth0 is already that of VI_1 on line 3; choose another",
        native_instance("VI_1") + native_instance("B", 'virtual_ipaddress = ["10.9.0.2"]'),
        "error 10: vrrp_instance[1].virtual_router_id: B: VI_1 is virtual router 51 on eth0 already",
    ),
    "an address claimed by two": (
        instance() + instance("interface eth1", name="B"),
        "error 9: 10.9.0.1 is already an address of VI_1 on line 4; remove one",
        native_instance("VI_1") + native_instance("B", 'interface = "eth1"'),
        "error 10: vrrp_instance[1].virtual_ipaddress: 10.9.0.1 is already an address of VI_1; remove one",
    ),
    "mixed families of an instance": (
        instance("virtual_ipaddress {", "10.9.0.1", "fd00::1", "}"),
        "error 4: fd00::1 is IPv6 and the first address IPv4; move it to virtual_ipaddress_excluded, or to",
        native_instance("VI_1", 'virtual_ipaddress = ["fd00::1/64", "10.9.0.1/24"]'),
        "error 3: vrrp_instance[0].virtual_ipaddress: VI_1: 10.9.0.1 is not of IPv6, as the instance is",
    ),
    "mixed families of a pool": (
        server(real="fd00::21 80"),
        "error 2: fd00::21 is IPv6 and the virtual server IPv4; only TUN forwards between them",
        native_server(real="fd00::21"),
        "error 4: virtual_server[0].real_server[0].address: fd00::21 is IPv6 and the virtual server IPv4",
    ),
    # keepalived resets the port and goes on
    "DR with another port": (
        server("lb_kind DR", real="10.9.1.22 8080"),
        "warning 3: DR cannot change the port 80 to 8080: traffic goes to port 80 of 10.9.1.22, and checks",
        native_server('forwarding = "DR"', real="10.9.1.22:8080"),
        "error 5: virtual_server[0].real_server[0].address: DR cannot change the port 80 to 8080; remove it",
    ),
    "TUN without a device": (
        server("lb_kind TUN"),
        "warning 2: lb_kind: 10.9.1.21 is an address of this host, and what another router sends it by TUN",
        native_server('forwarding = "TUN"'),
        "warning 3: virtual_server[0].forwarding: 10.9.1.21 is an address of this host, and what another",
    ),
    "an advert_int that version 2 cannot carry": (
        instance("advert_int 0.5"),
        "warning 2: advert_int 0.5 is taken as 1: version 2 has whole seconds from 1 to 255; write 1, or add",
        native_instance("VI_1", 'advert_int = "500ms"'),
        "error 3: vrrp_instance[0].advert_int: VI_1: advert_int 0.5 is not 1-255 whole seconds, as version 2",
    ),
    "a quorum above the pool's weight": (
        server("quorum 3"),
        "warning 2: quorum: 3 is above the weight of the whole pool, 1, and is taken as 1; choose a smaller",
        native_server("quorum = 3"),
        "warning 3: virtual_server[0].quorum: 3 is above the weight of the whole pool, 1: it can never be",
    ),
    "a scheduler that the kernel lacks": (
        server("lb_algo twos"),
        "warning 2: lb_algo: the kernel of this host has no scheduler twos (ip_vs_twos); install its module",
        native_server('scheduler = "twos"'),
        "warning 3: virtual_server[0].scheduler: the kernel of this host has no scheduler twos (ip_vs_twos)",
    ),
    "a check that can never finish in its interval": (
        server("delay_loop 2", inside="TCP_CHECK {\nconnect_timeout 3\n}"),
        "warning 5: connect_timeout: a check that waits 3 s for an answer can never finish inside its",
        native_server(inside=check('interval = "2s"', 'timeout = "3s"')),
        "warning 8: virtual_server[0].real_server[0].check.timeout: a check that waits 3 s for an answer can",
    ),
    "a priority tie between routers": (
        "",
        "",  # of several files it is the service that knows: tests/unit/config_service/test_cluster.py
        native_instance("VI_1", "priority = 90") + "[router.r1.vrrp]\n[router.r2.vrrp]\n",
        "warning 3: vrrp_instance[0].priority: 90 is the priority of VI_1 on r2, too: when both start, the",
    ),
}


def said(path: Path, text: str) -> str:
    path.write_text(text)
    try:
        (found,) = load(path, "r1", host=HOST).warnings
    except ConfigError as error:
        (problem,) = error.problems
        return f"error {problem.line}: {problem.text}"
    return f"warning {found.line}: {found.text}"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_told_in_both_languages(tmp_path: Path, case: tuple[str, str, str, str]) -> None:
    keepalived, there, native, here = case
    if there:
        assert said(tmp_path / "x.conf", keepalived).startswith(there)
    assert said(tmp_path / "x.toml", native).startswith(here)
