"""The routers of a document: what each has of its own, who is told by unicast, and what is refused."""

from __future__ import annotations

import pytest

from config_service.native.document import read, routers
from config_service.problems import ConfigError, Problem
from vipbus.contracts import Entity, SyncGroup, Track, UnicastPeer, VirtualServer, VrrpInstance, VrrpSettings

CLUSTER = """\
[vrrp]
startup_delay = "5s"

[[vrrp_script]]
name = "proxy"
command = "/bin/true"

[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
garp = { master_delay = "2s", master_repeat = 3 }
tracks = [
    { kind = "script", name = "proxy" },
    { kind = "verdict", name = "web", weight = -20 },
    { kind = "verdict", name = "web", real_server = "10.1.0.21:80", weight = -5 },
]
unicast = true

[[vrrp_instance]]
name = "VI_6"
routers = ["lb-a", "lb-b"]
interface = "eth0"
virtual_router_id = 52
virtual_ipaddress = ["fd00::10/64"]
unicast = true

[[vrrp_sync_group]]
name = "VG"
members = ["VI_1"]

[[virtual_server]]
name = "web"
address = "192.0.2.10:80"
real_server = [{ address = "10.1.0.21" }]

[[virtual_server]]
address = "192.0.2.10:443"
real_server = [{ address = "10.1.0.21" }]

[router.lb-a]
address = ["192.0.2.2", "fd00::2"]
[router.lb-a.vrrp_instance.VI_1]
priority = 150
[router.lb-b]
address = ["192.0.2.3", "fd00::3"]
[router.lb-b.vrrp_instance.VI_1.garp]
master_repeat = 9
[router.lb-b.virtual_server."192.0.2.10:443"]
scheduler = "sh"
[router.lb-c]
address = "192.0.2.4"
[router.lb-c.vrrp_instance.VI_1]
interface = "ens3"
source = "10.9.9.4"
virtual_ipaddress = ["192.0.2.10/32"]
"""


def entities(router: str, text: str = CLUSTER) -> list[Entity]:
    return [*read(text, "v.toml", router, str)]


def instances(router: str, text: str = CLUSTER) -> dict[str, VrrpInstance]:
    return {one.name: one for one in entities(router, text) if isinstance(one, VrrpInstance)}


def refused(text: str, router: str = "lb-a") -> Problem:
    with pytest.raises(ConfigError) as caught:
        entities(router, text)
    (problem,) = caught.value.problems
    return problem


def test_routers_are_named_in_their_order() -> None:
    assert routers(CLUSTER, "v.toml") == ("lb-a", "lb-b", "lb-c")
    assert routers("[vrrp]\n", "v.toml") == ()


def test_peers_follow_from_the_routers_addresses() -> None:
    found = {router: instances(router) for router in ("lb-a", "lb-b", "lb-c")}
    told = {
        (router, name): (one.source, [peer.address for peer in one.unicast_peers])
        for router, its in found.items()
        for name, one in its.items()
    }
    assert told == {
        ("lb-a", "VI_1"): ("192.0.2.2", ["192.0.2.3", "10.9.9.4"]),
        ("lb-b", "VI_1"): ("192.0.2.3", ["192.0.2.2", "10.9.9.4"]),
        ("lb-c", "VI_1"): ("10.9.9.4", ["192.0.2.2", "192.0.2.3"]),
        ("lb-a", "VI_6"): ("fd00::2", ["fd00::3"]),
        ("lb-b", "VI_6"): ("fd00::3", ["fd00::2"]),
    }
    assert found["lb-a"]["VI_1"].unicast_peers[0] == UnicastPeer(address="192.0.2.3")


