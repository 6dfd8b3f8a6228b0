"""What an advertisement of another router means (RFC 9568 section 6.4)."""

from __future__ import annotations

import socket

from msgspec.structs import replace

from vrrp_agent.actions import (
    Action,
    Announce,
    ReportDualMaster,
    SendAdvertisement,
)
from vrrp_agent.model import OWNER, Burst, Instance, Phase, Rival
from vrrp_agent.packet import Advertisement
from vrrp_agent.timing import ARM_TIMEOUT, MARGIN, master_down, skew
from vrrp_agent.transitions import Decision, advertise, become_backup, garp, take_over

_RIVALS = 16
"""Second masters that are told apart; whoever floods the link with more sources is answered, not noted."""


def preempts(state: Instance) -> bool:
    """Say whether it takes over from a lower priority; keepalived voids nopreempt with state MASTER."""
    if state.yielded:
        return False
    config = state.config
    return not config.nopreempt or config.state == "MASTER" or config.priority == OWNER


def received(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    """Heed an advertisement."""
    match state.phase:
        case Phase.BACKUP:
            return _as_backup(state, advertisement, now)
        case Phase.ARMING | Phase.ACTIVE:
            return _as_active(state, advertisement, now)
        case Phase.LEAVING if advertisement.priority > 0:
            # its advertisement comes first and its addresses a moment later: its gratuitous ARP ends the wait
            until = now + ARM_TIMEOUT + MARGIN
            until = until if state.leave_by is None else min(until, state.leave_by)
            return replace(_noted(state, advertisement), leave_by=until), ()
        case Phase.LEAVING if advertisement.source == state.active_router and state.group is None:
            # the successor has left again; a group is not to be torn over it
            return replace(state, active_router=None, taken=frozenset(), followed=False), ()
    return state, ()


def _noted(state: Instance, advertisement: Advertisement) -> Instance:
    """Remember who is active, and how often it speaks."""
    return replace(
        state,
        active_router=advertisement.source,
        active_priority=advertisement.priority,
        active_interval=advertisement.interval if state.config.version == 3 else state.config.advert_int,
    )


def _rank(priority: int, address: str) -> tuple[int, bytes]:
    """Order routers by priority, then by address (RFC 9568 section 6.4.3)."""
    if not address:  # an interface without one, where its faults do not matter (dont_track_primary)
        return priority, b""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return priority, socket.inet_pton(family, address)


# ---- as backup


def _as_backup(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    config = state.config
    if advertisement.priority == 0:
        return _active_leaves(state, advertisement, now)
    announce: tuple[Action, ...] = ()
    state = replace(state, active_priority=advertisement.priority)
    if advertisement.source == state.active_router:
        state = replace(state, apart=0.0) if state.apart else state
    else:
        state = replace(
            state,
            active_router=advertisement.source,
            cause=f"{advertisement.source} is active with priority {advertisement.priority}",
        )
        announce = (Announce(state.role, state.epoch, state.cause),)
    state, accepted = _accepts(state, advertisement, now)
    if accepted:
        interval = advertisement.interval if config.version == 3 else config.advert_int
        state = replace(
            state,
            wants=False,
            active_interval=interval,
            down_at=now + master_down(config, state.priority, interval) + state.apart,
        )
    return state, announce


def _accepts(state: Instance, advertisement: Advertisement, now: float) -> tuple[Instance, bool]:
    """Say whether the advertisement's sender may stay active."""
    if advertisement.priority >= state.priority:
        return replace(state, preempt_at=None), True
    if not preempts(state):
        return state, True
    delay = state.config.preempt_delay
    if not delay:
        return state, False
    if state.preempt_at is None:
        state = replace(state, preempt_at=now + delay)
    return state, state.preempt_at is not None and now < state.preempt_at


def _active_leaves(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    if state.active_priority and advertisement.source != state.active_router:
        # another one is active: this is a duplicate or comes late, or a second master that leaves. A router
        # that must not preempt would take the role from whoever serves (RFC 9568 does not distinguish)
        return state, ()
    state = replace(state, active_priority=0, active_router=state.active_router or advertisement.source)
    if state.follow_until is not None and now <= state.follow_until:
        if state.group is not None:
            return replace(state, wants=True, down_at=now + state.config.advert_int), ()
        return take_over(state, now, f"{advertisement.source} handed over to this router")
    return replace(state, down_at=now + skew(state.config, state.priority, state.active_interval)), ()


# ---- as active


def _as_active(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    config = state.config
    if config.priority == OWNER and config.owner_ignore_adverts:
        return state, ()
    if advertisement.priority == 0:
        # also while it arms in silence: whoever it was to displace leaves, and no third router is to follow
        state, answer = advertise(state, now)
        return state, (answer,)
    if _rank(advertisement.priority, advertisement.source) > _rank(state.priority, state.source):
        return _yield_to(state, advertisement, now)
    if state.advert_at is None:
        return state, ()  # it serves until our table is armed
    return _outrank(state, advertisement, now)


def _yield_to(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    last: tuple[Action, ...] = ()
    if state.config.higher_prio_send_advert and state.advert_at is not None:
        last = (SendAdvertisement(state.priority),)
    ours = state.priority
    state, actions = become_backup(
        _noted(state, advertisement),
        now,
        f"{advertisement.source} advertises priority {advertisement.priority}, ours is {ours}",
    )
    return state, (*last, *actions)


def _outrank(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    """Answer at once, so that the other hears who is first (RFC 9568 section 6.4.3)."""
    config, knobs = state.config, state.config.garp
    actions: tuple[Action, ...] = ()
    if not config.lower_prio_no_advert:
        state, answer = advertise(state, now)
        actions = (answer,)
    if state.phase is Phase.ACTIVE:
        repeat = knobs.master_repeat if knobs.lower_prio_repeat is None else knobs.lower_prio_repeat
        delay = knobs.master_delay if knobs.lower_prio_delay is None else knobs.lower_prio_delay
        actions += garp(state.addresses, repeat)
        if delay and repeat and not any(burst.at >= now + delay / 2 for burst in state.garp_at):
            state = replace(state, garp_at=(*state.garp_at, Burst(now + delay, repeat)))
    # the last advertisement of a router that is being preempted crosses our first: that is no second master
    if now - state.active_since <= config.advert_int:
        return state, actions
    return _note_rival(state, advertisement, now, actions)


def _note_rival(
    state: Instance, advertisement: Advertisement, now: float, actions: tuple[Action, ...]
) -> Decision:
    known = next((rival for rival in state.rivals if rival.router == advertisement.source), None)
    if known is None:
        if len(state.rivals) >= _RIVALS:
            return state, actions
        actions += (ReportDualMaster(advertisement.source, advertisement.priority),)
        known = Rival(advertisement.source, now, now)
    others = tuple(rival for rival in state.rivals if rival.router != advertisement.source)
    rivals = (*others, replace(known, seen=now))
    return replace(state, rivals=rivals, calm_at=calm_at(state, rivals)), actions


def calm_at(state: Instance, rivals: tuple[Rival, ...]) -> float | None:
    """Say when the first of the second masters counts as gone: it was silent as long as a master may be."""
    if not rivals:
        return None
    silence = master_down(state.config, state.priority, state.config.advert_int)
    return min(rival.seen for rival in rivals) + silence
