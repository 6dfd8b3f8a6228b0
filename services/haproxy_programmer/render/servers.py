"""A pool's members in their slots (configuration.txt, ``server``). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from haproxy_programmer.members import Member, by_endpoint
from haproxy_programmer.site import Site
from haproxy_programmer.slots import NOWHERE, Slot
from haproxy_programmer.writing import endpoint
from vipbus.contracts import ProxyPool

_FREE: Final = f"{NOWHERE[0]}:{NOWHERE[1]} disabled"


def servers(site: Site, pool: ProxyPool) -> Iterator[str]:
    """Write a line for each slot.

    Raises:
        UnwritableError: an address cannot be written.
    """
    slots = site.slots_of(pool.id)
    weights = initial_weights(site, pool)
    for name in slots.names:
        slot = slots.held.get(name)
        if slot is None:
            yield f"    server {name} {_FREE}"
        else:
            yield f"    server {name} {endpoint(slot.address, slot.port)} weight {weights[name]}"


def fixed_weights(site: Site, pool: ProxyPool) -> Iterator[str]:
    """Give the weights that are of the file alone; 1 is what a free slot has too."""
    if pool.fixed_weights:
        for name, weight in sorted(initial_weights(site, pool).items()):
            if weight != 1:
                yield f"{name} weighs {weight}"


def initial_weights(site: Site, pool: ProxyPool) -> dict[str, int]:
    """Say what the slots that are held weigh in the file: one that has left, as little as there is."""
    known = by_endpoint(site.members.get(pool.id, ()))
    held, fixed = site.slots_of(pool.id).held, pool.fixed_weights
    return {name: _weight(slot, known, fixed=fixed) for name, slot in held.items()}


def _weight(slot: Slot, known: Mapping[tuple[str, int], Member], *, fixed: bool) -> int:
    member = known.get(slot.endpoint)
    if member is None:
        return 1
    # from 0 there is no way back to another weight but its own
    return member.weight or max(1, member.usual) if fixed else member.weight