def test_a_router_has_what_is_its_own_key_by_key() -> None:
    a, b, c = (instances(router)["VI_1"] for router in ("lb-a", "lb-b", "lb-c"))
    assert [one.priority for one in (a, b, c)] == [150, 100, 100]
    assert [(one.garp.master_delay, one.garp.master_repeat) for one in (a, b)] == [(2.0, 3), (2.0, 9)]
    assert [
        (one.interface, one.virtual_ipaddress[0].prefix, one.virtual_ipaddress[0].dev) for one in (a, c)
    ] == [
        ("eth0", 24, "eth0"),
        ("ens3", 32, "ens3"),
    ]
    schedulers = [one.scheduler for one in entities("lb-b") if isinstance(one, VirtualServer)]
    assert schedulers == ["wlc", "sh"]


def test_names_stand_for_what_they_name() -> None:
    (one,) = (one for one in entities("lb-c") if isinstance(one, SyncGroup))
    assert one.members == ("VI_1",)
    assert instances("lb-a")["VI_1"].tracks == (
        Track(kind="script", name="proxy"),
        Track(kind="verdict", name="192-0-2-10_80_tcp", weight=-20),
        Track(kind="verdict", name="192-0-2-10_80_tcp.10-1-0-21_80", weight=-5),
    )


def test_a_document_without_an_instance_says_nothing_of_vrrp() -> None:
    text = '[[virtual_server]]\naddress = "10.0.0.1:80"\nreal_server = [{address = "10.0.0.2"}]\n'
    assert not any(isinstance(one, VrrpSettings) for one in entities("x", text))
    assert any(isinstance(one, VrrpSettings) for one in entities("x", f"{text}[vrrp]\nnice = 1\n"))


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        # routers
        (
            'routers = ["lb-a", "lb-b"]',
            'routers = ["lb-d"]',
            '"lb-d"',
            "there is no router 'lb-d'; did you mean",
        ),
        ('routers = ["lb-a", "lb-b"]', 'routers = "lb-a"', '"lb-a"', "is no list of names"),
        ('routers = ["lb-a", "lb-b"]', "routers = []", "[]", "is no list of names"),
        (
            "[router.lb-b.vrrp_instance.VI_1.garp]",
            "[router.lb-b.vrrp_instance.VI_2]",
            "VI_2",
            "there is no vrrp_",
        ),
        (
            "[router.lb-c.vrrp_instance.VI_1]",
            "[router.lb-c.vrrp_instance.VI_6]",
            "VI_6",
            "lb-c is none of its",
        ),
        (
            "[router.lb-b.vrrp_instance.VI_1.garp]",
            "[router.lb-b.vrrp_instance.VI_1]",
            "master_repeat",
            "unknown key",
        ),
        (
            'scheduler = "sh"',
            'schedular = "sh"',
            "schedular",
            "unknown key 'schedular'; did you mean 'scheduler'?",
        ),
        (
            "[router.lb-c]\n",
            "[router.lb-c]\nvrrp_instanc = {}\n",
            "vrrp_instanc",
            "did you mean 'vrrp_instance'?",
        ),
        ("[router.lb-c]\n", "[router.lb-c]\nrouters = {}\n", "routers", "unknown key 'routers'"),
        (
            '"192.0.2.10:443"]',
            '"192.0.2.10:444"]',
            ":444",
            "there is no virtual_server named '192.0.2.10:444'; did",
        ),
        # addresses
        ('["192.0.2.2", "fd00::2"]', '"192.0.2.256"', "192.0.2.256", "'192.0.2.256' is no IP address"),
        ('["192.0.2.2", "fd00::2"]', '["192.0.2.2", 5]', "5]", "is no address; write"),
        ('["192.0.2.2", "fd00::2"]', '["fd00::1", "fd00::2"]', '"fd00::2"', "is the second of its family"),
        ('["192.0.2.2", "fd00::2"]', '"192.0.2.2"', "unicast", "lb-a has no IPv6 address; write address"),
        ('["192.0.2.3", "fd00::3"]', '"fd00::3"', "unicast", "lb-b has no IPv4 address; write address"),
        (
            '["192.0.2.3", "fd00::3"]',
            '["192.0.2.2", "fd00::3"]',
            "unicast",
            "lb-b has the address 192.0.2.2, as",
        ),
        ('"192.0.2.4"', "[]", "", ""),
        ("unicast = true", "unicast = 1", "unicast", "is neither true nor false"),
        (
            "unicast = true",
            'unicast = true\nunicast_peers = ["10.0.0.1"]',
            "unicast_peers",
            "stands beside unicast",
        ),
        ('routers = ["lb-a", "lb-b"]', 'routers = ["lb-a"]', "unicast", "there is no other router to tell"),
        # names
        (
            'members = ["VI_1"]',
            'members = ["VI_2"]',
            "VI_2",
            "there is no vrrp_instance 'VI_2'; did you mean",
        ),
        ('members = ["VI_1"]', 'members = ["VI_1", "VI_1"]', "VI_1", "is in vrrp_sync_group 'VG' already"),
        ('members = ["VI_1"]', "members = []", "[]", "there is none; name the instances"),
        (
            'name = "proxy" }',
            'name = "poxy" }',
            "poxy",
            "there is no vrrp_script 'poxy'; did you mean 'proxy'?",
        ),
        (
            'kind = "verdict", name = "web", w',
            'kind = "verdict", name = "wob", w',
            "wob",
            "there is no virtual_server",
        ),
        ('"10.1.0.21:80"', '"10.1.0.22:80"', "10.1.0.22:80", "192.0.2.10:80 TCP has no such real server"),
        ('"10.1.0.21:80"', '"10.1.0.21"', "10.1.0.21", "is no real server; write"),
        (
            '{ kind = "verdict", name = "web", r',
            '{ kind = "file", name = "web", r',
            "real_server",
            'is for kind = "ver',
        ),
        ('name = "web"\naddress', 'name = "VI"\naddress', "web", "there is no virtual_server 'web'"),
        ('interface = "eth0"', 'interface = "eth/0"', "eth/0", "is no network interface's name"),
        ("weight = -20", "weight = -300", "-300", "-300 is not in -253 to 253"),
        ('name = "VI_6"', 'name = "vi-1"', "vi-1", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, at: str, said: str) -> None:
    text = CLUSTER.replace(old, new, 1)
    assert text != CLUSTER
    if not said:
        entities("lb-a", text)
        return
    problem = refused(text)
    assert said in problem.text
    assert at in text.splitlines()[problem.line - 1]
    line, pointer = problem.excerpt
    assert line.strip() == text.splitlines()[problem.line - 1].strip()
    assert pointer.index("^") == problem.column - 1 + 4


