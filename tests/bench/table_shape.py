"""Tables of a size: as a keepalived.conf, as rules for ipvsadm, and as the programmer's own values.

Addresses have three digits in each octet, so that the order of the file is the order of text, too: the last
destination of the last service is the last that any program writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ipvs_programmer.table import (
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    Pool,
    Service,
    ServiceKey,
    full_mask,
)

ROUTER = "lb1"
WEIGHT = 10
_TCP = 6
_OCTET = 150
"""Values of an octet: 100 to 249."""

Real = tuple[int, int]
"""A real server, by the number of its virtual server and by its own in that pool."""


def _address(first: int, number: int) -> str:
    return f"10.{first + number // _OCTET**2}.{100 + number // _OCTET % _OCTET}.{100 + number % _OCTET}"


@dataclass(frozen=True)
class Shape:
    """So many virtual servers, and real servers spread evenly over them."""

    virtual: int
    real: int

    def pools(self) -> Iterator[tuple[ServiceKey, list[DestinationKey]]]:
        """Give every virtual server with its pool, in the order of the file."""
        for number in range(self.virtual):
            first = self.real * number // self.virtual
            last = self.real * (number + 1) // self.virtual
            yield (
                ServiceKey(_TCP, _address(100, number), 80),
                [DestinationKey(_address(200, each), 8080) for each in range(first, last)],
            )

    def keepalived_conf(self, weights: Mapping[Real, int] | None = None) -> str:
        """Write the file; no checks, so that every real server is in the table at once."""
        given = weights or {}
        lines = [f"global_defs {{\n  router_id {ROUTER}\n}}"]
        for number, (service, pool) in enumerate(self.pools()):
            lines.append(
                f"virtual_server {service.address} {service.port} {{\n  delay_loop 5\n  lvs_sched wrr\n"
                "  lvs_method NAT\n  protocol TCP"
            )
            lines += (
                f"  real_server {each.address} {each.port} {{\n"
                f"    weight {given.get((number, place), WEIGHT)}\n  }}"
                for place, each in enumerate(pool)
            )
            lines.append("}")
        return "\n".join(lines) + "\n"

    def rules(self) -> str:
        """Write what ``ipvsadm --restore`` reads."""
        lines = []
        for service, pool in self.pools():
            lines.append(f"-A -t {service.address}:{service.port} -s wrr")
            lines += (
                f"-a -t {service.address}:{service.port} -r {each.address}:{each.port} -m -w {WEIGHT}"
                for each in pool
            )
        return "\n".join(lines) + "\n"

    def desired(self) -> dict[Key, Pool]:
        """Make the table as the programmer wants it."""
        return {
            key: Pool(
                Service(key=key, scheduler="wrr", netmask=full_mask(key.family)),
                {each: Destination(key=each, forwarding=Forwarding.NAT, weight=WEIGHT) for each in pool},
            )
            for key, pool in self.pools()
        }

    def key(self, real: Real) -> tuple[ServiceKey, DestinationKey]:
        """Give a real server's identity in the kernel."""
        key, pool = list(self.pools())[real[0]]
        return key, pool[real[1]]
