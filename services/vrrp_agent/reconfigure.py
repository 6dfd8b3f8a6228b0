"""From the instances that run to the instances that are wanted: what goes on, what changes, what ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import msgspec

from vipbus.contracts import VrrpInstance, name_token
from vipbus.contracts.vrrp_checks import clash, place, unusable
from vrrp_agent.model import OWNER


class End(msgspec.Struct, frozen=True):
    """Stop an instance; ``graceful`` waits for a successor, ``replaced`` keeps its role document."""

    token: str
    cause: str
    graceful: bool
    replaced: bool


class Keep(msgspec.Struct, frozen=True):
    """Nothing of it changes, but perhaps its sync group."""

    token: str


class Change(msgspec.Struct, frozen=True):
    """The same virtual router with other settings."""

    token: str
    config: VrrpInstance


class Begin(msgspec.Struct, frozen=True):
    """A virtual router that does not run yet."""

    token: str
    config: VrrpInstance


Step = End | Keep | Change | Begin


class Plan(msgspec.Struct, frozen=True):
    """Steps in the order in which they are taken, and what cannot run, a line each."""

    steps: tuple[Step, ...]
    problems: tuple[str, ...]


def virtual_router(config: VrrpInstance) -> tuple[object, ...]:
    """Say which election an instance takes part in, and on which device; another one is another instance."""
    return *place(config), config.version, config.virtual_mac, config.vrf


def plan(running: Mapping[str, VrrpInstance], leaving: Set[str], wanted: Iterable[VrrpInstance]) -> Plan:
    """Plan a new configuration.

    ``running`` is by token; ``leaving`` are those of them that were removed and wait for a successor.
    """
    usable: dict[str, VrrpInstance] = {}
    problems = []
    for config in wanted:
        problem = unusable(config, usable.values())
        if problem:
            problems.append(problem)
        else:
            usable[name_token(config.name)] = config
    places: dict[tuple[str, int, int], list[VrrpInstance]] = {}
    for config in usable.values():
        places.setdefault(place(config), []).append(config)
    ends: list[Step] = []
    others: list[Step] = []
    for token, config in running.items():
        new = usable.get(token)
        if new is None:
            # one that has its place on the wire cannot wait for it to leave
            graceful = not any(clash(config, other) for other in places.get(place(config), ()))
            if graceful and token in leaving:
                continue
            ends.append(End(token, "removed from the configuration", graceful=graceful, replaced=False))
        elif token in leaving or virtual_router(new) != virtual_router(config):
            ends.append(End(token, "replaced by another virtual router", graceful=False, replaced=True))
            others.append(Begin(token, new))
        else:
            others.append(Keep(token) if new == config else Change(token, new))
    others += [Begin(token, config) for token, config in usable.items() if token not in running]
    return Plan((*ends, *others), tuple(problems))


def virtual_addresses(instances: Iterable[VrrpInstance]) -> frozenset[str]:
    """Give the addresses that are nobody's own; an owner's may be the one it advertises from."""
    return frozenset(
        each.address
        for config in instances
        if config.priority != OWNER
        for each in (*config.virtual_ipaddress, *config.virtual_ipaddress_excluded)
    )
