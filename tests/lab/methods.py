"""A lab for every forwarding method: a router, two real servers, both families, tunnels, a way back for NAT.

A virtual server a method, tunnel, family and protocol, and one a mark, each on an address of its own; the
real servers are always the same two.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.lab import answering
from tests.lab.capture import Capture
from tests.lab.declare import PORT, Declaration, RouterSpec
from tests.lab.forwarding_cases import (
    CASES,
    GUARDED,
    GUE_PORT,
    SERVERS,
    Case,
    Protocol,
    configuration,
    numbered,
)
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.web import LISTENING
from tests.support.waiting import eventually

CLIENT, ROUTER = 200, 11
_WAY_BACK = "100"
"""The routing table of what NAT's real servers answer."""
_TUNNELS = ("tunl0", "sit0", "ip6tun", "gre4", "gre4-csum", "gre6", "gre6-csum")
"""Of IPv4 in IPv4, of IPv6 in IPv4, of either in IPv6; of either in GRE. What comes by GUE comes out of the
first three, as the kernel's fou takes only the outermost two headers away (ip-fou(8))."""


class Methods:
    """The lab, and its client's questions."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.router = lab.vipbus("r1")

    def ask(self, case: Case, protocol: Protocol, port: int = PORT) -> tuple[str, str]:
        """Ask once: who answered, and the address that the question came to."""
        family = socket.AF_INET if case.family == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        with self.lab.client.namespace.entered(), socket.socket(family, kind) as connection:
            connection.settimeout(5)
            connection.connect((case.address, port))
            connection.sendall(b"GET /where HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
                if protocol == "UDP":
                    break
        name, address = answer.decode().splitlines()[-1].split()
        return name, address

    def tunnelled(self, server: str) -> int:
        """Count the packets that came out of a real server's tunnels."""
        links = json.loads(self.lab.servers[server].ip("-j", "-s", "link", "show"))
        return sum(link["stats64"]["rx"]["packets"] for link in links if link["ifname"] in _TUNNELS)

    @contextlib.contextmanager
    def captured(self, what: str) -> Iterator[Capture]:
        """Record what crosses the switch while the block runs, as pcap-filter(7) says it."""
        recording = Capture(self.lab.switch, self.lab.directory, what)
        recording.start()
        try:
            yield recording
        finally:
            recording.stop()


def _both_families(node: Namespace, number: int) -> None:
    node.run(
        "sh",
        "-ec",
        "for each in all default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done",
    )
    node.ip("addr", "add", f"{numbered(6, number)}/64", "dev", "eth0", "nodad")


def _prepare_router(router: Namespace) -> None:
    settings = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv4/conf/all/send_redirects": 0}
    # a redirect would send NAT's answers past the router; the interface's own setting counts too (ip-sysctl)
    settings["ipv4/conf/eth0/send_redirects"] = 0
    router.run(
        "sh", "-ec", "\n".join(f"echo {value} > /proc/sys/net/{key}" for key, value in settings.items())
    )
    for case in CASES:
        if case.marked:
            program = "iptables-legacy" if case.family == 4 else "ip6tables-legacy"
            for protocol in ("tcp", "udp"):
                router.run(
                    *(program, "-t", "mangle", "-A", "PREROUTING", "-d", case.address, "-p", protocol),
                    *("--dport", str(PORT), "-j", "MARK", "--set-mark", str(case.mark)),
                )


def _prepare_server(lab: Lab, name: str) -> tuple[Path, Path]:
    """Make a real server one of every method; return the logs of what listens on it."""
    server, number = lab.servers[name], SERVERS[name]
    server.run(
        "sh", "-ec", "for each in all eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_redirects; done"
    )
    for case in CASES:
        server.ip("addr", "add", f"{case.address}/{32 if case.family == 4 else 128}", "dev", "lo")
    # what is not from a virtual address goes back through the router
    for family in (4, 6):
        of = ("-4",) if family == 4 else ("-6",)
        server.ip(*of, "rule", "add", "from", numbered(family, number), "table", _WAY_BACK)
        server.ip(*of, "route", "add", "default", "via", numbered(family, ROUTER), "table", _WAY_BACK)
    _open_tunnels(server, number)
    # lab.open_port listens on every address of IPv4 already
    program, log = Path(__file__).with_name("web.py"), lab.directory / f"{name}-6.log"
    server.spawn([sys.executable, str(program), name, str(PORT), "::"], log)
    addresses = [address for case in CASES for address in (case.address, case.real(name))]
    datagrams = lab.directory / f"{name}-udp.log"
    server.spawn([sys.executable, answering.__file__, name, str(PORT), *dict.fromkeys(addresses)], datagrams)
    return log, datagrams


def _open_tunnels(server: Namespace, number: int) -> None:
    """Unpack IP in IP, GRE with and without checksums, and GUE; of either family in either."""
    local = ("local", numbered(6, number), "remote", "::")
    server.ip("link", "add", "ip6tun", "type", "ip6tnl", *local, "mode", "any")
    for family, kind, remote in ((4, "gre", "any"), (6, "ip6gre", "::")):
        guarded = numbered(family, number + GUARDED)
        plain = ("type", kind, "local", numbered(family, number), "remote", remote)
        server.ip("link", "add", f"gre{family}", *plain)
        # nodad: what listens on it is started at once
        prefix, at_once = (24, ()) if family == 4 else (64, ("nodad",))
        server.ip("addr", "add", f"{guarded}/{prefix}", "dev", "eth0", *at_once)
        checked = ("type", kind, "local", guarded, "remote", remote, "icsum")
        server.ip("link", "add", f"gre{family}-csum", *checked)
        server.ip("fou", "add", "port", str(GUE_PORT), "gue", *(("-6",) if family == 6 else ()))
    for tunnel in _TUNNELS:
        server.ip("link", "set", tunnel, "up")


@contextlib.contextmanager
def every_method() -> Iterator[Methods]:
    """Give the lab, its table filled."""
    declaration = Declaration(routers=(RouterSpec("r1", 150),), servers=tuple(SERVERS))
    with Lab(declaration, start=False) as lab:
        router = lab.vipbus("r1")
        _both_families(router.namespace, ROUTER)
        _prepare_router(router.namespace)
        _both_families(lab.client.namespace, CLIENT)
        logs: list[Path] = []
        for name, number in SERVERS.items():
            _both_families(lab.servers[name], number)
            logs += _prepare_server(lab, name)
        router.configuration.write_text(configuration())
        router.start()
        for log in logs:
            eventually(lambda log=log: LISTENING in log.read_text(), f"{log.name} listens", within=60)
        eventually(router.ready, "everything is ready", within=180, every=0.5)
        holds = [f"{case.address}/" for case in CASES]
        eventually(
            lambda: all(each in router.namespace.ip("addr", "show", "dev", "eth0") for each in holds),
            "the router has the addresses",
            within=30,
            every=0.2,
        )
        yield Methods(lab)