def test_a_host_that_is_none_of_them_is_a_mistake() -> None:
    problem = refused(CLUSTER, "lb-aa")
    assert (
        "there is no [router.lb-aa]; did you mean 'lb-a'?; this document is for lb-a lb-b lb-c: add"
        in problem.text
    )
    assert (problem.line, problem.excerpt) == (42, ("    [router.lb-a]", "    ^^^^^^^^^^^^^"))


def test_an_ambiguous_name_is_none() -> None:
    text = CLUSTER.replace("192.0.2.10:443", "192.0.2.10:53")
    text = text.replace(
        'name = "web"\naddress = "192.0.2.10:80"', 'address = "192.0.2.10:53"\nprotocol = "UDP"'
    )
    text = text.replace('"10.1.0.21:80"', '"10.1.0.21:53"').replace('"web"', '"192.0.2.10:53 TCP"')
    assert "2 of virtual_server are '192.0.2.10:53'; give each a name" in refused(text).text
    text = text.replace(
        '[router.lb-b.virtual_server."192.0.2.10:53"]', '[router.lb-b.virtual_server."192.0.2.10:53 UDP"]'
    )
    schedulers = [one.scheduler for one in entities("lb-b", text) if isinstance(one, VirtualServer)]
    assert schedulers == ["sh", "wlc"]


def test_every_mistake_is_told_at_once() -> None:
    text = CLUSTER.replace("virtual_router_id = 51", 'virtual_router_id = "x"').replace("VI_6", "VI_\\n")
    with pytest.raises(ConfigError) as caught:
        entities("lb-a", text)
    assert [one.line for one in caught.value.problems] == [11, 22]
