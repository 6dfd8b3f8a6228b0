"""The state machine of one instance (RFC 9568 section 6.4): no clock, no socket and no bus.

``decide(state, event, now)`` gives the next state and what is to be done, in order. Where it goes beyond the
RFC, keepalived's behaviour is the rule, and the order of work at a transition is the design's: the
advertisement goes out first, the addresses come when the table behind them is armed, and they go first.
"""

from __future__ import annotations

import socket

from msgspec.structs import replace

from vipbus.contracts import VrrpInstance
from vrrp_agent.model import (
    Action,
    AddAddresses,
    AddressLost,
    AddressTaken,
    AdvertisementReceived,
    Announce,
    ArmingOver,
    Happening,
    Instance,
    LinkDown,
    LinkUp,
    Phase,
    Reconfigured,
    RemoveAddresses,
    ReportDualMaster,
    ReportRestored,
    Rival,
    SendAdvertisement,
    SendGratuitousArp,
    Started,
    Stop,
    TimerExpired,
    WatchForSuccessor,
)
from vrrp_agent.packet import Advertisement
from vrrp_agent.timing import ARM_TIMEOUT, IN_FLIGHT, MARGIN, RESUME_DELAY, master_down, skew, succession
from vrrp_agent.transitions import (
    OWNER,
    Decision,
    armed,
    become_backup,
    change,
    contend,
    release,
    take_from,
    take_over,
)


def decide(state: Instance, event: Happening, now: float) -> Decision:  # noqa: C901  # one row an event
    """Say what an event means: the next state, and what to do in this order."""
    if state.phase is Phase.STOPPED:
        return state, ()
    match event:
        case AdvertisementReceived(advertisement):
            return _received(state, advertisement, now)
        case TimerExpired():
            return _expired(state, now)
        case ArmingOver(epoch):
            return armed(state, now) if state.phase is Phase.ARMING and epoch == state.epoch else (state, ())
        case Started():
            return _start(state, event, now)
        case LinkUp(source):
            return _link_up(state, source, now)
        case LinkDown(cause):
            return _link_down(state, cause)
        case AddressLost(address):
            return _address_lost(state, address)
        case AddressTaken(address):
            return _address_taken(state, address, now)
        case Reconfigured(config):
            return _reconfigure(state, config, now)
        case Stop():
            return _stop(state, event, now)


# ---- beginning


def _start(state: Instance, event: Started, now: float) -> Decision:
    # an owner's addresses may be the host's own: what is there before it begins is left alone
    leftovers = RemoveAddresses(() if state.config.priority == OWNER else state.addresses)
    if event.problem:
        state, announce = change(state, Phase.FAULT, event.problem)
        return state, (leftovers, announce)
    state = replace(state, source=event.source)
    if event.adopted:
        # same epoch: for everybody else nothing happened
        state = replace(
            state,
            phase=Phase.ACTIVE,
            cause="resumed after a restart of the agent",
            active_interval=state.config.advert_int,
            active_since=now,
            advert_at=now + state.config.advert_int,
            garp_at=(now + RESUME_DELAY,),
        )
        return state, (
            SendAdvertisement(state.config.priority),
            AddAddresses(state.addresses),
            Announce(state.role, state.epoch, state.cause),
        )
    state, actions = contend(state, now, "started")
    return state, (leftovers, *actions)


# ---- what the wire says


def _preempts(config: VrrpInstance) -> bool:
    """Say whether it takes over from a lower priority; keepalived voids nopreempt with state MASTER."""
    return not config.nopreempt or config.state == "MASTER" or config.priority == OWNER


def _rank(priority: int, address: str) -> tuple[int, bytes]:
    """Order routers by priority, then by address (RFC 9568 section 6.4.3)."""
    return priority, socket.inet_aton(address)


