"""A line of the trace: who became what, by what, and did what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vrrp_agent.actions import Action, Announce, SendAdvertisement
from vrrp_agent.events import AdvertisementReceived, Happening
from vrrp_agent.model import Instance

if TYPE_CHECKING:
    from tests.unit.vrrp_agent.simulation.member import Member
    from tests.unit.vrrp_agent.simulation.world import World


def describe(
    world: World, member: Member, before: Instance, event: Happening, actions: tuple[Action, ...]
) -> None:
    """Write one line of the trace."""
    state = member.state
    moved = (
        f"{before.phase.value} -> {state.phase.value}"
        if state.phase is not before.phase
        else state.phase.value
    )
    match event:
        case AdvertisementReceived(advertisement):
            what = f"hears {advertisement.source} priority {advertisement.priority}"
        case _:
            what = str(event)
    done = ", ".join(_brief(action) for action in actions)
    world.say(f"{member.name} {moved}: {what} => {done or '-'}")


def _brief(action: Action) -> str:
    match action:
        case SendAdvertisement(priority):
            return f"advertise {priority}"
        case Announce(role, epoch, cause):
            return f"{role} {epoch} ({cause})"
        case _:
            return type(action).__name__
