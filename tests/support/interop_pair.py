"""Two routers with one instance, and a neighbour, for stories that are told step by step."""

from __future__ import annotations

import time
from typing import Final

from tests.support.interop_cases import Case, Part, keepalived_conf
from tests.support.interop_net import Networks, address_of
from tests.support.interop_side import Kind, Role, Side
from tests.support.interop_sides import side
from tests.support.waiting import eventually

CASE: Final = Case("vi", 0, 51)
ADDRESS: Final = address_of(0, 4, 100)
START: Final = 20.0
"""Seconds that a program may take until it takes part, on a busy machine."""
FOUND: Final = 20.0
"""Seconds until a neighbour finds an address: after the second burst of gratuitous ARP, on a busy machine."""
SLACK: Final = 10.0


class Pair:
    """Two routers with one instance, and a neighbour."""

    def __init__(self, made: Networks, kinds: tuple[Kind, Kind]) -> None:
        hosts = [made.host("a"), made.host("b")]
        self.neighbour = made.host("n")
        self.first, self.second = (side(kind, host) for kind, host in zip(kinds, hosts, strict=True))
        self.sides = (self.first, self.second)

    def start(self, who: Side, case: Case, priority: int, *more: Case) -> None:
        """Start a router with the instance, and perhaps others."""
        other = self.second if who is self.first else self.first
        part = Part(who.host.name, who.host.number, (other.host.number,), priority)
        who.start(keepalived_conf([case, *more], part))

    def become(self, first: Role, second: Role, within: float, name: str = CASE.name) -> float:
        """Wait until both have their roles; return the seconds that it took."""

        def there() -> bool:
            return [self.role(one, name) for one in self.sides] == [first, second]

        return eventually(there, f"{first} and {second}", within=within, every=0.05)

    def role(self, who: Side, name: str = CASE.name) -> Role:
        """Say what the instance is there now."""
        if who.runs:
            who.look()
        return who.role(name)

    def stay(self, seconds: float, name: str = CASE.name) -> None:
        """See that no role changes for a time."""
        before = [list(one.history[name]) for one in self.sides]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.1)
            assert [self.role(one, name) and one.history[name] for one in self.sides] == before

    def reaches(self, who: Side, within: float, address: str = ADDRESS) -> None:
        """Wait until the neighbour reaches the address, there and by the right hardware address."""

        def there() -> bool:
            held = [one.host.addresses().get(address) for one in self.sides]
            if self.neighbour.unanswered([address]):
                return False
            at = self.neighbour.neighbours().get(address)
            return [mac is not None for mac in held] == [one is who for one in self.sides] and at in held

        eventually(there, f"{address} is on {who.host.name} alone, and found there", within=within, every=0.2)
