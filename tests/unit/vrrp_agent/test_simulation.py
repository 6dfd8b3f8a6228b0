"""Thousands of seeds of the simulated network; ``make simulate SEED=n`` replays one, step by step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.vrrp_agent.simulation import router
from tests.unit.vrrp_agent.simulation.judge import play
from tests.unit.vrrp_agent.simulation.world import BrokenRuleError
from vrrp_agent.actions import Action, AddObjects, Announce, RemoveObjects
from vrrp_agent.events import AdvertisementReceived, Happening, TimerExpired
from vrrp_agent.instance import decide
from vrrp_agent.model import Instance, Phase
from vrrp_agent.transitions import Decision

SEEDS, CHUNK = 3000, 100


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_rule_holds_for_every_seed(first: int) -> None:
    broken = []
    for seed in range(first, first + CHUNK):
        try:
            play(seed)
        except BrokenRuleError as error:
            broken.append(f"make simulate SEED={seed}: {error}")
    assert not broken, "\n".join(broken)


def test_a_seed_is_always_the_same_story() -> None:
    first: list[str] = []
    again: list[str] = []
    play(7, first.append)
    play(7, again.append)
    assert first == again
    assert len(first) > 100


def test_the_seeds_have_everything_in_them() -> None:
    lines: list[str] = []
    for seed in range(150):
        play(seed, lines.append)
    told = "\n".join(lines)
    for words in (
        *("GroupActive", "GroupBackup", "GroupFaults", "GroupArmed", "Follow", "HandOver", "Stop"),
        *("Surroundings", "Reconfigured", "ObjectsLost", "AddressTaken", "adopted=True", "priority 255"),
        *("ReportSteppedDown", "ReportRestored", "ReportYielded", "ReportDualMaster", "ReportDualMasterOver"),
        *("hears fe80::", "hears 10.", "fell silent", "nobody followed", "handed over to", "backup -> fault"),
        *(
            "are parted",
            "unplugged",
            "lost",
            "late, twice",
            "crashes, the whole machine",
            "stalls",
            "weight=-",
        ),
    ):
        assert words in told, words
    assert len(re.findall("---- calm", told)) == 150


# ---- and the rules can be broken


Wrong = Callable[[Instance, Happening, float], Decision]


def _deaf(state: Instance, event: Happening, now: float) -> Decision:
    """Never heeds anybody."""
    if isinstance(event, AdvertisementReceived):
        return state, ()
    return decide(state, event, now)


def _greedy(state: Instance, event: Happening, now: float) -> Decision:
    """Keeps what it holds."""
    state, actions = decide(state, event, now)
    return state, tuple(each for each in actions if not isinstance(each, RemoveObjects))


def _secretive(state: Instance, event: Happening, now: float) -> Decision:
    state, actions = decide(state, event, now)
    return state, tuple(each for each in actions if not isinstance(each, Announce))


def _hasty(state: Instance, event: Happening, now: float) -> Decision:
    """Takes over before its time."""
    before = state
    state, actions = decide(state, event, now)
    if state.down_at is not None and state.down_at != before.down_at:
        state = replace(state, down_at=now + 0.5 * (state.down_at - now))
    return state, actions


def _idle(state: Instance, event: Happening, now: float) -> Decision:
    """Does nothing when it is time."""
    if isinstance(event, TimerExpired) and state.phase is Phase.BACKUP:
        return replace(state, down_at=now + 1.0), ()
    return decide(state, event, now)


def _restless(state: Instance, event: Happening, now: float) -> Decision:
    """Forgets to look at a later time."""
    after, actions = decide(state, event, now)
    return (replace(after, down_at=now), actions) if after.down_at is not None else (after, actions)


def _late(state: Instance, event: Happening, now: float) -> Decision:
    """Adds its addresses when it hears of itself being active the second time."""
    state, actions = decide(state, event, now)
    return state, tuple[Action, ...](each for each in actions if not isinstance(each, AddObjects))


@pytest.mark.parametrize("wrong", [_deaf, _greedy, _secretive, _hasty, _idle, _restless, _late])
def test_what_is_wrong_is_found(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "decide", wrong)
    found: list[Any] = []
    for seed in range(20):
        try:
            play(seed)
        except BrokenRuleError as error:
            found.append(error)
    assert found
