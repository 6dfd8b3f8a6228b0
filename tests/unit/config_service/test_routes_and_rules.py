"""Lines of ``virtual_routes``, ``static_routes``, ``virtual_rules``, ``static_rules``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config_service.keepalived.compile import compile_text
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.outside import Outside
from tests.unit.config_service.support import SECRETS, compiled, errors, instance, the_instance, the_settings
from vipbus.contracts import NextHop, VirtualRoute, VirtualRule, VrrpInstance

DST: dict[str, Any] = {"family": 4, "destination": "10.1.0.0/24"}
SIX: dict[str, Any] = {"family": 6, "destination": "2001:db8:1::/64"}


def routes(line: str) -> str:
    return instance(f"virtual_routes {{ {line} }}")


def rules(line: str) -> str:
    return instance(f"virtual_rules {{ {line} }}")


@pytest.mark.parametrize(
    ("line", "route"),
    [
        ("10.1.0.0/24", VirtualRoute(**DST)),
        ("10.1.0.7 dev eth0", VirtualRoute(family=4, destination="10.1.0.7/32", dev="eth0")),
        ("10.1.0.0/24 via 10.9.0.5", VirtualRoute(**DST, via="10.9.0.5")),
        ("10.1.0.0/24 via inet 10.9.0.5", VirtualRoute(**DST, via="10.9.0.5")),
        ("10.1.0.0/24 via inet6 fe80::1 dev eth0", VirtualRoute(**DST, via="fe80::1", dev="eth0")),
        ("10.1.0.0/24 gw 10.9.0.5", VirtualRoute(**DST, via="10.9.0.5")),
        ("to 10.1.0.0/24 via 10.9.0.5", VirtualRoute(**DST, via="10.9.0.5")),
        (
            "src 10.9.0.1 to 10.1.0.0/24 via 10.9.0.5 dev eth0",
            VirtualRoute(**DST, source="10.9.0.1", via="10.9.0.5", dev="eth0"),
        ),
        ("default via 10.9.0.5", VirtualRoute(family=4, destination="0.0.0.0/0", via="10.9.0.5")),
        ("0.0.0.0/0 via 10.9.0.5", VirtualRoute(family=4, destination="0.0.0.0/0", via="10.9.0.5")),
        ("default via 2001:db8::5", VirtualRoute(family=6, destination="::/0", via="2001:db8::5")),
        ("inet6 default dev eth0", VirtualRoute(family=6, destination="::/0", dev="eth0")),
        (
            "default nexthop via fe80::5 dev eth0",
            VirtualRoute(family=6, destination="::/0", nexthops=(NextHop(via="fe80::5", dev="eth0"),)),
        ),
        *[
            (f"{kind} 10.1.0.0/24", VirtualRoute(**DST, kind=kind))
            for kind in ("unicast", "local", "broadcast", "throw", "unreachable", "prohibit", "blackhole")
        ],
        (
            "multicast 224.1.0.0/24 dev eth0",
            VirtualRoute(family=4, destination="224.1.0.0/24", kind="multicast", dev="eth0"),
        ),
        ("10.1.0.0/24 dev eth0 table 100", VirtualRoute(**DST, dev="eth0", table=100)),
        ("10.1.0.0/24 dev eth0 table local", VirtualRoute(**DST, dev="eth0", table=255)),
        ("10.1.0.0/24 dev eth0 table 4294967295", VirtualRoute(**DST, dev="eth0", table=2**32 - 1)),
        ("10.1.0.0/24 dev eth0 metric 0x10", VirtualRoute(**DST, dev="eth0", metric=16)),
        ("10.1.0.0/24 dev eth0 priority 7", VirtualRoute(**DST, dev="eth0", metric=7)),
        ("10.1.0.0/24 dev eth0 preference 7", VirtualRoute(**DST, dev="eth0", metric=7)),
        ("10.1.0.0/24 dev eth0 scope link", VirtualRoute(**DST, dev="eth0", scope=253)),
        ("10.1.0.0/24 dev eth0 protocol static", VirtualRoute(**DST, dev="eth0", protocol=4)),
        ("10.1.0.0/24 dev eth0 proto 99", VirtualRoute(**DST, dev="eth0", protocol=99)),
        ("10.1.0.0/24 dev eth0 tos 0x10", VirtualRoute(**DST, dev="eth0", tos=16)),
        ("10.1.0.0/24 dev eth0 dsfield 16", VirtualRoute(**DST, dev="eth0", tos=16)),
        ("10.1.0.0/24 dev eth0 onlink", VirtualRoute(**DST, dev="eth0", onlink=True)),
        ("10.1.0.0/24 dev eth0 no_track", VirtualRoute(**DST, dev="eth0", tracked=False)),
        ("10.1.0.0/24 oif eth0 prepend", VirtualRoute(**DST, dev="eth0")),
        (
            "10.1.0.0/24 dev eth0 mtu 1400 advmss 1360 hoplimit 64 initcwnd 10 initrwnd 20 window 5 cwnd 6",
            VirtualRoute(
                **DST,
                dev="eth0",
                metrics=(
                    ("mtu", 1400),
                    ("advmss", 1360),
                    ("hoplimit", 64),
                    ("initcwnd", 10),
                    ("initrwnd", 20),
                    ("window", 5),
                    ("cwnd", 6),
                ),
            ),
        ),
        (
            "10.1.0.0/24 dev eth0 rtt 5s rttvar 20ms rto_min lock 200 reordering 3 ssthresh 4 quickack 1",
            VirtualRoute(
                **DST,
                dev="eth0",
                metrics=(
                    ("rtt", 5000),
                    ("rttvar", 20),
                    ("rto_min", 200),
                    ("reordering", 3),
                    ("ssthresh", 4),
                    ("quickack", 1),
                    ("lock", 1 << 13),
                ),
            ),
        ),
        (
            "10.1.0.0/24 dev eth0 features ecn fastopen_no_cookie 1",
            VirtualRoute(**DST, dev="eth0", metrics=(("features", 1), ("fastopen_no_cookie", 1))),
        ),
        (
            "10.1.0.0/24 via 10.9.0.5 or 10.9.0.6 dev eth0",
            VirtualRoute(
                **DST, nexthops=(NextHop(via="10.9.0.5", dev="eth0"), NextHop(via="10.9.0.6", dev="eth0"))
            ),
        ),
        (
            "10.1.0.0/24 dev eth0 via 10.9.0.5 or 10.9.0.6 table 7",
            VirtualRoute(
                **DST,
                table=7,
                nexthops=(NextHop(via="10.9.0.5", dev="eth0"), NextHop(via="10.9.0.6", dev="eth0")),
            ),
        ),
        (
            "10.1.0.0/24 table 6909 nexthop via 10.9.0.5 dev eth0 onlink nexthop dev eth1 weight 256",
            VirtualRoute(
                **DST,
                table=6909,
                nexthops=(
                    NextHop(via="10.9.0.5", dev="eth0", onlink=True),
                    NextHop(dev="eth1", weight=256),
                ),
            ),
        ),
        ("2001:db8:1::/64 via fe80::1 dev eth0", VirtualRoute(**SIX, via="fe80::1", dev="eth0")),
        ("2001:db8:1::/64 dev eth0 pref low", VirtualRoute(**SIX, dev="eth0", preference="low")),
        (
            "2001:db8:1::/64 from 2001:db8:2::/64 dev eth0",
            VirtualRoute(**SIX, source_prefix="2001:db8:2::/64", dev="eth0"),
        ),
    ],
)
def test_routes(line: str, route: VirtualRoute) -> None:
    assert the_instance(routes(line)).virtual_routes == (route,)
    assert the_settings(instance() + f"static_routes {{ {line} }}\n").static_routes == (route,)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("dev eth0", "the route has no destination"),
        ("10.1.0.7/24 dev eth0", "'10.1.0.7/24' has bits beyond its prefix length; write 10.1.0.0/24"),
        ("10.1/16 dev eth0", "'10.1' is no IP address"),
        ("10.1.0.0/33", "'33' is no whole number from 0 to 32"),
        ("10.1.0.0/24 10.2.0.0/24", "'10.2.0.0/24' after a route is not known"),
        ("10.1.0.0/24 to 10.2.0.0/24", "the route has two destinations"),
        ("10.1.0.0/24 foo", "'foo' after a route is not known"),
        ("10.1.0.0/24 via", "via needs an address after it"),
        ("10.1.0.0/24 via 10.9.0.5 via 10.9.0.6", "via is given twice"),
        ("10.1.0.0/24 via 10.9.0.5 gw 10.9.0.6", "via is given twice"),
        ("10.1.0.0/24 or 10.9.0.6", "or without via before it"),
        (
            "10.1.0.0/24 via 10.9.0.5 nexthop via 10.9.0.6",
            "via before nexthop; name every gateway by nexthop via",
        ),
        ("10.1.0.0/24 nexthop weight 5", "nexthop needs via or dev after it"),
        ("10.1.0.0/24 nexthop dev eth0 weight 0", "'0' is no whole number from 1 to 256"),
        ("10.1.0.0/24 nexthop dev eth0 weight 257", "'257' is no whole number from 1 to 256"),
        (
            "10.1.0.0/24 table nope",
            "'nope' is no routing table that this machine knows; write its number, or",
        ),
        (
            "10.1.0.0/24 table mian",
            "'mian' is no routing table that this machine knows; did you mean 'main'?;",
        ),
        ("10.1.0.0/24 table 4294967296", "'4294967296' is no number from 0 to 4294967295"),
        ("10.1.0.0/24 scope 300", "'300' is no number from 0 to 255"),
        ("10.1.0.0/24 tos 256", "'256' is no number from 0 to 255"),
        ("10.1.0.0/24 hoplimit 256", "'256' is no number from 0 to 255"),
        ("10.1.0.0/24 quickack 2", "'2' is no number from 0 to 1"),
        ("10.1.0.0/24 rtt 5m", "'5m' is no whole number"),
        ("10.1.0.0/24 rtt 9999999999s", "'9999999999' is no whole number"),
        ("10.1.0.0/24 features fast", "'fast' is none of the features"),
        ("10.1.0.0/24 mtu", "mtu needs a value after it"),
        ("10.1.0.0/24 pref high", "pref is for IPv6 routes only"),
        ("10.1.0.0/24 from 10.2.0.0/24", "from is for IPv6 routes only; src names the preferred source"),
        ("2001:db8:1::/64 pref best", "'best' is none of low medium high"),
        ("2001:db8:1::/64 via 10.9.0.5", "via 10.9.0.5 is no IPv6 address, as the destination is"),
        ("10.1.0.0/24 src 2001:db8::1", "src 2001:db8::1 is no IPv4 address, as the destination is"),
        ("inet6 10.1.0.0/24", "10.1.0.0/24 is no IPv6 prefix; remove inet or inet6"),
        ("blackhole 10.1.0.0/24 via 10.9.0.5", "a blackhole route has no gateway; remove via"),
        ("10.1.0.0/24 track_group x", "track_group belongs to static routes; remove it"),
        ("10.1.0.0/24 { }", "a line of virtual_routes takes no block"),
    ],
)
def test_routes_that_are_none(line: str, error: str) -> None:
    (said,) = errors(routes(line))
    assert said.startswith(f"2: {error}")


def test_appending_has_no_effect() -> None:
    (said,) = compiled(routes("10.1.0.0/24 dev eth0 append")).warnings
    assert said.text.startswith("append has no effect here")


RULE: dict[str, Any] = {"family": 4, "priority": 39}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("from 10.1.0.0/24 table 100", VirtualRule(**RULE, table=100, source="10.1.0.0/24")),
        ("from 10.1.0.7/24 lookup main", VirtualRule(**RULE, table=254, source="10.1.0.0/24")),
        ("to 10.1.0.7 table 5", VirtualRule(**RULE, table=5, destination="10.1.0.7/32")),
        ("from all to any table 5", VirtualRule(**RULE, table=5)),
        ("not from 10.1.0.0/24 table 5", VirtualRule(**RULE, table=5, source="10.1.0.0/24", invert=True)),
        ("iif eth0 oif eth1 table 5", VirtualRule(**RULE, table=5, iif="eth0", oif="eth1")),
        ("dev eth0 table 5", VirtualRule(**RULE, table=5, iif="eth0")),
        ("fwmark 24/12 table 5", VirtualRule(**RULE, table=5, mark=24, mask=12)),
        ("fwmark 0x10 table 5", VirtualRule(**RULE, table=5, mark=16)),
        ("tos 22 table 5", VirtualRule(**RULE, table=5, tos=22)),
        ("dsfield 0x10 table 5", VirtualRule(**RULE, table=5, tos=16)),
        ("goto 60", VirtualRule(**RULE, action="goto", goto=60)),
        ("from 10.1.0.0/24 nop", VirtualRule(**RULE, action="nop", source="10.1.0.0/24")),
        ("blackhole", VirtualRule(**RULE, action="blackhole")),
        ("type prohibit", VirtualRule(**RULE, action="prohibit")),
        ("unreachable iif eth0", VirtualRule(**RULE, action="unreachable", iif="eth0")),
        ("realms 30/20 table 5", VirtualRule(**RULE, table=5, realm=30 << 16 | 20)),
        ("realms 9 table 5", VirtualRule(**RULE, table=5, realm=9)),
        ("l3mdev", VirtualRule(**RULE, l3mdev=True)),
        ("uidrange 1000-2000 table 5", VirtualRule(**RULE, table=5, user_ids=(1000, 2000))),
        (
            "ip_proto UDP sport 10-20 dport 53 table 5",
            VirtualRule(**RULE, table=5, ip_protocol=17, source_ports=(10, 20), destination_ports=(53, 53)),
        ),
        ("ipproto 89 table 5", VirtualRule(**RULE, table=5, ip_protocol=89)),
        ("tun_id 7 table 5", VirtualRule(**RULE, table=5, tunnel=7)),
        ("suppress_prefixlength 0 table main", VirtualRule(**RULE, table=254, suppress_prefix_length=0)),
        ("sup_group default table 5", VirtualRule(**RULE, table=5, suppress_interface_group=0)),
        ("protocol 12 table 5", VirtualRule(**RULE, table=5, protocol=12)),
        ("proto static table 5", VirtualRule(**RULE, table=5, protocol=4)),
        ("no_track table 5", VirtualRule(**RULE, table=5, tracked=False)),
        (
            "from 2001:db8:1::/64 table 5",
            VirtualRule(**RULE | {"family": 6}, table=5, source="2001:db8:1::/64"),
        ),
        ("inet6 iif eth0 table 5", VirtualRule(**RULE | {"family": 6}, table=5, iif="eth0")),
    ],
)
@pytest.mark.parametrize("keyword", ["preference", "pref", "priority", "order"])
def test_rules(line: str, rule: VirtualRule, keyword: str) -> None:
    assert the_instance(rules(f"{line} {keyword} 39")).virtual_rules == (rule,)
    static = the_settings(instance() + f"static_rules {{ {keyword} 39 {line} }}\n")
    assert static.static_rules == (rule,)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("from 10.1.0.0/24", "the rule says not what to do; add table TABLE"),
        ("from 10.1.0.0/24 table 0", "table 0 is none; main is 254"),
        ("from x table 5", "'x' is no IP address"),
        ("from 10.1.0.0/24 to 2001:db8::/64 table 5", "the rule mixes IPv4 and IPv6"),
        ("inet from 2001:db8::/64 table 5", "the rule mixes IPv4 and IPv6"),
        ("table 5 table 6", "table is given twice"),
        ("table 5 lookup 6", "table is given twice"),
        ("table 5 goto 50 pref 3", "only one of table, goto, nop, blackhole"),
        ("l3mdev table 5", "l3mdev takes the table of the interface's VRF; remove table"),
        ("goto 40", "goto needs a preference to go on from"),
        ("goto 40 preference 50", "goto 40 does not go forward from preference 50"),
        ("realms 30/ table 5", "'30/' is no realm; write REALM or FROM/TO"),
        ("realms /20 table 5", "'/20' is no realm"),
        ("realms 70000 table 5", "'70000' is no number from 0 to 65535"),
        ("realms 5 goto 60 preference 4", "realms are for rules with a table only"),
        ("uidrange x table 5", "uidrange 'x' is no number or range from 0 to 4294967294"),
        ("uidrange 20-10 table 5", "uidrange '20-10' is no number or range"),
        ("sport 0 table 5", "sport '0' is no number or range from 1 to 65535"),
        ("dport 10-70000 table 5", "dport '10-70000' is no number or range from 1 to 65535"),
        ("ipproto nope table 5", "'nope' is no protocol that this machine knows"),
        ("ipproto 256 table 5", "'256' is no number from 1 to 255"),
        ("fwmark 5/x table 5", "'x' is no number"),
        ("suppress_prefixlength 129 table 5", "'129' is no whole number from 0 to 128"),
        ("type permit", "'permit' is none of blackhole unreachable prohibit nop"),
        ("track_group x table 5", "track_group belongs to static rules; remove it"),
        ("from 10.1.0.0/24 nat 10.2.0.1", "'nat' after a rule is not known"),
        ("from", "from needs a prefix after it"),
    ],
)
def test_rules_that_are_none(line: str, error: str) -> None:
    (said,) = errors(rules(line))
    assert said.startswith(f"2: {error}")


def test_a_rule_without_a_preference_is_told() -> None:
    found = compiled(rules("from 10.1.0.0/24 table 100"))
    (said,) = (str(one) for one in found.warnings)
    assert said.startswith("x.conf:2: the rule has no preference, so where it stands among others depends")


def test_names_come_from_iproute2s_files(tmp_path: Path) -> None:
    first, second = tmp_path / "share", tmp_path / "etc"
    (second / "rt_tables.d").mkdir(parents=True)
    first.mkdir()
    (first / "rt_tables").write_text(
        "# comment\n100 wan\n101\tlan # the other\n\nnonsense\n1 2 3\n-1 minus\n"
    )
    (second / "rt_tables").write_text("200 wan\n99999999999 large\n")
    (second / "rt_tables.d" / "x.conf").write_text("0x10 hexadecimal\n")
    (second / "rt_tables.d" / "x.txt").write_text("17 unseen\n")
    (second / "rt_protos").write_bytes(b"\xff\xfe\x00\n77 mine\n" * 3)
    (second / "rt_scopes").mkdir()
    outside = Outside(SECRETS.reference, Names((first, second)))

    def table(word: str) -> int:
        found = compile_text(routes(f"10.1.0.0/24 table {word}"), "x.conf", "r1", "h", outside)
        (one,) = (each for each in found.entities if isinstance(each, VrrpInstance))
        return one.virtual_routes[0].table

    assert [table(word) for word in ("wan", "lan", "hexadecimal", "main", "7")] == [200, 101, 16, 254, 7]
    names = Names((first, second))
    assert names.number("rt_protos", "mine") == 77
    assert names.number("rt_scopes", "link") == 253
