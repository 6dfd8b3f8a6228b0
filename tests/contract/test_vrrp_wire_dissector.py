"""What is sent, as an independent dissector sees it on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.vrrp import needs_root
from tests.support.wire import Link, Station
from tests.unit.vrrp_agent.packets import ADDRESSES, SECRETS, config
from vipbus.contracts.vrrp import UnicastPeer

pytestmark = needs_root

FIELDS = (
    *(
        "vrrp.virt_rtr_id",
        "vrrp.version",
        "vrrp.type",
        "vrrp.prio",
        "vrrp.addr_count",
        "vrrp.checksum.status",
    ),
    *("vrrp.ip_addr", "vrrp.ipv6_addr", "vrrp.adver_int", "vrrp.short_adver_int"),
    *("vrrp.auth_type", "vrrp.auth_string", "ip.dst", "ipv6.dst", "ip.ttl", "ipv6.hlim", "ip.dsfield.dscp"),
)
IPV4, IPV6 = (",".join(ADDRESSES[family]) for family in (4, 6))
GOOD = "1"
CS6 = "48"


def peer(address: str) -> dict[str, Any]:
    return {"unicast_peers": (UnicastPeer(address=address),), "unicast_ttl": 64}


SENT: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    # settings, and what follows identifier, version, type, priority, count and checksum
    ({}, (IPV4, "", "1", "", "0", "", "224.0.0.18", "", "255", "", CS6)),
    (
        {"auth_pass": "password", "advert_int": 7.0},
        (IPV4, "", "7", "", "1", "hunter2", "224.0.0.18", "", "255", "", CS6),
    ),
    ({"multicast_group": "239.1.2.3"}, (IPV4, "", "1", "", "0", "", "239.1.2.3", "", "255", "", CS6)),
    (peer("10.88.0.2"), (IPV4, "", "1", "", "0", "", "10.88.0.2", "", "64", "", CS6)),
    ({"version": 3}, (IPV4, "", "", "100", "", "", "224.0.0.18", "", "255", "", CS6)),
    ({"version": 3, "advert_int": 40.95}, (IPV4, "", "", "4095", "", "", "224.0.0.18", "", "255", "", CS6)),
    ({"version": 3, **peer("10.88.0.2")}, (IPV4, "", "", "100", "", "", "10.88.0.2", "", "64", "", CS6)),
    ({"family": 6, "advert_int": 0.01}, ("", IPV6, "", "1", "", "", "", "ff02::12", "", "255", "")),
    ({"family": 6, **peer("fe80::2")}, ("", IPV6, "", "100", "", "", "", "fe80::2", "", "64", "")),
    ({"family": 6, **peer("fd88::2")}, ("", IPV6, "", "100", "", "", "", "fd88::2", "", "64", "")),
]


def test_tshark_sees_what_was_meant_and_no_fault(tmp_path: Path) -> None:
    with Link(tmp_path) as link:
        node, _ = link.node("a"), link.node("b")
        stations = {family: Station(node, family) for family in (4, 6)}
        with link.captured() as recording:
            for number, (settings, _) in enumerate(SENT, 1):
                made = config(**settings, virtual_router_id=number)
                token = stations[made.family].take_part(made, SECRETS)
                stations[made.family].speaker(token).send(100 + number)
            recording.holds(len(SENT))
        rows = recording.fields(*FIELDS)
        wanted = [
            (
                str(number),
                "3" if set(settings) & {"version", "family"} else "2",
                "1",
                str(100 + number),
                "2",
                GOOD,
                *rest,
            )
            for number, (settings, rest) in enumerate(SENT, 1)
        ]
        assert rows == wanted
        assert recording.malformed() == ""
