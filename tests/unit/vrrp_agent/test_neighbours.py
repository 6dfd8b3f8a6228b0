"""When neighbours are told where the addresses are, and what a second master does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vrrp_agent.story import HIGHER, LOWER, THIRD, VIP, Story, config, heard, knobs
from vrrp_agent.actions import (
    AddObjects,
    ReportDualMaster,
    ReportDualMasterOver,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.events import ArmingOver, HandOver, Reconfigured
from vrrp_agent.model import Phase

BURST = SendGratuitousArp((VIP,), 5)


def bursts(story: Story, seconds: float) -> list[tuple[float, int]]:
    """Let time pass; give each burst with the seconds from now and its repetitions."""
    done = story.until(story.now + seconds)
    return [(round(at, 3), act.repeat) for at, act in done if isinstance(act, SendGratuitousArp)]


# ---- bursts


@pytest.mark.parametrize(
    ("garp", "strict", "first", "later"),
    [
        ({}, False, [BURST], [(0.1, 5), (5.0, 5)]),
        ({}, True, [BURST], [(5.0, 5)]),
        ({"master_delay": 0.0}, False, [BURST], [(0.1, 5)]),
        ({"master_delay": 0.0}, True, [BURST], []),
        (
            {"master_delay": 0.05, "master_repeat": 1},
            False,
            [SendGratuitousArp((VIP,), 1)],
            [(0.05, 1), (0.1, 1)],
        ),
        ({"master_repeat": 0}, False, [], []),
    ],
)
def test_the_bursts_after_a_takeover(
    garp: dict[str, Any], strict: bool, first: list[object], later: list[tuple[float, int]]
) -> None:
    story = Story(garp=knobs(**garp), strict=strict).active()
    assert list(story.did) == [AddObjects((VIP,)), *first]
    assert bursts(story, 20.0) == later


def test_a_refresh_says_it_is_one_and_is_repeated() -> None:
    story = Story(garp=knobs(master_delay=0.0, master_refresh=2.0, master_refresh_repeat=3)).active()
    done = story.until(story.now + 6.5)
    refreshes = [(at, act) for at, act in done if isinstance(act, SendGratuitousArp) and act.refresh]
    again = SendGratuitousArp((VIP,), 3, refresh=True)
    assert refreshes == [(2.0, again), (4.0, again), (6.0, again)]


def test_bursts_that_come_due_together_are_one() -> None:
    story = Story(advert_int=10.0, garp=knobs(master_delay=0.1)).active()
    assert bursts(story, 3.0) == [(0.1, 5)]


def test_a_router_that_yielded_announces_nothing_more() -> None:
    story = Story(garp=knobs(master_refresh=0.5)).active().then(heard(200))
    assert bursts(story, 3.0) == []
    assert story.state.deadline == story.state.down_at


# ---- a lower priority is heard


@pytest.mark.parametrize(
    ("garp", "settings", "now", "later"),
    [
        ({}, {}, [SendAdvertisement(100), BURST], [(5.0, 5)]),
        ({"lower_prio_repeat": 2}, {}, [SendAdvertisement(100), SendGratuitousArp((VIP,), 2)], [(5.0, 2)]),
        ({"lower_prio_delay": 1.0}, {}, [SendAdvertisement(100), BURST], [(1.0, 5)]),
        ({"lower_prio_delay": 0.0}, {}, [SendAdvertisement(100), BURST], []),
        ({"lower_prio_repeat": 0}, {}, [SendAdvertisement(100)], []),
        ({}, {"lower_prio_no_advert": True}, [BURST], [(5.0, 5)]),
    ],
)
def test_the_answer_to_a_lower_priority(
    garp: dict[str, Any], settings: dict[str, Any], now: list[object], later: list[tuple[float, int]]
) -> None:
    story = Story(garp=knobs(master_delay=5.0, **garp), **settings).active()
    story.until(story.now + 20)
    story.then(heard(50))
    assert list(story.did) == [*now, ReportDualMaster(HIGHER, 50)]
    # the burst 3.6 s later is for the end of the second master
    assert [each for each in bursts(story, 8.0) if each[0] != 3.609] == later


def test_a_flood_of_lower_priorities_plans_no_flood_of_bursts() -> None:
    story = Story().active()
    story.until(story.now + 20)
    for _ in range(100):
        story.then(heard(50), 0.01)
    assert len(story.state.garp_at) == 1


def test_an_answer_moves_the_beat() -> None:
    story = Story().active().then(heard(50), 0.4)
    assert story.state.advert_at == pytest.approx(story.now + 1)
    silent = Story(lower_prio_no_advert=True).active()
    beat = silent.state.advert_at
    assert silent.then(heard(50), 0.4).state.advert_at == beat


def test_a_router_that_arms_answers_without_its_addresses() -> None:
    assert Story().arming().then(heard(50)).did == (SendAdvertisement(100),)


# ---- a second master


def test_a_preempted_routers_last_word_is_no_second_master() -> None:
    story = Story().active()
    assert ReportDualMaster not in story.then(heard(50), 0.9).kinds
    assert ReportDualMaster in story.then(heard(50), 0.2).kinds


def test_a_second_master_is_reported_once_until_it_falls_silent() -> None:
    story = Story().active()
    story.until(story.now + 20)
    seen = []
    for _ in range(8):
        seen += [act for _, act in story.until(story.now + 1.0) if isinstance(act, ReportDualMasterOver)]
        story.then(heard(50))
        seen += [act for act in story.did if isinstance(act, ReportDualMaster)]
    assert seen == [ReportDualMaster(HIGHER, 50)]
    over = [each for each in story.until(story.now + 3.7) if isinstance(each[1], ReportDualMasterOver)]
    assert over == [(3.609375, ReportDualMasterOver(HIGHER, 7.0))]
    assert ReportDualMaster(HIGHER, 50) in story.then(heard(50)).did


def test_the_addresses_are_announced_again_when_it_is_over() -> None:
    story = Story(garp=knobs(master_delay=0.0)).active()
    story.until(story.now + 20)
    story.then(heard(50))
    assert bursts(story, 20.0) == [(3.609, 5)]


def test_second_masters_are_told_apart() -> None:
    story = Story().active()
    story.until(story.now + 20)
    assert ReportDualMaster(HIGHER, 50) in story.then(heard(50)).did
    assert ReportDualMaster(LOWER, 60) in story.then(heard(60, LOWER), 1.0).did
    done = [(at, act) for at, act in story.until(story.now + 9) if isinstance(act, ReportDualMasterOver)]
    assert done == [
        (2.609375, ReportDualMasterOver(HIGHER, 0.0)),
        (3.609375, ReportDualMasterOver(LOWER, 0.0)),
    ]
    assert story.state.calm_at is None


def test_a_flood_of_sources_is_not_remembered() -> None:
    story = Story().active()
    story.until(story.now + 20)
    reports = 0
    for number in range(1000):
        story.then(heard(50, f"10.8.{number // 250}.{number % 250 + 1}"), 0.001)
        reports += sum(isinstance(act, ReportDualMaster) for act in story.did)
    assert (reports, len(story.state.rivals)) == (16, 16)
    story.until(story.now + 20)
    assert story.state.rivals == ()


def test_no_addresses_are_announced_before_they_are_there() -> None:
    story = Story(version=3, advert_int=0.01).arming()
    story.until(story.now + 0.02)
    assert ReportDualMaster(HIGHER, 50) in story.then(heard(50)).did
    done = [type(act) for _, act in story.until(story.now + 0.05)]
    assert ReportDualMasterOver in done
    assert SendGratuitousArp not in done


def test_a_longer_patience_says_nothing_too_early() -> None:
    """The end of a second master is judged by the settings of then, and only its end is announced."""
    story = Story(garp=knobs(master_delay=0.0)).active()
    story.until(story.now + 20)
    story.then(heard(50)).then(Reconfigured(config(down_timer_adverts=10, garp=knobs(master_delay=0.0))))
    assert bursts(story, 9.0) == []
    assert bursts(story, 3.0) == [(1.609, 5)]


def test_a_second_master_that_wins_is_a_change_of_role() -> None:
    story = Story().active().then(heard(50, THIRD), 2.0).then(heard(200, THIRD), 0.5)
    assert (story.state.phase, story.state.rivals, story.state.calm_at) == (Phase.BACKUP, (), None)


def test_a_leaver_knows_no_second_masters() -> None:
    story = Story().active().then(heard(50), 2.0).then(HandOver())
    assert (story.state.rivals, story.state.calm_at) == ((), None)
    story.then(ArmingOver(9)).expired()
    assert story.state.phase is Phase.ACTIVE
