"""What a change of role consists of; shared by everything that can cause one."""

from __future__ import annotations

from msgspec.structs import replace

from vipbus.contracts import VirtualAddress
from vrrp_agent.actions import (
    Action,
    AddObjects,
    Announce,
    Release,
    RemoveObjects,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.model import HOLDING, OWNER, Burst, Instance, Phase
from vrrp_agent.timing import ARM_TIMEOUT, SECOND_LOOK, master_down

Decision = tuple[Instance, tuple[Action, ...]]


def change(state: Instance, phase: Phase, cause: str) -> tuple[Instance, Announce]:
    """Change the role: a new epoch, every deadline stopped."""
    state = replace(
        state,
        phase=phase,
        cause=cause,
        epoch=state.epoch + 1,
        wants=False,
        apart=0.0,
        handing_over=False,
        taken=frozenset(),
        followed=False,
        rivals=(),
        down_at=None,
        preempt_at=None,
        follow_until=None,
        advert_at=None,
        ready=False,
        arm_by=None,
        garp_at=(),
        refresh_at=None,
        calm_at=None,
        leave_by=None,
    )
    return state, Announce(state.role, state.epoch, cause)


def advertise(state: Instance, now: float) -> tuple[Instance, SendAdvertisement]:
    """Advertise now, and again an interval later."""
    return replace(state, advert_at=now + state.config.advert_int), SendAdvertisement(state.priority)


def garp(addresses: tuple[VirtualAddress, ...], repeat: int) -> tuple[Action, ...]:
    """Announce addresses, if there are any and they are to be announced at all."""
    return (SendGratuitousArp(addresses, repeat),) if addresses and repeat else ()


def take_over(state: Instance, now: float, cause: str) -> Decision:
    """Become active on the wire: the advertisement at once, so that nobody else does; addresses later."""
    state, announce = _take_role(state, now, cause)
    state, advertisement = advertise(state, now)
    return state, (advertisement, announce)


def take_from(state: Instance, now: float, cause: str) -> Decision:
    """Take over from a router that serves: it gives its addresses up at the first advertisement.

    So that comes when the table is armed and nothing else is left to wait for.
    """
    state, announce = _take_role(state, now, cause)
    return state, (announce,)


def _take_role(state: Instance, now: float, cause: str) -> tuple[Instance, Announce]:
    state, announce = change(state, Phase.ARMING, cause)
    state = replace(
        state,
        active_interval=state.config.advert_int,
        active_router=None,
        active_priority=0,
        active_since=now,
        yielded=False,
        arm_by=now + ARM_TIMEOUT,
    )
    return state, announce


def armed(state: Instance, now: float) -> Decision:
    """Take the addresses: the table behind them is armed, or is not waited for any longer."""
    first: tuple[Action, ...] = ()
    if state.advert_at is None:
        state, advertisement = advertise(state, now)
        first = (advertisement,)
    state = replace(state, phase=Phase.ACTIVE, ready=False, arm_by=None, garp_at=_bursts(state, now))
    state = refresh_later(state, now)
    return state, (*first, AddObjects(state.objects), *garp(state.addresses, state.config.garp.master_repeat))


def _bursts(state: Instance, now: float) -> tuple[Burst, ...]:
    """Plan the bursts after the first; strict mode has none of the house's own (RFC 9568 section 6.4.2)."""
    knobs = state.config.garp
    delays = [] if state.config.strict else [SECOND_LOOK]
    if knobs.master_delay:
        delays.append(knobs.master_delay)
    return tuple(Burst(now + delay, knobs.master_repeat) for delay in sorted(delays))


def refresh_later(state: Instance, now: float) -> Instance:
    """Arm the periodic announcement, where one is configured."""
    every = state.config.garp.master_refresh
    return replace(state, refresh_at=now + every if every else None)


def become_backup(state: Instance, now: float, cause: str, *, patience: float | None = None) -> Decision:
    """Wait for silence; what was held goes before anyone is told.

    ``patience``: seconds until a takeover; None is the whole master-down interval.
    """
    held = (RemoveObjects(state.objects),) if state.phase in HOLDING else ()
    state, announce = change(state, Phase.BACKUP, cause)
    if patience is None:
        patience = master_down(state.config, state.priority, state.active_interval)
    return replace(state, down_at=now + patience), (*held, announce)


def contend(state: Instance, now: float, cause: str) -> Decision:
    """Take part from the beginning: the owner at once, everyone else after the whole silence."""
    state = replace(state, active_interval=state.config.advert_int, active_router=None, active_priority=0)
    if state.config.priority == OWNER and state.config.state == "MASTER":
        if state.group is None:
            # somebody may serve: it gives its addresses up at the first advertisement
            return take_from(state, now, f"{cause} as the address owner")
        state, actions = become_backup(state, now, cause)
        return replace(state, wants=True), actions
    return become_backup(state, now, cause)


def fail(state: Instance) -> Decision:
    """Enter fault: what it has in trouble says why."""
    farewell: tuple[Action, ...] = ()
    if state.advert_at is not None:
        # where the interface is at fault it rarely gets out; else the backup need not wait for the silence
        farewell = (SendAdvertisement(0),)
    if state.phase in HOLDING:
        farewell += (RemoveObjects(state.objects),)
    state, announce = change(state, Phase.FAULT, "; ".join(state.trouble))
    return replace(state, active_router=None, active_priority=0), (*farewell, announce)


def release(state: Instance, cause: str) -> Decision:
    """End: whatever may be held is given back before anyone is told."""
    may_hold = (Phase.STARTING, *HOLDING)
    held = (RemoveObjects(state.objects),) if state.phase in may_hold else ()
    state, announce = change(state, Phase.STOPPED, cause)
    return state, (*held, announce, Release())
