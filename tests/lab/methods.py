"""A lab for every forwarding method: a router, two real servers, both families, tunnels, a way back for NAT.

A virtual server a method, family and protocol, each on an address of its own; the real servers are always the
same two.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab import answering
from tests.lab.declare import NETWORK, PORT, Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.web import LISTENING
from tests.support.waiting import eventually

NETWORK6 = "fd09"
"""The same network in IPv6: its addresses end like their fellows'."""
_CLIENT, _ROUTER = 200, 11
_SERVERS = {"s1": 21, "s2": 22}
_WAY_BACK = "100"
"""The routing table of what NAT's real servers answer."""
_TUNNELS = ("tunl0", "sit0", "ip6tun")
"""Of IPv4 in IPv4, of IPv6 in IPv4, of either in IPv6."""

Method = Literal["NAT", "DR", "TUN"]
Protocol = Literal["TCP", "UDP"]


def numbered(family: int, number: int) -> str:
    """Give the address of that number in a family, 4 or 6."""
    return f"{NETWORK}.{number}" if family == 4 else f"{NETWORK6}::{number}"


@dataclass(frozen=True)
class Case:
    """One method from an address of one family to real servers of one."""

    method: Method
    family: Literal[4, 6]
    inner: Literal[4, 6]
    """The real servers' family; only a tunnel's may be another."""
    number: int

    @property
    def address(self) -> str:
        """The virtual address."""
        return numbered(self.family, self.number)

    def real(self, server: str) -> str:
        """Give a real server's address."""
        return numbered(self.inner, _SERVERS[server])

    def arrives_at(self, server: str) -> str:
        """Give the address that a real server sees its packets sent to."""
        return self.real(server) if self.method == "NAT" else self.address

    def __str__(self) -> str:
        return f"{self.method}-IPv{self.family}" + (
            f"-over-IPv{self.inner}" if self.inner != self.family else ""
        )


CASES = (
    Case("NAT", 4, 4, 101),
    Case("DR", 4, 4, 102),
    Case("TUN", 4, 4, 103),
    Case("TUN", 4, 6, 104),
    Case("NAT", 6, 6, 101),
    Case("DR", 6, 6, 102),
    Case("TUN", 6, 6, 103),
    Case("TUN", 6, 4, 104),
)


def configuration() -> str:
    """Write the router's file."""
    advertised = "\n".join(f"        {case.address}/24 dev eth0" for case in CASES if case.family == 4)
    # a /128 is deprecated (keepalived.conf(5), preferred_lft): the kernel takes none for the outer source of
    # a tunnel's packet, which a real server that has the same address itself would drop
    others = "\n".join(f"        {case.address}/128 dev eth0" for case in CASES if case.family == 6)
    instance = (
        "vrrp_instance VI_1 {\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n"
        "    priority 150\n    advert_int 0.5\n    version 3\n"
        f"    virtual_ipaddress {{\n{advertised}\n    }}\n"
        f"    virtual_ipaddress_excluded {{\n{others}\n    }}\n}}\n"
    )
    return instance + "".join(
        f"virtual_server {case.address} {PORT} {{\n    lb_algo rr\n    lb_kind {case.method}\n"
        f"    protocol {protocol}\n"
        + "".join(
            f"    real_server {case.real(name)} {PORT} {{\n        weight 1\n    }}\n" for name in _SERVERS
        )
        + "}\n"
        for case in CASES
        for protocol in ("TCP", "UDP")
    )


class Methods:
    """The lab, and its client's questions."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.router = lab.vipbus("r1")

    def ask(self, case: Case, protocol: Protocol) -> tuple[str, str]:
        """Ask once: who answered, and the address that the question came to."""
        family = socket.AF_INET if case.family == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        with self.lab.client.namespace.entered(), socket.socket(family, kind) as connection:
            connection.settimeout(5)
            connection.connect((case.address, PORT))
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


def _prepare_server(lab: Lab, name: str) -> tuple[Path, Path]:
    """Make a real server one of every method; return the logs of what listens on it."""
    server, number = lab.servers[name], _SERVERS[name]
    server.run(
        "sh", "-ec", "for each in all eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_redirects; done"
    )
    for case in CASES:
        server.ip("addr", "add", f"{case.address}/{32 if case.family == 4 else 128}", "dev", "lo")
    # what is not from a virtual address goes back through the router
    for family in (4, 6):
        of = ("-4",) if family == 4 else ("-6",)
        server.ip(*of, "rule", "add", "from", numbered(family, number), "table", _WAY_BACK)
        server.ip(*of, "route", "add", "default", "via", numbered(family, _ROUTER), "table", _WAY_BACK)
    server.ip(
        "link", "add", "ip6tun", "type", "ip6tnl", "local", numbered(6, number), "remote", "::", "mode", "any"
    )
    for tunnel in _TUNNELS:
        server.ip("link", "set", tunnel, "up")
    # lab.open_port listens on every address of IPv4 already
    program, log = Path(__file__).with_name("web.py"), lab.directory / f"{name}-6.log"
    server.spawn([sys.executable, str(program), name, str(PORT), "::"], log)
    addresses = [address for case in CASES for address in (case.address, case.real(name))]
    datagrams = lab.directory / f"{name}-udp.log"
    server.spawn([sys.executable, answering.__file__, name, str(PORT), *dict.fromkeys(addresses)], datagrams)
    return log, datagrams


@contextlib.contextmanager
def every_method() -> Iterator[Methods]:
    """Give the lab, its table filled."""
    declaration = Declaration(routers=(RouterSpec("r1", 150),), servers=tuple(_SERVERS))
    with Lab(declaration, start=False) as lab:
        router = lab.vipbus("r1")
        _both_families(router.namespace, _ROUTER)
        _prepare_router(router.namespace)
        _both_families(lab.client.namespace, _CLIENT)
        logs: list[Path] = []
        for name, number in _SERVERS.items():
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
