"""Operations, daemons and settings in words, as events, errors and the dry run show them."""

from __future__ import annotations

import msgspec
import pytest

from ipvs_programmer import constants as c
from ipvs_programmer.namespace import Daemon, DaemonState, Timeouts
from ipvs_programmer.plan import AddDestination, AddService, EditDestination, EditService
from ipvs_programmer.table import Checksum, Destination, Forwarding, MarkKey, Service, Tunnel, TunnelKind
from tests.unit.ipvs_programmer.tables import destination, key, service

PERSISTENT = c.IP_VS_SVC_F_PERSISTENT
FLAGS = (c.IP_VS_SVC_F_SCHED1, c.IP_VS_SVC_F_SCHED2, c.IP_VS_SVC_F_SCHED3)


def changed(of: Service, **more: object) -> Service:
    return msgspec.structs.replace(of, **more)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (service(), "TCP 10.9.0.1:80 scheduler rr"),
        (service(persistence=300), "TCP 10.9.0.1:80 scheduler rr persistent 300"),
        (
            changed(service(persistence=60), netmask=0xFFFFFF00, engine="sip"),
            "TCP 10.9.0.1:80 scheduler rr persistent 60 mask 255.255.255.0 engine sip",
        ),
        (
            changed(service(key("fd00::1"), persistence=60), netmask=64),
            "TCP [fd00::1]:80 scheduler rr persistent 60 mask 64",
        ),
        (
            changed(service(MarkKey(10, 7)), flags=c.IP_VS_SVC_F_ONEPACKET),
            "FWM 7 IPv6 scheduler rr one-packet",
        ),
        (
            changed(service(scheduler="sh"), flags=FLAGS[0] | FLAGS[1]),
            "TCP 10.9.0.1:80 scheduler sh flags sh-fallback,sh-port",
        ),
        (
            changed(service(scheduler="mh"), flags=FLAGS[1] | PERSISTENT, timeout=9),
            "TCP 10.9.0.1:80 scheduler mh persistent 9 flags mh-port",
        ),
        (changed(service(), flags=sum(FLAGS)), "TCP 10.9.0.1:80 scheduler rr flags flag-1,flag-2,flag-3"),
    ],
)
def test_a_service_in_words(given: Service, words: str) -> None:
    assert str(AddService(given)) == f"add service {words}"
    assert str(EditService(given)) == f"edit service {words}"


def tunnelled(*tunnel: object) -> Destination:
    return destination(forwarding=Forwarding.TUN, tunnel=Tunnel(*tunnel))  # type: ignore[arg-type]  # short


@pytest.mark.parametrize(
    ("given", "method", "words"),
    [
        (destination(weight=3), "NAT", ""),
        (destination(weight=3, upper=100, lower=50), "NAT", " upper 100 lower 50"),
        (destination(weight=3, forwarding=Forwarding.TUN), "TUN", ""),
        (tunnelled(TunnelKind.GUE, 6080), "TUN", " tunnel gue port 6080"),
        (tunnelled(TunnelKind.GUE, 6080, Checksum.REMCSUM), "TUN", " tunnel gue port 6080 remcsum"),
        (tunnelled(TunnelKind.GRE, 0, Checksum.CSUM), "TUN", " tunnel gre csum"),
    ],
)
def test_a_destination_in_words(given: Destination, method: str, words: str) -> None:
    weight = f"weight {given.weight}"
    assert str(AddDestination(key(), given)) == (
        f"add destination 10.9.0.21:80 to TCP 10.9.0.1:80 {weight}{words}"
    )
    assert str(EditDestination(key(), given)) == (
        f"edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 {weight} {method}{words}"
    )


def test_a_daemon_and_timeouts_in_words() -> None:
    assert str(Daemon(state=DaemonState.BACKUP, interface="eth1", sync_id=7)) == (
        "sync daemon backup on eth1 id 7"
    )
    assert str(Timeouts(tcp=900, udp=30)) == "timeouts tcp 900 tcpfin 0 udp 30"


ASKED = Daemon(state=DaemonState.MASTER, interface="eth1", sync_id=7)


@pytest.mark.parametrize(
    ("asked", "more", "met"),
    [
        (ASKED, {}, True),
        (ASKED, {"sync_maxlen": 900, "group": "239.1.2.3", "port": 9000, "ttl": 9}, True),
        (ASKED, {"sync_id": 0}, False),
        (msgspec.structs.replace(ASKED, sync_id=0), {"sync_id": 7}, False),
        (ASKED, {"state": DaemonState.BACKUP}, False),
        (ASKED, {"interface": "eth2"}, False),
        (msgspec.structs.replace(ASKED, ttl=2), {"ttl": 1}, False),
        (msgspec.structs.replace(ASKED, port=9000), {"port": 8848}, False),
        (msgspec.structs.replace(ASKED, group="ff02::81"), {"group": "239.1.2.3"}, False),
        (msgspec.structs.replace(ASKED, sync_maxlen=65535), {"sync_maxlen": 65507}, True),
    ],
)
def test_a_running_daemon_is_the_one_that_was_asked_for(
    asked: Daemon, more: dict[str, object], met: bool
) -> None:  # a column
    running = msgspec.structs.replace(asked.completed(), **more)
    assert asked.is_met_by(running) is met
