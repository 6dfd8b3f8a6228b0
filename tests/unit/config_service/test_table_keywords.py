"""The keywords of the IPVS table, a table of cases each: values, what is refused, what is warned of."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.keepalived.virtual_groups import MOST
from config_service.problems import ConfigError
from tests.unit.config_service.support import compiled, errors, global_defs, server, the_server, warnings
from vipbus.contracts import (
    Entity,
    IpvsSettings,
    IpvsTimeouts,
    Program,
    SorryServer,
    SyncDaemon,
    Tunnel,
    VirtualServer,
)


def group(*lines: str, rest: str = "protocol TCP", real: str = "10.9.1.21 80") -> str:
    """Write a group with its lines from line 2, and a virtual server of it."""
    return "\n".join(
        (
            "virtual_server_group web {",
            *lines,
            "}",
            "virtual_server group web {",
            rest,
            f"real_server {real} {{",
            "}",
            "}",
            "",
        )
    )


def members(text: str) -> list[str]:
    return [one.words for one in compiled(text).entities if isinstance(one, VirtualServer)]


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        ("flag-1", "scheduler_flags", ("flag-1",)),
        ("lvs_sched sh\nsh-port", "scheduler_flags", ("flag-2",)),
        # keepalived drops a flag that stands before its scheduler
        ("sh-fallback\nlvs_sched sh", "scheduler_flags", ("flag-1",)),
        ("lvs_sched mh\nmh-port\nmh-fallback\nflag-1", "scheduler_flags", ("flag-1", "flag-2")),
        ("protocol UDP\nops", "one_packet", True),
        ("lvs_method TUN", "tunnel", None),
        ("lvs_method TUN type ipip nocsum", "tunnel", None),
        ("lvs_method TUN type gue port 5555", "tunnel", Tunnel(type="gue", port=5555)),
        (
            "lvs_method TUN remcsum port 5555 type gue",
            "tunnel",
            Tunnel(type="gue", port=5555, checksum="remcsum"),
        ),
        ("lvs_method TUN type gre csum", "tunnel", Tunnel(type="gre", checksum="csum")),
        ("persistence_timeout 5\npersistence_granularity 255.255.255.0", "persistence_prefix", 24),
        ("persistence_timeout 5\npersistence_granularity 255.255.255.255", "persistence_prefix", 32),
        ("persistence_timeout 5\nprotocol UDP\npersistence_engine sip", "persistence_engine", "sip"),
        ("weight 7\nquorum 7", "quorum", 7),
        ("weight 7\nquorum 4\nhysteresis 3", "hysteresis", 3),
        (
            'quorum_up "/bin/true a" root root',
            "quorum_up",
            Program(arguments=("/bin/true", "a"), user="root", group="root"),
        ),
        ("quorum_down /bin/true", "quorum_down", Program(arguments=("/bin/true",))),
        ("omega", "omega", True),
        ("ha_suspend", "ha_suspend", True),
        ("ip_family inet", "family", 4),
        (
            "sorry_server 10.9.1.9 8080",
            "sorry_server",
            SorryServer(address="10.9.1.9", port=8080, forwarding="NAT"),
        ),
        (
            "sorry_server 10.9.1.9",
            "sorry_server",
            SorryServer(address="10.9.1.9", port=80, forwarding="NAT"),
        ),
        (
            "sorry_server 2001:db8::9 80\nsorry_server_lvs_method TUN\nsorry_server_inhibit",
            "sorry_server",
            SorryServer(address="2001:db8::9", port=80, forwarding="TUN", inhibit=True),
        ),
        (
            "lvs_method TUN type gre\nsorry_server 10.9.1.9 80",
            "sorry_server",
            SorryServer(address="10.9.1.9", port=80, forwarding="TUN", tunnel=Tunnel(type="gre")),
        ),
    ],
)
def test_virtual_server_values(lines: str, field: str, value: object) -> None:
    assert getattr(the_server(server(*lines.split("\n")))[0], field) == value


@pytest.mark.parametrize(
    ("around", "inside", "field", "value"),
    [
        ("weight 5", "", "weight", 5),
        ("weight 5", "weight 0", "weight", 0),
        ("inhibit_on_failure", "", "inhibit_on_failure", True),
        ("inhibit_on_failure", "inhibit_on_failure off", "inhibit_on_failure", False),
        ("omega", "inhibit_on_failure", "inhibit_on_failure", True),
        ("omega", "uthreshold 2147483647", "upper_threshold", 2**31 - 1),
        ("omega", "uthreshold 9\nlthreshold 9", "lower_threshold", 9),
        ("omega", "notify_up /bin/true", "notify_up", Program(arguments=("/bin/true",))),
        ("omega", "notify_down /bin/true", "notify_down", Program(arguments=("/bin/true",))),
        ("lvs_method DR", "lvs_method DR", "forwarding", None),
        ("lvs_method DR", "lvs_method NAT", "forwarding", "NAT"),
        ("lvs_method TUN type gre", "", "tunnel", None),
        ("lvs_method TUN type gre", "lb_kind TUN", "tunnel", Tunnel()),
        ("lvs_method TUN type gre", "lb_kind DR", "tunnel", None),
        ("lvs_method NAT", "lb_kind TUN type gre", "tunnel", Tunnel(type="gre")),
    ],
)
def test_real_server_values(around: str, inside: str, field: str, value: object) -> None:
    assert getattr(the_server(server(around, inside=inside))[1], field) == value


@pytest.mark.parametrize(
    ("method", "own", "port"),
    [("NAT", "8080", 8080), ("NAT", "", 80), ("DR", "8080", 80), ("TUN", "", 80), ("DR", "0", 80)],
)
def test_the_port_of_a_real_server(method: str, own: str, port: int) -> None:
    assert the_server(server(f"lvs_method {method}", real=f"10.9.1.21 {own}"))[1].port == port


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("lvs_sched rr\nsh-port", "3: sh-port is of the scheduler sh, and this one is rr; remove it, or"),
        ("lvs_sched sh\nmh-port", "3: mh-port is of the scheduler mh, and this one is sh; remove it, or"),
        ("ops", "2: ops: only UDP is scheduled packet by packet, and this is TCP; remove one"),
        ("protocol SCTP\nops", "3: ops: only UDP is scheduled packet by packet, and this is SCTP"),
        ("lvs_method TUN type gue", "2: lvs_method: a gue tunnel has no port; add the one that"),
        ("lvs_method TUN type gre port 5", "2: lvs_method: gre has no ports; remove the port, or choose gue"),
        ("lvs_method TUN csum", "2: lvs_method: ipip has no checksum; remove csum, or choose gue or gre"),
        ("lvs_method TUN type gre remcsum", "2: lvs_method: gre has no remote checksum; write csum"),
        ("lvs_method TUN type foo", "2: lvs_method: 'foo' is none of ipip gue gre"),
        ("lvs_method TUN type", "2: lvs_method: type needs a tunnel's type after it"),
        ("lvs_method TUN type gue port 0", "2: lvs_method: '0' is no whole number from 1 to 65535"),
        ("lvs_method TUN type gue type gre", "2: lvs_method: type is given twice; remove one"),
        ("lvs_method TUN type gue port 5 csum nocsum", "2: lvs_method: a checksum is given twice"),
        ("lvs_method TUN foo", "2: lvs_method: 'foo' after TUN is not known; a line is NAT|DR|TUN [type"),
        ("lvs_method DR type ipip", "2: lvs_method: 'type' after DR: only TUN has options; remove it"),
        ("persistence_timeout 5\npersistence_granularity 24", "3: persistence_granularity: of IPv4 it is a"),
        (
            "persistence_timeout 5\npersistence_granularity 255.0.255.0",
            "3: persistence_granularity: '255.0.255.0' is no mask of a network; write one like",
        ),
        ("persistence_granularity 0.0.0.0", "2: persistence_granularity: '0.0.0.0' is no mask of a network"),
        ("persistence_granularity /24", "2: persistence_granularity: '/24' is no IPv4 mask, like"),
        ("persistence_granularity 129", "2: persistence_granularity: '129' is no IPv4 mask, like"),
        ("persistence_engine foo", "2: persistence_engine: 'foo' is none of sip"),
        (
            "persistence_timeout 5\npersistence_engine sip",
            "3: persistence_engine: sip reads UDP alone, and the kernel would drop all of TCP",
        ),
        ("quorum 0", "2: quorum: '0' is no whole number from 1 to 2147483647"),
        ("quorum 2147483648", "2: quorum: '2147483648' is no whole number"),
        ("hysteresis -1", "2: hysteresis: '-1' is no whole number from 0"),
        ("quorum_up", '2: quorum_up is written "quorum_up COMMAND [USER [GROUP]]", but here nothing'),
        ("quorum_up '\"a'", '2: quorum_up: the quote " inside the command is never closed'),
        ("weight 0", "2: weight: '0' is no whole number from 1 to 2147483647"),
        ("ip_family inet6", "2: ip_family: 10.9.0.1 is IPv4; remove ip_family, or make two groups"),
        ("ip_family x", "2: ip_family: 'x' is none of inet inet6"),
        ("smtp_alert perhaps", "2: smtp_alert: 'perhaps' is none of on off true false yes no"),
        ("sorry_server 10.9.1.21 80", "2: sorry_server: 10.9.1.21 port 80 is a real server of the pool, too"),
        ("sorry_server 2001:db8::9 80", "2: sorry_server: 2001:db8::9 is IPv6 and the virtual server IPv4"),
        ("sorry_server host 80", "2: sorry_server: 'host' is no IP address"),
        (
            "sorry_server 10.9.1.9 80\nsorry_server 10.9.1.8 80",
            "3: sorry_server is given twice, first as 'sorry_server' on line 2; remove one",
        ),
    ],
)
def test_virtual_server_errors(lines: str, error: str) -> None:
    (said,) = errors(server(*lines.split("\n")))
    assert said.startswith(error)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("uthreshold -1", "3: uthreshold: '-1' is no whole number from 0 to 2147483647"),
        ("uthreshold 2147483648", "3: uthreshold: '2147483648' is no whole number"),
        ("uthreshold 5\nlthreshold 6", "4: lthreshold: 6 is above the upper one, 5; the kernel refuses that"),
        ("lthreshold 6", "3: lthreshold: 6 is above the upper one, 0, which is no limit; the kernel"),
        ("inhibit_on_failure x", "3: inhibit_on_failure: 'x' is none of on off true false yes no"),
        ("notify_up", '3: notify_up is written "notify_up COMMAND [USER [GROUP]]"'),
        ("notify_up /bin/true 0", "3: notify_up: '0' is no name of a user or group"),
        ("lvs_method TUN type gue", "3: lvs_method: a gue tunnel has no port"),
    ],
)
def test_real_server_errors(line: str, error: str) -> None:
    (said,) = errors(server(inside=line))
    assert said.startswith(error)


@pytest.mark.parametrize(
    ("lines", "inside", "warning"),
    [
        ("flag-1", "", "2: the flag has no effect here: the scheduler wlc heeds no flags, only sh and mh do"),
        ("persistence_granularity 255.255.255.0", "", "2: persistence_granularity has no effect without"),
        ("quorum 5", "", "2: quorum: 5 is above the weight of the whole pool, 1, and is taken as 1; choose"),
        ("hysteresis 1", "", "2: hysteresis: 1 is not below the quorum of 1 and is taken as 0; choose a"),
        (
            "quorum 3\nhysteresis 2\nweight 4",
            "",
            "3: hysteresis: quorum and hysteresis, 5, are above the weight of the whole pool, 4: a quorum",
        ),
        ("sorry_server_inhibit", "", "2: sorry_server_inhibit has no effect here: there is no sorry_server"),
        ("sorry_server_lvs_method DR", "", "2: sorry_server_lvs_method has no effect here: there is no"),
        (
            "lvs_method DR\nsorry_server 10.9.1.9 8080",
            "",
            "3: sorry_server: DR cannot change the port 80 to 8080: traffic goes to port 80 of 10.9.1.9",
        ),
        ("quorum_up /nowhere", "", "2: quorum_up: there is no '/nowhere' here; put it there before it is"),
        ("omega", "notify_up /nowhere", "4: notify_up: there is no '/nowhere' here"),
        (
            "omega off",
            "",
            "2: omega takes no value here, and is on whatever stands after it; remove 'off', or",
        ),
        ("inhibit_on_failure off", "", "2: inhibit_on_failure takes no value here, and is on"),
        ("lvs_sched sh\nsh-port off", "", "3: sh-port takes no value here, and is on whatever stands"),
        ("smtp_alert", "", "2: smtp_alert has no effect here: mail about pools is left out of vipbus"),
        ("omega", "smtp_alert", "4: smtp_alert has no effect here: mail about pools is left out of vipbus"),
        ("snmp_name x", "", "2: snmp_name has no effect here: numbers are read as Prometheus metrics"),
    ],
)
def test_what_is_warned_of(lines: str, inside: str, warning: str) -> None:
    (said,) = warnings(server(*lines.split("\n"), inside=inside))
    assert said.startswith(warning)


def test_a_port_that_is_missing_is_every_port() -> None:
    text = server(head="10.9.0.1", real="10.9.1.21")
    virtual, real = the_server(text)
    assert (virtual.port, virtual.persistence_timeout, real.port) == (0, 360, 0)
    assert warnings(text)[0].startswith("1: 10.9.0.1 without a port is every port, which the kernel has for")
    assert warnings(server("persistence_timeout 5", head="10.9.0.1")) == []


def test_a_check_needs_a_port() -> None:
    text = server("persistence_timeout 5", head="10.9.0.1", real="10.9.1.21", inside="TCP_CHECK {\n}")
    assert errors(text)[0].startswith("4: TCP_CHECK has no port to go to, for its real_server has none; add")
    _, real = the_server(text.replace("TCP_CHECK {\n}", "TCP_CHECK {\nconnect_port 81\n}"))
    assert [check.port for check in real.checks] == [81]
    _, real = the_server(text.replace("TCP_CHECK", "PING_CHECK"))
    assert [check.port for check in real.checks] == [0]


@pytest.mark.parametrize(
    ("text", "mark", "family"),
    [
        (server(head="fwmark 7"), 7, 4),
        (server(head="fwmark 4294967295"), 2**32 - 1, 4),
        (server(head="fwmark 7", real="2001:db8::1 80"), 7, 6),
        (server("lvs_method TUN", head="fwmark 7", real="2001:db8::1 80"), 7, 6),
        (server("lvs_method TUN", "ip_family inet", head="fwmark 7", real="2001:db8::1 80"), 7, 4),
        (server("lvs_method TUN", "ip_family inet6", head="fwmark 7"), 7, 6),
        (
            server("lvs_method TUN", "persistence_timeout 5", "persistence_granularity 64", head="fwmark 7"),
            7,
            6,
        ),
    ],
)
def test_firewall_marks(text: str, mark: int, family: int) -> None:
    virtual, _ = the_server(text)
    assert (virtual.mark, virtual.family, virtual.instance) == (mark, family, None)
    assert warnings(text)[0].endswith("protocol has no effect here: a firewall mark is of every protocol")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("fwmark 4294967296", "1: virtual_server: '4294967296' is no whole number from 1 to 4294967295"),
        ("fwmark 0x10", "1: virtual_server: '0x10' is no whole number from 1 to 4294967295"),
        ("fwmark -7", "1: virtual_server: '-7' is no whole number from 1 to 4294967295"),
    ],
)
def test_no_marks(head: str, error: str) -> None:
    (said,) = errors(server(head=head))
    assert said.startswith(error)


def test_a_mark_has_one_family() -> None:
    (said,) = errors(server("ip_family inet6", head="fwmark 7"))
    assert said == "3: 10.9.1.21 is IPv4 and the virtual server IPv6; only TUN forwards between them"


def test_a_mark_and_an_address_may_have_the_same_pool_and_two_marks_not() -> None:
    text = server(head="fwmark 7") + server() + server("protocol UDP")
    assert members(text) == ["FWM 7", "10.9.0.1:80 TCP", "10.9.0.1:80 UDP"]
    # keepalived takes the protocol for a difference, and the kernel has one service of the mark
    assert errors(server(head="fwmark 7") + server("protocol UDP", head="fwmark 7"))[0] == (
        "7: virtual_server FWM 7 is already on line 1; remove one"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("10.9.0.1 80", ["10.9.0.1:80 TCP"]),
        ("10.9.0.254-255 80", ["10.9.0.254:80 TCP", "10.9.0.255:80 TCP"]),
        ("10.9.0.255-10.9.1.0 80", ["10.9.0.255:80 TCP", "10.9.1.0:80 TCP"]),
        ("10.9.0.9-9 80", ["10.9.0.9:80 TCP"]),
        # network and broadcast addresses too
        ("10.9.0.4/31 80", ["10.9.0.4:80 TCP", "10.9.0.5:80 TCP"]),
        ("10.9.0.4/32 80", ["10.9.0.4:80 TCP"]),
        ("fwmark 7", ["FWM 7"]),
    ],
)
def test_lines_of_a_group(line: str, words: list[str]) -> None:
    assert members(group(line)) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2001:db8::9-a 80", ["[2001:db8::9]:80 TCP", "[2001:db8::a]:80 TCP"]),
        ("2001:db8::ffff-2001:db8::1:0 80", ["[2001:db8::ffff]:80 TCP", "[2001:db8::1:0]:80 TCP"]),
        ("2001:DB8::4/127 80", ["[2001:db8::4]:80 TCP", "[2001:db8::5]:80 TCP"]),
        ("fwmark 7 inet6", ["FWM 7 IPv6"]),
    ],
)
def test_lines_of_a_group_of_ipv6(line: str, words: list[str]) -> None:
    assert members(group(line, real="2001:db8:1::1 80")) == words


def test_marks_of_a_group_have_the_family_of_its_addresses() -> None:
    text = group("2001:db8::1 80", "fwmark 7", rest="protocol TCP\nlvs_method TUN")
    assert members(text) == ["[2001:db8::1]:80 TCP", "FWM 7 IPv6"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("10.9.0.3-1 80", "'10.9.0.3-1' ends before it begins; write the lower address first"),
        ("10.9.0.3-10.9.0.1 80", "'10.9.0.3-10.9.0.1' ends before it begins"),
        ("10.9.0.1-300 80", "'300' is no last octet of an address; 255 is the highest"),
        ("10.9.0.1- 80", "'' is no IP address"),
        ("-10.9.0.1 80", "'' is no IP address"),
        ("10.9.0.1-2001:db8::1 80", "'2001:db8::1' is of another family than where the range begins"),
        ("2001:db8::1-10000 80", "'10000' is no IP address"),
        ("10.9.0.1/30 80", "'10.9.0.1/30' has bits beyond its prefix length; write 10.9.0.0/30"),
        ("10.9.0.0/0 80", "'10.9.0.0/0' has bits beyond its prefix length"),
        ("0.0.0.0/0 80", "'0.0.0.0/0' is every address there is; name a network"),
        ("0.0.0.0/30 80", "'0.0.0.0' is the unspecified address"),
        ("10.9.0.0/33 80", "'33' is no whole number from 0 to 32"),
        ("224.0.0.1 80", "'224.0.0.1' is no unicast address"),
        ("223.255.255.254-224.0.0.1 80", "'224.0.0.1' is no unicast address"),
        ("10.9.0.1 http", "'http' is no whole number from 0 to 65535"),
        ("10.9.0.1 80 81", "'81' after the port is not known; a line is ADDRESS [PORT]"),
        ("10.9.0.1 80 {\n}", "a line of virtual_server_group takes no block; remove the braces"),
        ("fwmark", "a firewall mark is written fwmark NUMBER [inet|inet6]"),
        ("fwmark 0", "'0' is no whole number from 1 to 4294967295"),
        ("fwmark 7 ipv6", "'ipv6' is none of inet inet6"),
        ("web 80", "'web' is no IP address"),
        ("10.9.0.0/8 80", "'10.9.0.0/8' has bits beyond its prefix length; write 10.0.0.0/8"),
        ("10.0.0.0/8 80", f"with this line the group has 16777217 addresses, more than {MOST}; make several"),
        ("2001:db8::/64 80", "with this line the group has 18446744073709551617 addresses, more than"),
        ("1.0.0.0-223.0.0.0 80", "with this line the group has 3724541954 addresses, more than"),
    ],
)
def test_no_lines_of_a_group(line: str, error: str) -> None:
    said = errors(group("10.8.0.1 80", line))
    assert [one for one in said if one.startswith(f"3: {error}")] == said[:1]
    assert "is no group" not in "".join(said)


def test_errors_of_groups() -> None:
    (empty,) = errors("virtual_server_group web {\n}\n" + server())
    assert empty.startswith("1: virtual_server_group 'web' is empty; add an address or a firewall mark")
    twice = group("10.8.0.1 80") + "virtual_server_group web {\n10.8.0.2 80\n}\n"
    assert errors(twice) == ["9: virtual_server_group 'web' is already on line 1; rename one"]
    assert errors(group("10.9.0.1 80", "10.9.0.0/30 80")) == [
        "3: virtual_server 10.9.0.1:80 TCP is already on line 2; remove one"
    ]
    assert errors(server() + group("10.9.0.1 80")) == [
        "8: virtual_server 10.9.0.1:80 TCP is already on line 1; remove one"
    ]
    mixed = group("10.9.0.1 80", "2001:db8::1 80", "fwmark 7", rest="protocol TCP\nlvs_method TUN")
    assert errors(mixed) == [
        "4: mark 7 stands beside addresses of both families; write fwmark 7 inet, or inet6"
    ]
    (misspelt,) = errors(group("10.9.0.1 80").replace("server group web", "server group wed"))
    assert misspelt.startswith("4: virtual_server group wed: there is no virtual_server_group 'wed'; add it")


def test_only_tunnels_serve_a_group_of_both_families() -> None:
    text = group("10.9.0.1 80", "2001:db8::1 80")
    assert errors(text) == [
        "7: 10.9.1.21 is IPv4 and the virtual server IPv6; only TUN forwards between them"
    ]
    assert len(members(text.replace("protocol TCP", "protocol TCP\nlvs_method TUN"))) == 2


def test_a_group_that_nobody_has_is_told() -> None:
    text = "virtual_server_group web {\n10.8.0.1 80\n}\n" + server()
    assert warnings(text) == ["1: virtual_server_group 'web' has no virtual_server group web and is left out"]


def test_a_group_may_have_two_protocols() -> None:
    text = group("10.9.0.1 53")
    other = text[text.index("virtual_server group") :].replace("protocol TCP", "protocol UDP")
    assert members(text + other) == ["10.9.0.1:53 TCP", "10.9.0.1:53 UDP"]


def test_warnings_of_a_group_come_once() -> None:
    text = group("10.9.0.1-200 80", rest="protocol TCP\nflag-1", real="10.9.1.21 80")
    assert len(warnings(text)) == 1
    assert len(warnings(group("10.9.0.1-200 80", rest="lvs_method DR", real="10.9.1.21 81"))) == 1


def test_a_group_and_its_pool_have_a_bound_together() -> None:
    reals = "\n".join(f"real_server 10.1.0.{n} 80 {{\n}}" for n in range(1, 60))
    text = group(f"10.9.0.0/{32 - MOST.bit_length() + 1} 80").replace("real_server 10.9.1.21 80 {\n}", reals)
    started = time.monotonic()
    (said,) = errors(text)
    assert said.startswith(
        f"4: {MOST} addresses with 59 real servers each are more than 200000 entries; make"
    )
    assert time.monotonic() - started < 20


def settings(text: str) -> IpvsSettings:
    (found,) = (one for one in compiled(text).entities if isinstance(one, IpvsSettings))
    return found


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("lvs_sync_daemon eth1", "sync_daemon", SyncDaemon(interface="eth1", both=True)),
        ("lvs_sync_daemon eth1 id 7", "sync_daemon", SyncDaemon(interface="eth1", both=True, sync_id=7)),
        (
            "lvs_sync_daemon eth1 VI_1",
            "sync_daemon",
            SyncDaemon(interface="eth1", instance="VI_1", sync_id=51),
        ),
        (
            "lvs_sync_daemon eth1 inst VI_1 id 0",
            "sync_daemon",
            SyncDaemon(interface="eth1", instance="VI_1"),
        ),
        (
            "lvs_sync_daemon eth1 group FF02::99 ttl 255 port 65535 maxlen 65507",
            "sync_daemon",
            SyncDaemon(interface="eth1", both=True, group="ff02::99", ttl=255, port=65535, max_length=65507),
        ),
        ("lvs_timeouts tcp 5", "timeouts", IpvsTimeouts(tcp=5)),
        ("lvs_timeouts udp 2678400 tcpfin 0", "timeouts", IpvsTimeouts(udp=2678400)),
        ("lvs_flush", "flush", True),
        ("lvs_flush_on_stop", "flush_on_stop", "all"),
        ("lvs_flush_on_stop VS", "flush_on_stop", "ours"),
        ("rs_init_notifies", "initial_notifies", True),
    ],
)
def test_settings(line: str, field: str, value: object) -> None:
    text = global_defs(line)
    assert getattr(settings(text), field) == value
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("lvs_sync_daemon", '2: lvs_sync_daemon is written "lvs_sync_daemon INTERFACE [[inst] INSTANCE] [id'),
        ("lvs_sync_daemon abcdefghijklmnopq", "2: lvs_sync_daemon: 'abcdefghijklmnopq' is no network"),
        ("lvs_sync_daemon eth1 VI_2", "2: lvs_sync_daemon: there is no vrrp_instance 'VI_2'; did you mean"),
        ("lvs_sync_daemon eth1 inst", "2: lvs_sync_daemon: inst needs an instance after it"),
        ("lvs_sync_daemon eth1 VI_1 inst VI_1", "2: lvs_sync_daemon: 'inst' after an interface is not known"),
        ("lvs_sync_daemon eth1 id 5 VI_1", "2: lvs_sync_daemon: 'VI_1' after an interface is not known"),
        ("lvs_sync_daemon eth1 id 256", "2: lvs_sync_daemon: '256' is no whole number from 0 to 255"),
        ("lvs_sync_daemon eth1 id", "2: lvs_sync_daemon: id needs a number after it"),
        ("lvs_sync_daemon eth1 id 1 id 2", "2: lvs_sync_daemon: id is given twice; remove one"),
        ("lvs_sync_daemon eth1 maxlen 0", "2: lvs_sync_daemon: '0' is no whole number from 1 to 65507"),
        ("lvs_sync_daemon eth1 ttl 0", "2: lvs_sync_daemon: '0' is no whole number from 1 to 255"),
        ("lvs_sync_daemon eth1 port 0", "2: lvs_sync_daemon: '0' is no whole number from 1 to 65535"),
        ("lvs_sync_daemon eth1 group 10.0.0.1", "2: lvs_sync_daemon: '10.0.0.1' is no multicast address"),
        ("lvs_sync_daemon eth1 group x", "2: lvs_sync_daemon: 'x' is no IP address"),
        ("lvs_timeouts", '2: lvs_timeouts is written "lvs_timeouts [tcp SECONDS]'),
        ("lvs_timeouts tcp", "2: lvs_timeouts: tcp needs seconds after it"),
        ("lvs_timeouts tcp 2678401", "2: lvs_timeouts: '2678401' is no whole number from 0 to 2678400"),
        ("lvs_timeouts tcp 5 tcp 6", "2: lvs_timeouts: tcp is given twice; remove one"),
        ("lvs_timeouts sctp 5", "2: lvs_timeouts: 'sctp' is none of tcp tcpfin udp"),
        ("lvs_flush_on_stop vs", "2: lvs_flush_on_stop: 'vs' is none of VS; did you mean 'VS'?"),
        ("lvs_notify_fifo fifo", "2: lvs_notify_fifo: 'fifo' is no absolute path; begin it with /"),
        ("rs_init_notifies x", "2: rs_init_notifies: 'x' is none of on off true false yes no"),
    ],
)
def test_errors_of_settings(line: str, error: str) -> None:
    (said,) = errors(global_defs(line))
    assert said.startswith(error)


def test_the_old_form_of_the_id_is_taken() -> None:
    text = global_defs("lvs_sync_daemon eth1 VI_1 9")
    assert settings(text).sync_daemon == SyncDaemon(interface="eth1", instance="VI_1", sync_id=9)
    assert warnings(text) == ["2: lvs_sync_daemon: write id before 9"]


def test_one_synchronisation() -> None:
    text = global_defs("lvs_sync_daemon eth1").replace(
        "interface eth0", "interface eth0\nlvs_sync_daemon_interface eth1"
    )
    (said,) = errors(text)
    assert said.startswith("6: lvs_sync_daemon_interface: the kernel has one synchronisation, and lvs_sync_d")


def test_pipes_of_the_table() -> None:
    assert warnings(global_defs("lvs_notify_fifo_script /bin/true")) == [
        "2: lvs_notify_fifo_script has no effect here: there is no lvs_notify_fifo; add it"
    ]
    assert errors(global_defs("vrrp_notify_fifo /run/f", "lvs_notify_fifo /run/f")) == [
        "3: lvs_notify_fifo is the pipe of vrrp_notify_fifo on line 2, '/run/f'; rename it"
    ]
    assert warnings(global_defs("notify_fifo /run/f") + server()) == [
        "2: notify_fifo hears of instances and groups alone here; add lvs_notify_fifo for real servers"
    ]
    assert warnings(global_defs("lvs_notify_fifo /run/f", "lvs_notify_fifo_script /nowhere")) == [
        "3: lvs_notify_fifo_script: there is no '/nowhere' here; put it there before it is needed"
    ]


def test_settings_that_are_as_always_are_not_written() -> None:
    for text in (server(), global_defs("router_id r1"), global_defs("enable_script_security")):
        assert not any(isinstance(one, IpvsSettings) for one in compiled(text).entities)
    found = settings(global_defs("script_user nobody nogroup") + server())
    assert (found.script_user, found.script_group) == ("nobody", "nogroup")


_WORDS = """
10.9.0.1 10.9.0.0/30 10.9.0.1-9 fd00::1 fd00::/127 80 0 65536 -1 fwmark inet inet6 group web type gue gre port
csum TUN NAT DR sh mh rr sip 255.255.255.0 64 { } \u0000 '' "ab é 1e9 0x7 99999999999999999999 %
"""
_KEYWORDS = """
virtual_server virtual_server_group real_server fwmark lvs_method sorry_server quorum hysteresis weight
persistence_granularity persistence_engine persistence_timeout ops sh-port lvs_sched uthreshold lthreshold
lvs_sync_daemon lvs_timeouts notify_up global_defs protocol ip_family
"""
_LINES = st.tuples(
    st.sampled_from(_KEYWORDS.split()), st.lists(st.sampled_from(_WORDS.split()), max_size=5)
).map(lambda line: " ".join((line[0], *line[1])))


@given(st.lists(_LINES, min_size=1, max_size=12))
def test_whatever_is_written_compiles_or_is_refused_with_lines(lines: list[str]) -> None:
    for text in ("\n".join((*lines, "")), server(*lines), server(inside="\n".join(lines)), group(*lines)):
        try:
            found = compiled(text)
        except ConfigError as error:
            problems = error.problems
        else:
            problems = found.warnings
            for entity in found.entities:
                assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
        assert [one for one in problems if one.line < 1 or "\n" in one.text] == []
