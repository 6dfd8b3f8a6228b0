"""The state machine as a table of cases: what happened, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vrrp_agent.story import (
    EXCLUDED,
    HIGHER,
    LOWER,
    ME,
    OTHER,
    ROUTE,
    RULE,
    THIRD,
    VIP,
    Story,
    config,
    heard,
    knobs,
)
from vrrp_agent.actions import (
    AddObjects,
    Announce,
    RemoveObjects,
    ReportRestored,
    ReportYielded,
    SendAdvertisement,
    SendGratuitousArp,
)
from vrrp_agent.events import (
    AdvertisementReceived,
    ArmingOver,
    GroupActive,
    ObjectsLost,
    Started,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.model import Phase

BURST = SendGratuitousArp((VIP,), 5)

# ---- beginning


def test_a_start_removes_what_a_former_life_left_and_waits() -> None:
    story = Story(state="MASTER", priority=254).started()
    assert story.did == (RemoveObjects((VIP,)), Announce("backup", 8, "started"))
    assert story.down_in == pytest.approx(3 + 2 / 256)


def test_the_owner_starts_active_and_leaves_its_own_addresses_alone() -> None:
    story = Story(state="MASTER", priority=255).started()
    assert story.state.phase is Phase.ARMING
    assert story.did == (
        RemoveObjects(()),
        Announce("active", 8, "started as the address owner"),
    )
    # whoever serves gives its addresses up at the first advertisement, so the table comes first
    assert story.then(heard(100), 0.01).did == ()
    assert story.then(ArmingOver(8), 0.01).did == (SendAdvertisement(255), AddObjects((VIP,)), BURST)
    assert Story(state="BACKUP", priority=255).started().state.phase is Phase.BACKUP


def test_the_owner_of_a_group_waits_for_the_group_alone() -> None:
    story = Story(state="MASTER", priority=255, group="G").started()
    assert (story.state.phase, story.state.wants) == (Phase.BACKUP, True)
    assert story.then(GroupActive()).did == (Announce("active", 9, "nobody is active"),)


def test_an_adopted_instance_goes_on_in_the_same_epoch() -> None:
    story = Story(garp=knobs(master_refresh=60.0)).started(adopted=True)
    assert story.state.phase is Phase.ACTIVE
    assert story.did == (
        SendAdvertisement(100),
        AddObjects((VIP,)),
        Announce("active", 7, "resumed after a restart of the agent"),
    )
    assert story.state.advert_at == pytest.approx(story.now + 1)
    done = story.until(story.now + 61)
    bursts = [at for at, action in done if isinstance(action, SendGratuitousArp)]
    assert bursts == [0.5, 60.0]


def test_an_adopted_instance_that_cannot_take_part_lets_go() -> None:
    story = Story().started(adopted=True, faults=("gone",))
    assert story.did == (RemoveObjects((VIP,)), Announce("fault", 8, "gone"))


def test_a_start_on_a_missing_interface_is_a_fault_with_its_cause() -> None:
    story = Story().then(Started(source="", faults=("interface eth9 does not exist",)))
    assert story.did == (RemoveObjects((VIP,)), Announce("fault", 8, "interface eth9 does not exist"))
    assert story.state.deadline is None
    story.then(Surroundings(source=ME))
    assert story.did == (Announce("backup", 9, "it can take part again"),)
    assert story.down_in == pytest.approx(3 + 156 / 256)


@pytest.mark.parametrize("event", [heard(200), TimerExpired(), ArmingOver(7), ObjectsLost((VIP,))])
def test_nothing_happens_before_it_begins(event: AdvertisementReceived) -> None:
    story = Story().then(event)
    assert (story.did, story.state.phase) == ((), Phase.STARTING)


# ---- taking over


def test_silence_makes_active_advertisement_first_addresses_when_armed() -> None:
    story = Story().arming()
    assert story.did == (SendAdvertisement(100), Announce("active", 9, "nobody is active"))
    armed = story.then(ArmingOver(9), 0.004)
    assert armed.did == (AddObjects((VIP,)), BURST)


def test_everything_moves_addresses_first_and_only_addresses_are_announced() -> None:
    story = Story(
        virtual_ipaddress_excluded=(EXCLUDED,), virtual_routes=(ROUTE,), virtual_rules=(RULE,)
    ).active()
    assert story.did == (AddObjects((VIP, EXCLUDED, ROUTE, RULE)), SendGratuitousArp((VIP, EXCLUDED), 5))
    assert story.then(heard(200)).did[0] == RemoveObjects((VIP, EXCLUDED, ROUTE, RULE))


def test_an_election_may_have_no_addresses() -> None:
    story = Story(virtual_ipaddress=()).active()
    assert story.did == (AddObjects(()),)
    assert SendGratuitousArp not in [type(action) for _, action in story.until(story.now + 10)]


def test_addresses_wait_a_tenth_of_a_second_for_the_table_at_most() -> None:
    story = Story().arming()
    began = story.now
    story.expired()
    assert story.now - began == pytest.approx(0.1)
    assert story.did == (AddObjects((VIP,)), BURST)


def test_a_router_that_serves_is_displaced_when_the_table_is_armed_and_not_before() -> None:
    story = Story().started().then(heard(50), 1.0)
    story.expired()
    assert story.did == (Announce("active", 9, "10.9.0.3 has priority 50, ours is 100"),)
    assert story.then(heard(50), 0.001).did == ()
    armed = story.then(ArmingOver(9), 0.004)
    assert armed.did == (SendAdvertisement(100), AddObjects((VIP,)), BURST)
    assert story.state.advert_at == pytest.approx(story.now + 1)


def test_a_router_that_leaves_while_it_is_displaced_is_followed_at_once() -> None:
    story = Story().started().then(heard(50), 1.0)
    story.expired()
    assert story.then(heard(0), 0.001).did == (SendAdvertisement(100),)
    assert story.then(ArmingOver(9), 0.004).did == (AddObjects((VIP,)), BURST)


def test_the_table_of_another_epoch_arms_nothing() -> None:
    assert Story().arming().then(ArmingOver(8)).did == ()
    story = Story().active()
    assert story.then(ArmingOver(9)).did == ()


def test_advertisements_go_on_while_the_table_is_waited_for() -> None:
    story = Story(version=3, advert_int=0.01).arming()
    sent = 0
    while story.state.phase is Phase.ARMING:
        sent += SendAdvertisement in story.kinds
        story.expired()
    assert sent in (10, 11)  # the last may fall on the end of the wait


def test_advertisements_keep_their_pace_and_do_not_catch_up() -> None:
    story = Story().active()
    first = story.state.advert_at
    assert first is not None
    story.then(TimerExpired(), first - story.now + 0.2)
    assert story.state.advert_at == pytest.approx(first + 1)
    story.then(TimerExpired(), 0.8 + 1.9)
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
        ({"preempt_delay": 10.0}, 99, True),
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


def test_a_lower_priority_is_left_in_peace_for_the_preempt_delay_and_no_longer() -> None:
    story = Story(preempt_delay=10.0).started()
    for second in range(10):
        story.then(heard(50), 1.0 if second else 0.0)
        assert story.down_in == pytest.approx(3 + 156 / 256)
    story.then(heard(50), 1.0)
    assert story.down_in == pytest.approx(2 + 156 / 256)
    story.expired()
    assert story.state.phase is Phase.ARMING
    assert story.state.preempt_at is None


def test_a_higher_priority_ends_a_preempt_delay_that_runs() -> None:
    story = Story(preempt_delay=3.0).started().then(heard(50)).then(heard(200), 2.0).then(heard(50), 2.0)
    assert story.down_in == pytest.approx(3 + 156 / 256)
    assert story.state.preempt_at == pytest.approx(story.now + 3)


def test_priority_0_leaves_the_skew_only() -> None:
    assert Story(version=2).started().then(heard(0)).down_in == pytest.approx(156 / 256)
    three = Story(version=3).started().then(heard(200, interval=0.1)).then(heard(0))
    assert three.down_in == pytest.approx(156 / 256 * 0.1)


# ---- active hears


@pytest.mark.parametrize(
    ("ours", "priority", "source", "yields"),
    [
        (ME, 101, LOWER, True),
        (ME, 100, HIGHER, True),
        (ME, 100, LOWER, False),
        (ME, 99, HIGHER, False),
        # addresses are numbers, not text
        ("10.9.0.9", 100, "10.9.0.10", True),
        ("10.9.0.10", 100, "10.9.0.9", False),
        ("fe80::9", 100, "fe80::10", True),
        ("fe80::10", 100, "fe80::9", False),
        ("fe80::1", 100, "fe80:0:0:1::", True),
        ("", 100, HIGHER, True),
    ],
)
def test_who_is_first(ours: str, priority: int, source: str, yields: bool) -> None:
    story = Story().active(ours).then(heard(priority, source), 0.5)
    if yields:
        assert story.did == (
            RemoveObjects((VIP,)),
            Announce("backup", 10, f"{source} advertises priority {priority}, ours is 100"),
        )
        assert story.state.active_router == source
        assert story.down_in == pytest.approx(3 + 156 / 256)
    else:
        assert story.did == (SendAdvertisement(100), BURST)
        assert story.state.phase is Phase.ACTIVE


def test_a_router_that_yields_waits_as_long_as_the_winner_says() -> None:
    story = Story(version=3).active().then(heard(200, interval=0.1))
    assert story.down_in == pytest.approx(0.3 + 156 / 256 * 0.1)


def test_priority_0_is_answered_at_once() -> None:
    story = Story().active().then(heard(0), 0.4)
    assert story.did == (SendAdvertisement(100),)
    assert story.state.advert_at == pytest.approx(story.now + 1)


def test_a_router_that_yields_before_its_addresses_came_removes_none() -> None:
    assert Story().arming().then(heard(200)).kinds == [Announce]
    quiet = Story().started().then(heard(50)).expired()
    assert quiet.then(heard(200, THIRD)).kinds == [Announce]


def test_a_last_advertisement_before_yielding_teaches_bridges() -> None:
    story = Story(higher_prio_send_advert=True).active().then(heard(200))
    assert story.kinds == [SendAdvertisement, RemoveObjects, Announce]
    quiet = Story(higher_prio_send_advert=True).started().then(heard(50)).expired()
    assert quiet.then(heard(200, THIRD)).kinds == [Announce]  # it has not spoken yet


@pytest.mark.parametrize("phase", ["arming", "active"])
def test_an_owner_may_ignore_everybody(phase: str) -> None:
    for priority in (0, 254, 255):
        story = getattr(Story(priority=255, owner_ignore_adverts=True), phase)()
        assert story.then(heard(priority), 0.05).did == ()
    assert Story(priority=255).active().then(heard(255)).state.phase is Phase.BACKUP
    assert Story(owner_ignore_adverts=True).active().then(heard(200)).state.phase is Phase.BACKUP


# ---- what it holds


def test_what_someone_removed_is_put_back() -> None:
    story = Story(virtual_ipaddress=(VIP, OTHER), virtual_routes=(ROUTE,)).active()
    assert story.then(ObjectsLost((VIP, ROUTE))).did == (
        AddObjects((VIP, ROUTE)),
        BURST,
        ReportRestored(VIP),
        ReportRestored(ROUTE),
    )
    assert story.then(ObjectsLost((ROUTE,))).did == (AddObjects((ROUTE,)), ReportRestored(ROUTE))
    assert story.then(ObjectsLost((EXCLUDED,))).did == ()
    assert Story().started().then(ObjectsLost((VIP,))).did == ()
    assert Story().arming().then(ObjectsLost((VIP,))).did == ()


@pytest.mark.parametrize(
    ("settings", "patience"), [({}, 1 + 156 / 256), ({"version": 3, "advert_int": 0.1}, 0.1609375)]
)
def test_a_lost_address_may_mean_to_yield(settings: dict[str, Any], patience: float) -> None:
    story = Story(on_address_loss="yield", virtual_routes=(ROUTE,), **settings).active()
    assert story.then(ObjectsLost((ROUTE,))).did == (AddObjects((ROUTE,)), ReportRestored(ROUTE))
    assert story.then(ObjectsLost((ROUTE, VIP))).did == (
        SendAdvertisement(0),
        RemoveObjects((VIP, ROUTE)),
        Announce("backup", 10, "10.9.0.100 was removed from eth0 by someone else"),
        ReportYielded("10.9.0.100"),
    )
    assert story.down_in == pytest.approx(patience)
    assert story.expired().state.cause == "nobody is active"


# ---- times


@pytest.mark.parametrize(
    ("version", "priority", "interval", "adverts", "down"),
    [
        (2, 100, 1.0, 3, 3 + 156 / 256),
        (2, 255, 1.0, 3, 3 + 1 / 256),
        (2, 1, 2.0, 3, 6 + 255 / 256),
        (2, 100, 2.0, 5, 10 + 156 / 256),
        (3, 100, 1.0, 3, 3.609375),
        (3, 100, 0.1, 3, 0.3609375),
        (3, 100, 0.01, 3, 0.03609375),
        (3, 100, 0.1, 1, 0.1609375),
    ],
)
def test_the_master_down_interval(
    version: int, priority: int, interval: float, adverts: int, down: float
) -> None:
    story = Story(version=version, priority=priority, advert_int=interval, down_timer_adverts=adverts)
    assert story.started().down_in == pytest.approx(down)


def test_version_3_learns_the_interval_and_version_2_does_not() -> None:
    three = Story(version=3).started().then(heard(200, interval=0.1))
    assert three.down_in == pytest.approx(0.3 + 156 / 256 * 0.1)
    assert three.then(heard(200, interval=0.5)).down_in == pytest.approx(1.5 + 156 / 256 * 0.5)
    two = Story(version=2).started().then(heard(200, interval=0.1))
    assert two.down_in == pytest.approx(3 + 156 / 256)


def test_the_interval_of_a_router_that_is_not_accepted_is_not_learned() -> None:
    story = Story(version=3).started().then(heard(50, interval=0.1), 1.0)
    assert story.state.active_interval == 1.0
    assert story.down_in == pytest.approx(2 + 156 / 256)


def test_the_configuration_is_as_the_cases_say() -> None:
    assert (config().version, config().priority, config().advert_int) == (2, 100, 1.0)


@pytest.mark.parametrize(
    ("before", "source", "heeded"),
    [
        ([], HIGHER, True),
        ([heard(200)], HIGHER, True),
        ([heard(200)], THIRD, False),
        ([heard(200), heard(0)], THIRD, True),
        ([heard(200, THIRD), heard(150)], THIRD, False),
    ],
)
def test_whose_priority_0_counts(before: list[AdvertisementReceived], source: str, heeded: bool) -> None:
    story = Story().started()
    for event in before:
        story.then(event)
    story.then(heard(0, source), 0.1)
    assert (story.down_in == pytest.approx(156 / 256)) == heeded
