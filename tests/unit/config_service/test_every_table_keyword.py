"""A file with every keyword of the IPVS table: it compiles, and this is what it means."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.unit.config_service.support import compiled
from vipbus.contracts import (
    Entity,
    Fifo,
    IpvsSettings,
    IpvsTimeouts,
    Program,
    RealServer,
    SorryServer,
    SyncDaemon,
    TcpCheck,
    Tunnel,
    VirtualServer,
)

TABLE = (Path(__file__).parent / "table.conf").read_text()
TRUE = Program(arguments=("/bin/true",))
WEB = VirtualServer(
    router="r1",
    protocol="TCP",
    group="web",
    scheduler="mh",
    scheduler_flags=("flag-1", "flag-2"),
    forwarding="NAT",
    quorum=4,
    hysteresis=2,
    sorry_server=SorryServer(
        address="192.0.2.99",
        port=0,
        forwarding="TUN",
        tunnel=Tunnel(type="gre", checksum="csum"),
        inhibit=True,
    ),
    quorum_up=Program(arguments=("/bin/true", "up"), user="root", group="root"),
    quorum_down=TRUE,
    omega=True,
    mark=7,
)
"""As it is for the group's mark."""


@pytest.fixture(scope="module")
def entities() -> tuple[Entity, ...]:
    return compiled(TABLE).entities


def virtual_server(entities: tuple[Entity, ...], words: str) -> VirtualServer:
    (found,) = (one for one in entities if isinstance(one, VirtualServer) and one.words == words)
    return found


def pool(entities: tuple[Entity, ...], words: str) -> list[RealServer]:
    token = virtual_server(entities, words).id
    return [one for one in entities if isinstance(one, RealServer) and one.virtual_server == token]


def test_it_can_be_read_again(entities: tuple[Entity, ...]) -> None:
    assert compiled(TABLE).summary == "1 instance, 20 virtual servers, 48 real servers"
    for entity in entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
    assert len({entity.key for entity in entities}) == len(entities)


def test_what_has_no_effect_is_told() -> None:
    said = [f"{one.line}: {one.text}" for one in compiled(TABLE).warnings]
    starts = [
        "10: smtp_alert_checker has no effect here: mail about pools is left out of vipbus; vipbus events",
        "11: no_checker_emails has no effect here: mail about pools is left out of vipbus, so there is none",
        "48: ha_suspend has no effect here: a firewall mark has no address to wait for",
        "57: smtp_alert has no effect here: mail about pools",
        "58: snmp_name has no effect here: numbers are read as Prometheus metrics",
        "60: TUN cannot change the port 80 to 8080: traffic goes to port 80 of 10.0.0.1, and checks to 8080",
        "60: TUN cannot change the port 81 to 8080: traffic goes to port 81 of 10.0.0.1, and checks to 8080",
        "60: TUN cannot change the port 82 to 8080: traffic goes to port 82 of 10.0.0.1, and checks to 8080",
        "69: snmp_name has no effect here",
        "111: the flag flag-3 has no effect here: sh heeds flag-1 and flag-2",
    ]
    assert [text[: len(start)] for text, start in zip(said, starts, strict=True)] == starts


def test_the_settings_of_the_table(entities: tuple[Entity, ...]) -> None:
    (found,) = (one for one in entities if isinstance(one, IpvsSettings))
    assert found == IpvsSettings(
        router="r1",
        sync_daemon=SyncDaemon(
            interface="eth1",
            instance="VI_1",
            sync_id=51,
            max_length=1400,
            port=9000,
            ttl=5,
            group="224.0.0.99",
        ),
        timeouts=IpvsTimeouts(tcp=7200, tcp_fin=60, udp=120),
        flush=True,
        flush_on_stop="ours",
        notify_fifo=Fifo(path="/run/vipbus/lvs", script=Program(arguments=("/bin/cat", "-u"), user="nobody")),
        initial_notifies=True,
        script_user="nobody",
        script_group="nogroup",
        script_security=True,
    )


