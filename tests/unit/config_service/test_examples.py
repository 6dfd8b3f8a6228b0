"""Files as people write them: what is in each, and what it says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_service.keepalived.compile import compile_text
from tests.unit.config_service.support import OUTSIDE
from vipbus.contracts import SorryServer, Track, Tunnel, VirtualServer, VrrpInstance

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.conf"))
SUMMARIES = {
    "checked-pools": "0 instances, 3 virtual servers, 5 real servers",
    "cloud-unicast": "1 instance, 0 virtual servers, 0 real servers",
    "dual-stack": "2 instances, 1 sync group, 0 virtual servers, 0 real servers",
    "firewalls": "2 instances, 1 sync group, 1 script, 0 virtual servers, 0 real servers",
    "groups-and-marks": "1 instance, 14 virtual servers, 27 real servers",
    "maintenance": "1 instance, 0 virtual servers, 0 real servers",
    "sorry-page": "1 instance, 1 virtual server, 2 real servers",
    "tunnels": "0 instances, 3 virtual servers, 6 real servers",
    "virtual-mac": "2 instances, 0 virtual servers, 0 real servers",
    "web-pair": "1 instance, 1 script, 1 virtual server, 2 real servers",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(path: Path) -> None:
    found = compile_text(path.read_text(), path.name, None, "host", OUTSIDE)
    assert found.summary == SUMMARIES[path.stem]
    assert found.warnings == ()


def instances(name: str) -> dict[str, VrrpInstance]:
    text = (Path(__file__).parent / "examples" / f"{name}.conf").read_text()
    entities = compile_text(text, name, "r1", "host", OUTSIDE).entities
    return {one.name: one for one in entities if isinstance(one, VrrpInstance)}


def virtual_servers(name: str) -> list[VirtualServer]:
    text = (Path(__file__).parent / "examples" / f"{name}.conf").read_text()
    entities = compile_text(text, name, "r1", "host", OUTSIDE).entities
    return [one for one in entities if isinstance(one, VirtualServer)]


def test_only_the_address_of_the_instance_follows_its_role() -> None:
    found = virtual_servers("groups-and-marks")
    assert [one.words for one in found if one.instance is not None] == ["198.51.100.1:80 TCP"]
    assert [one.words for one in found if one.mark] == ["FWM 80", "FWM 443 IPv6"]


def test_a_shop_says_sorry_below_its_quorum() -> None:
    (found,) = virtual_servers("sorry-page")
    assert (found.quorum, found.hysteresis, found.omega) == (2, 1, True)
    assert found.sorry_server == SorryServer(address="10.1.0.99", port=8443, forwarding="NAT")


def test_tunnels_go_between_the_families() -> None:
    found = virtual_servers("tunnels")
    assert [one.words for one in found] == ["203.0.113.53:53 UDP", "[2001:db8::53]:53 UDP", "FWM 53 IPv6"]
    assert {one.tunnel for one in found} == {Tunnel(type="gue", port=6080, checksum="csum")}
    assert {one.sorry_server and one.sorry_server.tunnel for one in found} == {None}


def test_both_families_of_a_gateway() -> None:
    found = instances("dual-stack")
    assert [(one.family, one.virtual_router_id) for one in found.values()] == [(4, 10), (6, 10)]


def test_the_cloud_has_an_election_without_addresses() -> None:
    found = instances("cloud-unicast")["FLOATING"]
    assert found.virtual_ipaddress == ()
    assert [one.address for one in found.unicast_peers] == ["10.0.0.12", "10.0.0.13"]
    assert found.hmac is not None
    assert (found.hmac.mode, found.hmac.time_window) == ("strict", 5.0)


def test_both_sides_of_a_firewall_follow_the_same() -> None:
    found = instances("firewalls")
    assert {one.tracks for one in found.values()} == {
        (Track(kind="interface", name="eth2"), Track(kind="script", name="uplink"))
    }


def test_the_owner_is_strict_and_accepts() -> None:
    found = instances("virtual-mac")
    assert [(one.strict, one.accept, one.state) for one in found.values()] == [
        (True, True, "MASTER"),
        (True, False, "BACKUP"),
    ]
    assert [one.virtual_mac.name for one in found.values() if one.virtual_mac] == ["vrrp.100", "vrrp-101"]


def test_a_file_may_make_a_fault() -> None:
    found = instances("maintenance")["web"]
    assert Track(kind="file", name="maintenance", weight=254) in found.tracks
