"""Two agents on one network, each without a bus: the wire alone decides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.namespace import ENVIRONMENT, command
from tests.support.vrrp import VIP, Network, Router, instance, needs_root
from tests.support.waiting import eventually

pytestmark = needs_root

MASTER_DOWN = 3 + 156 / 256
"""Seconds, at priority 100 and 1 s."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


def two_routers(network: Network, **settings: object) -> tuple[Router, Router]:
    """Start a router with priority 150 and one with 100; the first is active when this returns."""
    first, second = network.router("a"), network.router("b")
    first.save(instance("a", priority=150, **settings))
    second.save(instance("b", priority=100, **settings))
    first.start()
    network.held_by(first, 6)
    second.start()
    eventually(lambda: "is active with priority 150" in second.output(), "the second hears the first")
    return first, second


class Ping:
    """A host that pings the virtual address a hundred times a second."""

    def __init__(self, network: Network) -> None:
        self._host = network.router("client")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Ping:
        # a ping that is answered while its neighbour entry is checked again would not count
        arguments = ["ping", "-n", "-i", "0.01", "-W", "1", VIP]
        self._process = self._host.namespace.spawn(arguments, self._host.log)
        eventually(lambda: "ttl=" in self._host.output(), "the address answers")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def _answered(self) -> set[int]:
        return {
            int(line.split("icmp_seq=")[1].split()[0])
            for line in self._host.output().splitlines()
            if "ttl=" in line
        }

    def goes_on(self) -> None:
        """Wait for some more answers."""
        last = max(self._answered())
        eventually(lambda: max(self._answered()) > last + 20, "the address goes on answering", within=3)

    @property
    def lost(self) -> tuple[int, ...]:
        """The sequence numbers without an answer, before the last answer."""
        answered = self._answered()
        return tuple(sorted(set(range(1, max(answered))) - answered))


def test_a_crash_is_followed_within_the_master_down_interval(network: Network) -> None:
    first, second = two_routers(network)
    first.kill()
    first.cut_off()
    took = eventually(second.holds, "the second holds the address", within=6)
    assert took < MASTER_DOWN + 0.5
    first.start()
    eventually(lambda: "no carrier" in first.output(), "the first says what is wrong with it")
    assert not first.holds(), "what the former life left is removed"
    first.restore()
    network.held_by(first, MASTER_DOWN + 1)


def test_a_killed_agent_goes_on_and_nobody_notices(network: Network) -> None:
    first, second = two_routers(network)
    with Ping(network) as ping:
        for _ in range(3):
            first.kill()
            assert first.holds()
            time.sleep(0.3)  # a supervisor's work
            said = first.output().count("resumed")
            first.start()
            eventually(lambda said=said: first.output().count("resumed") > said, "it resumed", within=2.5)  # type: ignore[misc]  # a default binds it
        watched = time.monotonic()
        while time.monotonic() < watched + 2:
            assert first.holds()
            assert not second.holds()
            time.sleep(0.05)
        ping.goes_on()
    assert ping.lost == ()
    assert " is active: " not in second.output()


def test_a_backup_that_stood_still_hears_before_it_acts(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2)
    for _ in range(5):
        second.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        eventually(lambda since=stopped: time.monotonic() > since + 1.0, "its time ran out")  # type: ignore[misc]  # a default binds it
        second.signal(signal.SIGCONT)
    eventually(lambda: time.monotonic() > stopped + 2.0, "time to act on it")
    assert " is active: " not in second.output()
    assert network.holder() is first


def test_an_active_router_that_stood_still_is_replaced_and_comes_back(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2)
    first.signal(signal.SIGSTOP)
    eventually(second.holds, "the second took over", within=3)
    first.signal(signal.SIGCONT)
    network.held_by(first, 3)


def test_an_agent_that_was_away_too_long_starts_as_backup(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2)
    first.kill()
    eventually(second.holds, "the second took over", within=3)
    first.start()
    eventually(lambda: first.output().count("VI_1 is backup: started") == 2, "it starts as backup")
    network.held_by(first, 3)
    assert "resumed" not in first.output()


@pytest.mark.parametrize(("version", "interval"), [(2, 1.0), (3, 0.1)])
def test_a_stop_hands_over_without_a_lost_packet(network: Network, version: int, interval: float) -> None:
    first, second = two_routers(network, version=version, advert_int=interval)
    with Ping(network) as ping:
        first.terminate()
        assert first.exit_status() == 0
        assert not first.holds()
        assert second.holds()
        ping.goes_on()
    assert ping.lost == ()
    assert f"{first.address} left" in second.output()


def test_the_successors_gratuitous_arp_ends_the_leave(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=1.0)
    first.terminate()
    eventually(second.holds, "the successor has the address", every=0.002)
    took = eventually(lambda: not first.holds(), "the leaver gave it up", every=0.002)
    # one of priority 1 would take (255 - 100) / 256 s longer
    assert took < 0.4, "it did not wait for the time that a successor may take"


def test_a_stop_without_a_successor_ends_soon(network: Network) -> None:
    alone = network.router("a")
    alone.save(instance("a"))
    alone.start()
    network.held_by(alone, 6)
    alone.terminate()
    assert alone.exit_status(2.5) == 0
    assert not alone.holds()


