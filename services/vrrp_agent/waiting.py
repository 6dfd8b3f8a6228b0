"""What it means that a deadline of an instance has passed."""

from __future__ import annotations

from msgspec.structs import replace

from vrrp_agent.actions import Action, ReportDualMasterOver, SendGratuitousArp
from vrrp_agent.hearing import calm_at, preempts
from vrrp_agent.leaving import left
from vrrp_agent.model import OWNER, Instance, Phase
from vrrp_agent.timing import master_down
from vrrp_agent.transitions import (
    Decision,
    advertise,
    armed,
    garp,
    refresh_later,
    take_from,
    take_over,
)


def expired(state: Instance, now: float) -> Decision:
    """Deal with every deadline that has passed."""
    if state.down_at is not None and state.down_at <= now:
        return _down(state, now)
    if state.leave_by is not None and state.leave_by <= now:
        return left(state, now)
    actions: tuple[Action, ...] = ()
    if state.advert_at is not None and state.advert_at <= now:
        due = state.advert_at
        state, advertisement = advertise(state, now)
        actions += (advertisement,)
        # on the beat of the one before, unless that is past already: no burst to catch up
        if due + state.config.advert_int > now:
            state = replace(state, advert_at=due + state.config.advert_int)
    if state.arm_by is not None and state.arm_by <= now:
        state, more = armed(state, now)
        actions += more
    state, more = _announcements(state, now)
    actions += more
    if state.calm_at is not None and state.calm_at <= now:
        state, more = _calm(state, now)
        actions += more
    return state, actions


def _announcements(state: Instance, now: float) -> Decision:
    actions: tuple[Action, ...] = ()
    due = [burst for burst in state.garp_at if burst.at <= now]
    if due:
        state = replace(state, garp_at=tuple(burst for burst in state.garp_at if burst.at > now))
        actions += garp(state.addresses, max(burst.repeat for burst in due))
    if state.refresh_at is not None and state.refresh_at <= now:
        state = refresh_later(state, now)
        if state.addresses:
            repeat = state.config.garp.master_refresh_repeat
            actions += (SendGratuitousArp(state.addresses, repeat, refresh=True),)
    return state, actions


def _calm(state: Instance, now: float) -> Decision:
    """Announce the addresses again when a second master is gone: it had some of the neighbours."""
    silence = master_down(state.config, state.priority, state.config.advert_int)
    gone = tuple(rival for rival in state.rivals if rival.seen + silence <= now)
    rivals = tuple(rival for rival in state.rivals if rival not in gone)
    state = replace(state, rivals=rivals, calm_at=calm_at(state, rivals))
    reports = tuple(ReportDualMasterOver(rival.router, rival.seen - rival.first) for rival in gone)
    # with other settings since, it may be that none is gone yet
    had_some = bool(gone) and state.phase is Phase.ACTIVE
    again = garp(state.addresses, state.config.garp.master_repeat) if had_some else ()
    return state, (*again, *reports)


def _down(state: Instance, now: float) -> Decision:
    if state.group is None:
        return take(state, now)
    # its group takes over together: `groups` says when all of it wants to
    return replace(state, wants=True, down_at=now + state.config.advert_int), ()


def take(state: Instance, now: float) -> Decision:
    """Take over at the end of the master-down interval, as its cause asks."""
    if state.active_router is None:
        # the owner of a group did not listen: somebody may serve
        heedless = state.config.priority == OWNER and state.config.state == "MASTER"
        return (take_from if heedless else take_over)(state, now, "nobody is active")
    if state.active_priority == 0:
        return take_over(state, now, f"{state.active_router} left")
    ours, theirs = state.priority, state.active_priority
    if theirs < ours and preempts(state):
        return take_from(state, now, f"{state.active_router} has priority {theirs}, ours is {ours}")
    return take_over(state, now, f"{state.active_router} fell silent")
