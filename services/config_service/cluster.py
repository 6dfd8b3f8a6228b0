"""What routers of one cluster cannot all be, where the configurations of several are known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from vipbus.contracts import VrrpInstance
from vipbus.contracts.vrrp_checks import group_of


class Side(NamedTuple):
    """One router's instances."""

    router: str
    instances: Sequence[VrrpInstance]


class Tie(NamedTuple):
    """Two routers that want the same as much."""

    router: str
    instance: VrrpInstance
    other: str
    text: str


def ties(sides: Sequence[Side]) -> Iterator[Tie]:
    """Find instances of one virtual router with one priority; each is told of the later router."""
    for first, second in combinations(sides, 2):
        for one in first.instances:
            for other in second.instances:
                if one.priority == other.priority and _matters(one, other) and _are_one(one, other):
                    yield Tie(second.router, other, first.router, _text(other, first.router))


def _matters(one: VrrpInstance, other: VrrpInstance) -> bool:
    """With nopreempt on both, equal priorities are meant: who is active stays so."""
    return not (one.nopreempt and other.nopreempt)


def _are_one(one: VrrpInstance, other: VrrpInstance) -> bool:
    """Say whether two routers contend with these: one virtual router, with an address in common.

    Interfaces have other names on other hosts, and one VRID may stand on many networks.
    """
    if (one.family, one.virtual_router_id) != (other.family, other.virtual_router_id):
        return False
    if bool(one.unicast_peers) != bool(other.unicast_peers) or group_of(one) != group_of(other):
        return False
    ours = {each.address for each in one.virtual_ipaddress}
    theirs = {each.address for each in other.virtual_ipaddress}
    return bool(ours & theirs) or (not ours and not theirs and one.name == other.name)


def _text(instance: VrrpInstance, other: str) -> str:
    told = f"{instance.priority} is the priority of {instance.name} on {other}, too: "
    if instance.priority == 255:
        return f"{told}both own the addresses; give one a lower priority"
    return (
        f"{told}when both start, the higher IP address decides; give one another priority, or both nopreempt"
    )
