"""The state machine as a table of cases: what happened, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vipbus.contracts import VirtualAddress, VrrpInstance
from vrrp_agent.instance import decide
from vrrp_agent.model import (
    Action,
    AddAddresses,
    AddressLost,
    AddressTaken,
    AdvertisementReceived,
    Announce,
    ArmingOver,
    Happening,
    Instance,
    LinkDown,
    LinkUp,
    Phase,
    Reconfigured,
    Release,
    RemoveAddresses,
    ReportDualMaster,
    ReportRestored,
    SendAdvertisement,
    SendGratuitousArp,
    Started,
    Stop,
    TimerExpired,
    WatchForSuccessor,
)
from vrrp_agent.packet import Advertisement

VIP = VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0")
OTHER = VirtualAddress(address="10.9.0.101", prefix=24, dev="eth0")
HIGHER, LOWER = "10.9.0.3", "10.9.0.1"
ME = "10.9.0.2"


def config(**changes: Any) -> VrrpInstance:
    base = VrrpInstance(
        router="a", name="VI_1", interface="eth0", virtual_router_id=51, virtual_ipaddress=(VIP,)
    )
    return msgspec.structs.replace(base, **changes)


def heard(priority: int, source: str = HIGHER, interval: float = 1.0) -> AdvertisementReceived:
    return AdvertisementReceived(
        Advertisement(
            version=2,
            virtual_router_id=51,
            priority=priority,
            interval=interval,
            addresses=("10.9.0.100",),
            source=source,
        )
    )


class Story:
    """An instance that things happen to; `did` is what came of the last one."""

    def __init__(self, **settings: Any) -> None:
        self.state = Instance(config=config(**settings), epoch=7)
        self.now = 1000.0
        self.did: tuple[Action, ...] = ()

    def then(self, event: Happening, after: float = 0.0) -> Story:
        self.now += after
        self.state, self.did = decide(self.state, event, self.now)
        return self

    def started(self, **settings: Any) -> Story:
        return self.then(Started(source=ME, **settings))

    def expired(self) -> Story:
        """Let the clock reach the deadline."""
        assert self.state.deadline is not None
        self.now = self.state.deadline
        return self.then(TimerExpired())

    def active(self) -> Story:
        return self.started().expired().then(ArmingOver(self.state.epoch))

    @property
    def kinds(self) -> list[type]:
        return [type(action) for action in self.did]

    @property
    def down_in(self) -> float:
        assert self.state.down_at is not None
        return self.state.down_at - self.now


# ---- times


@pytest.mark.parametrize(
    ("version", "priority", "interval", "down"),
    [
        (2, 100, 1.0, 3 + 156 / 256),
        (2, 255, 1.0, 3 + 1 / 256),
        (2, 1, 2.0, 6 + 255 / 256),
        (3, 100, 1.0, 3.609375),
        (3, 100, 0.1, 0.3609375),
        (3, 100, 0.01, 0.03609375),
    ],
)
def test_the_master_down_interval(version: int, priority: int, interval: float, down: float) -> None:
    story = Story(version=version, priority=priority, advert_int=interval).started()
    assert story.down_in == pytest.approx(down)


def test_version_3_learns_the_interval_and_version_2_does_not() -> None:
    three = Story(version=3).started().then(heard(200, interval=0.1))
    assert three.down_in == pytest.approx(0.3 + 156 / 256 * 0.1)
    two = Story(version=2).started().then(heard(200, interval=0.1))
    assert two.down_in == pytest.approx(3 + 156 / 256)


def test_priority_0_leaves_the_skew_only() -> None:
    assert Story(version=2).started().then(heard(0)).down_in == pytest.approx(156 / 256)
    three = Story(version=3).started().then(heard(200, interval=0.1)).then(heard(0))
    assert three.down_in == pytest.approx(156 / 256 * 0.1)


# ---- beginning


def test_a_start_removes_what_a_former_life_left_and_waits() -> None:
    story = Story(state="MASTER", priority=254).started()
    assert story.did == (RemoveAddresses((VIP,)), Announce("backup", 8, "started"))


def test_the_owner_starts_active_and_leaves_its_own_addresses_alone() -> None:
    story = Story(state="MASTER", priority=255).started()
    assert story.state.phase is Phase.ARMING
    assert story.did == (
        RemoveAddresses(()),
        SendAdvertisement(255),
        Announce("active", 8, "started as the address owner"),
    )
    assert Story(state="BACKUP", priority=255).started().state.phase is Phase.BACKUP


def test_an_adopted_instance_goes_on_in_the_same_epoch() -> None:
    story = Story().started(adopted=True)
    assert story.state.phase is Phase.ACTIVE
    assert story.kinds == [SendAdvertisement, AddAddresses, Announce]
    assert story.state.epoch == 7


def test_a_start_on_a_missing_interface_is_a_fault_with_its_cause() -> None:
    story = Story().then(Started(source="", problem="interface eth9 does not exist"))
    assert story.did == (RemoveAddresses((VIP,)), Announce("fault", 8, "interface eth9 does not exist"))
    assert story.state.deadline is None
    story.then(LinkUp(ME))
    assert story.kinds == [Announce]
    assert story.down_in == pytest.approx(3 + 156 / 256)


# ---- taking over


def test_silence_makes_active_advertisement_first_addresses_when_armed() -> None:
    story = Story().started().expired()
    assert story.did == (SendAdvertisement(100), Announce("active", 9, "nobody is active"))
    armed = story.then(ArmingOver(9), 0.004)
    assert armed.did == (AddAddresses((VIP,)), SendGratuitousArp((VIP,)))


def test_addresses_wait_a_tenth_of_a_second_for_the_table_at_most() -> None:
    story = Story().started().expired()
    began = story.now
    story.expired()
    assert story.now - began == pytest.approx(0.1)
    assert story.kinds == [AddAddresses, SendGratuitousArp]


def test_a_router_that_serves_is_displaced_when_the_table_is_armed_and_not_before() -> None:
    story = Story().started().then(heard(50), 1.0)
    story.expired()
    assert story.did == (Announce("active", 9, "10.9.0.3 has priority 50, ours is 100"),)
    assert story.then(heard(50), 0.001).did == ()
    armed = story.then(ArmingOver(9), 0.004)
    assert armed.did == (SendAdvertisement(100), AddAddresses((VIP,)), SendGratuitousArp((VIP,)))
    assert story.state.advert_at == pytest.approx(story.now + 1)


def test_a_router_that_leaves_while_it_is_displaced_is_followed_at_once() -> None:
    story = Story().started().then(heard(50), 1.0)
    story.expired()
    assert story.then(heard(0), 0.001).did == (SendAdvertisement(100),)
    assert story.then(ArmingOver(9), 0.004).did == (AddAddresses((VIP,)), SendGratuitousArp((VIP,)))


def test_the_table_of_another_epoch_arms_nothing() -> None:
    assert Story().started().expired().then(ArmingOver(8)).did == ()


def test_advertisements_go_on_while_the_table_is_waited_for() -> None:
    story = Story(version=3, advert_int=0.01).started().expired()
    sent = 0
    while story.state.phase is Phase.ARMING:
        sent += SendAdvertisement in story.kinds
        story.expired()
    assert sent in (10, 11)  # the last may fall on the end of the wait


def test_gratuitous_arp_is_repeated_soon_and_later() -> None:
    story = Story().active()
    began, bursts = story.now, []
    while story.now < began + 20:
        story.expired()
        if SendGratuitousArp in story.kinds:
            bursts.append(round(story.now - began, 3))
    assert bursts == [0.1, 5.0]


def test_advertisements_keep_their_pace_and_do_not_catch_up() -> None:
    story = Story().active()
    first = story.state.advert_at
    assert first is not None
    story.then(TimerExpired(), first - story.now + 0.2)
    assert story.state.advert_at == pytest.approx(first + 1)
    story.then(TimerExpired(), 5.0)
    assert story.kinds.count(SendAdvertisement) == 1
    assert story.state.advert_at == pytest.approx(story.now + 1)


@pytest.mark.parametrize(
    ("last", "cause"),
    [(heard(200), "10.9.0.3 fell silent"), (heard(0), "10.9.0.3 left")],
)
def test_the_cause_of_a_takeover_is_said(last: AdvertisementReceived, cause: str) -> None:
    story = Story().started().then(heard(200)).then(last).expired()
    assert story.state.cause == cause


# ---- backup hears


@pytest.mark.parametrize(
    ("settings", "priority", "resets"),
    [
        ({}, 101, True),
        ({}, 100, True),
        ({}, 99, False),
        ({"nopreempt": True}, 99, True),
        ({"nopreempt": True, "state": "MASTER"}, 99, False),
        ({"nopreempt": True, "priority": 255}, 99, False),
    ],
)
def test_who_resets_a_backup(settings: dict[str, Any], priority: int, resets: bool) -> None:
    story = Story(**settings).started()
    before = story.down_in
    story.then(heard(priority), 1.0)
    assert (story.down_in == pytest.approx(before)) == resets
    assert story.state.phase is Phase.BACKUP


def test_a_backup_says_once_who_is_active() -> None:
    story = Story().started().then(heard(200))
    assert story.did == (Announce("backup", 8, "10.9.0.3 is active with priority 200"),)
    assert story.then(heard(200)).did == ()
    assert story.state.active_router == HIGHER


# ---- active hears


@pytest.mark.parametrize(
    ("priority", "source", "yields"),
    [(101, LOWER, True), (100, HIGHER, True), (100, LOWER, False), (99, HIGHER, False)],
)
def test_who_is_first(priority: int, source: str, yields: bool) -> None:
    story = Story().active().then(heard(priority, source), 10.0)
    if yields:
        assert story.kinds == [RemoveAddresses, Announce]
        assert story.state.role == "backup"
        assert story.state.active_router == source
    else:
        assert story.did == (
            SendAdvertisement(100),
            SendGratuitousArp((VIP,)),
            ReportDualMaster(source, priority),
        )


def test_priority_0_is_answered_at_once() -> None:
    assert Story().active().then(heard(0)).did == (SendAdvertisement(100),)


def test_a_router_that_yields_before_its_addresses_came_removes_none() -> None:
    assert Story().started().expired().then(heard(200)).kinds == [Announce]


def test_a_preempted_routers_last_word_is_no_second_master() -> None:
    assert ReportDualMaster not in Story().active().then(heard(50), 0.2).kinds


def test_a_second_master_is_reported_once_until_it_falls_silent() -> None:
    story = Story().active()
    reports = [ReportDualMaster in story.then(heard(50), 1.0).kinds for _ in range(8)]
    assert sum(reports) == 1
    assert ReportDualMaster in story.then(heard(50), 30.0).kinds


# ---- the interface


def test_a_lost_link_is_a_fault_and_its_return_waits_the_whole_silence() -> None:
    story = Story().active().then(LinkDown("interface eth0 has no carrier"))
    assert story.did == (
        SendAdvertisement(0),
        RemoveAddresses((VIP,)),
        Announce("fault", 10, "interface eth0 has no carrier"),
    )
    assert story.state.deadline is None
    assert story.then(LinkDown("interface eth0 has no carrier")).did == ()
    assert story.then(LinkDown("interface eth0 does not exist")).kinds == [Announce]
    assert story.state.epoch == 10
    assert story.then(LinkUp(ME)).down_in == pytest.approx(3 + 156 / 256)


def test_an_address_that_someone_removed_is_put_back() -> None:
    story = Story().active().then(AddressLost("10.9.0.100"))
    assert story.did == (AddAddresses((VIP,)), SendGratuitousArp((VIP,)), ReportRestored("10.9.0.100"))
    assert story.then(AddressLost("10.9.0.77")).did == ()
    assert Story().started().then(AddressLost("10.9.0.100")).did == ()


# ---- leaving


def test_a_stop_keeps_the_addresses_until_the_successor_has_them() -> None:
    story = Story(virtual_ipaddress=(VIP, OTHER)).active().then(Stop("bye"))
    assert story.did == (WatchForSuccessor(), SendAdvertisement(0))
    assert story.state.role == "active"
    assert story.then(heard(90), 0.6).did == ()
    assert story.then(AddressTaken("10.9.0.100")).did == ()
    assert story.then(AddressTaken("10.9.0.101")).did == ()
    heard_at = story.now
    story.expired()
    assert story.now - heard_at == pytest.approx(0.02)  # for what is in flight
    assert story.did == (
        RemoveAddresses((VIP, OTHER)),
        Announce("stopped", 10, "bye"),
        Release(),
    )


def test_a_successor_that_is_only_heard_to_advertise_is_given_a_moment() -> None:
    story = Story().active().then(Stop("bye")).then(heard(90), 0.1)
    heard_at = story.now
    story.expired()
    assert story.now - heard_at == pytest.approx(0.25)
    assert story.kinds == [RemoveAddresses, Announce, Release]


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
def test_a_backup_leaves_at_once(graceful: bool) -> None:
    story = Story().started().then(Stop("bye", graceful=graceful))
    assert story.did == (Announce("stopped", 9, "bye"), Release())


def test_a_hard_stop_keeps_nothing() -> None:
    story = Story().active().then(Stop("bye", graceful=False))
    assert story.kinds == [SendAdvertisement, RemoveAddresses, Announce, Release]
    again = Story().active().then(Stop("bye")).then(Stop("now", graceful=False))
    assert again.kinds == [RemoveAddresses, Announce, Release]


def test_a_link_that_is_lost_while_leaving_ends_it() -> None:
    assert Release in Story().active().then(Stop("bye")).then(LinkDown("gone")).kinds


def test_what_is_over_stays_over() -> None:
    story = Story().started().then(Stop("bye"))
    for event in (heard(0), TimerExpired(), LinkUp(ME), Stop("again")):
        assert story.then(event).did == ()


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
        RemoveAddresses((VIP,)),
        AddAddresses((OTHER,)),
        SendGratuitousArp((OTHER,)),
        Announce("active", 9, "nobody is active"),
    )


def test_a_shorter_interval_holds_at_once() -> None:
    story = Story(version=3).active().then(Reconfigured(config(version=3, advert_int=0.1)))
    assert story.state.advert_at == pytest.approx(story.now + 0.1)
