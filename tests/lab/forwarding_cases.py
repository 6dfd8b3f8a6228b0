"""Every way to forward a packet, a virtual address each: method, tunnel, families, by address or by mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.lab.declare import NETWORK, PORT

NETWORK6 = "fd09"
"""The same network in IPv6: its addresses end like their fellows'."""
SERVERS = {"s1": 21, "s2": 22}
GUARDED = 10
"""Above a real server's own number: its address for GRE with checksums, which a device of Linux takes either
from every packet or from none (ip_tunnel_rcv)."""
GUE_PORT = 6080
"""The one of RFC 6335's registry."""

Method = Literal["NAT", "DR", "TUN"]
Protocol = Literal["TCP", "UDP"]
Family = Literal[4, 6]


def numbered(family: int, number: int) -> str:
    """Give the address of that number in a family, 4 or 6."""
    return f"{NETWORK}.{number}" if family == 4 else f"{NETWORK6}::{number}"


@dataclass(frozen=True)
class Case:
    """One method from an address of one family to real servers of one."""

    method: Method
    family: Family
    inner: Family
    """The real servers' family; only a tunnel's may be another."""
    number: int
    tunnel: str = ""
    """What the file says of a tunnel that is not plain IP in IP: ``type gre csum``."""
    marked: bool = False
    """The virtual server is a firewall mark, which iptables give to what comes for the address."""

    @property
    def address(self) -> str:
        """The virtual address."""
        return numbered(self.family, self.number)

    @property
    def mark(self) -> int:
        """The firewall mark; 0: there is none."""
        return self.family * 1000 + self.number if self.marked else 0

    @property
    def guarded(self) -> bool:
        """Whether the header around a tunnel's packets has a checksum: with remcsum it has one, too."""
        return "csum" in self.tunnel

    def real(self, server: str) -> str:
        """Give a real server's address."""
        more = GUARDED if self.tunnel == "type gre csum" else 0
        return numbered(self.inner, SERVERS[server] + more)

    def arrives_at(self, server: str) -> str:
        """Give the address that a real server sees its packets sent to."""
        return self.real(server) if self.method == "NAT" else self.address

    @property
    def virtual_servers(self) -> list[str]:
        """What ipvsadm(8) calls them, the family of a mark left out."""
        if self.marked:
            return [f"-f {self.mark}"]
        at = f"{self.address}:{PORT}" if self.family == 4 else f"[{self.address}]:{PORT}"
        return [f"-t {at}", f"-u {at}"]

    def __str__(self) -> str:
        words = [self.method, f"IPv{self.family}"]
        if self.inner != self.family:
            words.append(f"over-IPv{self.inner}")
        words += [word for word in self.tunnel.split() if word not in ("type", "port", str(GUE_PORT))]
        return "-".join([*words, "by-mark"] if self.marked else words)


def _cases() -> Iterator[Case]:
    families: tuple[Family, Family] = (4, 6)
    tunnels = ("", f"type gue port {GUE_PORT}", f"type gue port {GUE_PORT} csum")
    tunnels += (f"type gue port {GUE_PORT} remcsum", "type gre", "type gre csum")
    for family in families:
        other = families[1 - families.index(family)]
        yield Case("NAT", family, family, 101)
        yield Case("DR", family, family, 102)
        for number, tunnel in enumerate(tunnels):
            yield Case("TUN", family, family, 103 + 2 * number, tunnel)
            yield Case("TUN", family, other, 104 + 2 * number, tunnel)
        yield Case("NAT", family, family, 121, marked=True)
        yield Case("DR", family, family, 122, marked=True)
        yield Case("TUN", family, family, 123, marked=True)
        yield Case("TUN", family, other, 124, f"type gue port {GUE_PORT}", marked=True)


CASES = tuple(_cases())


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
    return instance + "".join(_virtual_servers(case) for case in CASES)


def _virtual_servers(case: Case) -> str:
    method = f"    lb_algo rr\n    lb_kind {case.method} {case.tunnel}".rstrip()
    pool = "".join(
        f"    real_server {case.real(name)} {0 if case.marked else PORT} {{\n        weight 1\n    }}\n"
        for name in SERVERS
    )
    if case.marked:
        family = f"    ip_family inet{'6' if case.family == 6 else ''}\n"
        return f"virtual_server fwmark {case.mark} {{\n{family}{method}\n{pool}}}\n"
    return "".join(
        f"virtual_server {case.address} {PORT} {{\n{method}\n    protocol {protocol}\n{pool}}}\n"
        for protocol in ("TCP", "UDP")
    )
