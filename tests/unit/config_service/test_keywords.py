"""Each keyword's values, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from config_service.keepalived.schema import TABLES
from tests.unit.config_service.support import errors, instance, server, the_instance, the_server, warnings
from vipbus.contracts import TcpCheck, VirtualAddress


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("state MASTER", "state", "MASTER"),
        ("state BACKUP", "state", "BACKUP"),
        ("interface bond0.12", "interface", "bond0.12"),
        ("virtual_router_id 1", "virtual_router_id", 1),
        ("virtual_router_id 255", "virtual_router_id", 255),
        ("priority 1", "priority", 1),
        ("priority 0100", "priority", 100),
        ("priority 255", "priority", 255),
        ("advert_int 255", "advert_int", 255.0),
        ("advert_int 1.00", "advert_int", 1.0),
        ("version 2", "version", 2),
        ("version 3", "version", 3),
        ("nopreempt", "nopreempt", True),
    ],
)
def test_instance_values(line: str, field: str, value: object) -> None:
    assert getattr(the_instance(instance(line)), field) == value


def test_instance_defaults() -> None:
    found = the_instance(instance())
    assert (found.state, found.priority, found.advert_int, found.version, found.nopreempt) == (
        "BACKUP",
        100,
        1.0,
        2,
        False,
    )


@pytest.mark.parametrize("interval", ["0.01", ".5", "0.25", "1", "40.95"])
def test_version_3_has_hundredths(interval: str) -> None:
    assert the_instance(instance(f"advert_int {interval}", "version 3")).advert_int == float(interval)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("state master", "state: 'master' is none of MASTER BACKUP; did you mean 'MASTER'?"),
        (
            "state",
            'state is written "state MASTER|BACKUP", but here nothing follows it; one statement a line',
        ),
        ("interface eth0 eth1", 'interface is written "interface NAME", but here 2 arguments follow it'),
        ("interface 'a b'", "interface: 'a b' is no network interface's name"),
        ("interface eth0:1", "interface: 'eth0:1' is no network interface's name"),
        ("interface ../etc", "interface: '../etc' is no network interface's name"),
        ("interface abcdefghijklmnop", "interface: 'abcdefghijklmnop' is no network interface's name"),
        ("interface ''", "interface: '' is no network interface's name"),
        ("virtual_router_id 0", "virtual_router_id: '0' is no whole number from 1 to 255"),
        ("virtual_router_id 256", "virtual_router_id: '256' is no whole number from 1 to 255"),
        ("priority -1", "priority: '-1' is no whole number from 1 to 255"),
        ("priority 0x10", "priority: '0x10' is no whole number from 1 to 255"),
        ("priority ٣", "priority: '٣' is no whole number from 1 to 255"),
        ("priority 1e2", "priority: '1e2' is no whole number"),
        (f"priority {'9' * 5000}", "priority: '99999"),
        ("priority { }", 'priority is written "priority 1-255", but here nothing follows it'),
        ("priority 5 { }", "priority takes no block; remove the '{' and '}' after it"),
        ("advert_int 0", "advert_int: '0' is no number of seconds from 0.01 to 255"),
        ("advert_int nan", "advert_int: 'nan' is no number of seconds"),
        ("advert_int 1e0", "advert_int: '1e0' is no number of seconds"),
        ("version 4", "version: '4' is no whole number from 2 to 3"),
        ("nopreempt yes", 'nopreempt is written "nopreempt", but here one argument follows it'),
        ("virtual_ipaddress", "virtual_ipaddress needs a block; add '{' and '}' after it"),
        ("virtual_ipaddress { }", "virtual_ipaddress is empty; add an address"),
        ("virtual_ipaddress { 10.9.0 }", "'10.9.0' is no IP address"),
        ("virtual_ipaddress { 10.9.0.01 }", "'10.9.0.01' is no IP address"),
        ("virtual_ipaddress { 10.9.0.1/ }", "'' is no whole number from 1 to 32"),
        ("virtual_ipaddress { 10.9.0.1/33 }", "'33' is no whole number from 1 to 32"),
        ("virtual_ipaddress { 10.9.0.1/0 }", "'0' is no whole number from 1 to 32"),
        ("virtual_ipaddress { 0.0.0.0 }", "'0.0.0.0' is the unspecified address"),
        ("virtual_ipaddress { 224.0.0.18 }", "'224.0.0.18' is no unicast address"),
        ("virtual_ipaddress { 10.9.0.1 dev }", "dev needs an interface after it"),
        ("virtual_ipaddress { 10.9.0.1 dev a dev b }", "dev is given twice; remove one"),
        ("virtual_ipaddress { 10.9.0.1 dev a/b }", "'a/b' is no network interface's name"),
        ("virtual_ipaddress { 10.9.0.1 10.9.0.2 }", "'10.9.0.2' after an address is not known; a line is"),
        ("virtual_ipaddress { 10.9.0.1 { } }", "a line of virtual_ipaddress takes no block"),
        ("priorty 100", "unknown keyword 'priorty' in vrrp_instance; did you mean 'priority'?"),
        ("Priority 100", "unknown keyword 'Priority' in vrrp_instance; did you mean 'priority'?"),
        ("frobnicate", "unknown keyword 'frobnicate' in vrrp_instance; remove it"),
        ("lb_algo rr", "'lb_algo' does not belong in vrrp_instance but in virtual_server; is a brace"),
        (
            "vrrp_instance B { }",
            "'vrrp_instance' does not belong in vrrp_instance but at the top of the file",
        ),
    ],
)
def test_instance_errors(line: str, error: str) -> None:
    (said,) = errors(instance(line))
    assert said.startswith(f"2: {error}")


@pytest.mark.parametrize(
    ("version", "interval", "carried"),
    [
        (2, "0.01", 1.0),
        (2, "0.5", 1.0),
        (2, "1.5", 2.0),
        (2, "2.49", 2.0),
        (2, "254.5", 255.0),
        (3, "41", 40.95),
        (3, "0.015", 0.02),
        (3, "0.014", 0.01),
        (3, "40.951", 40.95),
        (3, "255", 40.95),
    ],
)
def test_an_interval_that_the_version_cannot_carry_is_rounded(
    version: int, interval: str, carried: float
) -> None:
    text = instance(f"advert_int {interval}", f"version {version}")
    assert the_instance(text).advert_int == carried
    (said,) = warnings(text)
    assert said.startswith(f"2: advert_int {interval} is taken as {carried:g}: version {version} has ")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("10.9.0.1", VirtualAddress(address="10.9.0.1", prefix=32, dev="eth0")),
        ("10.9.0.1/24", VirtualAddress(address="10.9.0.1", prefix=24, dev="eth0")),
        ("10.9.0.1 dev lo", VirtualAddress(address="10.9.0.1", prefix=32, dev="lo")),
        ("10.9.0.1/8 dev vlan.7", VirtualAddress(address="10.9.0.1", prefix=8, dev="vlan.7")),
    ],
)
def test_virtual_addresses(line: str, address: VirtualAddress) -> None:
    assert the_instance(instance(f"virtual_ipaddress {{ {line} }}")).virtual_ipaddress == (address,)


def test_a_second_virtual_ipaddress_adds() -> None:
    found = the_instance(
        instance("virtual_ipaddress { 10.9.0.1 }", "virtual_ipaddress {", "10.9.0.2", "10.9.0.3", "}")
    )
    assert [one.address for one in found.virtual_ipaddress] == ["10.9.0.1", "10.9.0.2", "10.9.0.3"]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("lb_algo sed", "scheduler", "sed"),
        ("lvs_sched mh", "scheduler", "mh"),
        ("lb_kind TUN", "forwarding", "TUN"),
        ("lvs_method DR", "forwarding", "DR"),
        ("protocol SCTP", "protocol", "SCTP"),
        ("protocol tcp", "protocol", "TCP"),
        ("persistence_timeout", "persistence_timeout", 360),
        ("persistence_timeout 2678400", "persistence_timeout", 2678400),
    ],
)
def test_virtual_server_values(line: str, field: str, value: object) -> None:
    assert getattr(the_server(server(line))[0], field) == value


def test_virtual_server_defaults() -> None:
    virtual, real = the_server("virtual_server 10.9.0.1 80 {\nreal_server 10.9.1.21 81 {\n}\n}\n")
    assert (virtual.protocol, virtual.scheduler, virtual.forwarding) == ("UDP", "wlc", "NAT")
    assert (virtual.persistence_timeout, virtual.instance) == (None, None)
    assert (real.weight, real.checks) == (1, ())


@pytest.mark.parametrize(
    ("inside", "check"),
    [
        ("", TcpCheck(address="10.9.1.21", port=80)),
        ("connect_timeout 0.25", TcpCheck(address="10.9.1.21", port=80, timeout=0.25)),
        ("connect_port 8080", TcpCheck(address="10.9.1.21", port=8080)),
        ("retry 0", TcpCheck(address="10.9.1.21", port=80, retry=0)),
        ("delay_before_retry 0", TcpCheck(address="10.9.1.21", port=80, delay_before_retry=0.0)),
    ],
)
def test_checks(inside: str, check: TcpCheck) -> None:
    _, real = the_server(server(inside=f"TCP_CHECK {{ {inside} }}"))
    assert real.checks == (check,)
    assert check.interval == 60.0


def test_the_virtual_servers_delay_loop_is_every_checks() -> None:
    _, real = the_server(server("delay_loop 0.5", inside="TCP_CHECK { }\nTCP_CHECK { connect_port 1 }"))
    assert [(check.port, check.interval) for check in real.checks] == [(80, 0.5), (1, 0.5)]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("lb_algo RR", "lb_algo: 'RR' is none of rr wrr lc wlc lblc lblcr sh mh dh fo ovf sed nq twos; did"),
        ("lb_kind nat", "lb_kind: 'nat' is none of NAT DR TUN; did you mean 'NAT'?"),
        ("protocol foo", "protocol: 'foo' is none of TCP UDP SCTP"),
        ("delay_loop 0", "delay_loop: '0' is no number of seconds from 0.001 to 2678400"),
        ("persistence_timeout 0", "persistence_timeout: '0' is no whole number from 1 to 2678400"),
        ("real_server 10.9.1.9 http { }", "real_server: 'http' is no whole number from 0 to 65535"),
        ("real_server host 80 { }", "real_server: 'host' is no IP address"),
        ("real_server ::ffff:300.1.1.1 80 { }", "real_server: '::ffff:300.1.1.1' is no IP address"),
        ("real_server 10.9.1.9 80", "real_server needs a block"),
        ("real_server 10.9.1.9 80 { weight -1 }", "weight: '-1' is no whole number from 0 to 2147483647"),
        ("real_server 10.9.1.9 80 { weight 2147483648 }", "weight: '2147483648' is no whole number"),
        ("real_server 10.9.1.9 80 { TCP_CHECK }", "TCP_CHECK needs a block"),
        ("real_server 10.9.1.9 80 { TCP_CHECK { retry x } }", "retry: 'x' is no whole number from 0 to"),
        ("real_server 10.9.1.9 80 { TCP_CHECK { connect_port 0 } }", "connect_port: '0' is no whole number"),
        ("real_server 10.9.1.9 80 { TCP_CHECK { connect_timeout 0 } }", "connect_timeout: '0' is no number"),
        (
            "real_server 10.9.1.9 80 { TCP_CHECK { connect_timeout 4295 } }",
            "connect_timeout: '4295' is no number of seconds from 0.000001 to 4294.967295",
        ),
        ("priority 2", "'priority' does not belong in virtual_server but in vrrp_instance; is a brace"),
    ],
)
def test_virtual_server_errors(line: str, error: str) -> None:
    (said,) = errors(server(line))
    assert said.startswith(f"2: {error}")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("10.9.0.1 65536", "virtual_server: '65536' is no whole number from 0 to 65535"),
        ("10.9.0.1-5 80", "virtual_server: '10.9.0.1-5' is a range, of which keepalived takes the first"),
        ("10.9.0.0/29 80", "virtual_server: '10.9.0.0/29' is a range, of which keepalived takes the first"),
        ("fwmark 0", "virtual_server: '0' is no whole number from 1 to 4294967295"),
        ("fwmark", "virtual_server: nothing follows fwmark; name one"),
        ("group", "virtual_server: nothing follows group; name one"),
        ("group web", "virtual_server group web: there is no virtual_server_group 'web'; add it"),
        ("::1%lo 80", "virtual_server: '::1%lo' is no IP address"),
        ("ff02::1 80", "virtual_server: 'ff02::1' is no unicast address"),
        ("10.9.0.1 80 tcp", 'virtual_server is written "virtual_server ADDRESS [PORT]|fwmark NUMBER|group'),
    ],
)
def test_virtual_server_heads(head: str, error: str) -> None:
    (said,) = errors(server(head=head))
    assert said.startswith(f"1: {error}")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "global_defs {\nvrrp_verson 3\n}\n",
            "2: unknown keyword 'vrrp_verson' in global_defs; did you mean",
        ),
        ("global_defs {\nvrrp_version 1\n}\n", "2: vrrp_version: '1' is no whole number from 2 to 3"),
        ("global_defs {\nrouter_id ''\n}\n", "2: router_id: '' is no name"),
        ('global_defs {\nrouter_id "a\\nb"\n}\n', "2: router_id: 'a\\nb' is no name"),
        ("global_defs x {\n}\n", '1: global_defs is written "global_defs { ... }", but here one argument'),
        (
            "virtal_server 10.9.0.1 80 {\n}\n",
            "1: unknown keyword 'virtal_server' at the top of the file; did",
        ),
        ("priority 5\n", "1: 'priority' does not belong at the top of the file but in vrrp_instance; is a"),
        (
            "vrrp_instance {\n}\n",
            '1: vrrp_instance is written "vrrp_instance NAME { ... }", but here nothing',
        ),
    ],
)
def test_errors_of_the_file(text: str, error: str) -> None:
    assert errors(text)[0].startswith(error)


def test_a_keyword_given_twice() -> None:
    assert errors(instance("priority 1", "priority 2")) == [
        "3: priority is given twice, first as 'priority' on line 2; remove one"
    ]
    assert errors(server("lb_algo rr", "lvs_sched rr")) == [
        "3: lvs_sched is given twice, first as 'lb_algo' on line 2; remove one"
    ]


def test_no_keyword_is_known_and_refused_at_once() -> None:
    for table in TABLES:
        assert not table.keywords.keys() & table.left_out.keys()
