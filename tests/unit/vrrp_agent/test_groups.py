"""Sync groups as a table: what one member became, how the others are, and what that means for whom."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.vrrp_agent.story import THIRD, VIP, Story, config, heard
from vrrp_agent.actions import AddObjects, Announce, RemoveObjects, SendAdvertisement, SendGratuitousArp
from vrrp_agent.events import ArmingOver, GroupActive, GroupArmed, GroupBackup, GroupFaults, HandOver, Stop
from vrrp_agent.groups import consequences, faults_of
from vrrp_agent.model import Instance, Phase


def member(name: str, phase: str, **state: Any) -> Instance:
    return Instance(
        config=config(name=name), epoch=1, group="G", phase=Phase(phase), cause="of its own", **state
    )


def backup(name: str, **state: Any) -> Instance:
    return member(name, "backup", **{"down_at": 9.0, **state})


WANTS: dict[str, Any] = {"wants": True}
FOLLOWS: dict[str, Any] = {"active_router": "10.9.0.3", "active_priority": 200}
B_BACKUP = ("b", GroupBackup("a of the group is backup: of its own"))
C_BACKUP = ("c", GroupBackup("a of the group is backup: of its own"))


@pytest.mark.parametrize(
    ("before", "after", "others", "found"),
    [
        # all want it
        (backup("a"), backup("a", **WANTS), [backup("b")], []),
        (backup("a"), backup("a", **WANTS), [backup("b", **WANTS), backup("c")], []),
        (
            backup("a"),
            backup("a", **WANTS),
            [backup("b", **WANTS)],
            [("a", GroupActive()), ("b", GroupActive())],
        ),
        # one asks again; others have it already
        (
            backup("a", **WANTS),
            backup("a", **WANTS),
            [member("b", "active"), member("c", "arming")],
            [("a", GroupActive())],
        ),
        *(
            (backup("a"), backup("a", **WANTS), [member("b", phase)], [])
            for phase in ("starting", "fault", "leaving", "stopped")
        ),
        (backup("a"), backup("a", **WANTS), [], [("a", GroupActive())]),
        # one goes, all go
        *(
            (
                member("a", phase),
                backup("a"),
                [member("b", "active"), backup("c")],
                [B_BACKUP, C_BACKUP],
            )
            for phase in ("arming", "active", "leaving")
        ),
        (member("a", "fault"), backup("a"), [member("b", "active")], []),
        (member("a", "active"), member("a", "stopped"), [member("b", "active")], []),
        (member("a", "arming", advert_at=8.0), member("a", "active"), [member("b", "arming")], []),
        # one that follows another router cannot stand beside one that is active
        (
            backup("a"),
            backup("a", down_at=9.5, **FOLLOWS),
            [member("b", "active"), backup("c"), member("d", "leaving", handing_over=True)],
            [(name, GroupBackup("a of the group follows 10.9.0.3")) for name in "bd"],
        ),
        (backup("a", **FOLLOWS), backup("a", **FOLLOWS), [member("b", "active")], []),
        (backup("a"), backup("a", down_at=9.5, **FOLLOWS), [backup("b")], []),
        (backup("a"), backup("a", down_at=8.0), [member("b", "active")], []),
        # the first word of one is said when all are ready
        (
            member("a", "arming", arm_by=9.0),
            member("a", "arming", arm_by=9.0, ready=True),
            [member("b", "arming", arm_by=9.0)],
            [],
        ),
        (
            member("a", "arming", arm_by=9.0),
            member("a", "arming", arm_by=9.0, ready=True),
            [member("b", "arming", arm_by=9.0, ready=True), member("c", "arming", advert_at=9.0)],
            [("a", GroupArmed()), ("b", GroupArmed())],
        ),
        (
            member("a", "arming", arm_by=9.0),
            member("a", "active", advert_at=9.0),
            [member("b", "arming", arm_by=9.0, ready=True)],
            [("b", GroupArmed())],
        ),
        # and when one could wait no longer, it is said
        (
            member("a", "arming", arm_by=9.0),
            member("a", "active", advert_at=9.0),
            [member("b", "arming", arm_by=9.1), member("c", "arming", advert_at=9.0)],
            [("b", GroupArmed())],
        ),
        (
            member("a", "arming", arm_by=9.0, advert_at=8.0),
            member("a", "active", advert_at=9.0),
            [member("b", "arming", arm_by=9.1, advert_at=9.0)],
            [],
        ),
        # they are handed over together
        (
            member("a", "active"),
            member("a", "leaving", handing_over=True),
            [member("b", "active"), member("c", "arming"), backup("d")],
            [("b", HandOver())],
        ),
        (member("a", "active"), member("a", "leaving"), [member("b", "active")], []),
        (member("a", "leaving", handing_over=True), member("a", "active"), [member("b", "active")], []),
        # a fault of one is a fault of all
        (
            member("a", "active"),
            member("a", "fault", faults=("no carrier",)),
            [member("b", "active")],
            [("b", GroupFaults(("a of the group: no carrier",)))],
        ),
        (
            member("a", "starting"),
            backup("a"),
            [member("b", "fault", faults=("gone",))],
            [("a", GroupFaults(("b of the group: gone",)))],
        ),
    ],
)
def test_what_follows(
    before: Instance, after: Instance, others: list[Instance], found: list[tuple[str, object]]
) -> None:
    assert consequences(before, after, others) == found


@pytest.mark.parametrize(
    ("faults", "group_faults", "news"),
    [
        ([(), (), ()], [(), (), ()], {}),
        ([("x",), (), ()], [(), (), ()], {"b": ("a of the group: x",), "c": ("a of the group: x",)}),
        ([("x",), (), ()], [(), ("a of the group: x",), ("a of the group: x",)], {}),
        (
            [("x", "y"), ("z",), ()],
            [(), (), ()],
            {
                "a": ("b of the group: z",),
                "b": ("a of the group: x", "a of the group: y"),
                "c": ("a of the group: x", "a of the group: y", "b of the group: z"),
            },
        ),
        ([(), (), ()], [(), ("a of the group: x",), ()], {"b": ()}),
    ],
)
def test_the_faults_of_the_others(
    faults: list[tuple[str, ...]], group_faults: list[tuple[str, ...]], news: dict[str, tuple[str, ...]]
) -> None:
    members = [
        member(name, "fault", faults=own, group_faults=others)
        for name, own, others in zip("abc", faults, group_faults, strict=True)
    ]
    assert faults_of(members) == [(name, GroupFaults(each)) for name, each in news.items()]


# ---- a member is told


def in_group() -> Story:
    return Story(group="G")


def active_in_group() -> Story:
    story = in_group().started().expired().then(GroupActive())
    return story.then(ArmingOver(story.state.epoch))


def test_silence_is_a_wish_until_the_group_has_it() -> None:
    story = in_group().started().expired()
    assert (story.did, story.state.wants, story.state.phase) == ((), True, Phase.BACKUP)
    assert story.down_in == pytest.approx(1)  # and it asks again
    story.expired()
    assert (story.did, story.state.wants) == ((), True)
    story.then(GroupActive())
    assert story.did == (SendAdvertisement(100), Announce("active", 9, "nobody is active"))


def test_a_wish_ends_when_somebody_else_is_accepted() -> None:
    story = in_group().started().expired().then(heard(200))
    assert not story.state.wants
    assert story.then(GroupActive()).did == ()
    lower = in_group().started().expired().then(heard(50))
    assert lower.state.wants


def test_a_group_displaces_one_that_serves_without_a_word_until_it_is_armed() -> None:
    story = in_group().started().then(heard(50), 1.0).expired().then(GroupActive())
    assert story.did == (Announce("active", 9, "10.9.0.3 has priority 50, ours is 100"),)


def test_a_table_that_is_armed_waits_for_those_of_the_others() -> None:
    """Whoever serves gives up all of its group at the first advertisement of one member."""
    story = in_group().started().then(heard(50), 1.0).expired().then(GroupActive())
    assert story.then(ArmingOver(9), 0.01).did == ()
    assert story.state.ready
    assert story.then(GroupArmed(), 0.01).kinds == [SendAdvertisement, AddObjects, SendGratuitousArp]
    assert not story.state.ready
    assert story.then(GroupArmed()).did == ()


def test_a_table_that_is_armed_waits_no_longer_than_any() -> None:
    story = in_group().started().then(heard(50), 1.0).expired().then(GroupActive())
    began = story.now
    story.then(ArmingOver(9), 0.01).expired()
    assert story.now - began == pytest.approx(0.1)
    assert story.kinds == [SendAdvertisement, AddObjects, SendGratuitousArp]


def test_who_spoke_already_is_told_too() -> None:
    story = in_group().started().then(heard(50), 1.0).expired().then(GroupActive())
    story.then(ArmingOver(9), 0.01)
    assert story.then(heard(0)).did == (SendAdvertisement(100),)
    assert story.then(GroupArmed()).kinds == [AddObjects, SendGratuitousArp]
    waits = in_group().started().then(heard(50), 1.0).expired().then(GroupActive())
    assert waits.then(GroupArmed()).kinds == [SendAdvertisement, AddObjects, SendGratuitousArp]
    speaks = in_group().started().expired().then(GroupActive())
    assert speaks.then(GroupArmed()).did == ()


def test_a_group_that_is_followed_is_not_torn_by_a_successor_that_leaves_again() -> None:
    story = active_in_group().then(HandOver()).then(heard(50), 0.01).then(heard(0), 0.01).expired()
    assert story.state.phase is Phase.BACKUP


def test_where_nobody_serves_no_table_waits_for_another() -> None:
    story = in_group().started().expired().then(GroupActive())
    assert story.then(ArmingOver(9)).kinds == [AddObjects, SendGratuitousArp]


@pytest.mark.parametrize("phase", ["arming", "active"])
def test_it_goes_with_the_others(phase: str) -> None:
    story = active_in_group() if phase != "arming" else in_group().started().expired().then(GroupActive())
    story.then(GroupBackup("b is backup"), 0.5)
    held = [] if phase == "arming" else [RemoveObjects]
    assert story.kinds == [*held, Announce]
    assert story.state.cause == "b is backup"
    assert story.state.active_router is None
    assert 3 + 156 / 256 <= story.down_in < 4 + 156 / 256


def test_two_groups_that_took_each_other_down_do_not_meet_again() -> None:
    """Both wait equally long, take over at once and yield on one member each: their next wait differs."""
    waits: list[list[float]] = [[], []]
    for found, source in zip(waits, ("10.9.0.1", "10.9.0.2"), strict=True):
        story = in_group().started(source)
        for _ in range(10):
            story.expired().then(GroupActive()).then(GroupBackup("b is backup"), 0.01)
            found.append(story.down_in - 3 - 156 / 256)
    assert all(0 <= each < 1 for found in waits for each in found)
    apart = sorted(abs(one - other) for one, other in zip(*waits, strict=True))
    assert apart[5] > 0.1


def test_that_wait_ends_when_somebody_stays_active() -> None:
    story = in_group().started().expired().then(GroupActive()).then(GroupBackup("b is backup"))
    apart = story.state.apart
    assert apart > 0
    assert story.then(heard(200, THIRD)).down_in == pytest.approx(3 + 156 / 256 + apart)
    assert story.then(heard(200)).down_in == pytest.approx(3 + 156 / 256 + apart)
    assert story.then(heard(200)).down_in == pytest.approx(3 + 156 / 256)


def test_what_is_handed_over_with_the_others_waits_for_the_table_of_its_own() -> None:
    story = active_in_group().then(HandOver()).then(GroupBackup("b is backup"), 0.1)
    assert story.did == ()
    told_at = story.now
    story.expired()
    assert story.now - told_at == pytest.approx(0.25)
    assert story.did == (RemoveObjects((VIP,)), Announce("backup", 10, "handed over"))
    assert story.state.yielded


def test_a_wish_begins_anew_when_the_others_become_backup() -> None:
    story = in_group().started().expired().then(GroupBackup("b is backup"), 0.5)
    assert (story.did, story.state.wants) == ((), False)
    assert story.down_in == pytest.approx(3 + 156 / 256)
    before = story.state
    assert story.then(GroupBackup("again"), 0.5).state == before


def test_one_that_leaves_for_good_is_not_held_up_by_the_others() -> None:
    story = active_in_group().then(Stop("bye")).then(GroupBackup("b is backup"))
    assert (story.did, story.state.phase) == ((), Phase.LEAVING)


@pytest.mark.parametrize("phase", ["started", "active"])
def test_faults_of_others_are_its_own(phase: str) -> None:
    story = in_group().started() if phase == "started" else active_in_group()
    story.then(GroupFaults(("b of the group: gone",)))
    assert story.state.phase is Phase.FAULT
    assert story.did[-1] == Announce("fault", story.state.epoch, "b of the group: gone")
    story.around("no carrier")
    assert story.state.cause == "no carrier; b of the group: gone"
    story.then(GroupFaults(()))
    assert (story.state.phase, story.state.cause) == (Phase.FAULT, "no carrier")
    assert story.around().state.phase is Phase.BACKUP
    assert not story.state.wants


def test_faults_of_others_before_it_begins() -> None:
    story = in_group().then(GroupFaults(("b of the group: gone",)))
    assert (story.did, story.state.phase) == ((), Phase.STARTING)
    assert story.started().state.phase is Phase.FAULT


def test_a_member_that_left_its_group_takes_over_alone() -> None:
    story = in_group().started().expired()
    story.state = replace(story.state, group=None)
    assert story.expired().state.phase is Phase.ARMING
