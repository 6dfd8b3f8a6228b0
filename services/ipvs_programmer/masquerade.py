"""Which forwarded packets leave with this router's own address, and the rules that say so. Pure.

A real server that does not route back through the router answers the client itself, and the client knows no
such connection. With source NAT it answers the router. IPVS forwards in the hooks input and output and the
packet leaves by postrouting, where conntrack still knows where it went first (net.ipv4.vs.conntrack).

What matches: a connection that was made to a virtual address and leaves for another one. What only passes
through this host on its way to a virtual address that another router has is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from vipbus.contracts import RealServer, VirtualServer
from vipbus.runtime.revision import Revision

NAME: Final = "vipbus_masquerade"
"""Of our table of nf_tables (family inet), and of our chain in the table nat of iptables."""

_PRIORITY: Final = 99
"""In the hook postrouting: before the usual source NAT at 100, since the first rule that matches decides."""
_JUMP: Final = f"-A POSTROUTING -m ipvs --ipvs -j {NAME}"


class Service(msgspec.Struct, frozen=True, order=True):
    """A virtual server by its address; port 0 is every port."""

    protocol: str
    """``tcp``, ``udp`` or ``sctp``."""
    address: str
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


class Marked(msgspec.Struct, frozen=True, order=True):
    """A virtual server by its firewall mark."""

    family: int
    mark: int
    real_servers: tuple[str, ...]
    """Addresses of its pool: a mark alone does not tell what IPVS forwarded."""


class Masked(msgspec.Struct, frozen=True):
    """All that is masqueraded."""

    services: frozenset[Service] = frozenset()
    marks: frozenset[Marked] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.services or self.marks)

    def __len__(self) -> int:
        return len(self.services) + len(self.marks)

    def of(self, family: int) -> Masked:
        """Give what is of one family."""
        return Masked(
            frozenset(each for each in self.services if each.family == family),
            frozenset(each for each in self.marks if each.family == family),
        )


def masked(revision: Revision | None) -> Masked:
    """Find what a revision masquerades, whatever the roles: the rules are there before a takeover."""
    asking = [each for each in revision.virtual_servers if each.masquerade] if revision is not None else []
    if revision is None or not asking:
        return Masked()
    pools: dict[str, list[RealServer]] = {server.id: [] for server in asking}
    for real in revision.real_servers:
        if real.virtual_server in pools:
            pools[real.virtual_server].append(real)
    forwarded = {server.id: tuple(sorted(set(_forwarded(server, pools[server.id])))) for server in asking}
    return Masked(
        frozenset(
            Service(server.protocol.lower(), server.address, server.port)
            for server in asking
            if not server.mark and forwarded[server.id]
        ),
        frozenset(
            Marked(server.family, server.mark, forwarded[server.id])
            for server in asking
            if server.mark and forwarded[server.id]
        ),
    )


def _forwarded(server: VirtualServer, pool: Iterable[RealServer]) -> Iterator[str]:
    """Give the addresses that a virtual server forwards to by NAT."""
    for real in pool:
        if (real.forwarding or server.forwarding) == "NAT":
            yield real.address
    if server.sorry_server is not None and server.sorry_server.forwarding == "NAT":
        yield server.sorry_server.address


def nft_script(wanted: Masked) -> str:
    """Write the rules as nft(8) reads them, as one transaction; an existing table of ours is written over."""
    table = f"inet {NAME}"
    lines = [
        f"add table {table}",
        f"delete table {table}",
        f"add table {table}",
        f"add chain {table} postrouting {{ type nat hook postrouting priority {_PRIORITY}; policy accept; }}",
    ]
    for family, protocol in ((4, "ip"), (6, "ip6")):
        of = wanted.of(family)
        if of:
            lines += _nft_family(table, protocol, of)
    return "\n".join((*lines, ""))


def _nft_family(table: str, protocol: str, wanted: Masked) -> Iterator[str]:
    address = "ipv4_addr" if protocol == "ip" else "ipv6_addr"
    first, now = f"ct original {protocol} daddr", f"{protocol} daddr"

    def rule(kind: str, type_: str, elements: Iterable[str], match: str, verdict: str) -> Iterator[str]:
        name = f"{kind}_{protocol}"
        yield f"add set {table} {name} {{ type {type_}; }}"
        yield f"add element {table} {name} {{ {', '.join(sorted(set(elements)))} }}"
        yield f"add rule {table} postrouting {match} @{name} {verdict}"

    # what goes where it went at first was not forwarded by IPVS
    there = [each.address for each in wanted.services]
    there += [real for each in wanted.marks for real in each.real_servers]
    own = [f"{each} . {each}" for each in there]
    yield from rule("own", f"{address} . {address}", own, f"{first} . {now}", "return")
    # a set for each port: nft cannot have proto-dst in a set of several fields
    for of, port in sorted({(each.protocol, each.port) for each in wanted.services}):
        addresses = [each.address for each in wanted.services if (each.protocol, each.port) == (of, port)]
        where = f"meta l4proto {of} ct original proto-dst {port} " if port else f"meta l4proto {of} "
        yield from rule(f"{of}_{port or 'any'}", address, addresses, f"{where}{first}", "masquerade")
    marks = [f"{each.mark} . {real}" for each in wanted.marks for real in each.real_servers]
    if marks:
        yield from rule("marks", f"mark . {address}", marks, f"meta mark . {now}", "masquerade")


def iptables_script(wanted: Masked, listing: str) -> str:
    """Write the rules of one family as iptables-restore(8) reads them with ``--noflush``.

    ``listing`` is what iptables-save prints of the table nat; naming our chain empties it.
    """
    lines = ["*nat", f":{NAME} - [0:0]"]
    for service in sorted(wanted.services):
        port = f" --vport {service.port}" if service.port else ""
        lines.append(
            f"-A {NAME} -p {service.protocol} -m ipvs --vaddr {service.address}{port} --vmethod MASQ "
            "-j MASQUERADE"
        )
    lines += [
        f"-A {NAME} -m mark --mark {marked.mark} -m ipvs --ipvs --vmethod MASQ -j MASQUERADE"
        for marked in sorted(wanted.marks)
    ]
    if _JUMP not in listing.splitlines():
        lines.append(_JUMP.replace("-A POSTROUTING", "-I POSTROUTING 1"))
    return "\n".join((*lines, "COMMIT", ""))


def iptables_removal(listing: str) -> str:
    """Write how our chain of one family goes; empty when there is none."""
    ours = iptables_ours(listing)
    if not ours:
        return ""
    jumps = [line.replace("-A ", "-D ", 1) for line in ours if line.startswith("-A POSTROUTING ")]
    return "\n".join(("*nat", f":{NAME} - [0:0]", *jumps, f"-X {NAME}", "COMMIT", ""))


def iptables_ours(listing: str) -> tuple[str, ...]:
    """Give the lines of ours in what iptables-save prints."""
    return tuple(
        line
        for line in listing.splitlines()
        if line.startswith((f":{NAME} ", f"-A {NAME} "))
        or (line.startswith("-A POSTROUTING ") and line.endswith(f" -j {NAME}"))
    )