def test_nopreempt_leaves_the_address_where_it_is(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2, nopreempt=True)
    first.kill()
    first.cut_off()
    eventually(second.holds, "the second took over", within=3)
    first.restore()
    first.start()
    eventually(lambda: f"{second.address} is active with priority 100" in first.output(), "it hears it")
    watched = time.monotonic()
    while time.monotonic() < watched + 1.5:
        assert network.holder() is second
        time.sleep(0.05)


def test_an_address_that_someone_removed_is_put_back_at_once(network: Network) -> None:
    first, _ = two_routers(network)
    first.namespace.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
    assert eventually(first.holds, "it is back", every=0.002) < 0.2
    # the primary takes its secondaries along, and the source of the advertisements
    first.namespace.ip("addr", "flush", "dev", "eth0")
    eventually(lambda: "has no IPv4 address of its own" in first.output(), "it cannot advertise")
    first.namespace.ip("addr", "add", f"{first.address}/24", "dev", "eth0")
    network.held_by(first, MASTER_DOWN + 1)


def test_an_interface_that_comes_later(network: Network) -> None:
    router = network.router("a")
    router.save(instance("a", interface="eth9", version=3, advert_int=0.2))
    router.start()
    eventually(lambda: "interface eth9 does not exist" in router.output(), "it says so")
    for _ in range(2):  # a second time with another index
        router.namespace.ip("link", "add", "eth9", "type", "veth", "peer", "name", "peer9")
        router.namespace.ip("link", "set", "peer9", "up")
        router.namespace.ip("link", "set", "eth9", "up")
        router.namespace.ip("addr", "add", "10.89.0.1/24", "dev", "eth9")
        eventually(router.holds, "it became active", within=4)
        router.namespace.ip("link", "del", "eth9")
        eventually(lambda: not router.holds(), "the link is gone")


def test_a_lost_link_is_a_fault_that_mends(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2)
    first.cut_off()
    network.held_by(second, 2)
    assert "VI_1 is in fault: interface eth0 has no carrier" in first.output()
    first.restore()
    network.held_by(first, 3)


def test_packets_that_are_no_advertisement_change_nothing(network: Network) -> None:
    first, second = two_routers(network, version=3, advert_int=0.2)
    noise = (
        "import socket, os, random\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)\n"
        "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)\n"
        "s.bind(('10.88.0.3', 0))\n"
        "for n in range(5000): s.sendto(os.urandom(random.randrange(40)), ('224.0.0.18', 0))\n"
    )
    network.router("c").namespace.run(sys.executable, "-c", noise)
    watched = time.monotonic()
    while time.monotonic() < watched + 1:
        assert network.holder() is first
        time.sleep(0.05)
    for router in (first, second):
        assert "Traceback" not in router.output()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe", b'{"router":"a"}', b'{"router":"b","revision":1,"instances":[]}']
)
def test_a_damaged_state_is_ignored(network: Network, damage: bytes) -> None:
    router = network.router("a")
    router.save(instance("a"))
    (router.directory / "vrrp-agent.state.json").write_bytes(damage)
    (router.directory / "vrrp-agent.heartbeat").write_bytes(b"\xff" * 5000)
    router.start()
    eventually(lambda: "is ignored" in router.output(), "it says so")
    assert "Traceback" not in router.output()
    router.terminate()
    assert router.exit_status() == 0


def test_what_is_missing_is_said_in_one_line(network: Network, tmp_path: Path) -> None:
    router = network.router("a")
    router.save(instance("a"))
    agent = [sys.executable, "-m", "vrrp_agent", "--router", "a", "--state-dir", str(router.directory)]

    def run(*prefix: str) -> tuple[int, str]:
        done = subprocess.run(
            ["ip", "netns", "exec", router.namespace.name, *prefix, *agent],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            timeout=20,
        )
        return done.returncode, done.stderr

    status, said = run("setpriv", "--bounding-set=-net_raw")
    assert (status, said.count("\n")) == (2, 1)
    assert "vrrp-agent needs CAP_NET_RAW and CAP_NET_ADMIN: run it as root" in said
    router.start()
    eventually(lambda: "is backup" in router.output(), "the first runs")
    status, said = run()
    assert (status, said.count("\n")) == (1, 1)
    assert "another vrrp-agent runs on" in said
    agent[-1] = str(tmp_path / "file")
    (tmp_path / "file").touch()
    status, said = run()
    assert (status, said.count("\n")) == (2, 1)
    assert "is not usable" in said


def test_it_listens_soon_after_its_start(network: Network) -> None:
    """What it must not do is wait for an import; the bound leaves room for a busy machine."""
    router = network.router("a")
    router.save(instance("a"))
    began = time.monotonic()
    router.start()

    def listening() -> bool:
        # /proc/<pid>/net is the namespace's: a raw socket's local "port" is its protocol, 112 = 0x70
        try:
            return ":0070" in Path(f"/proc/{router.pid}/net/raw").read_text()
        except OSError:
            return False

    eventually(listening, "a raw socket is open", every=0.002)
    assert time.monotonic() - began < 1.5
    assert os.path.exists(router.directory / "vrrp-agent.heartbeat")  # noqa: PTH110  # reads as what it says


def test_both_memory_and_priority_are_asked_for(network: Network) -> None:
    router = network.router("a")
    router.save(instance("a"))
    router.start()
    eventually(lambda: "is backup" in router.output(), "it runs")
    classes = command("ps", "-L", "-o", "cls=", "-p", str(router.pid)).split()
    if "RR" not in classes:
        pytest.skip("this machine permits no real-time scheduling")
    assert classes.count("RR") == 1, "the loop alone"
