"""What each slot is to be in the running HAProxy, as its own commands and its state file know it. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from haproxy_programmer.members import Member, by_endpoint
from haproxy_programmer.site import Site
from haproxy_programmer.slots import Slot
from vipbus.contracts import ProxyPool

READY, MAINT, DRAIN = 0, 1, 8
"""srv_admin_state (management.txt, ``show servers state``): forced maintenance and forced drain."""
ADMIN: Final = {"drain": DRAIN, "disabled": MAINT}
"""What an operator's word for a member means; any other is READY."""
DOWN, UP = 0, 2
"""srv_op_state: stopped and running."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One slot."""

    address: str | None = None
    """None: it is free, and where it points to means nothing."""
    port: int = 0
    weight: int | None = 1
    """None: its agent says it."""
    admin: int | None = MAINT
    """None: its agent says it."""
    up: bool | None = False
    """None: HAProxy finds out."""
    agent: bool | None = None
    """Whether its agent is asked: its ``ready`` would end an operator's word, or call up a free slot.
    None: it has none."""


FREE = Wanted()
SILENT = Wanted(agent=False)


def wanted(site: Site) -> dict[tuple[str, str], Wanted]:
    """Say what every slot of every pool is to be, by the names of backend and server."""
    found: dict[tuple[str, str], Wanted] = {}
    for pool in site.pools:
        token = pool.id
        slots = site.slots_of(token)
        free = FREE if pool.agent_check is None else SILENT
        known = by_endpoint(site.members.get(token, ()))
        for name in slots.names:
            slot = slots.held.get(name)
            found[token, name] = free if slot is None else _held(pool, slot, known.get(slot.endpoint))
    return found


def left(site: Site) -> set[tuple[str, str]]:
    """Give the slots, by the names of backend and server, whose member has left the configuration."""
    return {
        (pool, name)
        for pool, slots in site.slots.items()
        for name, slot in slots.held.items()
        if slot.leaves_at is not None
    }


def _held(pool: ProxyPool, slot: Slot, member: Member | None) -> Wanted:
    agent = pool.agent_check is not None
    # one that has left the configuration drains: who is there stays, nobody comes
    said = ADMIN.get(member.state) if member is not None else DRAIN
    asked = said is None if agent else None
    if said is None and not agent:
        said = READY
    return Wanted(
        address=slot.address,
        port=slot.port,
        weight=None if agent else member.weight if member is not None else 1,
        admin=said,
        up=None if pool.checks_itself else member is None or member.state in ("up", "drain"),
        agent=asked,
    )
