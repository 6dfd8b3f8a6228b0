"""The doctor against real hosts on a real network, and a real bus."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from ctl.doctor.arp_probe import arp, ask
from ctl.doctor.bus import BusState, bus, look
from tests.lab.namespace import Namespace
from tests.support.nats import NatsServer
from tests.support.vrrp import needs_root
from vipbus.bus import Bus, BusAddress

VIP = "10.96.0.100"


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Namespace, list[str]]]:
    """A router and two real servers of direct routing behind one switch; the first one answers ARP."""
    router, servers = Namespace("doc-r"), [Namespace("doc-1"), Namespace("doc-2")]
    try:
        router.open()
        router.ip("link", "add", "lan", "type", "bridge")
        router.ip("address", "add", "10.96.0.1/24", "dev", "lan")
        router.ip("link", "set", "lan", "up")
        macs = []
        for number, server in enumerate(servers, 1):
            quiet = {"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2} if number == 2 else {}
            server.open(sysctl=quiet)
            router.ip(
                "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", server.name
            )
            router.ip("link", "set", f"p{number}", "master", "lan", "up")
            server.ip("address", "add", f"10.96.0.{20 + number}/24", "dev", "eth0")
            server.ip("address", "add", f"{VIP}/32", "dev", "lo")
            server.ip("link", "set", "eth0", "up")
            macs.append(server.run("cat", "/sys/class/net/eth0/address").strip())
        yield router, macs
    finally:
        for each in (*servers, router):
            each.close()


@needs_root
def test_a_real_server_that_answers_by_arp_is_found(network: tuple[Namespace, list[str]]) -> None:
    router, macs = network
    with router.entered():
        found = ask(VIP, "lan", here=True)
        assert found.macs == (macs[0],)
        (finding,) = arp([found])
        assert finding.level == "problem"
        assert macs[0] in finding.what
        assert ask("10.96.0.77", "lan", here=False).macs == ()
        trouble = ask(VIP, "no-such-dev", here=True)
    assert "No such device" in trouble.trouble


@needs_root
@pytest.mark.usefixtures("network")
def test_real_servers_say_of_themselves_what_is_wrong() -> None:
    program = (
        "from ctl.doctor import host; from ctl.doctor.network import real_server\n"
        f"print([f.level for f in real_server('{VIP}', host.read(), host.setting)])"
    )
    said = [Namespace(name).run(sys.executable, "-c", program).strip() for name in ("doc-1", "doc-2")]
    assert said == ["['ok', 'problem', 'problem']", "['ok', 'ok', 'ok']"]


def test_a_real_bus_is_measured(nats_server: NatsServer) -> None:
    async def measured() -> BusState:
        connection = Bus(BusAddress(url=nats_server.url), source="test")
        connection.start()
        try:
            await connection.usable(30)
            return await look(connection, nats_server.url)
        finally:
            await connection.close()

    state = asyncio.run(measured())
    assert state.problem == ""
    assert 0 < state.seconds < 5
    assert state.ahead is not None
    assert abs(state.ahead) < 1  # it is the same clock
    assert state.used > 0 or state.room
    assert all(each.level in ("ok", "advice") for each in bus(state))
