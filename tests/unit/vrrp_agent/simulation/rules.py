"""What must hold at every step of every instance, whatever the network and the clocks do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vrrp_agent.actions import Action, Announce, RemoveObjects, SendAdvertisement
from vrrp_agent.events import AdvertisementReceived, Follow, Happening, Started, TimerExpired
from vrrp_agent.model import HOLDING, OWNER, SPEAKING, Instance, Phase
from vrrp_agent.timing import stall_limit

if TYPE_CHECKING:
    from tests.unit.vrrp_agent.simulation.member import Member
    from tests.unit.vrrp_agent.simulation.world import World

_TINY = 1e-6
_WITHOUT_A_CLOCK = (Phase.STARTING, Phase.FAULT, Phase.STOPPED)


class Record:
    """What the rules remember of one instance; times are of its own clock."""

    def __init__(self) -> None:
        self.sent = float("-inf")
        """Its last advertisement as active, in this epoch."""
        self.allowed = float("-inf")
        """It may not take over before: it accepted another router as active."""
        self.last: str | None = None
        """Whoever it heard last."""
        self.patient_until: float | None = None
        """A lower priority is left in peace until then (preempt_delay)."""


class Step(NamedTuple):
    """One decision, carried out."""

    member: Member
    before: Instance
    event: Happening
    actions: tuple[Action, ...]
    now: float
    """By the router's own clock."""
    deadline: float | None


def check(world: World, step: Step) -> None:
    """Check one decision.

    Raises:
        BrokenRuleError: it breaks a rule.
    """
    member, before, event, _, now, deadline = step
    state = member.state
    _holding(world, member)
    if (deadline is None) != (state.phase in _WITHOUT_A_CLOCK):
        raise world.broken(f"{member.name} is {state.phase.value} with deadline {deadline}")
    if deadline is not None and deadline <= now and isinstance(event, TimerExpired):
        raise world.broken(f"{member.name} spins: its deadline is past after it was dealt with")
    if isinstance(event, AdvertisementReceived) and event.advertisement.priority == 0:
        _left(member, event.advertisement.source)
    if state.epoch != before.epoch or state.phase is not before.phase:
        _changed(world, step)
    _speech(world, step)
    if isinstance(event, AdvertisementReceived):
        _heard(member, event, now)
    elif isinstance(event, Started | Follow) or state.phase is Phase.FAULT:
        member.record.allowed = float("-inf")


def _holding(world: World, member: Member) -> None:
    """It holds its addresses exactly while it has the role."""
    state, held = member.state, member.held
    if state.phase in HOLDING:
        if member.robbed:
            return
        addresses = {each.address for each in state.config.virtual_ipaddress}
        less = state.phase is Phase.LEAVING and held < addresses
        # an owner leaves alone what was there before it began
        more = state.config.priority == OWNER and held > addresses
        if held != addresses and not less and not more:
            raise world.broken(f"{member.name} is {state.phase.value} and holds {sorted(held)}")
    elif held and state.phase is not Phase.STARTING and state.config.priority != OWNER:
        raise world.broken(f"{member.name} is {state.phase.value} and holds {sorted(held)}")


def _changed(world: World, step: Step) -> None:
    """A change of role is a new epoch that is told, after what was held is gone; and it has its reasons."""
    member, before, event, actions, now, _ = step
    state, record = member.state, member.record
    if state.epoch < before.epoch:
        raise world.broken(f"{member.name} counts its epochs backwards")
    if state.role != before.role and state.epoch == before.epoch and not isinstance(event, Started):
        raise world.broken(f"{member.name} is {state.role} in the epoch in which it was {before.role}")
    if state.epoch != before.epoch:
        told = [at for at, each in enumerate(actions) if isinstance(each, Announce)]
        if not told or actions[told[-1]] != Announce(state.role, state.epoch, state.cause):
            raise world.broken(f"{member.name} does not tell that it is {state.role}")
        gone = [at for at, each in enumerate(actions) if isinstance(each, RemoveObjects)]
        if before.phase in HOLDING and state.phase not in HOLDING and (not gone or gone[0] > told[0]):
            raise world.broken(f"{member.name} tells that it is {state.role} before it let go")
    if before.phase is Phase.BACKUP and state.phase is Phase.ARMING and now < record.allowed - _TINY:
        raise world.broken(
            f"{member.name} takes over {record.allowed - now:.4f} s too early: it accepts another as active"
        )


def _speech(world: World, step: Step) -> None:
    """An active router speaks once an interval; one that could not says nothing more."""
    member, before, _, actions, now, _ = step
    state, record, config = member.state, member.record, before.config
    for action in actions:
        if not isinstance(action, SendAdvertisement):
            continue
        if action.priority not in (0, state.priority, before.priority):
            raise world.broken(f"{member.name} advertises {action.priority}, and has {state.priority}")
        late = now - record.sent - config.advert_int
        if late > stall_limit(config) + _TINY and config.priority != OWNER and record.sent > 0:
            raise world.broken(f"{member.name} speaks after a silence that was {late:.4f} s too long")
        if action.priority:
            record.sent = now
    if state.phase is not Phase.BACKUP:
        record.patient_until = None
    if state.phase not in SPEAKING:
        record.sent = float("-inf")
    if state.phase not in SPEAKING or state.advert_at is None:
        return
    slack = config.advert_int + 0.01 + 3 * world.lateness
    if now - max(record.sent, member.router.stalled_at) > slack:
        raise world.broken(f"{member.name} is active and was silent for {now - record.sent:.4f} s")


def _left(member: Member, source: str) -> None:
    """Nobody is active any more, where it was the one that leaves."""
    record = member.record
    if record.last in (None, source):
        record.allowed, record.last = float("-inf"), None


def preempts(state: Instance) -> bool:
    """Say whether it takes the role from a lower priority."""
    config = state.config
    return not state.yielded and not (
        config.nopreempt and config.state == "BACKUP" and config.priority < OWNER
    )


def _heard(member: Member, event: AdvertisementReceived, now: float) -> None:
    """Note until when it must leave the role to whom it heard."""
    state, record, said = member.state, member.record, event.advertisement
    if state.phase is not Phase.BACKUP:
        return
    if said.priority == 0:
        return
    record.last = said.source
    accepts = said.priority >= state.priority or not preempts(state)
    if said.priority >= state.priority or not state.config.preempt_delay:
        record.patient_until = None
    elif not accepts:
        if record.patient_until is None:
            record.patient_until = now + state.config.preempt_delay
        accepts = now < record.patient_until - _TINY
    if accepts:
        interval = said.interval if state.config.version == 3 else state.config.advert_int
        record.allowed = now + state.config.down_timer_adverts * interval


def group(world: World, members: list[Member], *, excused: bool) -> bool:
    """Check that a sync group is of one mind; return True where it is not, and is excused for now."""
    phases = [each.state.phase for each in members]
    waiting = any(each in (Phase.BACKUP, Phase.FAULT) for each in phases)
    torn = waiting and any(each in SPEAKING for each in phases)
    if (torn and not excused) or (Phase.FAULT in phases and Phase.BACKUP in phases):
        raise world.broken(
            f"r{members[0].router.number} is in two minds: "
            + ", ".join(f"{each.state.config.name} {each.state.phase.value}" for each in members)
        )
    return torn
