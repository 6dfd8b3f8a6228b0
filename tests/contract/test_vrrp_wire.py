"""Advertisements through real sockets, bridges, groups and macvlans."""

from __future__ import annotations

import gc
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from tests.support.wire import Link, Node, Station
from tests.unit.vrrp_agent.packets import ADDRESSES, HMAC, SECRETS, config
from vipbus.contracts.vrrp import UnicastPeer
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected, pack
from vrrp_agent.packet import Advertisement, compose, seal

pytestmark = needs_root


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    with Link(tmp_path) as made:
        yield made


def peers(*addresses: str) -> dict[str, Any]:
    return {"unicast_peers": tuple(UnicastPeer(address=each) for each in addresses)}


BOTH_WAYS: dict[str, dict[str, Any]] = {
    "v2": {},
    "v2-pass": {"auth_pass": "password"},
    "v2-hmac": {"hmac": HMAC},
    "v3": {"version": 3, "advert_int": 0.25},
    "v3-as-v2": {"version": 3, "checksum_as_v2": True},
    "v3-hmac": {"version": 3, "hmac": HMAC},
    "v3-group": {"version": 3, "multicast_group": "239.1.2.3"},
    "v3-unicast": {"version": 3, "unicast_ttl": 64, **peers("10.88.0.1", "10.88.0.2")},
    "v3-unicast-hmac": {"version": 3, "hmac": HMAC, **peers("10.88.0.1", "10.88.0.2")},
    "v3-ipv6": {"family": 6},
    "v3-ipv6-hmac": {"family": 6, "hmac": HMAC},
    "v3-ipv6-group": {"family": 6, "multicast_group": "ff02::4242"},
    "v3-ipv6-unicast": {"family": 6, "unicast_ttl": 64, **peers("fe80::1", "fe80::2")},
    "v3-ipv6-unicast-hmac": {"family": 6, "hmac": HMAC, **peers("fe80::1", "fe80::2")},
}
"""Settings that both routers have, the same list of peers too."""


@pytest.mark.parametrize("kind", BOTH_WAYS)
def test_an_advertisement_arrives(link: Link, kind: str) -> None:
    settings = BOTH_WAYS[kind]
    made = config(**settings)
    here, there = (Station(link.node(name), made.family) for name in "ab")
    mine, theirs = here.take_part(made, SECRETS), there.take_part(made, SECRETS)
    speaker = here.speaker(mine)
    speaker.send(150)
    speaker.send(0)
    heard = there.hears(theirs, 2)
    assert heard[0] == Advertisement(
        version=made.version,
        family=made.family,
        virtual_router_id=51,
        priority=150,
        interval=made.advert_int,
        addresses=ADDRESSES[made.family],
        source=here.node.addresses[made.family],
    )
    assert [each.priority for each in heard] == [150, 0]
    there.speaker(theirs).send(100)
    assert here.hears(mine)[0].priority == 100
    # nobody hears itself
    assert (here.dropped(mine), here.stray()) == ({}, {})
    assert (there.dropped(theirs), there.stray()) == ({}, {})


def test_a_global_address_may_be_the_source_in_ipv6(link: Link) -> None:
    a, b = link.node("a"), link.node("b")
    here, there = Station(a, 6), Station(b, 6)
    mine = here.take_part(config(family=6, **peers(b.global_address)))
    theirs = there.take_part(config(family=6, check_unicast_source=True, **peers(a.global_address)))
    here.speaker(mine, source=a.global_address).send(100)
    assert there.hears(theirs)[0].source == a.global_address


def test_groups_keep_instances_of_one_identifier_apart(link: Link) -> None:
    here, there = Station(link.node("a")), Station(link.node("b"))
    groups = ("224.0.0.18", "239.1.2.3", "239.1.2.4")
    mine = [here.take_part(config(multicast_group=each)) for each in groups]
    theirs = [there.take_part(config(multicast_group=each)) for each in groups[:2]]
    for number, token in enumerate(mine, 1):
        here.speaker(token).send(number)
    for number, token in enumerate(theirs, 1):
        assert [each.priority for each in there.hears(token)] == [number]
    # the third group was joined by nobody there: the kernel keeps it away
    assert (there.stray(), there.dropped(theirs[0]), there.dropped(theirs[1])) == ({}, {}, {})
    # one goes, and its group with it; the other stays
    assert there.wire.dismiss(theirs[0]) is False
    here.speaker(mine[0]).send(9)
    here.speaker(mine[1]).send(8)
    assert [each.priority for each in there.hears(theirs[1], 2)] == [2, 8]
    assert there.stray() == {}
    assert there.wire.dismiss(theirs[1]) is True


