"""From the instances that run to the instances that are wanted: what goes on, what changes, what ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import msgspec

from vipbus.contracts import VrrpInstance, name_token
from vrrp_agent.transitions import OWNER
from vrrp_agent.validate import unusable


class End(msgspec.Struct, frozen=True):
    """Stop an instance; ``graceful`` waits for a successor, ``replaced`` keeps its role document."""

    token: str
    cause: str
    graceful: bool
    replaced: bool


class Keep(msgspec.Struct, frozen=True):
    """Nothing of it changes."""

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


def virtual_router(config: VrrpInstance) -> tuple[str, int, int]:
    """Say which election an instance takes part in; another one is another instance."""
    return config.interface, config.virtual_router_id, config.version


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
    taken = {(config.interface, config.virtual_router_id) for config in usable.values()}
    ends: list[Step] = []
    others: list[Step] = []
    for token, config in running.items():
        new = usable.get(token)
        if new is None:
            # one that has its place on the wire cannot wait for it to leave
            graceful = (config.interface, config.virtual_router_id) not in taken
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
        each.address for config in instances if config.priority != OWNER for each in config.virtual_ipaddress
    )
