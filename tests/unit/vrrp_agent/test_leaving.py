"""Stop and handover: the addresses stay until a successor has them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vrrp_agent.story import HIGHER, ME, OTHER, THIRD, VIP, Story, config, heard
from vrrp_agent.actions import (
    AddObjects,
    Announce,
    Release,
    RemoveObjects,
    ReportHandedOver,
    SendAdvertisement,
    SendGratuitousArp,
    WatchForSuccessor,
)
from vrrp_agent.events import (
    AddressTaken,
    ArmingOver,
    Follow,
    GroupActive,
    HandOver,
    ObjectsLost,
    Reconfigured,
    Stop,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.model import Phase

BURST = SendGratuitousArp((VIP,), 5)


# ---- stop


def test_a_stop_keeps_the_addresses_until_the_successor_has_them() -> None:
    story = Story(virtual_ipaddress=(VIP, OTHER)).active().then(Stop("bye"))
    assert story.did == (WatchForSuccessor(), SendAdvertisement(0))
    assert story.state.role == "active"
    assert story.then(heard(90), 0.6).did == ()
    assert story.then(AddressTaken("10.9.0.100")).did == ()
    assert story.then(AddressTaken("10.9.0.100")).did == ()
    assert story.then(AddressTaken("10.9.0.101")).did == ()
    heard_at = story.now
    story.expired()
    assert story.now - heard_at == pytest.approx(0.02)  # for what is in flight
    assert story.did == (
        RemoveObjects((VIP, OTHER)),
        Announce("stopped", 10, "bye"),
        Release(),
    )


def test_one_address_of_two_is_no_successor() -> None:
    story = Story(virtual_ipaddress=(VIP, OTHER)).active().then(Stop("bye"))
    until = story.state.leave_by
    assert story.then(AddressTaken("10.9.0.100")).state.leave_by == until


def test_a_successor_that_is_only_heard_to_advertise_is_given_a_moment() -> None:
    story = Story().active().then(Stop("bye")).then(heard(90), 0.1)
    heard_at = story.now
    story.then(heard(90), 0.1).expired()
    assert story.now - heard_at == pytest.approx(0.25)
    assert story.kinds == [RemoveObjects, Announce, Release]


@pytest.mark.parametrize(
    ("version", "interval", "longest"), [(2, 1.0, 1.25), (2, 5.0, 1.25), (3, 0.1, 0.35), (3, 40.0, 3.5)]
)
def test_a_stop_without_a_successor_ends(version: int, interval: float, longest: float) -> None:
    story = Story(version=version, advert_int=interval).active().then(Stop("bye"))
    began = story.now
    story.expired()
    assert story.now - began == pytest.approx(longest)
    assert story.state.phase is Phase.STOPPED


def test_another_routers_farewell_is_no_successor() -> None:
    story = Story().active().then(Stop("bye"))
    until = story.state.leave_by
    assert story.then(heard(0), 0.1).state.leave_by == until


@pytest.mark.parametrize("graceful", [True, False])
@pytest.mark.parametrize(("phase", "farewell"), [("started", ()), ("arming", (SendAdvertisement(0),))])
def test_who_holds_nothing_leaves_at_once(phase: str, farewell: tuple[object, ...], graceful: bool) -> None:
    story = getattr(Story(), phase)()
    epoch = story.state.epoch
    story.then(Stop("bye", graceful=graceful))
    assert story.did == (*farewell, Announce("stopped", epoch + 1, "bye"), Release())


def test_who_has_not_claimed_the_role_has_none_to_give_up() -> None:
    """It arms in silence while another serves: priority 0 would tell the others that nobody does."""
    story = Story().started().then(heard(50), 1.0).expired()
    assert story.then(Stop("bye")).kinds == [Announce, Release]
    assert Story().started().then(heard(50), 1.0).expired().around("gone").kinds == [Announce]


def test_who_has_no_addresses_to_keep_leaves_at_once() -> None:
    story = Story(virtual_ipaddress=()).active().then(Stop("bye"))
    assert story.kinds == [SendAdvertisement, RemoveObjects, Announce, Release]


def test_a_stop_before_the_beginning_removes_what_a_former_life_left() -> None:
    assert Story().then(Stop("bye")).kinds == [RemoveObjects, Announce, Release]


def test_a_hard_stop_keeps_nothing() -> None:
    story = Story().active().then(Stop("bye", graceful=False))
    assert story.kinds == [SendAdvertisement, RemoveObjects, Announce, Release]
    again = Story().active().then(Stop("bye")).then(Stop("now", graceful=False))
    assert again.did == (RemoveObjects((VIP,)), Announce("stopped", 10, "now"), Release())
    assert Story().active().then(Stop("bye")).then(Stop("again")).did == ()


def test_a_fault_while_leaving_ends_it() -> None:
    story = Story().active().then(Stop("bye")).around("gone")
    assert story.did == (RemoveObjects((VIP,)), Announce("stopped", 10, "bye"), Release())


def test_a_leaver_neither_advertises_nor_restores_nor_announces() -> None:
    story = Story(version=3, advert_int=5.0).active().then(Stop("bye"))
    for event in (ObjectsLost((VIP,)), HandOver(), TimerExpired(), GroupActive(), ArmingOver(9)):
        assert story.then(event, 0.1).did == ()
    assert [type(action) for _, action in story.until(story.now + 10)] == [RemoveObjects, Announce, Release]


def test_what_is_over_stays_over() -> None:
    story = Story().started().then(Stop("bye"))
    assert story.state.deadline is None
    for event in (heard(0), TimerExpired(), Surroundings(source=ME), Stop("again"), HandOver(), Follow()):
        assert story.then(event).did == ()


# ---- handover


def test_a_handover_leaves_the_role_when_the_successor_has_the_addresses() -> None:
    story = Story().active().then(HandOver(to="b"))
    assert story.did == (WatchForSuccessor(), SendAdvertisement(0), ReportHandedOver("b"))
    assert story.state.role == "active"
    story.then(heard(50), 0.05).then(AddressTaken("10.9.0.100"), 0.05)
    heard_at = story.now
    story.expired()
    assert story.now - heard_at == pytest.approx(0.02)
    assert story.did == (RemoveObjects((VIP,)), Announce("backup", 10, "handed over to 10.9.0.3"))
    assert story.down_in == pytest.approx(3 + 156 / 256)


def test_a_successor_whose_advertisement_was_lost_has_followed_all_the_same() -> None:
    story = Story().started().then(heard(200)).expired()
    story.then(ArmingOver(9)).then(HandOver(to="b")).then(AddressTaken("10.9.0.100"), 0.1).expired()
    assert story.did == (RemoveObjects((VIP,)), Announce("backup", 10, "handed over"))
    assert story.state.yielded
    # and when that one leaves unheard, it is whoever is active
    assert story.then(heard(0, THIRD)).down_in == pytest.approx(156 / 256)


@pytest.mark.parametrize("lower", [heard(50), heard(1, THIRD)])
def test_what_was_handed_over_is_taken_back_from_silence_only(lower: Any) -> None:
    story = Story().active().then(HandOver()).then(heard(50), 0.1).expired()
    story.then(lower, 1.0)
    assert story.down_in == pytest.approx(3 + 156 / 256)
    story.expired()
    assert story.state.cause.endswith("fell silent")
    assert SendAdvertisement in story.kinds
    assert not story.state.yielded
    back = story.then(ArmingOver(story.state.epoch)).then(heard(200)).then(heard(50), 1.0)
    assert back.down_in == pytest.approx(2 + 156 / 256)  # and preempts again


def test_who_handed_over_follows_when_its_successor_leaves() -> None:
    story = Story().active().then(HandOver()).then(heard(50), 0.1).expired().then(heard(0), 1.0)
    assert story.down_in == pytest.approx(156 / 256)


def test_nobody_follows_and_the_role_stays() -> None:
    story = Story().active().then(HandOver(to="b"))
    began = story.now
    story.expired()
    assert story.now - began == pytest.approx(1.25)
    assert story.did == (
        SendAdvertisement(100),
        AddObjects((VIP,)),
        BURST,
        Announce("active", 9, "handed over, but nobody followed"),
    )
    assert (story.state.phase, story.state.epoch) == (Phase.ACTIVE, 9)
    assert story.state.advert_at == pytest.approx(story.now + 1)
    assert story.then(heard(50), 0.5).did[:2] == (SendAdvertisement(100), BURST)  # and heeds as before


def test_new_addresses_of_a_handover_that_nobody_followed_are_added() -> None:
    story = Story().active().then(HandOver()).then(Reconfigured(config(virtual_ipaddress=(OTHER,))))
    assert story.expired().did[1] == AddObjects((OTHER,))


def test_a_successor_that_left_again_is_none() -> None:
    story = Story().active().then(HandOver()).then(heard(50), 0.01).then(heard(0), 0.01).expired()
    assert story.state.phase is Phase.ACTIVE
    other = Story().active().then(HandOver()).then(heard(50), 0.01).then(heard(0, THIRD), 0.01).expired()
    assert other.state.phase is Phase.BACKUP


@pytest.mark.parametrize("phase", ["started", "arming"])
def test_only_an_active_router_hands_over(phase: str) -> None:
    assert getattr(Story(), phase)().then(HandOver()).did == ()


def test_a_stop_during_a_handover_ends_as_a_stop() -> None:
    story = Story().active().then(HandOver()).then(heard(50), 0.1).then(Stop("bye"), 0.1)
    assert story.did == ()
    story.expired()
    assert story.did == (RemoveObjects((VIP,)), Announce("stopped", 10, "bye"), Release())
    hard = Story().active().then(HandOver()).then(Stop("now", graceful=False))
    assert hard.did == (RemoveObjects((VIP,)), Announce("stopped", 10, "now"), Release())


def test_a_fault_during_a_handover_is_a_fault() -> None:
    story = Story().active().then(HandOver()).around("gone")
    assert story.did == (RemoveObjects((VIP,)), Announce("fault", 10, "gone"))


# ---- follow


def test_who_was_asked_follows_at_once() -> None:
    story = Story().started().then(heard(200)).then(Follow()).then(heard(0), 0.1)
    assert story.did == (
        SendAdvertisement(100),
        Announce("active", 9, "10.9.0.3 handed over to this router"),
    )


def test_the_whole_group_that_was_asked_follows_at_once() -> None:
    story = Story(group="G").started().then(heard(200)).then(Follow()).then(heard(0), 0.1)
    assert (story.did, story.state.wants) == ((), True)
    assert story.then(GroupActive()).did[0] == SendAdvertisement(100)


def test_a_wish_to_follow_is_forgotten() -> None:
    late = Story().started().then(heard(200)).then(Follow()).then(heard(200), 4.9).then(heard(0), 0.2)
    assert late.down_in == pytest.approx(156 / 256)
    late.expired().then(heard(200)).then(heard(0))
    assert late.down_in == pytest.approx(156 / 256)


@pytest.mark.parametrize("phase", ["arming", "active"])
def test_only_a_backup_follows(phase: str) -> None:
    story = getattr(Story(), phase)().then(Follow())
    assert (story.did, story.state.follow_until) == ((), None)


def test_the_router_that_was_followed_is_the_one_that_left() -> None:
    story = Story().started().then(heard(200)).then(Follow()).then(heard(0, THIRD))
    assert story.state.phase is Phase.BACKUP
    assert story.then(heard(0, HIGHER)).state.phase is Phase.ARMING