def test_peers_keep_instances_of_one_identifier_apart(link: Link) -> None:
    a, b, c, d = (link.node(name) for name in "abcd")
    hub = Station(a)
    tokens = {
        node.port: hub.take_part(config(check_unicast_source=True, **peers(node.addresses[4])))
        for node in (b, c)
    }
    for number, node in enumerate((b, c, d), 1):
        far = Station(node)
        far.speaker(far.take_part(config(**peers(a.addresses[4])))).send(number)
    for number, node in enumerate((b, c), 1):
        assert [each.priority for each in hub.hears(tokens[node.port])] == [number]
    eventually(lambda: hub.wire.hear() or hub.stray() == {"peer": 1}, "the stranger is counted")


def test_families_share_an_identifier(link: Link) -> None:
    a, b = link.node("a"), link.node("b")
    for family in (4, 6):
        here, there = Station(a, family), Station(b, family)
        mine, theirs = (each.take_part(config(family=family)) for each in (here, there))
        here.speaker(mine).send(family)
        assert [each.family for each in there.hears(theirs)] == [family]


VIRTUAL = [(4, "00:00:5e:00:01:33", "224.0.0.18"), (6, "00:00:5e:00:02:33", "ff02::12")]


@pytest.mark.parametrize(("family", "mac", "group"), VIRTUAL)
def test_a_virtual_mac_speaks_with_the_address_below(link: Link, family: int, mac: str, group: str) -> None:
    a, b = link.node("a"), link.node("b")
    a.macvlan("vrrp.51", mac)
    here, there = Station(a, family, "vrrp.51"), Station(b, family)
    mine, theirs = (each.take_part(config(family=family)) for each in (here, there))
    with link.captured() as recording:
        here.speaker(mine).send(100)
        assert there.hears(theirs)[0].source == a.addresses[family]
        # the other router has no virtual MAC; here the macvlan hears it all the same
        there.speaker(theirs).send(50)
        assert here.hears(mine)[0].priority == 50
        here.speaker(mine, "eth0").send(101)  # vmac_xmit_base
        there.hears(theirs, 2)
        recording.holds(3)
    source, destination = ("ip.src", "ip.dst") if family == 4 else ("ipv6.src", "ipv6.dst")
    rows = recording.fields("eth.src", source, destination)
    assert rows[0] == (mac, a.addresses[family], group)
    assert rows[1][1:] == (b.addresses[family], group)
    assert rows[2][1:] == (a.addresses[family], group)
    assert mac not in (rows[1][0], rows[2][0])
    assert (here.dropped(mine), here.stray()) == ({}, {})


@pytest.mark.parametrize(("family", "mac", "group"), VIRTUAL)
def test_a_virtual_mac_is_heard_on_the_same_virtual_mac(
    link: Link, family: int, mac: str, group: str
) -> None:
    a, b = link.node("a"), link.node("b")
    for node in (a, b):
        node.macvlan("vrrp.51", mac)
    here, there, below = Station(a, family, "vrrp.51"), Station(b, family, "vrrp.51"), Station(b, family)
    mine, theirs, lower = (each.take_part(config(family=family)) for each in (here, there, below))
    here.speaker(mine).send(100)
    assert there.hears(theirs)[0].source == a.addresses[family]
    here.speaker(mine, "eth0").send(101)
    there.hears(theirs, 2)
    # the kernel keeps the first from the interface: its source is the MAC of the macvlan there
    assert [each.priority for each in below.hears(lower)] == [101]
    assert group == Expected.of(config(family=family), {}).group


# ---- what is wrong is counted


