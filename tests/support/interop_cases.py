"""What two routers are told in one text: the same keepalived.conf for whatever program runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

from tests.support.interop_net import address_of

Preempt = Literal["preempt", "nopreempt", "delay"]

PREEMPT_DELAY: Final = 3
LOW, HIGH = 100, 150
"""Priorities of the two routers."""
LOW_NUMBER, HIGH_NUMBER = 1, 2
"""Their numbers on the network."""


@dataclass(frozen=True)
class Case:
    """One way to run the protocol; `number` makes its addresses and, with `vrid`, its packets its own."""

    name: str
    number: int
    vrid: int
    version: int = 3
    family: int = 4
    interval: float = 0.9
    """Seconds. On a busy machine keepalived is late by more than one with a burst of takeovers at once."""
    unicast: bool = False
    vmac: bool = False
    password: str = ""
    state: str = "BACKUP"
    missed: int = 3
    """Advertisements (down_timer_adverts)."""
    source: bool = False
    """True: it names the address that it speaks from."""
    more: tuple[str, ...] = ()
    """Lines of the instance beside these."""

    def instances(self, lans: int) -> list[str]:
        """Name its instances: one on each bridge."""
        return [self.name, f"{self.name}-b"][:lans]

    def virtual(self, lan: int) -> list[str]:
        """Give the addresses that are advertised, with their lengths."""
        first = address_of(lan, self.family, 100 + self.number)
        return [f"{first}/{24 if self.family == 4 else 64}"]

    def excluded(self, lan: int) -> list[str]:
        """Give those that are not: one of each family, on a virtual MAC of its family alone."""
        if self.unicast:
            return []
        families = (self.family,) if self.vmac else (4, 6)
        return [address_of(lan, family, 200 + self.number) for family in families]

    def addresses(self, lans: int) -> dict[str, str]:
        """Give every address that moves, each with the instance that it belongs to."""
        return {
            one.split("/")[0]: name
            for lan, name in enumerate(self.instances(lans))
            for one in (*self.virtual(lan), *self.excluded(lan))
        }

    def virtual_mac(self, lan: int) -> str:
        """Give the hardware address of its virtual router (RFC 9568 section 7.3)."""
        return f"00:00:5e:00:0{1 if self.family == 4 else 2}:{self.router_id(lan):02x}"

    def router_id(self, lan: int) -> int:
        """Give its VRID on a bridge."""
        return self.vrid + 100 * lan

    def silence(self, priority: int) -> float:
        """Seconds from the last advertisement to a takeover (RFC 9568 section 6.1, RFC 3768 section 6.1)."""
        return self.missed * self.interval + self.skew(priority)

    def delay(self, preempt: Preempt) -> float:
        """Seconds that a router of lower priority is left in peace; strict mode has none."""
        return PREEMPT_DELAY if preempt == "delay" and "strict_mode" not in self.more else 0

    def skew(self, priority: int) -> float:
        """Seconds from a priority 0 to a takeover."""
        return (256 - priority) / 256 * (self.interval if self.version == 3 else 1.0)


def _table() -> list[Case]:
    found: list[Case] = []
    multicast_unicast = ((False, "multicast"), (True, "unicast"))
    real_virtual = ((False, ""), (True, "-vmac"))
    vrid = 10
    for (unicast, cast), (vmac, mac) in product(multicast_unicast, real_virtual):
        for password, authentication in (("", ""), ("s3cret-longer", "-pass")):
            name = f"v2-ipv4-{cast}{mac}{authentication}"
            found.append(
                Case(name, len(found), vrid, 2, 4, 1.0, unicast=unicast, vmac=vmac, password=password)
            )
            vrid += 1
        for family in (4, 6):  # one VRID for both families
            name = f"v3-ipv{family}-{cast}{mac}"
            found.append(Case(name, len(found), vrid, 3, family, unicast=unicast, vmac=vmac))
        vrid += 1
    for family, group in ((4, "224.0.0.200"), (6, "ff02::200")):
        found.append(
            Case(f"v3-ipv{family}-group", len(found), vrid, 3, family, more=(f"mcast_dst_ip {group}",))
        )
        found.append(Case(f"v3-ipv{family}-source", len(found), vrid + 1, 3, family, source=True))
    others = {
        "vmac-xmit-base": Case("", 0, 0, vmac=True, more=("vmac_xmit_base",)),
        "strict": Case("", 0, 0, more=("strict_mode", "accept")),
        "down-timer": Case("", 0, 0, missed=6, more=("down_timer_adverts 6",)),
        "polite": Case("", 0, 0, more=("higher_prio_send_advert", "lower_prio_no_advert")),
    }
    for more, (name, case) in enumerate(others.items()):
        found.append(replace(case, name=f"v3-ipv4-{name}", number=len(found), vrid=vrid + 2 + more))
    return found


CASES: Final = tuple(_table())
"""version x family x multicast or unicast x virtual MAC x authentication, and a few more."""


@dataclass(frozen=True)
class Part:
    """What one router of the pair has of its own."""

    name: str
    number: int
    peers: tuple[int, ...]
    priority: int
    preempt: Preempt = "preempt"
    lans: int = 1


def keepalived_conf(cases: Iterable[Case], part: Part) -> str:
    """Write the file of one router."""
    cases = list(cases)
    blocks = [f"global_defs {{\n  router_id {part.name}\n}}"]
    blocks += [_instance(case, part, lan) for case in cases for lan in range(part.lans)]
    if part.lans > 1:
        blocks += [_group(case, part) for case in cases]
    return "\n".join(blocks) + "\n"


def _instance(case: Case, part: Part, lan: int) -> str:
    lines = [
        f"state {case.state}",
        f"interface eth{lan}",
        f"virtual_router_id {case.router_id(lan)}",
        f"priority {part.priority}",
        f"version {case.version}",
        f"advert_int {case.interval:g}",
        *_preempt(part.preempt),
        *_cast(case, part, lan),
        *case.more,
        *_block("virtual_ipaddress", case.virtual(lan)),
        *_block("virtual_ipaddress_excluded", case.excluded(lan)),
    ]
    if case.password:
        lines += _block("authentication", ["auth_type PASS", f"auth_pass {case.password}"])
    return "\n".join(_block(f"vrrp_instance {case.instances(part.lans)[lan]}", lines))


def _preempt(preempt: Preempt) -> list[str]:
    match preempt:
        case "nopreempt":
            return ["nopreempt"]
        case "delay":
            return [f"preempt_delay {PREEMPT_DELAY}"]
    return []


def _cast(case: Case, part: Part, lan: int) -> list[str]:
    lines = ["use_vmac"] if case.vmac else []
    if case.unicast:
        peers = [address_of(lan, case.family, number) for number in part.peers]
        lines.append(f"unicast_src_ip {address_of(lan, case.family, part.number)}")
        lines += [*_block("unicast_peer", peers), "check_unicast_src"]
        lines += ["vmac_xmit_base"] if case.vmac else []
    elif case.source:
        lines += [f"mcast_src_ip {address_of(lan, case.family, part.number)}", "track_src_ip"]
    return lines


def _group(case: Case, part: Part) -> str:
    members = _block("group", case.instances(part.lans))
    return "\n".join(_block(f"vrrp_sync_group G-{case.name}", members))


def _block(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head} {{", *(f"  {line}" for line in lines), "}"]
