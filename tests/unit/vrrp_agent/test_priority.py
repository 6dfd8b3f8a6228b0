"""The effective priority: what tracked sources make of the configured one, and what a change of it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vrrp_agent.story import HIGHER, LOWER, ME, OTHER, VIP, Story, config, heard, knobs
from vrrp_agent.actions import (
    AddObjects,
    Announce,
    RemoveObjects,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.events import ArmingOver, HandOver, Reconfigured, Stop, Surroundings
from vrrp_agent.model import Phase


@pytest.mark.parametrize(
    ("priority", "weight", "effective"),
    [
        (100, 0, 100),
        (100, 20, 120),
        (100, -20, 80),
        (100, 253, 254),
        (100, -253, 1),
        (254, 1, 254),
        (1, -1, 1),
        (255, -253, 255),
    ],
)
def test_the_effective_priority(priority: int, weight: int, effective: int) -> None:
    story = Story(priority=priority).active().around(weight=weight)
    assert story.state.priority == effective
    # whoever the effective priority says is first is first
    assert Story(priority=priority).started(weight=weight).state.priority == effective
    if effective < 254:
        assert story.then(heard(effective + 1, LOWER)).state.phase is Phase.BACKUP


def test_a_change_is_advertised_at_once_and_the_beat_stays() -> None:
    story = Story().active()
    beat = story.state.advert_at
    story.around(weight=-40, after=0.3)
    assert story.did == (SendAdvertisement(60), Announce("active", 9, "nobody is active"))
    assert story.state.advert_at == beat
    assert story.around(weight=-40).did == ()


def test_a_change_while_it_arms_in_silence_is_not_advertised() -> None:
    story = Story().started().then(heard(50)).expired().around(weight=10)
    assert story.kinds == [Announce]
    assert story.then(ArmingOver(9)).did[0] == SendAdvertisement(110)


def test_a_change_retimes_the_silence_that_runs() -> None:
    story = Story().started().around(weight=100, after=1.0)
    assert story.down_in == pytest.approx(3 + 56 / 256 - 1.0)
    assert story.around(weight=-90, after=1.0).down_in == pytest.approx(3 + 246 / 256 - 2.0)


def test_silence_that_was_long_enough_for_the_new_priority_is_over() -> None:
    story = Story(priority=1).started().around(weight=250, after=3.5)
    assert story.down_in == 0
    assert story.expired().state.phase is Phase.ARMING


def test_a_change_retimes_what_is_left_after_priority_0() -> None:
    story = Story(priority=1).started().then(heard(200)).then(heard(0)).around(weight=127, after=0.1)
    assert story.down_in == pytest.approx(128 / 256 - 0.1)


def test_a_wish_to_take_over_is_not_retimed() -> None:
    story = Story(group="G").started().expired()
    until = story.state.down_at
    assert story.around(weight=10).state.down_at == until


def test_priorities_are_compared_as_they_are_now() -> None:
    story = Story().started().around(weight=60)
    assert story.then(heard(150), 1.0).down_in == pytest.approx(2 + 96 / 256)  # not accepted any more
    assert story.around(weight=0).then(heard(150)).down_in == pytest.approx(3 + 156 / 256)


def test_a_change_while_leaving_is_only_told() -> None:
    assert Story().active().then(Stop("bye")).around(weight=9).kinds == [Announce]


def test_a_change_in_fault_holds_afterwards() -> None:
    story = Story().started(faults=("gone",)).around("gone", weight=50)
    assert story.did == ()
    assert story.around(weight=50).down_in == pytest.approx(3 + 106 / 256)


def test_another_source_address_changes_nothing_but_the_rank() -> None:
    story = Story().active().then(Surroundings(source="10.9.0.9"))
    assert story.did == ()
    assert story.then(heard(100, HIGHER)).state.phase is Phase.ACTIVE


# ---- faults


def test_a_fault_ends_the_role_and_its_end_waits_the_whole_silence() -> None:
    story = Story().active().around("interface eth0 has no carrier")
    assert story.did == (
        SendAdvertisement(0),
        RemoveObjects((VIP,)),
        Announce("fault", 10, "interface eth0 has no carrier"),
    )
    assert story.state.deadline is None
    assert story.around("interface eth0 has no carrier").did == ()
    assert story.around("interface eth0 has no carrier", "script x failed").did == (
        Announce("fault", 10, "interface eth0 has no carrier; script x failed"),
    )
    story.around(after=5.0)
    assert story.did == (Announce("backup", 11, "it can take part again"),)
    assert story.down_in == pytest.approx(3 + 156 / 256)


@pytest.mark.parametrize(
    ("phase", "kinds"),
    [
        ("started", [Announce]),
        ("arming", [SendAdvertisement, Announce]),
        ("active", [SendAdvertisement, RemoveObjects, Announce]),
    ],
)
def test_a_fault_in_every_phase(phase: str, kinds: list[type]) -> None:
    story = getattr(Story(), phase)().around("gone")
    assert story.kinds == kinds
    assert story.state.phase is Phase.FAULT
    assert story.then(heard(50)).did == ()


def test_what_was_heard_before_a_fault_is_forgotten() -> None:
    story = Story(version=3).started().then(heard(50, interval=5.0)).around("gone").around()
    assert story.down_in == pytest.approx(3 + 156 / 256)
    assert story.expired().state.cause == "nobody is active"


def test_the_owner_is_active_at_once_when_its_fault_is_over() -> None:
    story = Story(priority=255, state="MASTER").started(faults=("gone",)).around()
    assert story.did == (Announce("active", 9, "it can take part again as the address owner"),)


# ---- new settings


def test_a_new_priority_retimes_the_silence_that_runs() -> None:
    story = Story().started()
    story.then(Reconfigured(config(priority=200)), 1.0)
    assert story.down_in == pytest.approx(3 + 56 / 256 - 1.0)
    assert story.did == (Announce("backup", 8, "started"),)


def test_an_active_instance_takes_new_settings_without_a_change_of_role() -> None:
    story = Story().active().then(Reconfigured(config(priority=90, virtual_ipaddress=(OTHER,))))
    assert story.did == (
        SendAdvertisement(90),
        RemoveObjects((VIP,)),
        AddObjects((OTHER,)),
        SendGratuitousArp((OTHER,), 5),
        Announce("active", 9, "nobody is active"),
    )


def test_a_backup_and_an_arming_router_touch_no_addresses() -> None:
    for story in (Story().started(), Story().arming()):
        story.then(Reconfigured(config(virtual_ipaddress=(OTHER,))))
        assert story.kinds == [Announce]
    assert story.then(ArmingOver(9)).did[0] == AddObjects((OTHER,))


def test_a_leaver_takes_off_what_is_its_own_no_longer() -> None:
    story = Story(virtual_ipaddress=(VIP, OTHER)).active().then(HandOver())
    story.then(Reconfigured(config(virtual_ipaddress=(OTHER,))))
    assert story.did[0] == RemoveObjects((VIP,))
    assert AddObjects not in story.kinds


@pytest.mark.parametrize(("interval", "next_in"), [(0.1, 0.1), (10.0, 1.0)])
def test_a_shorter_interval_holds_at_once_and_a_longer_one_from_the_next(
    interval: float, next_in: float
) -> None:
    story = Story(version=3).active().then(Reconfigured(config(version=3, advert_int=interval)))
    assert story.state.advert_at == pytest.approx(story.now + next_in)
    story.until(story.now + next_in)
    assert story.state.advert_at == pytest.approx(story.now + interval)


@pytest.mark.parametrize(("version", "down"), [(2, 15 + 156 / 256), (3, 3 + 156 / 256)])
def test_version_2_waits_by_its_own_interval_and_version_3_by_the_active_ones(
    version: int, down: float
) -> None:
    story = Story(version=version).started().then(heard(200))
    story.then(Reconfigured(config(version=version, advert_int=5.0)), 0.5)
    assert story.down_in == pytest.approx(down - 0.5)


def test_a_refresh_that_is_new_begins_and_one_that_runs_goes_on() -> None:
    story = Story().active().then(Reconfigured(config(garp=knobs(master_refresh=60.0))))
    assert story.state.refresh_at == pytest.approx(story.now + 60)
    story.then(Reconfigured(config(priority=99, garp=knobs(master_refresh=60.0))), 1.0)
    assert story.state.refresh_at == pytest.approx(story.now + 59)
    assert story.then(Reconfigured(config())).state.refresh_at is None


def test_another_preempt_delay_is_counted_anew() -> None:
    story = Story(preempt_delay=300.0).started().then(heard(50))
    story.then(Reconfigured(config(preempt_delay=5.0)), 10.0).then(heard(50), 1.0)
    assert story.state.preempt_at == pytest.approx(story.now + 5)
    same = Story(preempt_delay=300.0).started().then(heard(50))
    same.then(Reconfigured(config(preempt_delay=300.0, priority=101)), 10.0).then(heard(50))
    assert same.state.preempt_at == pytest.approx(same.now + 290)


def test_new_settings_before_it_begins() -> None:
    story = Story().then(Reconfigured(config(priority=7), group="G"))
    assert (story.did, story.state.priority, story.state.group) == ((), 7, "G")


def test_new_settings_in_fault_are_only_told() -> None:
    story = Story().started(faults=("gone",)).then(Reconfigured(config(priority=7)))
    assert story.did == (Announce("fault", 8, "gone"),)


@pytest.mark.parametrize("settings", [{}, {"nopreempt": True}])
def test_new_settings_let_it_take_a_role_back_that_it_handed_over(settings: dict[str, Any]) -> None:
    story = Story().active().then(HandOver()).then(heard(50), 0.1).expired()
    assert story.state.yielded
    story.then(Reconfigured(config(**settings)))
    assert not story.state.yielded
    before = story.state.down_at
    story.then(heard(50), 0.5)
    assert (story.state.down_at == before) != bool(settings)


def test_gratuitous_arp_of_new_addresses_alone() -> None:
    story = Story().active().then(Reconfigured(config(virtual_ipaddress=(VIP, OTHER))))
    assert story.did[:2] == (AddObjects((OTHER,)), SendGratuitousArp((OTHER,), 5))
    assert story.then(Reconfigured(config(virtual_ipaddress=(VIP, OTHER)))).kinds == [Announce]


def test_the_source_is_the_primary_address() -> None:
    assert Story().started().state.source == ME