def _send(node: Node, payload: bytes, *, to: str = "", ttl: int = 255, source: str = "") -> None:
    """Send any payload as protocol 112 from a node."""
    six = ":" in (to or source)
    with node.namespace.entered():
        index = socket.if_nametoindex("eth0")
        family = socket.AF_INET6 if six else socket.AF_INET
        with socket.socket(family, socket.SOCK_RAW, 112) as out:
            if six:
                for option in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
                    out.setsockopt(socket.IPPROTO_IPV6, option, ttl)
                out.bind((source or node.addresses[6], 0, 0, index))
                out.sendto(payload, (to, 0, 0, index))
            else:
                for option in (socket.IP_MULTICAST_TTL, socket.IP_TTL):
                    out.setsockopt(socket.IPPROTO_IP, option, ttl)
                out.bind((source or node.addresses[4], 0))
                out.sendto(payload, (to or "224.0.0.18", 0))


def _message(node: Node, to: str, **settings: Any) -> bytes:
    made = Expected.of(config(**settings), SECRETS)
    return seal(compose(made, 100), made, pack(node.addresses[made.family]), pack(to))


NEAR_6 = (UnicastPeer(address="fe80::1", min_ttl=64),)
NEAR_9 = (UnicastPeer(address="10.88.0.9", min_ttl=64),)


@pytest.mark.parametrize(
    ("ours", "theirs", "to", "ttl", "reason"),
    [
        ({}, {}, "224.0.0.18", 254, Drop.TTL),
        ({}, {"version": 3}, "224.0.0.18", 255, Drop.VERSION),
        ({}, {"auth_pass": "password"}, "224.0.0.18", 255, Drop.AUTHENTICATION),
        ({}, {"advert_int": 2.0}, "224.0.0.18", 255, Drop.INTERVAL),
        ({}, {}, "10.88.0.2", 255, Drop.UNICAST),
        (peers("10.88.0.1"), {}, "224.0.0.18", 255, None),  # it joined no group, so it is told nothing
        ({"hmac": HMAC}, {}, "224.0.0.18", 255, Drop.UNSIGNED),
        ({"version": 3}, {"version": 3, "checksum_as_v2": True}, "224.0.0.18", 255, Drop.PSEUDO_HEADER),
        ({"family": 6}, {"family": 6}, "ff02::12", 64, Drop.TTL),
        ({"family": 6}, {"family": 6}, "fe80::2", 255, Drop.UNICAST),
        ({"family": 6, "unicast_peers": NEAR_6}, {"family": 6}, "fe80::2", 63, Drop.TTL),
        ({"unicast_peers": NEAR_9}, {}, "10.88.0.2", 64, Drop.PEER),
    ],
)  # fmt: skip
def test_what_is_wrong_is_counted(  # noqa: PLR0917  # a row of the table
    link: Link, ours: dict[str, Any], theirs: dict[str, Any], to: str, ttl: int, reason: Drop | None
) -> None:
    a, b = link.node("a"), link.node("b")
    station = Station(b, config(**ours).family)
    token = station.take_part(config(**ours), SECRETS)
    _send(a, _message(a, to, **theirs), to=to, ttl=ttl)
    # what comes last is dropped for a reason of its own: whatever was to be heard has been heard before
    _send(a, b"\x21\x33", to=b.addresses[station.wire.family])
    wanted = {Drop.LENGTH.value: 1} | ({reason.value: 1} if reason else {})
    eventually(lambda: station.wire.hear() or station.dropped(token) == wanted, f"{wanted} is counted")
    assert station.heard[token] == []
    assert station.stray() == {}


@pytest.mark.parametrize("family", [4, 6])
def test_a_wrong_checksum_reaches_the_counter(link: Link, family: int) -> None:
    a, b = link.node("a"), link.node("b")
    station = Station(b, family)
    token = station.take_part(config(family=family))
    to = "ff02::12" if family == 6 else "224.0.0.18"
    message = bytearray(_message(a, to, family=family))
    message[7] ^= 1
    _send(a, bytes(message), to=to)
    eventually(lambda: station.wire.hear() or station.dropped(token) == {"checksum": 1}, "it is counted")


@pytest.mark.parametrize("kind", ["v3-hmac", "v3-ipv6-hmac", "v3-unicast-hmac"])
def test_a_packet_sent_again_is_a_replay(link: Link, kind: str) -> None:
    made = config(**BOTH_WAYS[kind])
    here, there = (Station(link.node(name), made.family) for name in "ab")
    mine, theirs = here.take_part(made, SECRETS), there.take_part(made, SECRETS)
    speaker = here.speaker(mine)
    copies = speaker._messages(100)
    for _ in range(3):
        for (destination, _), copy in zip(speaker._destinations, copies, strict=True):
            speaker._sender.send(copy, destination)
    eventually(lambda: there.wire.hear() or there.dropped(theirs) == {"replay": 2}, "both are counted")
    assert len(there.heard[theirs]) == 1
    # an agent that starts again goes on from its clock
    again = Station(here.node, made.family)
    again.speaker(again.take_part(made, SECRETS)).send(99)
    assert [each.priority for each in there.hears(theirs, 2)] == [100, 99]