def _received(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    match state.phase:
        case Phase.BACKUP:
            return _received_as_backup(state, advertisement, now)
        case Phase.ARMING | Phase.ACTIVE:
            return _received_as_active(state, advertisement, now)
        case Phase.LEAVING if advertisement.priority > 0:
            # its advertisement comes first and its addresses a moment later: its gratuitous ARP ends the wait
            until = now + ARM_TIMEOUT + MARGIN
            state = replace(state, leave_by=until if state.leave_by is None else min(until, state.leave_by))
    return state, ()


def _received_as_backup(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    config = state.config
    if advertisement.priority == 0:
        return replace(state, active_priority=0, down_at=now + skew(config, state.active_interval)), ()
    announce: tuple[Action, ...] = ()
    state = replace(state, active_priority=advertisement.priority)
    if advertisement.source != state.active_router:
        state = replace(
            state,
            active_router=advertisement.source,
            cause=f"{advertisement.source} is active with priority {advertisement.priority}",
        )
        announce = (Announce(state.role, state.epoch, state.cause),)
    if advertisement.priority >= config.priority or not _preempts(config):
        interval = advertisement.interval if config.version == 3 else config.advert_int
        state = replace(state, active_interval=interval, down_at=now + master_down(config, interval))
    return state, announce


def _received_as_active(state: Instance, advertisement: Advertisement, now: float) -> Decision:
    config = state.config
    if advertisement.priority == 0:
        state = replace(state, advert_at=now + config.advert_int)
        return state, (SendAdvertisement(config.priority),)
    theirs = _rank(advertisement.priority, advertisement.source)
    if theirs > _rank(config.priority, state.source):
        state = replace(
            state,
            active_router=advertisement.source,
            active_interval=advertisement.interval if config.version == 3 else config.advert_int,
        )
        return become_backup(
            state,
            now,
            f"{advertisement.source} advertises priority {advertisement.priority}, ours is {config.priority}",
        )
    if state.advert_at is None:
        return state, ()  # it serves until our table is armed
    # RFC 9568 section 6.4.3: answer at once, so that the other hears who is first
    actions: tuple[Action, ...] = (SendAdvertisement(config.priority),)
    if state.phase is Phase.ACTIVE:
        actions += (SendGratuitousArp(state.addresses),)
    state = replace(state, advert_at=now + config.advert_int)
    # the last advertisement of a router that is being preempted crosses our first: that is no second master
    if now - state.active_since <= config.advert_int:
        return state, actions
    silence = now - master_down(config, config.advert_int)
    known = [each for each in state.rivals if each.seen >= silence]
    others = tuple(each for each in known if each.router != advertisement.source)
    if len(others) == len(known):
        actions += (ReportDualMaster(advertisement.source, advertisement.priority),)
    return replace(state, rivals=(*others, Rival(advertisement.source, now))), actions


# ---- what the clock says


def _down(state: Instance, now: float) -> Decision:
    """Take over at the end of the master-down interval, as its cause asks."""
    if state.active_router is None:
        return take_over(state, now, "nobody is active")
    if state.active_priority == 0:
        return take_over(state, now, f"{state.active_router} left")
    ours, theirs = state.config.priority, state.active_priority
    if theirs < ours and _preempts(state.config):
        return take_from(state, now, f"{state.active_router} has priority {theirs}, ours is {ours}")
    return take_over(state, now, f"{state.active_router} fell silent")


def _expired(state: Instance, now: float) -> Decision:
    """Deal with every deadline that has passed."""
    if state.down_at is not None and state.down_at <= now:
        return _down(state, now)
    if state.leave_by is not None and state.leave_by <= now:
        return release(state, state.cause)
    actions: tuple[Action, ...] = ()
    if state.advert_at is not None and state.advert_at <= now:
        following = state.advert_at + state.config.advert_int
        if following <= now:  # late by more than an interval: no burst to catch up
            following = now + state.config.advert_int
        state = replace(state, advert_at=following)
        actions += (SendAdvertisement(state.config.priority),)
    if state.arm_by is not None and state.arm_by <= now:
        state, more = armed(state, now)
        actions += more
    if state.garp_at and state.garp_at[0] <= now:
        state = replace(state, garp_at=tuple(at for at in state.garp_at if at > now))
        actions += (SendGratuitousArp(state.addresses),)
    return state, actions


# ---- what the interface says


def _link_up(state: Instance, source: str, now: float) -> Decision:
    state = replace(state, source=source)
    if state.phase is not Phase.FAULT:
        return state, ()
    return contend(state, now, "the interface is usable again")


def _link_down(state: Instance, cause: str) -> Decision:
    match state.phase:
        case Phase.FAULT if state.cause == cause:
            return state, ()
        case Phase.FAULT:
            state = replace(state, cause=cause)
            return state, (Announce(state.role, state.epoch, cause),)
        case Phase.LEAVING:
            return release(state, state.cause)
    farewell: tuple[Action, ...] = ()
    if state.phase in (Phase.ARMING, Phase.ACTIVE):
        # it rarely gets out, but where it does the backup need not wait for the silence
        farewell = (SendAdvertisement(0), RemoveAddresses(state.addresses))
    state, announce = change(state, Phase.FAULT, cause)
    return replace(state, active_router=None), (*farewell, announce)


def _address_lost(state: Instance, address: str) -> Decision:
    lost = tuple(each for each in state.addresses if each.address == address)
    if state.phase is not Phase.ACTIVE or not lost:
        return state, ()
    return state, (AddAddresses(lost), SendGratuitousArp(lost), ReportRestored(address))


# ---- what the operator says


def _reconfigure(state: Instance, config: VrrpInstance, now: float) -> Decision:
    """Change what can be changed without a change of role."""
    if state.phase is Phase.STARTING:
        return replace(state, config=config), ()
    before, state = state, replace(state, config=config)
    actions: tuple[Action, ...] = ()
    if before.down_at is not None:
        # the silence so far counts: only its length is another
        began = before.down_at - master_down(before.config, before.active_interval)
        state = replace(state, down_at=max(now, began + master_down(config, state.active_interval)))
    if before.advert_at is not None:
        state = replace(
            state,
            active_interval=config.advert_int,
            advert_at=min(before.advert_at, now + config.advert_int),
        )
        if config.priority != before.config.priority:
            actions += (SendAdvertisement(config.priority),)
    if state.phase is Phase.ACTIVE:
        gone = tuple(each for each in before.addresses if each not in config.virtual_ipaddress)
        new = tuple(each for each in config.virtual_ipaddress if each not in before.addresses)
        if gone:
            actions += (RemoveAddresses(gone),)
        if new:
            actions += (AddAddresses(new), SendGratuitousArp(new))
    return state, (*actions, Announce(state.role, state.epoch, state.cause))


def _stop(state: Instance, event: Stop, now: float) -> Decision:
    match state.phase:
        case Phase.LEAVING:
            return (state, ()) if event.graceful else release(state, event.cause)
        case Phase.ACTIVE if event.graceful and state.addresses:
            state = replace(
                state,
                phase=Phase.LEAVING,
                cause=event.cause,
                advert_at=None,
                garp_at=(),
                leave_by=now + succession(state.config),
            )
            return state, (WatchForSuccessor(), SendAdvertisement(0))
        case Phase.ARMING | Phase.ACTIVE:
            state, actions = release(state, event.cause)
            return state, (SendAdvertisement(0), *actions)
    return release(state, event.cause)


def _address_taken(state: Instance, address: str, now: float) -> Decision:
    if state.phase is not Phase.LEAVING or address in state.taken:
        return state, ()
    state = replace(state, taken=state.taken | {address})
    if all(each.address in state.taken for each in state.addresses):
        # what was sent here before the sender heard of the successor is still to be answered
        until = now + IN_FLIGHT
        state = replace(state, leave_by=until if state.leave_by is None else min(until, state.leave_by))
    return state, ()
