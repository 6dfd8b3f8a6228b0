"""A router that was not on time: whoever took over meanwhile must not be contradicted."""

from __future__ import annotations

from msgspec.structs import replace

from vrrp_agent.actions import ReportSteppedDown
from vrrp_agent.model import OWNER, Instance
from vrrp_agent.timing import skew, stall_limit
from vrrp_agent.transitions import Decision, become_backup


def stalled(state: Instance, now: float) -> bool:
    """Say whether this active router was silent for as long as a backup waits; an owner is above that."""
    if state.advert_at is None or state.config.priority == OWNER:
        return False
    return now - state.advert_at > stall_limit(state.config)


def step_down(state: Instance, now: float) -> Decision:
    """Give the role up before another word: whoever took over meanwhile is heard within an interval."""
    assert state.advert_at is not None  # noqa: S101  # only who advertises can be late
    late = now - state.advert_at + state.config.advert_int
    patience = state.config.advert_int + skew(state.config, state.priority, state.config.advert_int)
    state, actions = become_backup(
        replace(state, active_router=None, active_priority=0),
        now,
        f"this router was silent for {late:.2f} s, longer than the others wait",
        patience=patience,
    )
    return state, (*actions, ReportSteppedDown(late))
