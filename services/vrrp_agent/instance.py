"""The state machine of one instance (RFC 9568 section 6.4): no clock, no socket and no bus.

``decide(state, event, now)`` gives the next state and what is to be done, in order. Where it goes beyond the
RFC, keepalived's behaviour is the rule, and the order of work at a transition is the design's: the
advertisement goes out first, the addresses come when the table behind them is armed, and they go first.
What an advertisement means is in `hearing`, what a deadline means in `waiting`, what a change of role
consists of in `transitions`, what a stall does in `stalling`, how a role is left on purpose in
`leaving`.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from vipbus.contracts import VirtualAddress
from vrrp_agent.actions import (
    AddObjects,
    Announce,
    RemoveObjects,
    ReportRestored,
    ReportYielded,
    SendAdvertisement,
)
from vrrp_agent.events import (
    AddressTaken,
    AdvertisementReceived,
    ArmingOver,
    Follow,
    GroupActive,
    GroupArmed,
    GroupBackup,
    GroupFaults,
    HandOver,
    Happening,
    ObjectsLost,
    Reconfigured,
    Started,
    Stop,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.hearing import received
from vrrp_agent.leaving import address_taken, hand_over, let_go, stop
from vrrp_agent.model import HOLDING, OWNER, SPEAKING, Burst, Instance, Phase
from vrrp_agent.stalling import stalled, step_down
from vrrp_agent.timing import (
    ARM_TIMEOUT,
    EXPECTED,
    MARGIN,
    RESUME_DELAY,
    longest_skew,
    master_down,
    skew,
)
from vrrp_agent.transitions import Decision, armed, become_backup, contend, fail, garp, refresh_later, release
from vrrp_agent.waiting import expired, take


def decide(state: Instance, event: Happening, now: float) -> Decision:  # noqa: C901, PLR0912  # one row an event
    """Say what an event means: the next state, and what to do in this order."""
    if state.phase is Phase.STOPPED:
        return state, ()
    if stalled(state, now):
        # before anything else, whatever it is: each of them could make it speak, or announce its addresses
        state, actions = step_down(state, now)
        state, more = decide(state, event, now)
        return state, (*actions, *more)
    match event:
        case AdvertisementReceived(advertisement):
            return received(state, advertisement, now)
        case TimerExpired():
            return expired(state, now)
        case ArmingOver(epoch):
            return _arming_over(state, epoch, now)
        case Started():
            return _start(state, event, now)
        case Surroundings():
            after = replace(state, source=event.source, faults=event.faults, weight=event.weight)
            return _settle(state, after, now)
        case GroupFaults(faults):
            return _settle(state, replace(state, group_faults=faults), now)
        case GroupActive():
            return take(state, now) if state.phase is Phase.BACKUP and state.wants else (state, ())
        case GroupArmed():
            waits = state.phase is Phase.ARMING and (state.ready or state.advert_at is None)
            return armed(state, now) if waits else (state, ())
        case GroupBackup(cause):
            return _group_backup(state, cause, now)
        case ObjectsLost():
            return _objects_lost(state, event, now)
        case AddressTaken(address):
            return address_taken(state, address, now)
        case Reconfigured():
            return _reconfigure(state, event, now)
        case HandOver(to):
            return hand_over(state, to, now)
        case Follow():
            follows = state.phase is Phase.BACKUP
            return replace(state, follow_until=now + EXPECTED if follows else None), ()
        case Stop():
            return stop(state, event, now)


# ---- beginning


def _start(state: Instance, event: Started, now: float) -> Decision:
    # an owner's addresses may be the host's own: what is there before it begins is left alone
    leftovers = RemoveObjects(() if state.config.priority == OWNER else state.objects)
    state = replace(state, source=event.source, faults=event.faults, weight=event.weight)
    if state.trouble:
        state, actions = fail(state)
        return state, (leftovers, *actions)
    if event.adopted:
        # same epoch: for everybody else nothing happened
        state = replace(
            state,
            phase=Phase.ACTIVE,
            cause="resumed after a restart of the agent",
            active_interval=state.config.advert_int,
            active_since=now,
            advert_at=now + state.config.advert_int,
            garp_at=(Burst(now + RESUME_DELAY, state.config.garp.master_repeat),),
        )
        return refresh_later(state, now), (
            SendAdvertisement(state.priority),
            AddObjects(state.objects),
            Announce(state.role, state.epoch, state.cause),
        )
    state, actions = contend(state, now, "started")
    return state, (leftovers, *actions)


def _arming_over(state: Instance, epoch: int, now: float) -> Decision:
    if state.phase is not Phase.ARMING or epoch != state.epoch:
        return state, ()
    if state.group is not None and state.advert_at is None:
        # whoever serves gives up its whole group at the first word of one member: every table comes first
        return replace(state, ready=True), ()
    return armed(state, now)


# ---- what it depends on


def _settle(before: Instance, state: Instance, now: float) -> Decision:
    """Compare what keeps it from taking part, and its priority, with what was before."""
    match state.phase:
        case Phase.STARTING:
            return state, ()
        case Phase.FAULT if state.trouble == before.trouble:
            return state, ()
        case Phase.FAULT if state.trouble:
            state = replace(state, cause="; ".join(state.trouble))
            return state, (Announce(state.role, state.epoch, state.cause),)
        case Phase.FAULT:
            return contend(state, now, "it can take part again")
        case Phase.LEAVING if state.trouble and not state.handing_over:
            return release(state, state.cause)
    if state.trouble:
        return fail(state)
    if state.priority == before.priority:
        return state, ()
    state, actions = _retime(before, state, now)
    return state, (*actions, Announce(state.role, state.epoch, state.cause))


def _retime(before: Instance, state: Instance, now: float) -> Decision:
    """Change a running deadline to what another priority or interval makes of it."""
    if before.down_at is not None and not before.wants:
        # the silence so far counts: only its length is another
        began = before.down_at - _down_interval(before)
        state = replace(state, down_at=max(now, began + _down_interval(state)))
    if before.advert_at is None:
        return state, ()
    state = replace(
        state,
        active_interval=state.config.advert_int,
        advert_at=min(before.advert_at, now + state.config.advert_int),
    )
    changed = state.priority != before.priority
    return state, (SendAdvertisement(state.priority),) if changed else ()


def _down_interval(state: Instance) -> float:
    return master_down(state.config, state.priority, state.active_interval)


def _group_backup(state: Instance, cause: str, now: float) -> Decision:
    if state.phase is Phase.LEAVING and state.handing_over:
        # whoever follows one of them follows all, each when the table behind it is armed
        return let_go(state, now + ARM_TIMEOUT + MARGIN), ()
    if state.phase in SPEAKING:
        apart = _apart(state)
        state, actions = become_backup(replace(state, active_router=None, active_priority=0), now, cause)
        return replace(state, apart=apart, down_at=now + _down_interval(state) + apart), actions
    if state.phase is Phase.BACKUP and state.wants:
        return replace(state, wants=False, down_at=now + _down_interval(state)), ()
    return state, ()


def _apart(state: Instance) -> float:
    """Give some seconds up to the longest skew, others on each router and in each epoch.

    Two groups that take over at once and yield on one member each would wait equally long and meet again,
    without end.
    """
    seed = f"{state.source} {state.epoch}".encode()
    part = int.from_bytes(hashlib.blake2b(seed, digest_size=2).digest(), "big") / 65536
    return part * longest_skew(state.config)


def _objects_lost(state: Instance, event: ObjectsLost, now: float) -> Decision:
    lost = tuple(each for each in event.objects if each in state.objects)
    if state.phase is not Phase.ACTIVE or not lost:
        return state, ()
    addresses = tuple(each for each in lost if isinstance(each, VirtualAddress))
    if addresses and state.config.on_address_loss == "yield":
        gone = addresses[0].address
        # as keepalived: whoever is next may have it, and this one contends again after its skew alone
        state, actions = become_backup(
            replace(state, active_router=None, active_priority=0),
            now,
            f"{gone} was removed from {addresses[0].dev} by someone else",
            patience=_patience_of_a_loser(state),
        )
        return state, (SendAdvertisement(0), *actions, ReportYielded(gone))
    reports = tuple(ReportRestored(each) for each in lost)
    return state, (AddObjects(lost), *garp(addresses, state.config.garp.master_repeat), *reports)


def _patience_of_a_loser(state: Instance) -> float:
    """Wait longer than any other's skew, or the others would never have it."""
    return longest_skew(state.config) + skew(state.config, state.priority, state.config.advert_int)


# ---- what the operator says


def _reconfigure(state: Instance, event: Reconfigured, now: float) -> Decision:
    """Change what can be changed without a change of role."""
    before = state
    state = replace(state, config=event.config, group=event.group, yielded=False)
    if state.phase is Phase.STARTING:
        return state, ()
    if state.config.preempt_delay != before.config.preempt_delay:
        state = replace(state, preempt_at=None)
    state, actions = _retime(before, state, now)
    if state.phase in HOLDING:
        gone = tuple(each for each in before.objects if each not in state.objects)
        if gone:
            actions += (RemoveObjects(gone),)
    if state.phase is Phase.ACTIVE:
        new = tuple(each for each in state.objects if each not in before.objects)
        if new:
            addresses = tuple(each for each in new if isinstance(each, VirtualAddress))
            actions += (AddObjects(new), *garp(addresses, state.config.garp.master_repeat))
        if state.config.garp.master_refresh != before.config.garp.master_refresh:
            state = refresh_later(state, now)
    return state, (*actions, Announce(state.role, state.epoch, state.cause))
