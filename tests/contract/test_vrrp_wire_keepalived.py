"""Real keepalived and this wire hear each other: neither refuses what the other sends, whatever the kind."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from tests.support.wire import Link, Node, Station
from tests.unit.vrrp_agent.packets import config
from vipbus.contracts import VirtualAddress, VrrpInstance
from vipbus.contracts.vrrp import UnicastPeer, VirtualMac

pytestmark = needs_root

_REFUSED = re.compile(
    r"invalid|bogus|mismatch|incorrect|checksum|drop|unexpected|expected|wrong|warn|unknown", re.IGNORECASE
)
SECRETS = {"password": "hunter2"}
ADDRESSES = {
    4: (("10.88.0.100", 24), ("10.88.0.101", 24)),
    6: (("fe80::100", 64), ("fd88::100", 64)),
}


def _peer(address: str) -> dict[str, Any]:
    return {"unicast_peers": (UnicastPeer(address=address),)}


MAC = VirtualMac(name="vrrp.51")
KINDS: dict[str, dict[str, Any]] = {
    "v2": {},
    "v2-pass": {"auth_pass": "password"},
    "v2-group": {"multicast_group": "239.1.2.3"},
    "v2-unicast": _peer("10.88.0.1"),
    "v2-mac": {"virtual_mac": MAC},
    "v3": {"version": 3},
    "v3-unicast": {"version": 3, **_peer("10.88.0.1")},
    "v3-mac": {"version": 3, "virtual_mac": MAC},
    "v3-ipv6": {"family": 6},
    "v3-ipv6-group": {"family": 6, "multicast_group": "ff02::4242"},
    "v3-ipv6-unicast": {"family": 6, **_peer("fe80::1")},
    "v3-ipv6-mac": {"family": 6, "virtual_mac": MAC},
}
"""Settings of keepalived's side; ours tells keepalived where it tells us."""


def _instance(kind: str) -> VrrpInstance:
    made = config(**KINDS[kind])
    return msgspec.structs.replace(
        made,
        advert_int=1.0 if made.version == 2 else 0.1,
        virtual_ipaddress=tuple(
            VirtualAddress(address=address, prefix=prefix, dev="eth0")
            for address, prefix in ADDRESSES[made.family]
        ),
    )


def _conf(made: VrrpInstance, source: str) -> str:
    group = f"vrrp_mcast_group{made.family} {made.multicast_group}" if made.multicast_group else ""
    lines = [
        "state MASTER",
        f"interface {made.interface}",
        f"virtual_router_id {made.virtual_router_id}",
        f"priority {made.priority}",
        f"advert_int {made.advert_int:g}",
        "virtual_ipaddress {",
        *(f"{each.address}/{each.prefix}" for each in made.virtual_ipaddress),
        "}",
    ]
    if made.auth_pass:
        lines += ["authentication {", "auth_type PASS", f"auth_pass {SECRETS[made.auth_pass]}", "}"]
    if made.unicast_peers:
        peers = (each.address for each in made.unicast_peers)
        lines += [f"unicast_src_ip {source}", "check_unicast_src", "unicast_peer {", *peers, "}"]
    if made.virtual_mac:
        lines += [f"use_vmac {made.virtual_mac.name}"]
    body = "\n  ".join(lines)
    return (
        f"global_defs {{\n  vrrp_version {made.version}\n  {group}\n}}\nvrrp_instance VI_1 {{\n  {body}\n}}\n"
    )


class Keepalived:
    """The peer on a node."""

    def __init__(self, node: Node, directory: Path) -> None:
        self.node = node
        self._directory = directory
        self.log = directory / "keepalived.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, made: VrrpInstance) -> None:
        """Run it, its VRRP child alone, in the foreground."""
        conf = self._directory / "keepalived.conf"
        conf.write_text(_conf(made, self.node.addresses[made.family]))
        files = [f"--{kind}={self._directory / kind}" for kind in ("pid", "vrrp_pid")]
        self._process = self.node.namespace.spawn(
            ["keepalived", "-f", str(conf), *files, "-n", "-l", "-D", "--vrrp"], self.log
        )

    def says(self, words: str, number: int = 1) -> bool:
        """Say whether it has logged something so many times."""
        return self.log.read_text(errors="replace").count(words) >= number

    def refused(self) -> list[str]:
        """The lines that complain."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if _REFUSED.search(line)]


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    with Link(tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_each_hears_the_other(link: Link, tmp_path: Path, kind: str) -> None:
    made = _instance(kind)
    a, b = link.node("a"), link.node("b")
    ours = made
    if made.unicast_peers:
        ours = msgspec.structs.replace(made, check_unicast_source=True, **_peer(b.addresses[made.family]))
    device = "eth0"
    if made.virtual_mac:
        device = made.virtual_mac.name
        a.macvlan(device, f"00:00:5e:00:0{2 if made.family == 6 else 1}:33")
    station = Station(a, made.family, device)
    token = station.take_part(ours, SECRETS)
    peer = Keepalived(b, tmp_path)
    peer.start(made)

    # keepalived speaks
    heard = station.hears(token, 2)[-1]
    assert (heard.version, heard.virtual_router_id, heard.priority) == (made.version, 51, 100)
    assert heard.interval == made.advert_int
    # keepalived gives its addresses in the order of its file, ours in the order of its settings
    assert heard.addresses == tuple(each.address for each in made.virtual_ipaddress)
    assert heard.source == b.addresses[made.family]

    # we speak: it yields, and stays away as long as we go on
    speaker = station.speaker(token)

    def speak() -> bool:
        speaker.send(200)
        time.sleep(made.advert_int / 2)
        return peer.says("with higher priority 200") and peer.says("Entering BACKUP STATE")

    eventually(speak, "keepalived yields to 200")
    station.wire.hear()
    before = len(station.heard[token])
    until = time.monotonic() + 5 * made.advert_int
    while time.monotonic() < until:
        speak()
    station.wire.hear()
    assert len(station.heard[token]) == before

    # we leave: it takes over in its skew time
    speaker.send(0)
    station.hears(token, before + 2)
    assert (station.dropped(token), station.stray()) == ({}, {})
    assert peer.refused() == []


def test_keepalived_refuses_another_password_and_so_do_we(link: Link, tmp_path: Path) -> None:
    made = _instance("v2-pass")
    a, b = link.node("a"), link.node("b")
    station = Station(a)
    token = station.take_part(made, {"password": "another"})
    peer = Keepalived(b, tmp_path)
    peer.start(made)
    eventually(
        lambda: station.wire.hear() or station.dropped(token).get("password"), "we refuse its password"
    )
    station.speaker(token).send(200)
    eventually(lambda: bool(peer.refused()), "it refuses ours")
    assert station.heard[token] == []
