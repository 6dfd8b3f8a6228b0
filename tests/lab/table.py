"""The kernel's IPVS table as ipvsadm(8) saves it: the lab's witness, independent of what it tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A virtual server in the kernel: ``tcp 10.9.0.100:80``, its scheduler, and its destinations' weights."""

    protocol: str
    address: str
    scheduler: str
    destinations: dict[str, int]
    forwarding: frozenset[str]


Table = dict[str, Service]
"""By ``address:port``."""

_PROTOCOLS = {"-t": "tcp", "-u": "udp", "-f": "fwmark", "--sctp-service": "sctp"}
_FORWARDING = {"-g": "DR", "-m": "NAT", "-i": "TUN"}


def parse(saved: str) -> Table:
    """Read the output of ``ipvsadm -Sn``."""
    table: Table = {}
    for line in saved.splitlines():
        words = line.split()
        protocol, address = _PROTOCOLS[words[1]], words[2]
        if words[0] == "-A":
            table[address] = Service(protocol, address, words[words.index("-s") + 1], {}, frozenset())
        else:
            service = table[address]
            service.destinations[words[words.index("-r") + 1]] = int(words[words.index("-w") + 1])
            forwarding = {_FORWARDING[word] for word in words if word in _FORWARDING}
            table[address] = Service(
                protocol,
                address,
                service.scheduler,
                service.destinations,
                service.forwarding | forwarding,
            )
    return table


def show(table: Table) -> str:
    """Print a table in a line a service."""
    if not table:
        return "empty"
    return "; ".join(
        f"{service.address} {service.scheduler} -> "
        + (", ".join(f"{to} w{weight}" for to, weight in service.destinations.items()) or "nobody")
        for service in table.values()
    )
