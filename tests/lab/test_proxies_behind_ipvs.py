"""HAProxy nodes behind IPVS (direct routing): checked on their monitors, drained before a restart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from tests.lab.namespace import Namespace
from tests.lab.network import SILENT, VIRTUAL, Network, listens
from tests.lab.router import Vipbus
from tests.support import proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs

VIPBUS_NODE, PLAIN_NODE = "10.9.0.31", "10.9.0.32"
TOML = f"""\
[[vrrp_instance]]
name = "VI_1"
routers = ["r1"]
interface = "eth0"
virtual_router_id = 51
version = 3
virtual_ipaddress = ["{VIRTUAL}/24"]

[[virtual_server]]
name = "web"
routers = ["r1"]
address = "{VIRTUAL}:80"
scheduler = "rr"
forwarding = "DR"
real_server = [{{ address = "{VIPBUS_NODE}" }}, {{ address = "{PLAIN_NODE}" }}]

[[virtual_server.check]]
kind = "http"
path = "/alive"
interval = "1s"

[[proxy]]
name = "web"
routers = ["p1"]
bind = ["{VIRTUAL}:80", "{VIPBUS_NODE}:80"]
pool = "app"
monitor = "/alive"
monitor_members = 2

[[pool]]
name = "app"
routers = ["p1"]
real_server = [{{ address = "10.9.0.21:8080" }}, {{ address = "10.9.0.22:8080" }}]

[[pool.check]]
kind = "tcp"
interval = "1s"

[router.r1]
[router.p1]
"""
HAPROXY = f"""\
defaults
    mode http
    option redispatch
    timeout connect 2s
    timeout client 10s
    timeout server 10s
frontend web
    bind {VIRTUAL}:80
    bind {PLAIN_NODE}:80
    monitor-uri /alive
    monitor fail if {{ nbsrv(app) lt 1 }}
    default_backend app
backend app
    server s1 10.9.0.21:8080 check inter 1s
    server s2 10.9.0.22:8080 check inter 1s
"""
WITHIN = 120.0
"""Seconds in the guest on a machine that does other things too; whatever takes longer hangs."""


_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
connection.request("GET", "/alive")
print(connection.getresponse().status)
"""


class Tiers:
    """A router with IPVS, a node with vipbus, one with HAProxy alone, two applications and a client."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.apps = {f"s{number}": network.web(f"s{number}", f"10.9.0.2{number}") for number in (1, 2)}
        self.router: Vipbus = network.vipbus("r1", "10.9.0.11", TOML)
        self.node: Vipbus = network.vipbus("p1", VIPBUS_NODE, TOML, SILENT)
        self.plain: Namespace = network.node("p2", PLAIN_NODE, SILENT)
        for each in (self.node.namespace, self.plain):
            each.ip("addr", "add", f"{VIRTUAL}/32", "dev", "lo")
        self.client = network.client()
        self.start_plain()
        # one after the other: both at once take longer on the guest's one processor
        self.node.start()
        eventually(lambda: listens(self.node.namespace, f"{VIRTUAL}:80"), "the node listens", within=WITHIN)
        self.router.start()
        self.has(VIPBUS_NODE, PLAIN_NODE)
        # where everything is emulated a slow answer is no failed one; a refusal or a reset is seen at once
        self.client.start(VIRTUAL, 80, timeout=8.0)
        self.served(time.monotonic())

    def start_plain(self) -> None:
        """Start the HAProxy of the plain node."""
        file = self.network.directory / "plain.cfg"
        file.write_text(HAPROXY)
        log = self.network.directory / "plain.log"
        self._plain = self.plain.spawn([proxy.haproxy(), "-db", "-f", str(file)], log)
        eventually(lambda: listens(self.plain, f"{VIRTUAL}:80"), "the plain node listens", within=WITHIN)

    def stop_plain(self) -> None:
        """End it in order."""
        self._plain.terminate()
        self._plain.wait(30)

    def weights(self) -> dict[str, int]:
        """Read who is in the kernel's table, with which weight."""
        service = self.router.table().get(f"{VIRTUAL}:80")
        return (
            {to.removesuffix(":80"): weight for to, weight in service.destinations.items()} if service else {}
        )

    def has(self, *nodes: str) -> None:
        """Wait until these alone get new connections."""
        eventually(
            lambda: {node for node, weight in self.weights().items() if weight} == set(nodes),
            f"the table has {nodes}",
            within=WITHIN,
            every=0.1,
        )

    def connections(self, node: str) -> int:
        """Count the open connections that the kernel has for a node."""
        for line in self.router.namespace.run("ipvsadm", "-Ln").splitlines():
            words = line.split()
            if words[:2] == ["->", f"{node}:80"]:
                return int(words[4])
        return 0

    def served(self, since: float) -> None:
        """Wait for steady answers."""
        eventually(lambda: self.client.answered_since(since, 50), "the client is answered", within=WITHIN)

    def operate(self, verb: str, node: str) -> None:
        """Say something of a node at layer 4, and wait until the table has it."""
        done = self.router.ask(verb, f"{node}:80", "--virtual-server", "web")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tiers() -> Iterator[Tiers]:
    if shutil.which("ss") is None:
        pytest.skip("needs ss")
    with Network() as network:
        yield Tiers(network)


