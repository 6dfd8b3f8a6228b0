"""Leave the role on purpose: the addresses stay until a successor has them."""

from __future__ import annotations

from msgspec.structs import replace

from vrrp_agent.actions import (
    AddObjects,
    Announce,
    ReportHandedOver,
    SendAdvertisement,
    WatchForSuccessor,
)
from vrrp_agent.events import Stop
from vrrp_agent.model import Instance, Phase
from vrrp_agent.timing import IN_FLIGHT, succession
from vrrp_agent.transitions import Decision, advertise, become_backup, garp, refresh_later, release


def hand_over(state: Instance, to: str | None, now: float) -> Decision:
    """Leave the role to another router, and stay as its backup."""
    if state.phase is not Phase.ACTIVE:
        return state, ()
    successor = f" to {to}" if to else ""
    state = replace(_leaving(state, f"handing over{successor}", now), handing_over=True, active_router=None)
    return state, (WatchForSuccessor(), SendAdvertisement(0), ReportHandedOver(to))


def _leaving(state: Instance, cause: str, now: float) -> Instance:
    return replace(
        state,
        phase=Phase.LEAVING,
        cause=cause,
        taken=frozenset(),
        followed=False,
        rivals=(),
        advert_at=None,
        garp_at=(),
        refresh_at=None,
        calm_at=None,
        leave_by=now + succession(state.config),
    )


def stop(state: Instance, event: Stop, now: float) -> Decision:
    """Leave for good: gracefully where there is something to keep."""
    match state.phase:
        case Phase.LEAVING if state.handing_over and event.graceful:
            return replace(state, handing_over=False, cause=event.cause), ()
        case Phase.LEAVING:
            return (state, ()) if event.graceful else release(state, event.cause)
        case Phase.ACTIVE if event.graceful and state.addresses:
            return _leaving(state, event.cause, now), (WatchForSuccessor(), SendAdvertisement(0))
        case _ if state.advert_at is not None:
            state, actions = release(state, event.cause)
            return state, (SendAdvertisement(0), *actions)
    return release(state, event.cause)


def address_taken(state: Instance, address: str, now: float) -> Decision:
    """Note that another host announced one of the addresses."""
    if state.phase is not Phase.LEAVING or address in state.taken:
        return state, ()
    state = replace(state, taken=state.taken | {address})
    if all(each.address in state.taken for each in state.addresses):
        # what was sent here before the sender heard of the successor is still to be answered
        return let_go(state, now + IN_FLIGHT), ()
    return state, ()


def let_go(state: Instance, until: float) -> Instance:
    """Leave at a time, or earlier where that was to be."""
    until = until if state.leave_by is None else min(until, state.leave_by)
    return replace(state, followed=True, leave_by=until)


def left(state: Instance, now: float) -> Decision:
    """End the wait for a successor."""
    if not state.handing_over:
        return release(state, state.cause)
    if state.active_router is not None or state.followed:
        state = replace(state, yielded=True)
        to = f" to {state.active_router}" if state.active_router else ""
        return become_backup(state, now, f"handed over{to}")
    # nobody followed: a router that left now would leave nobody
    state = replace(
        state, phase=Phase.ACTIVE, handing_over=False, leave_by=None, cause="handed over, but nobody followed"
    )
    state, advertisement = advertise(state, now)
    state = refresh_later(state, now)
    return state, (
        advertisement,
        AddObjects(state.objects),
        *garp(state.addresses, state.config.garp.master_repeat),
        Announce(state.role, state.epoch, state.cause),
    )
