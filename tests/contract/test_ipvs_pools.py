"""Pools as they are desired, in a table: the same stories on the fake and on a real kernel."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ipvs_programmer.kernel import Kernel
from ipvs_programmer.plan import plan
from tests.support.ipvs_kernel import both, kernel_of, real_kernel
from tests.support.waiting import eventually
from tests.unit.ipvs_programmer.site import Site
from tests.unit.ipvs_programmer.tables import key
from tests.unit.ipvs_programmer.test_desired import verdicts
from tests.unit.ipvs_programmer.test_drain import DRAINING, ONE, SERVICE, pool
from tests.unit.ipvs_programmer.world import instance, real_server, virtual_server
from vipbus.contracts import Entity, RealServer, SorryServer, Tunnel, VirtualServer


@pytest.fixture(params=both)
def port(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Give an empty table."""
    yield from kernel_of(request.param)


def real(virtual: VirtualServer, address: str, **more: object) -> RealServer:
    return msgspec.structs.replace(real_server(address, of=virtual), **more)


def everything() -> list[Entity]:
    """One virtual server of every kind, with a real server of every kind."""
    gue = Tunnel(type="gue", port=6080, checksum="csum")
    servers = [
        virtual_server(scheduler="mh", scheduler_flags=("flag-1", "flag-2")),
        virtual_server(port=81, scheduler="wlc", persistence_timeout=50, persistence_prefix=24),
        virtual_server("fd00::1", persistence_timeout=60, persistence_prefix=64, scheduler="sh"),
        virtual_server("fd00::1", 53, protocol="UDP", one_packet=True),
        virtual_server(port=5060, protocol="UDP", persistence_timeout=70, persistence_engine="sip"),
        virtual_server(port=90, protocol="SCTP", forwarding="DR"),
        virtual_server(port=0, forwarding="TUN", persistence_timeout=80),
        virtual_server("", 0, mark=7, forwarding="DR", scheduler="wrr"),
        virtual_server("", 0, mark=7, family=6, forwarding="DR", persistence_timeout=90),
        virtual_server(port=443, forwarding="TUN", tunnel=gue),
    ]
    reals: list[RealServer] = []
    for virtual in servers:
        six = ":" in virtual.address or virtual.family == 6
        near, far = ("fd00::21", "fd00::22") if six else ("10.9.0.21", "10.9.0.22")
        reals += [
            real(virtual, near, weight=5, upper_threshold=100, lower_threshold=10),
            real(virtual, far, upper_threshold=7),
        ]
    tunnels = servers[-1]
    reals += [
        real(tunnels, "10.9.0.23", tunnel=Tunnel(type="gre", checksum="csum")),
        real(tunnels, "10.9.0.24", tunnel=Tunnel()),
        real(tunnels, "10.9.0.25", forwarding="NAT"),
        real(tunnels, "fd00::26", tunnel=gue),
    ]
    return [instance("10.9.0.1", "fd00::1"), *servers, *reals]


def test_what_is_desired_is_read_back_as_it_is(port: Kernel, tmp_path: Path) -> None:
    site = Site(tmp_path, port)
    site.configure(*everything())
    assert site.keeper.errors == {}
    wanted = {of: arranged.pool for of, arranged in site.pools.arranged.items()}
    assert len(wanted) == 10
    assert port.read() == wanted
    assert plan(wanted, port.read(), ()) == ()


def test_a_quorum_is_lost_and_gained(port: Kernel, tmp_path: Path) -> None:
    site = Site(tmp_path, port)
    sorry = SorryServer(address="10.9.0.9", port=80, forwarding="DR")
    for inhibit, lost in (
        (False, {"10.9.0.9:80": 1}),
        (True, {"10.9.0.21:80": 0, "10.9.0.22:80": 0, "10.9.0.9:80": 1}),
    ):
        virtual = virtual_server(quorum=2, sorry_server=msgspec.structs.replace(sorry, inhibit=inhibit))
        inhibited = [real(virtual, f"10.9.0.{number}", inhibit_on_failure=inhibit) for number in (21, 22)]
        site.configure(instance(), virtual, *inhibited)
        site.say(verdicts(_21="down").values())
        assert site.held() == {SERVICE: lost}
        site.say(verdicts(_21="up").values())
        assert site.held() == {SERVICE: {"10.9.0.21:80": 1, "10.9.0.22:80": 1}}
    assert [event.met for event in site.events] == [False, True, False, True]  # type: ignore[attr-defined]  # all are of quorums


def test_a_virtual_server_that_has_left_keeps_its_settings(port: Kernel, tmp_path: Path) -> None:
    site = Site(tmp_path, port)
    site.configure(*everything())
    before = port.read()
    site.configure(instance("10.9.0.1", "fd00::1"))
    drained = {of: each for of, each in before.items() if getattr(of, "protocol", 0) != socket.IPPROTO_UDP}
    found = port.read()
    assert {of: each.service for of, each in found.items()} == {
        of: each.service for of, each in drained.items()
    }
    for of, each in found.items():
        assert list(each.destinations.values()) == [
            msgspec.structs.replace(before[of].destinations[server], weight=0) for server in each.destinations
        ]
    site.restart()
    assert port.read() == found
    site.count()
    assert port.read() == {}


@pytest.mark.ipvs
def test_a_connection_that_is_open_stays_open_until_it_is_closed(tmp_path: Path) -> None:
    with contextlib.contextmanager(real_kernel)() as port:
        # the real servers are this host
        for address in ("10.9.0.1/32", "10.9.0.21/32", "10.9.0.22/32"):
            subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
        site = Site(tmp_path, port)
        site.configure(*pool(21, 22))
        one, other = (f"10.9.0.{number}" for number in (21, 22))
        with contextlib.ExitStack() as opened:
            server = opened.enter_context(socket.create_server(("0.0.0.0", 80)))

            def connect() -> tuple[socket.socket, socket.socket]:
                client = opened.enter_context(socket.create_connection(("10.9.0.1", 80), timeout=10))
                return client, opened.enter_context(server.accept()[0])

            def counts() -> dict[str, int]:
                return {of.address: each.active for of, each in port.counts([key()])[key()].items()}

            pairs = [connect() for _ in range(4)]
            assert counts() == {one: 2, other: 2}
            site.configure(*pool(22))
            pairs += [connect() for _ in range(2)]
            assert counts() == {one: 2, other: 4}
            site.count()
            assert site.held() == DRAINING
            for client, accepted in pairs:
                client.sendall(b"still there?")
                assert accepted.recv(100) == b"still there?"
            for client, accepted in pairs:
                # a reset is forgotten after 10 s, an end in order after 2 minutes (ip_vs_proto_tcp.c)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                accepted.close()

            def drained() -> bool:
                site.count()
                return site.held() == ONE

            eventually(drained, "the last connection has ended", within=60)
        assert [line.split(" until")[0] for line in site.told()] == [
            "begun 10-9-0-21_80 with 2",
            "ended 10-9-0-21_80 with 0: empty",
        ]
