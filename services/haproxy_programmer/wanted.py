"""What each slot is to be in the running HAProxy, as its own commands and its state file know it. Pure."""

from __future__ import annotations

import msgspec

from haproxy_programmer.members import Member, by_endpoint
from haproxy_programmer.site import Site
from haproxy_programmer.slots import Slot

READY, MAINT, DRAIN = 0, 1, 8
"""srv_admin_state (management.txt, ``show servers state``): forced maintenance and forced drain."""
DOWN, UP = 0, 2
"""srv_op_state: stopped and running."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One slot."""

    address: str | None = None
    """None: it is free, and where it points to means nothing."""
    port: int = 0
    weight: int = 1
    admin: int = MAINT
    up: bool = False


FREE = Wanted()


def wanted(site: Site) -> dict[tuple[str, str], Wanted]:
    """Say what every slot of every pool is to be, by the names of backend and server."""
    found: dict[tuple[str, str], Wanted] = {}
    for pool in site.pools:
        slots = site.slots_of(pool.id)
        known = by_endpoint(site.members.get(pool.id, ()))
        for name in slots.names:
            slot = slots.held.get(name)
            found[pool.id, name] = FREE if slot is None else _held(slot, known.get(slot.endpoint))
    return found


def left(site: Site) -> set[tuple[str, str]]:
    """Give the slots, by the names of backend and server, whose member has left the configuration."""
    return {
        (pool, name)
        for pool, slots in site.slots.items()
        for name, slot in slots.held.items()
        if slot.leaves_at is not None
    }


def _held(slot: Slot, member: Member | None) -> Wanted:
    if member is None:
        # it has left the configuration: who is there stays, nobody comes
        return Wanted(address=slot.address, port=slot.port, admin=DRAIN, up=True)
    admin = {"drain": DRAIN, "disabled": MAINT}.get(member.state, READY)
    return Wanted(
        address=slot.address,
        port=slot.port,
        weight=member.weight,
        admin=admin,
        up=member.state in ("up", "drain"),
    )
