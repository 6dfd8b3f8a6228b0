"""What is to be seen of many cases on two routers and their neighbour: what is wrong, by case, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.support.interop_cases import Case
from tests.support.interop_net import Host
from tests.support.interop_side import Role, Side

Wrong = dict[str, list[str]]
"""By the name of the case."""


@dataclass(frozen=True)
class View:
    """Two routers with the same cases, and a host beside them."""

    sides: tuple[Side, Side]
    neighbour: Host
    cases: Sequence[Case]
    lans: int

    def instances(self) -> Iterator[tuple[Case, str]]:
        """Go through every instance."""
        for case in self.cases:
            for name in case.instances(self.lans):
                yield case, name

    def roles(self, case: Case, active: Side, other: Role) -> str:
        """Say which instance of a case has another role than it should; empty when none."""
        wrong = []
        for one in self.sides:
            if one.runs:
                wanted = "active" if one is active else other
                wrong += [
                    f"{name} is {one.role(name)}, not {wanted}, on {one}"
                    for name in case.instances(self.lans)
                    if one.role(name) != wanted
                ]
        return "; ".join(wrong)

    def misplaced(self, active: Side) -> Wrong:
        """Say which addresses are not on the active router, or still on one that runs and is not active.

        A dead router's stay on it: nobody hears of them.
        """
        held = {one: one.host.addresses() for one in self.sides}
        wrong: Wrong = {}
        for case in self.cases:
            for address in case.addresses(self.lans):
                holders = [one for one in self.sides if address in held[one] and (one.runs or one is active)]
                if holders != [active]:
                    names = " and ".join(map(str, holders)) or "nobody"
                    wrong.setdefault(case.name, []).append(
                        f"{address} is held by {names}, not by {active} alone"
                    )
        return wrong

    def left_behind(self, who: Side) -> Wrong:
        """Say what a router that stopped has not taken away."""
        held, devices = who.host.addresses(), who.host.devices()
        wrong: Wrong = {}
        for case in self.cases:
            left = sorted(held.keys() & case.addresses(self.lans).keys())
            left += sorted(device for device in devices if device.startswith("vrrp") and case.vmac)
            if left:
                wrong[case.name] = [f"{who} left {' '.join(left)}"]
        return wrong

    def unreachable(self, active: Side) -> Wrong:
        """Say which addresses the neighbour misses, or has another hardware address for."""
        held = active.host.addresses()
        addresses = {address: case for case in self.cases for address in case.addresses(self.lans)}
        silent = self.neighbour.unanswered(addresses)
        entries = self.neighbour.neighbours()
        wrong: Wrong = {}
        for address, case in addresses.items():
            lan = case.instances(self.lans).index(case.addresses(self.lans)[address])
            wanted = case.virtual_mac(lan) if case.vmac else held.get(address)
            if address in silent:
                wrong.setdefault(case.name, []).append(f"{address} does not answer")
            elif entries.get(address) != wanted:
                wrong.setdefault(case.name, []).append(
                    f"{address} is at {entries.get(address)} for its neighbour, not at {wanted}"
                )
        return wrong

    def complaints(self, who: Side) -> Wrong:
        """Say what a router counted or logged against the other, and which instance heard nothing."""
        said, received = who.complaints(), who.received()
        wrong: Wrong = {}
        for case, name in self.instances():
            found = [line for line in said if _names(line, name)]
            if not received.get(name):
                found.append(f"{name} on {who} received nothing")
            wrong.setdefault(case.name, []).extend(found)
        known = {line for lines in wrong.values() for line in lines}
        for line in said:
            if line not in known:  # it is about all of them
                for lines in wrong.values():
                    lines.append(line)
        return wrong


def _names(line: str, instance: str) -> bool:
    """Say whether a line is about an instance, as either program writes it."""
    return any(f"{before}{instance}{after}" in line for before, after in (("(", ")"), (" ", ":"), ("'", "'")))
