"""A router that was silent too long gives the role up before another word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vrrp_agent.story import HIGHER, LOWER, ME, OTHER, VIP, Story, config, heard
from vrrp_agent.actions import (
    Announce,
    RemoveObjects,
    ReportSteppedDown,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.events import (
    AddressTaken,
    ArmingOver,
    Follow,
    GroupActive,
    GroupBackup,
    GroupFaults,
    HandOver,
    Happening,
    ObjectsLost,
    Reconfigured,
    Stop,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.model import Phase


@pytest.mark.parametrize(
    ("settings", "silence", "steps_down"),
    [
        # the others wait three intervals and their skew, from the advertisement before the one that is late
        ({}, 2.99, False),
        ({}, 3.01, True),
        ({"down_timer_adverts": 5}, 4.99, False),
        ({"down_timer_adverts": 5}, 5.01, True),
        ({"version": 3, "advert_int": 0.1}, 0.29, False),
        ({"version": 3, "advert_int": 0.1}, 0.31, True),
        # where none may be missed a hair's breadth of lateness is no stall yet
        ({"down_timer_adverts": 1}, 1.01, False),
        ({"down_timer_adverts": 1}, 1.51, True),
        # an owner is above that
        ({"priority": 255}, 60.0, False),
    ],
)
def test_when_a_router_was_silent_too_long(
    settings: dict[str, Any], silence: float, steps_down: bool
) -> None:
    story = Story(**settings).active()
    story.then(TimerExpired(), silence)
    if steps_down:
        assert story.kinds == [RemoveObjects, Announce, ReportSteppedDown]
        assert story.state.phase is Phase.BACKUP
    else:
        assert SendAdvertisement in story.kinds
        assert story.state.phase is Phase.ACTIVE


def test_it_says_how_late_it_was_and_contends_again_within_two_intervals() -> None:
    story = Story().active().then(TimerExpired(), 10.0)
    assert story.did == (
        RemoveObjects((VIP,)),
        Announce("backup", 10, "this router was silent for 10.00 s, longer than the others wait"),
        ReportSteppedDown(10.0),
    )
    assert story.down_in == pytest.approx(1 + 156 / 256)
    assert story.expired().state.cause == "nobody is active"


@pytest.mark.parametrize(
    "event",
    [
        TimerExpired(),
        heard(0),
        heard(50),
        heard(200),
        heard(100, LOWER),
        Surroundings(source=ME, weight=20),
        ObjectsLost((VIP,)),
        Reconfigured(config(priority=90, virtual_ipaddress=(OTHER,))),
        GroupBackup("the others"),
        GroupActive(),
        GroupFaults(()),
        HandOver(),
        Follow(),
        AddressTaken("10.9.0.100"),
        ArmingOver(9),
    ],
)
@pytest.mark.parametrize("phase", ["arming", "active"])
def test_whatever_comes_first_after_a_stall_it_says_nothing(event: Happening, phase: str) -> None:
    """A third router may be active by now: neither advertisement nor gratuitous ARP may contradict it."""
    story = getattr(Story(), phase)()
    story.then(event, 10.0)
    assert not {SendAdvertisement, SendGratuitousArp} & set(story.kinds)
    assert ReportSteppedDown(10.0) in story.did
    assert story.state.phase is Phase.BACKUP
    assert story.state.deadline is not None
    assert story.state.deadline > story.now


def test_what_it_hears_then_it_hears_as_backup() -> None:
    story = Story().active().then(heard(200), 10.0)
    assert story.state.active_router == HIGHER
    assert story.down_in == pytest.approx(3 + 156 / 256)
    lower = Story().active().then(heard(50), 10.0)
    assert lower.down_in == pytest.approx(1 + 156 / 256)
    lower.expired()
    assert lower.did == (Announce("active", 11, "10.9.0.3 has priority 50, ours is 100"),)


def test_a_fault_and_a_stop_after_a_stall() -> None:
    fault = Story().active().around("gone", after=10.0)
    assert fault.kinds == [RemoveObjects, Announce, ReportSteppedDown, Announce]
    assert fault.state.phase is Phase.FAULT
    stop = Story().active().then(Stop("bye"), 10.0)
    assert SendAdvertisement not in stop.kinds
    assert stop.state.phase is Phase.STOPPED


def test_a_router_that_arms_in_silence_has_promised_nothing() -> None:
    story = Story().started().then(heard(50), 1.0).expired()
    story.then(TimerExpired(), 10.0)
    assert story.state.phase is Phase.ACTIVE