@pytest.mark.parametrize("family", [4, 6])
def test_noise_is_all_counted_and_changes_nothing(link: Link, family: int) -> None:
    a, b = link.node("a"), link.node("b")
    station = Station(b, family)
    token = station.take_part(config(family=family))
    to = "ff02::12" if family == 6 else "224.0.0.18"
    good = _message(a, to, family=family)
    seed = random.randrange(1 << 32)
    numbers = random.Random(seed)
    noise = [numbers.randbytes(numbers.randrange(1, 200)) for _ in range(200)]
    noise += [good[:length] for length in range(1, len(good))]
    for payload in noise:
        _send(a, payload, to=to)
    _send(a, good, to=to)
    station.hears(token)
    counted = sum((*station.dropped(token).values(), *station.stray().values()))
    assert (counted, len(station.heard[token])) == (len(noise), 1), f"seed {seed}"


def test_an_unknown_identifier_has_one_line(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    a, b = link.node("a"), link.node("b")
    station = Station(b)
    station.wire.log_unknown_vrids = True
    token = station.take_part(config())
    for _ in range(3):
        _send(a, _message(a, "224.0.0.18", virtual_router_id=9))
        _send(a, _message(a, "224.0.0.18", version=3))
    eventually(
        lambda: (
            station.wire.hear() or (station.stray(), station.dropped(token)) == ({"vrid": 3}, {"version": 3})
        ),
        "all are counted",
    )
    lines = [record.getMessage() for record in caplog.records if record.name == "vrrp_agent.wire"]
    assert len(lines) == 2
    assert "10.88.0.1 advertises virtual router 9 on eth0" in lines[0]
    assert "VI_1: what 10.88.0.1 sends is dropped: it is of another VRRP version" in lines[1]


# ---- sockets


def test_what_speaks_is_sent_nothing(link: Link) -> None:
    made = config(**peers("10.88.0.1", "10.88.0.2"))
    here, there = Station(link.node("a")), Station(link.node("b"))
    mine, theirs = here.take_part(made), there.take_part(made)
    speaker = here.speaker(mine)
    for _ in range(20):
        there.speaker(theirs).send(100)
    here.hears(mine, 20)
    with pytest.raises(BlockingIOError):
        speaker._sender._socket.recv(1)


@pytest.mark.parametrize("first", [True, False])
def test_one_peer_that_cannot_be_told_keeps_nobody_else_from_it(link: Link, first: bool) -> None:
    a, b = link.node("a"), link.node("b")
    rules = "table ip t { chain c { type filter hook output priority 0; ip daddr 10.88.0.9 drop; }; }"
    a.namespace.run("nft", rules)
    order = ("10.88.0.9", "10.88.0.2") if first else ("10.88.0.2", "10.88.0.9")
    here, there = Station(a), Station(b)
    mine, theirs = here.take_part(config(**peers(*order))), there.take_part(config(**peers("10.88.0.1")))
    with pytest.raises(OSError, match="not permitted"):
        here.speaker(mine).send(100)
    assert there.hears(theirs)[0].priority == 100


def test_500_instances_share_their_sockets(link: Link) -> None:
    here, there = Station(link.node("a")), Station(link.node("b"))
    gc.collect()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    groups = ("224.0.0.18", "239.1.2.3")
    settings = [
        {"virtual_router_id": number % 250 + 1, "multicast_group": groups[number // 250]}
        for number in range(500)
    ]
    mine = [here.take_part(config(**each)) for each in settings]
    theirs = [there.take_part(config(**each)) for each in settings]
    for token in mine:
        here.speaker(token)
    assert len(list(Path("/proc/self/fd").iterdir())) == opened + 3, "two receivers and one sender"
    for token in mine:
        here.speaker(token).send(100)
    for token in theirs:
        assert len(there.hears(token)) == 1
    assert [here.wire.dismiss(token) for token in mine] == [False] * 499 + [True]
    assert [there.wire.dismiss(token) for token in theirs] == [False] * 499 + [True]
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_an_interface_that_is_made_anew_is_heard_again(link: Link) -> None:
    a, b = link.node("a"), link.node("b")
    here, there = Station(a), Station(b)
    mine, theirs = here.take_part(config()), there.take_part(config())
    here.speaker(mine).send(1)
    there.hears(theirs)
    old = here.speaker(mine)
    b.namespace.ip("link", "del", "eth0")
    a.namespace.ip("link", "del", "eth0")
    with pytest.raises(OSError, match=r"No such device|unreachable"):
        old.send(2)
    there.wire.hear()
    for node in (a, b):
        node.plug()
    for station in (here, there):
        station.listen()
    assert here.speaker(mine) is not old
    here.speaker(mine).send(3)
    assert [each.priority for each in there.hears(theirs, 2)] == [1, 3]
    here.wire.dismiss(mine)
    there.wire.dismiss(theirs)


def test_what_was_taken_once_is_not_taken_for_ever(link: Link) -> None:
    a, b = link.node("a"), link.node("b")
    here, there = Station(a), Station(b)
    mine, theirs = here.take_part(config()), there.take_part(config())
    for _ in range(3):
        here.speaker(mine).send(100)
    assert there.hears(theirs, 3)[2] == there.heard[theirs][0]
    # the same packet with other settings here, then with its source become ours
    there.wire.expect(theirs, Expected.of(config(advert_int=2.0), {}), there.heard[theirs].append)
    here.speaker(mine).send(100)
    eventually(lambda: there.wire.hear() or there.dropped(theirs) == {"interval": 1}, "it is refused now")
    there.wire.expect(theirs, Expected.of(config(), {}), there.heard[theirs].append)
    here.speaker(mine).send(100)
    there.hears(theirs, 4)
    # without this the kernel itself throws away what claims to come from here
    b.namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/accept_local")
    b.namespace.ip("addr", "add", f"{a.addresses[4]}/32", "dev", "lo")
    there.speaker(theirs, source=a.addresses[4])
    here.speaker(mine).send(100)
    eventually(lambda: there.wire.hear() or "own" in there.dropped(theirs), "it is our own now")
    assert len(there.heard[theirs]) == 4


def test_settings_that_change_change_what_is_said(link: Link) -> None:
    here, there = Station(link.node("a")), Station(link.node("b"))
    mine, theirs = here.take_part(config(version=3)), there.take_part(config(version=3))
    same = here.speaker(mine)
    assert here.speaker(mine) is same
    same.send(1)
    there.hears(theirs)
    changed = config(version=3, advert_int=0.5, multicast_group="239.1.2.3")
    for station, token in ((here, mine), (there, theirs)):
        station.wire.expect(token, Expected.of(changed, {}), station.heard[token].append)
        station.listen()
    assert here.speaker(mine) is not same
    here.speaker(mine).send(2)
    assert [each.interval for each in there.hears(theirs, 2)] == [1.0, 0.5]
    assert there.wire._receiver is not None
    assert there.wire._receiver.groups == {"239.1.2.3"}


def test_more_groups_than_the_kernel_allows_are_said_in_words(link: Link) -> None:
    a = link.node("a")
    a.namespace.run("sh", "-c", "echo 2 > /proc/sys/net/ipv4/igmp_max_memberships")
    station = Station(a)
    for number in range(2):
        station.take_part(config(multicast_group=f"239.1.2.{number}"))
    with pytest.raises(OSError, match="igmp_max_memberships; raise it"):
        station.take_part(config(multicast_group="239.1.2.9"))


@pytest.mark.parametrize("family", [4, 6])
def test_a_source_or_device_that_is_not_there_is_an_os_error(link: Link, family: int) -> None:
    node = link.node("a")
    station = Station(node, family)
    token = station.take_part(config(family=family))
    with node.namespace.entered(), pytest.raises(OSError, match=r"\[Errno"):
        station.wire.speak(token, "gone0", 99, node.addresses[family])
    with node.namespace.entered(), pytest.raises(LookupError, match="other is not expected"):
        station.wire.speak("other", "eth0", node.index(), node.addresses[family])
