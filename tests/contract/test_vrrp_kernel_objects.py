"""Virtual addresses, routes and rules in a real kernel: added, seen, lost and noticed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.vrrp import needs_root
from tests.support.vrrp_kernel import Host, host
from tests.support.waiting import eventually
from vipbus.contracts import StaticAddress, VirtualAddress, VirtualRoute, VirtualRule, VrrpSettings
from vipbus.contracts.vrrp_objects import NextHop
from vrrp_agent import rtnetlink
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.objects import Objects
from vrrp_agent.routes import Route
from vrrp_agent.static import Static

pytestmark = needs_root


@pytest.fixture(scope="module")
def router() -> Iterator[Host]:
    with host() as made:
        made.cable("eth0")
        made.cable("eth1")
        made.ip("addr", "add", "10.50.0.1/24", "dev", "eth0")
        made.ip("addr", "add", "10.51.0.1/24", "dev", "eth1")
        made.ip("addr", "add", "2001:db8:50::1/64", "dev", "eth0", "nodad")
        made.ip("addr", "add", "2001:db8:51::1/64", "dev", "eth1", "nodad")
        yield made


def address(text: str, prefix: int, **more: Any) -> VirtualAddress:
    return VirtualAddress(address=text, prefix=prefix, **{"dev": "eth0", **more})


ADDRESSES: list[tuple[VirtualAddress, dict[str, object]]] = [
    (address("10.50.0.100", 24), {"local": "10.50.0.100", "prefixlen": 24, "scope": "global"}),
    (address("10.50.7.1", 32), {"local": "10.50.7.1", "prefixlen": 32}),
    (
        address("10.52.0.1", 24, broadcast="10.52.0.255", label="eth0:vip"),
        {"broadcast": "10.52.0.255", "label": "eth0:vip"},
    ),
    (address("10.53.0.1", 24, scope=253), {"scope": "link"}),
    (
        address("10.54.0.1", 32, peer="10.54.9.9/24"),
        {"local": "10.54.0.1", "address": "10.54.9.9", "prefixlen": 24},
    ),
    (address("10.55.0.1", 24, no_prefix_route=True), {"noprefixroute": True}),
    (address("2001:db8:60::1", 64), {"local": "2001:db8:60::1", "nodad": True, "prefixlen": 64}),
    (address("2001:db8:61::1", 128), {"deprecated": True, "preferred_life_time": 0}),
    (address("2001:db8:61::2", 128, preferred_lifetime=2**32 - 1), {"preferred_life_time": 2**32 - 1}),
    (address("2001:db8:62::1", 64, home=True, managed_temporary=True), {"home": True, "mngtmpaddr": True}),
    (address("2001:db8:63::1", 128, peer="2001:db8:63::2/128"), {"address": "2001:db8:63::2"}),
    (address("fe80::50:1", 64), {"scope": "link"}),
]


@pytest.mark.parametrize(("virtual", "shown"), ADDRESSES, ids=lambda each: getattr(each, "address", ""))
def test_an_address_comes_is_missed_and_goes(
    router: Host, virtual: VirtualAddress, shown: dict[str, object]
) -> None:
    def there() -> list[dict[str, object]]:
        listed = router.json("addr", "show", "dev", virtual.dev)[0]["addr_info"]
        return [each for each in listed if each["local"] == virtual.address]

    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")
    (found,) = there()
    assert {key: found.get(key) for key in shown} == shown
    assert router.objects.add([virtual]) == ""  # it is there already

    peer = ("peer", virtual.peer) if virtual.peer else (f"{virtual.address}/{virtual.prefix}",)
    text = (virtual.address, *peer) if virtual.peer else peer
    router.ip("addr", "del", *text, "dev", virtual.dev)
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")

    assert router.objects.remove([virtual]) == ""
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert there() == []
    assert router.objects.remove([virtual]) == ""  # it is gone already


def test_an_address_of_another_scope_in_the_same_prefix_is_refused_in_words(router: Host) -> None:
    first, second = address("10.56.0.1", 24), address("10.56.0.2", 24, scope=253)
    assert router.objects.add([first]) == ""
    problem = router.objects.add([second])
    assert "10.56.0.2/24 dev eth0 cannot be added" in problem
    assert "another scope" in problem
    assert not router.interfaces.holds(second)
    router.objects.remove([first])


def test_a_device_that_is_not_there_is_said_and_nothing_to_remove_from(router: Host) -> None:
    virtual = address("10.57.0.1", 24, dev="eth9")
    assert router.objects.add([virtual]) == "10.57.0.1/24 dev eth9 cannot be added: the device does not exist"
    assert router.objects.remove([virtual]) == ""


def route(destination: str, **more: Any) -> VirtualRoute:
    return VirtualRoute(family=6 if ":" in destination else 4, destination=destination, **more)


ROUTES: list[tuple[VirtualRoute, dict[str, object]]] = [
    (
        route("10.70.0.0/24", dev="eth0"),
        {"dst": "10.70.0.0/24", "dev": "eth0", "scope": "link", "protocol": "keepalived"},
    ),
    (route("10.71.0.0/16", via="10.50.0.9"), {"gateway": "10.50.0.9", "dev": "eth0"}),
    (
        route("10.72.0.0/24", via="10.50.0.9", dev="eth0", table=1000, metric=7, tos=16, source="10.50.0.1"),
        {"metric": 7, "tos": "0x10", "prefsrc": "10.50.0.1"},
    ),
    (
        route("0.0.0.0/0", via="192.0.2.1", dev="eth1", onlink=True, table=100),
        {"dst": "default", "gateway": "192.0.2.1", "flags": ["onlink"]},
    ),
    (route("10.73.0.0/24", kind="blackhole"), {"type": "blackhole"}),
    (route("10.74.0.0/24", kind="unreachable"), {"type": "unreachable"}),
    (route("10.75.0.0/24", kind="prohibit", metric=9), {"type": "prohibit", "metric": 9}),
    (route("10.76.0.0/24", kind="throw", table=50), {"type": "throw"}),
    (route("10.77.0.1/32", kind="local", dev="eth0", table=255), {"type": "local", "dev": "eth0"}),
    (route("10.78.0.0/24", dev="eth0", scope=0, protocol=77), {"protocol": "77", "dev": "eth0"}),
    (
        route(
            "10.79.0.0/24",
            dev="eth0",
            metrics=(("mtu", 1400), ("advmss", 1300), ("rto_min", 20), ("initcwnd", 20), ("hoplimit", 9)),
        ),
        {"metrics": [{"mtu": 1400, "advmss": 1300, "rto_min": 20, "initcwnd": 20, "hoplimit": 9}]},
    ),
    (route("10.80.0.0/24", dev="eth0", metrics=(("rtt", 30), ("rttvar", 40))), {"dev": "eth0"}),
    (
        route(
            "10.81.0.0/24",
            nexthops=(NextHop(via="10.50.0.9", dev="eth0", weight=3), NextHop(via="10.51.0.9", dev="eth1")),
        ),
        {
            "nexthops": [
                {"gateway": "10.50.0.9", "dev": "eth0", "weight": 3, "flags": []},
                {"gateway": "10.51.0.9", "dev": "eth1", "weight": 1, "flags": []},
            ]
        },
    ),
    (
        route("10.82.0.0/24", via="2001:db8:50::9", dev="eth0"),
        {"via": {"family": "inet6", "host": "2001:db8:50::9"}},
    ),
    (
        route("2001:db8:70::/48", via="2001:db8:50::9"),
        {"dst": "2001:db8:70::/48", "gateway": "2001:db8:50::9", "metric": 1024},
    ),
    (
        route("2001:db8:71::/48", dev="eth0", metric=77, preference="high", table=1001),
        {"metric": 77, "pref": "high", "dev": "eth0"},
    ),
    (route("2001:db8:72::/48", kind="blackhole"), {"type": "blackhole"}),
    (
        route("2001:db8:74::/48", kind="unreachable", table=1001, metrics=(("mtu", 1300),)),
        {"type": "unreachable"},
    ),
    (
        route(
            "2001:db8:73::/48",
            nexthops=(NextHop(via="2001:db8:50::9", dev="eth0"), NextHop(via="2001:db8:51::9", dev="eth1")),
        ),
        {"dst": "2001:db8:73::/48"},
    ),
    (route("::/0", via="fe80::9", dev="eth0", table=100), {"dst": "default", "gateway": "fe80::9"}),
]


@pytest.mark.parametrize(("virtual", "shown"), ROUTES, ids=lambda each: getattr(each, "destination", ""))
def test_a_route_comes_is_missed_and_goes(
    router: Host, virtual: VirtualRoute, shown: dict[str, object]
) -> None:
    family = "-6" if virtual.family == 6 else "-4"
    name = "default" if virtual.destination in ("0.0.0.0/0", "::/0") else virtual.destination.split("/32")[0]

    def there() -> list[dict[str, object]]:
        listed = router.json(family, "route", "show", "table", str(virtual.table))
        return [each for each in listed if each["dst"] == name]

    if virtual.protocol is not None:
        with router.namespace.entered():  # it reads all again, through a new socket
            router.monitor.watch({virtual.protocol})
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")
    (found,) = there()
    assert {key: found.get(key) for key in shown} == shown
    assert router.objects.add([virtual]) == ""  # it is there already
    assert len(there()) == 1

    router.ip(family, "route", "flush", "table", str(virtual.table), "exact", virtual.destination)
    assert there() == []
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")

    assert router.objects.remove([virtual]) == ""
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert there() == []
    assert router.objects.remove([virtual]) == ""  # it is gone already


def rule(family: int = 4, **more: Any) -> VirtualRule:
    return VirtualRule(family=family, **more)


RULES: list[tuple[VirtualRule, dict[str, object]]] = [
    (
        rule(source="10.50.0.100/32", table=7, priority=100),
        {"src": "10.50.0.100", "table": "7", "priority": 100, "protocol": "keepalived"},
    ),
    (rule(destination="10.60.0.0/16", table=1000), {"dst": "10.60.0.0", "dstlen": 16, "table": "1000"}),
    (
        rule(mark=24, mask=12, iif="eth0", oif="eth1", tos=16, priority=39, goto=40000, action="goto"),
        {"iif": "eth0", "oif": "eth1", "tos": "0x10", "goto": 40000},
    ),
    (rule(mark=5, table=7, priority=101), {"fwmark": "0x5"}),
    (
        rule(
            table=7,
            priority=102,
            user_ids=(10, 20),
            ip_protocol=6,
            source_ports=(10, 20),
            destination_ports=(80, 80),
        ),
        {"uid_start": 10, "uid_end": 20, "ipproto": "tcp", "sport_start": 10, "sport_end": 20},
    ),
    (
        rule(table=254, priority=103, suppress_prefix_length=0, suppress_interface_group=5),
        {"suppress_prefixlen": 0, "suppress_ifgroup": "5"},
    ),
    (rule(l3mdev=True, priority=104), {"priority": 104}),
    (rule(action="prohibit", source="10.61.0.0/16", priority=105), {"action": "prohibit"}),
    (rule(action="blackhole", source="10.62.0.0/16", priority=106), {"action": "blackhole"}),
    (rule(action="nop", priority=107), {"priority": 107}),
    (rule(source="10.63.0.0/16", invert=True, table=9, tunnel=77, priority=108), {"not": None}),
    (rule(source="10.50.0.100/24", table=7, priority=110), {"src": "10.50.0.100", "srclen": 24}),
    (rule(table=7, realm=5, priority=109, protocol=12), {"protocol": "bird"}),
    (rule(6, source="2001:db8:50::/64", table=7, priority=100), {"src": "2001:db8:50::", "srclen": 64}),
    (rule(6, destination="2001:db8:50::5/128", action="unreachable"), {"action": "unreachable"}),
]


@pytest.mark.parametrize(("virtual", "shown"), RULES, ids=lambda each: str(getattr(each, "priority", "")))
def test_a_rule_comes_is_missed_and_goes(
    router: Host, virtual: VirtualRule, shown: dict[str, object]
) -> None:
    family = "-6" if virtual.family == 6 else "-4"
    before = router.json(family, "rule", "show")

    def there() -> list[dict[str, object]]:
        return [each for each in router.json(family, "rule", "show") if each not in before]

    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")
    (found,) = there()
    assert {key: found.get(key) for key in shown} == shown
    assert router.objects.add([virtual]) == ""  # it is there already
    assert len(there()) == 1

    router.ip(family, "rule", "del", "priority", str(found["priority"]))
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")

    assert router.objects.remove([virtual]) == ""
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    assert there() == []
    assert router.objects.remove([virtual]) == ""  # it is gone already


# ---- what the kernel does on its own


def lost(router: Host, virtual: Any, *command: str) -> None:
    """Show that an object goes with what a command does, and that this is noticed."""
    assert router.objects.add([virtual]) == ""
    router.sees(lambda seen: seen.holds(virtual), "it is seen")
    router.ip(*command)
    router.sees(lambda seen: not seen.holds(virtual), "it is seen to be gone")
    listed = router.ip("route", "show", "table", str(virtual.table), "proto", "18")
    assert virtual.destination not in listed


def test_routes_that_go_without_a_word_are_missed(router: Host) -> None:
    router.cable("eth2")
    router.ip("addr", "add", "10.52.0.1/24", "dev", "eth2")
    lost(router, route("10.90.0.0/24", dev="eth2"), "link", "set", "eth2", "down")
    router.ip("link", "set", "eth2", "up")
    router.ip("addr", "add", "10.53.0.1/24", "dev", "eth2")
    by_source = route("10.91.0.0/24", dev="eth2", source="10.53.0.1")
    lost(router, by_source, "addr", "del", "10.53.0.1/24", "dev", "eth2")
    lost(router, route("10.92.0.0/24", dev="eth2"), "addr", "del", "10.52.0.1/24", "dev", "eth2")
    router.ip("addr", "add", "10.52.0.1/24", "dev", "eth2")
    by_gateway = route("10.93.0.0/24", via="10.52.0.9")
    lost(router, by_gateway, "route", "replace", "10.93.0.0/24", "via", "10.52.0.8")
    router.ip("route", "del", "10.93.0.0/24")
    lost(router, route("10.94.0.0/24", dev="eth2"), "link", "del", "eth2")


def test_ipv6_routes_go_with_their_link(router: Host) -> None:
    router.cable("eth2")
    router.ip("addr", "add", "2001:db8:52::1/64", "dev", "eth2", "nodad")
    several = route(
        "2001:db8:90::/48", nexthops=(NextHop(via="fe80::9", dev="eth0"), NextHop(via="fe80::8", dev="eth2"))
    )
    for virtual in (route("2001:db8:91::/48", dev="eth2"), several):
        assert router.objects.add([virtual]) == ""
        router.sees(lambda seen, virtual=virtual: seen.holds(virtual), "it is seen")
    router.ip("link", "del", "eth2")
    router.sees(lambda seen: not seen.holds(several), "one of its ways is gone")
    router.objects.remove([several])


def test_a_route_stands_before_one_of_others_and_leaves_it_alone(router: Host) -> None:
    router.ip("route", "add", "10.95.0.0/24", "via", "10.50.0.8")
    ours = route("10.95.0.0/24", via="10.50.0.9")
    assert router.objects.add([ours]) == ""
    assert "via 10.50.0.9" in router.ip("route", "get", "10.95.0.1")
    assert router.objects.remove([ours]) == ""
    assert "via 10.50.0.8" in router.ip("route", "get", "10.95.0.1")
    router.ip("route", "del", "10.95.0.0/24")


def test_a_device_made_anew_gets_its_objects_again(router: Host) -> None:
    virtual = [address("10.54.0.1", 24, dev="eth3"), route("10.96.0.0/24", dev="eth3", source="10.54.0.1")]
    for _ in range(2):
        router.cable("eth3")
        assert router.objects.add(virtual) == ""
        router.sees(lambda seen: all(map(seen.holds, virtual)), "they are seen")
        router.ip("link", "set", "eth3", "down")
        router.ip("link", "set", "eth3", "name", "other")
        router.sees(lambda seen: not any(map(seen.holds, virtual)), "they went with the name")
        router.ip("link", "del", "other")


def test_a_mix_comes_in_an_order_that_works_and_every_refusal_is_told(router: Host) -> None:
    good = [
        rule(source="10.57.0.0/16", table=77, priority=120),
        route("10.97.0.0/24", dev="eth0", source="10.57.0.1", table=77),
        *(address(f"10.57.0.{number}", 24) for number in range(1, 201)),
    ]
    bad = [
        route("10.98.0.0/24", via="203.0.113.1"),
        route("10.99.0.0/24", dev="eth0", metrics=(("nonsense", 1),)),
        address("10.57.1.1", 24, label="x" * 40),
    ]
    problem = router.objects.add([*bad, *good])
    assert "route 10.98.0.0/24 via 203.0.113.1 cannot be added: " in problem
    assert "route 10.99.0.0/24 dev eth0 cannot be added: it cannot be written: there is no metric" in problem
    assert "10.57.1.1/24 dev eth0 cannot be added: " in problem
    assert len(problem.split("; ")) == 3
    router.sees(lambda seen: all(map(seen.holds, good)), "the rest is there")
    router.objects.remove(good)
    router.sees(lambda seen: not any(map(seen.holds, good)), "all of it is gone")


def test_what_is_asked_before_the_hands_are_free_is_done_in_order(router: Host) -> None:
    early = Objects(router.monitor.interfaces)
    stays, goes = address("10.58.0.1", 24), address("10.58.0.2", 24)
    assert early.add([stays, goes]) == ""
    assert early.remove([goes]) == ""
    assert early.pending
    assert not router.interfaces.holds(stays)
    with router.namespace.entered():
        early.open()
    assert not early.pending
    router.sees(lambda seen: seen.holds(stays) and not seen.holds(goes), "all was done in order")
    early.remove([stays])
    early.close()


def test_routes_of_others_do_not_wake_the_loop(router: Host) -> None:
    with router.namespace.entered():
        monitor = rtnetlink.open_monitor({18})
    for protocol in ("bgp", "18"):
        router.ip("route", "add", "10.100.0.0/24", "dev", "eth0", "proto", protocol)
        router.ip("route", "del", "10.100.0.0/24", "dev", "eth0", "proto", protocol)
    heard: list[int] = []

    def ours_has_gone() -> bool:
        while True:
            try:
                changes = list(rtnetlink.decode(monitor.recv(1 << 16)))
            except BlockingIOError:
                return heard == [18, 18]
            heard.extend(each.protocol for each in changes if isinstance(each, Route))

    eventually(ours_has_gone, "ours alone is heard to come and go")
    monitor.close()


def test_the_picture_is_read_again_when_messages_were_dropped(
    router: Host, caplog: pytest.LogCaptureFixture
) -> None:
    many = [address(f"10.60.{number // 250}.{number % 250 + 1}", 32) for number in range(1000)]
    for _ in range(4):
        assert router.objects.add(many) == ""
        assert router.objects.remove(many) == ""
    assert router.objects.add(many[:1]) == ""
    with router.namespace.entered():
        router.monitor.drain()
    assert "dropped messages" in caplog.text
    assert router.interfaces.holds(many[0])
    assert not router.interfaces.holds(many[1])
    assert router.interfaces.link("eth0") is not None
    router.objects.remove(many[:1])


# ---- what stays


def test_static_objects_stay_until_the_end(router: Host) -> None:
    settings = VrrpSettings(
        router="a",
        static_addresses=(StaticAddress(address=address("10.59.0.1", 24), track_group="G1"),),
        static_routes=(
            route("10.101.0.0/24", via="10.59.0.9", track_group="G1"),
            route("10.102.0.0/24", dev="eth7", track_group="VI_2"),
        ),
        static_rules=(rule(source="10.59.0.0/24", table=9, priority=130),),
    )
    objects = [settings.static_addresses[0].address, settings.static_routes[0], settings.static_rules[0]]
    static = Static(router.monitor.interfaces, router.objects)
    static.configure(settings)
    router.sees(lambda seen: all(map(seen.holds, objects)), "they are there")
    static.look()
    assert static.missing() == {
        "VI_2": "route 10.102.0.0/24 dev eth7 cannot be added: the device does not exist"
    }

    router.cable("eth7")
    router.ip("addr", "del", "10.59.0.1/24", "dev", "eth0")
    router.ip("rule", "del", "priority", "130")

    def whole(seen: Interfaces) -> bool:
        static.look()
        return all(map(seen.holds, [*objects, settings.static_routes[1]])) and not static.missing()

    router.sees(whole, "they are put back, and the device is there now")

    # what cannot be put back is told to whoever cannot do without it
    router.ip("addr", "del", "10.59.0.1/24", "dev", "eth0")
    router.ip("addr", "add", "10.59.0.7/24", "dev", "eth0", "scope", "link")
    router.sees(lambda _: (static.look(), "another scope" in static.missing().get("G1", ""))[1], "it is told")
    router.ip("addr", "del", "10.59.0.7/24", "dev", "eth0")

    static.configure(msgspec.structs.replace(settings, static_rules=()))
    router.sees(lambda seen: not seen.holds(settings.static_rules[0]), "the rule left the configuration")
    router.sees(lambda seen: (static.look(), seen.holds(objects[0]))[1], "the address is back")
    static.stop()
    router.sees(lambda seen: not any(map(seen.holds, [*objects, settings.static_routes[1]])), "all is gone")
    assert static.missing() == {}
