"""Whatever happens in whatever phase: nothing is raised, and a clock runs where one must."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.vrrp_agent.story import HIGHER, LOWER, ME, OTHER, VIP, Story, config, heard
from vrrp_agent.actions import AddObjects, RemoveObjects, SendAdvertisement
from vrrp_agent.events import (
    AddressTaken,
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
from vrrp_agent.model import HOLDING, Phase


def _group_active() -> Story:
    return Story(group="G").started().expired().then(GroupActive())


PHASES: dict[str, Callable[[], Story]] = {
    "new": Story,
    "fault": lambda: Story().started(faults=("gone",)),
    "backup": lambda: Story().started(),
    "wants": lambda: Story(group="G").started().expired(),
    "in silence": lambda: Story().started().then(heard(50)).expired(),
    "ready": lambda: (
        Story(group="G").started().then(heard(50)).expired().then(GroupActive()).then(ArmingOver(9))
    ),
    "arming": lambda: Story().arming(),
    "arming in a group": _group_active,
    "active": lambda: Story().active(),
    "owner": lambda: Story(priority=255, state="MASTER").started().then(ArmingOver(8)),
    "second master": lambda: Story().active().then(heard(50), 2.0),
    "leaving": lambda: Story().active().then(Stop("bye")),
    "handing over": lambda: Story().active().then(HandOver()).then(heard(50)),
    "handed over": lambda: Story().active().then(HandOver()).then(heard(50)).expired(),
    "stopped": lambda: Story().started().then(Stop("bye")),
}
EVENTS: tuple[Happening, ...] = (
    Started(source=ME),
    Started(source=ME, adopted=True),
    Started(source="", faults=("gone",)),
    Surroundings(source=ME),
    Surroundings(source="", weight=-300),
    Surroundings(source=ME, faults=("gone", "lost")),
    *(heard(priority, source) for priority in (0, 1, 100, 255) for source in (HIGHER, LOWER, "fe80::1")),
    heard(200, interval=40.95),
    TimerExpired(),
    ArmingOver(8),
    ArmingOver(9),
    ObjectsLost((VIP,)),
    ObjectsLost((OTHER,)),
    AddressTaken("10.9.0.100"),
    AddressTaken("10.9.0.7"),
    GroupActive(),
    GroupArmed(),
    GroupBackup("b is backup"),
    GroupFaults(("b of the group: gone",)),
    GroupFaults(()),
    Reconfigured(config(priority=7, advert_int=5.0, virtual_ipaddress=(OTHER,))),
    Reconfigured(config(), group="H"),
    HandOver(to="b"),
    Follow(),
    Stop("bye"),
    Stop("bye", graceful=False),
)
CASES = [
    pytest.param(phase, event, id=f"{phase}-{type(event).__name__}")
    for phase in PHASES
    for event in EVENTS
    if phase == "new" or not isinstance(event, Started)  # it begins once
]
NO_CLOCK = (Phase.STARTING, Phase.FAULT, Phase.STOPPED)


@pytest.mark.parametrize("after", [0.0, 0.05, 30.0])
@pytest.mark.parametrize(("phase", "event"), CASES)
def test_any_event_in_any_phase(phase: str, event: Happening, after: float) -> None:
    story = PHASES[phase]()
    before = story.state
    story.then(event, after)
    state, kinds = story.state, story.kinds
    assert (state.deadline is None) == (state.phase in NO_CLOCK)
    assert state.epoch >= before.epoch
    if before.phase in HOLDING and state.phase not in HOLDING:
        assert RemoveObjects in kinds
    if state.phase is Phase.ACTIVE and before.phase not in HOLDING:
        assert AddObjects in kinds
    if before.phase in (Phase.FAULT, Phase.STOPPED, Phase.STARTING, Phase.BACKUP) and state.phase in NO_CLOCK:
        assert SendAdvertisement not in kinds
    for _ in range(3):
        if story.state.deadline is not None:
            story.expired()
            assert story.state.deadline is None or story.state.deadline > story.now