def ask(tiers: Tiers, node: str) -> str:
    """Ask a node's monitor as the router does; give the status."""
    return tiers.router.namespace.run("python3", "-c", _ASK, node, check=False).strip()


def test_both_nodes_serve_and_answer_for_the_virtual_address(tiers: Tiers) -> None:
    tiers.has(VIPBUS_NODE, PLAIN_NODE)
    begin = time.monotonic()
    tiers.served(begin)
    seen = tiers.client.seen(begin)
    assert seen.failed == 0, str(seen)
    assert set(seen.servers) == {"s1", "s2"}
    assert [ask(tiers, node) for node in (VIPBUS_NODE, PLAIN_NODE)] == ["200", "200"]


@pytest.mark.parametrize("which", ["vipbus", "plain"])
def test_a_node_is_drained_and_restarted_without_a_failed_request(tiers: Tiers, which: str) -> None:
    node, other = (VIPBUS_NODE, PLAIN_NODE) if which == "vipbus" else (PLAIN_NODE, VIPBUS_NODE)
    tiers.has(node, other)
    begin = time.monotonic()
    tiers.operate("drain", node)
    tiers.has(other)
    assert tiers.weights()[node] == 0, "it stays in the table for the connections that it has"
    eventually(lambda: tiers.connections(node) == 0, "its connections have ended", within=WITHIN)
    if which == "vipbus":
        assert tiers.node.stop() == 0
        assert not listens(tiers.node.namespace, f"{VIRTUAL}:80")
        tiers.node.start()
        eventually(lambda: ask(tiers, node) == "200", "it is alive again", within=WITHIN, every=0.2)
    else:
        tiers.stop_plain()
        tiers.start_plain()
        eventually(lambda: ask(tiers, node) == "200", "it is alive again", within=WITHIN, every=0.2)
    tiers.operate("enable", node)
    tiers.has(node, other)
    tiers.served(time.monotonic())
    seen = tiers.client.seen(begin)
    assert seen.failed == 0, str(seen)


def test_a_node_whose_pool_has_too_few_is_taken_out_by_its_monitor(tiers: Tiers) -> None:
    tiers.has(VIPBUS_NODE, PLAIN_NODE)
    tiers.apps["s2"].kill_all()
    try:
        tiers.has(PLAIN_NODE)
        assert [ask(tiers, node) for node in (VIPBUS_NODE, PLAIN_NODE)] == ["503", "200"]
        begin = time.monotonic()
        tiers.served(begin)
        assert set(tiers.client.seen(begin).servers) == {"s1"}
        shown = tiers.router.ask("status").stdout
        assert "503" in shown, shown
    finally:
        tiers.network.serve("s2", tiers.apps["s2"])
    tiers.has(VIPBUS_NODE, PLAIN_NODE)