def test_each_address_of_a_group_is_a_virtual_server(entities: tuple[Entity, ...]) -> None:
    web = [one for one in entities if isinstance(one, VirtualServer) and one.group == "web"]
    assert [(one.words, one.instance) for one in web] == [
        ("192.0.2.1:80 TCP", "VI_1"),
        ("192.0.2.8:80 TCP", None),
        ("192.0.2.9:80 TCP", None),
        ("192.0.2.10:80 TCP", None),
        ("192.0.2.11:80 TCP", None),
        ("192.0.2.20:81 TCP", None),
        ("192.0.2.21:81 TCP", None),
        ("192.0.2.22:81 TCP", None),
        ("192.0.2.255:82 TCP", None),
        ("192.0.3.0:82 TCP", None),
        ("FWM 7", None),
    ]
    assert web[-1] == WEB
    sorry = WEB.sorry_server
    assert sorry is not None
    for one in web[:-1]:
        assert one == msgspec.structs.replace(
            WEB,
            address=one.address,
            port=one.port,
            instance=one.instance,
            mark=0,
            ha_suspend=True,
            # through a tunnel it gets the port that the client wrote
            sorry_server=msgspec.structs.replace(sorry, port=one.port),
        )


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        ("192.0.2.1:80 TCP", [80, 80, 80]),
        ("192.0.3.0:82 TCP", [82, 82, 82]),
        ("FWM 7", [0, 0, 0]),
    ],
)
def test_real_servers_of_a_group(entities: tuple[Entity, ...], words: str, ports: list[int]) -> None:
    one, two, three = pool(entities, words)
    token = virtual_server(entities, words).id
    assert [one.port, two.port, three.port] == ports
    assert one == RealServer(
        router="r1",
        virtual_server=token,
        address="10.0.0.1",
        port=one.port,
        weight=0,
        forwarding="TUN",
        tunnel=Tunnel(type="gue", port=5555, checksum="remcsum"),
        upper_threshold=100,
        lower_threshold=80,
        notify_up=Program(arguments=("/bin/true", "it is", "up"), user="nobody", group="nogroup"),
        notify_down=TRUE,
    )
    assert two == RealServer(
        router="r1",
        virtual_server=token,
        address="10.0.0.2",
        port=two.port,
        weight=4,
        forwarding="DR",
        inhibit_on_failure=True,
    )
    assert (three.weight, three.forwarding, three.inhibit_on_failure) == (3, None, True)


def test_tunnels_carry_both_families(entities: tuple[Entity, ...]) -> None:
    both = [one for one in entities if isinstance(one, VirtualServer) and one.group == "both"]
    assert [one.words for one in both] == [
        "[2001:db8::1]:53 UDP",
        "[2001:db8::2]:53 UDP",
        "[2001:db8::3]:53 UDP",
        "192.0.2.1:53 UDP",
        "FWM 8 IPv6",
        "FWM 9",
    ]
    assert {(one.scheduler, one.scheduler_flags, one.one_packet, one.forwarding) for one in both} == {
        ("sh", ("flag-1", "flag-2"), True, "TUN")
    }
    assert {one.tunnel for one in both} == {None}
    four, six = pool(entities, "192.0.2.1:53 UDP")
    assert (four.forwarding, four.tunnel, four.port) == (None, None, 53)
    assert (six.forwarding, six.tunnel, six.port) == (None, Tunnel(type="gre"), 53)


def test_persistence(entities: tuple[Entity, ...]) -> None:
    found = virtual_server(entities, "192.0.2.2:5060 UDP")
    assert (found.persistence_timeout, found.persistence_prefix, found.persistence_engine) == (
        1800,
        24,
        "sip",
    )
    assert found.sorry_server == SorryServer(address="10.0.0.9", port=5060, forwarding="NAT")
    every_port = virtual_server(entities, "192.0.2.2:0 TCP")
    assert (every_port.port, every_port.persistence_timeout, every_port.instance) == (0, 60, "VI_1")
    assert [one.port for one in pool(entities, "192.0.2.2:0 TCP")] == [0]


def test_a_firewall_mark(entities: tuple[Entity, ...]) -> None:
    found = virtual_server(entities, "FWM 16 IPv6")
    assert found == VirtualServer(
        router="r1",
        mark=16,
        family=6,
        scheduler="sh",
        scheduler_flags=("flag-1", "flag-2", "flag-3"),
        forwarding="DR",
        persistence_timeout=360,
        persistence_prefix=64,
        # direct routing leaves the port alone, and a mark is of every port
        sorry_server=SorryServer(address="2001:db8:1::9", port=0, forwarding="DR"),
    )
    (real,) = pool(entities, "FWM 16 IPv6")
    assert real.port == 0
    assert real.checks == (TcpCheck(address="2001:db8:1::6", port=80),)


OLD = """\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    lvs_sync_daemon_interface eth1
    virtual_ipaddress {
        192.0.2.1
    }
}
"""


def test_the_old_keyword_of_synchronisation_has_the_id_0() -> None:
    (found,) = (one for one in compiled(OLD).entities if isinstance(one, IpvsSettings))
    assert found == IpvsSettings(router="r1", sync_daemon=SyncDaemon(interface="eth1", instance="VI_1"))
