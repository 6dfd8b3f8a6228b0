"""Sync groups: what a change of one member means for the others (keepalived.conf(5), vrrp_sync_group).

Active only when all its members want it; one that becomes backup takes the others along; a fault of one is a
fault of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from vrrp_agent.events import GroupActive, GroupArmed, GroupBackup, GroupFaults, HandOver, Happening
from vrrp_agent.model import SPEAKING, Instance, Phase

Consequence = tuple[str, Happening]
"""The name of a member, and what happens to it."""


def consequences(before: Instance, after: Instance, others: Sequence[Instance]) -> list[Consequence]:
    """Say what follows for the group from what one member became; ``others`` are as they are now."""
    name = after.config.name
    found: list[Consequence] = []
    if after.faults != before.faults or (before.phase is Phase.STARTING) != (after.phase is Phase.STARTING):
        found += faults_of((after, *others))
    if before.phase in (*SPEAKING, Phase.LEAVING) and after.phase is Phase.BACKUP:
        cause = f"{name} of the group is backup: {after.cause}"
        found += [(each.config.name, GroupBackup(cause)) for each in others]
    elif _follows(before, after):
        # one was resumed, or joined the group, as active while this one follows another router
        cause = f"{name} of the group follows {after.active_router}"
        torn = (*SPEAKING, Phase.LEAVING)
        found += [(each.config.name, GroupBackup(cause)) for each in others if each.phase in torn]
    if before.phase is Phase.ACTIVE and after.phase is Phase.LEAVING and after.handing_over:
        found += [(each.config.name, HandOver()) for each in others if each.phase is Phase.ACTIVE]
    if after.wants and all(each.wants or each.phase in SPEAKING for each in others):
        found += [(each.config.name, GroupActive()) for each in (after, *others) if each.wants]
    if before.phase is Phase.ARMING or after.phase is Phase.ARMING:
        found += _words(before, after, others)
    return found


def _words(before: Instance, after: Instance, others: Sequence[Instance]) -> list[Consequence]:
    """Say who may speak now: whoever serves gives up the whole group at the first word of one member."""
    silent = [each for each in (after, *others) if each.phase is Phase.ARMING and each.advert_at is None]
    ready = [each for each in (after, *others) if each.ready]
    spoke = before.advert_at is None and after.phase is Phase.ACTIVE
    if spoke or (ready and all(each.ready for each in silent)):
        return [(each.config.name, GroupArmed()) for each in (after, *others) if each in silent or each.ready]
    return []


def _follows(before: Instance, after: Instance) -> bool:
    """Say whether a backup has just accepted another router as active."""
    backup = before.phase is Phase.BACKUP and after.phase is Phase.BACKUP
    return backup and not after.wants and after.active_priority > 0 and after.down_at != before.down_at


def faults_of(members: Sequence[Instance]) -> list[Consequence]:
    """Give every member the faults of the others, where that is news to it."""
    found: list[Consequence] = []
    for member in members:
        faults = tuple(
            f"{other.config.name} of the group: {fault}"
            for other in members
            if other is not member
            for fault in other.faults
        )
        if faults != member.group_faults:
            found.append((member.config.name, GroupFaults(faults)))
    return found
