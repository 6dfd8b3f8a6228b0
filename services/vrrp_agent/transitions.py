"""What a change of role consists of; shared by everything that can cause one."""

from __future__ import annotations

from msgspec.structs import replace

from vrrp_agent.model import (
    Action,
    AddAddresses,
    Announce,
    Instance,
    Phase,
    Release,
    RemoveAddresses,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.timing import ARM_TIMEOUT, GARP_DELAYS, master_down

Decision = tuple[Instance, tuple[Action, ...]]

OWNER = 255
"""The priority of the router that has the addresses as its own (RFC 9568 section 5.2.4)."""


def change(state: Instance, phase: Phase, cause: str) -> tuple[Instance, Announce]:
    """Change the role: a new epoch, every deadline stopped."""
    state = replace(
        state,
        phase=phase,
        cause=cause,
        epoch=state.epoch + 1,
        down_at=None,
        advert_at=None,
        arm_by=None,
        garp_at=(),
        leave_by=None,
        rivals=(),
        taken=frozenset(),
    )
    return state, Announce(state.role, state.epoch, cause)


def take_over(state: Instance, now: float, cause: str) -> Decision:
    """Become active on the wire: the advertisement at once, so that nobody else does; addresses later."""
    state, announce = _take_role(state, now, cause)
    state = replace(state, advert_at=now + state.config.advert_int)
    return state, (SendAdvertisement(state.config.priority), announce)


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
        active_since=now,
        arm_by=now + ARM_TIMEOUT,
    )
    return state, announce


def armed(state: Instance, now: float) -> Decision:
    """Take the addresses: the table behind them is armed, or is not waited for any longer."""
    first: tuple[Action, ...] = ()
    if state.advert_at is None:
        state = replace(state, advert_at=now + state.config.advert_int)
        first = (SendAdvertisement(state.config.priority),)
    bursts = tuple(now + delay for delay in GARP_DELAYS)
    state = replace(state, phase=Phase.ACTIVE, arm_by=None, garp_at=bursts)
    return state, (*first, AddAddresses(state.addresses), SendGratuitousArp(state.addresses))


def become_backup(state: Instance, now: float, cause: str) -> Decision:
    """Wait for silence; addresses that were held go before anyone is told."""
    held = (RemoveAddresses(state.addresses),) if state.phase is Phase.ACTIVE else ()
    state, announce = change(state, Phase.BACKUP, cause)
    state = replace(state, down_at=now + master_down(state.config, state.active_interval))
    return state, (*held, announce)


def contend(state: Instance, now: float, cause: str) -> Decision:
    """Take part from the beginning: the owner at once, everyone else after the whole silence."""
    state = replace(state, active_interval=state.config.advert_int, active_router=None)
    if state.config.priority == OWNER and state.config.state == "MASTER":
        return take_over(state, now, f"{cause} as the address owner")
    return become_backup(state, now, cause)


def release(state: Instance, cause: str) -> Decision:
    """End: whatever may be held is given back before anyone is told."""
    may_hold = (Phase.STARTING, Phase.ACTIVE, Phase.LEAVING)
    held = (RemoveAddresses(state.addresses),) if state.phase in may_hold else ()
    state, announce = change(state, Phase.STOPPED, cause)
    return state, (*held, announce, Release())
