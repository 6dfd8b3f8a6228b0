"""Which sync daemons should run, and the steps from those that do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.namespace import Daemon, DaemonState
from ipvs_programmer.ours import Ours
from ipvs_programmer.sync_daemons import Start, Stop, sends, steps, wanted
from ipvs_programmer.sync_keeper import SyncKeeper, interface_index
from tests.unit.health_prober.documents import revision
from tests.unit.ipvs_programmer.world import EPOCH, instance
from vipbus.contracts import Event, Role, SyncDaemon
from vipbus.runtime.revision import Revision, vrrp_configuration

MASTER, BACKUP = DaemonState.MASTER, DaemonState.BACKUP


def daemon(state: DaemonState, interface: str = "eth1", sync_id: int = 51, **more: int) -> Daemon:
    return Daemon(state=state, interface=interface, sync_id=sync_id, **more)


def role(name: str) -> dict[str, Role]:
    found = Role(
        router="router-a",
        instance="VI_1",
        role=name,  # type: ignore[arg-type]  # the tests name only roles
        epoch=1,
        priority=100,
        virtual_router_id=51,
        interface="eth0",
        addresses=("10.9.0.1",),
        revision=1,
        since=EPOCH,
        cause="test",
    )
    return {"vi_1": found}


def configured(*addresses: str, without: bool = False) -> Revision:
    made = instance(*addresses)
    if without:
        made = msgspec.structs.replace(made, virtual_ipaddress=())
    return msgspec.structs.replace(revision(), vrrp=vrrp_configuration("router-a", 1, [made]))


HERE = frozenset(("10.9.0.1",))
NOWHERE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("said", "addresses", "sending"),
    [
        ("active", HERE, True),
        ("active", NOWHERE, False),  # it takes over: the other router still forwards
        ("backup", NOWHERE, False),
        ("backup", HERE, False),  # it leaves; or the address is on its lo, as of a real server
        ("fault", HERE, False),
        (None, HERE, True),  # the bus is away
        (None, NOWHERE, False),
    ],
)
def test_who_sends(said: str | None, addresses: frozenset[str], sending: bool) -> None:
    roles = role(said) if said is not None else None
    assert sends("VI_1", configured(), roles, addresses) == sending


def test_an_instance_without_addresses_goes_by_its_role() -> None:
    bare = configured(without=True)
    assert sends("VI_1", bare, role("active"), NOWHERE)
    assert not sends("VI_1", bare, role("backup"), NOWHERE)
    assert not sends("VI_1", bare, None, NOWHERE)
    assert not sends("VI_9", configured(), role("active"), HERE)


@pytest.mark.parametrize(
    ("settings", "active", "states"),
    [
        (None, True, []),
        (SyncDaemon(interface="eth1", instance="VI_1"), True, [MASTER]),
        (SyncDaemon(interface="eth1", instance="VI_1"), False, [BACKUP]),
        (SyncDaemon(interface="eth1", instance="VI_1", both=True), False, [MASTER, BACKUP]),
        (SyncDaemon(interface="eth1"), False, [MASTER, BACKUP]),
    ],
)
def test_what_should_run(settings: SyncDaemon | None, active: bool, states: list[DaemonState]) -> None:
    assert list(wanted(settings, active=active)) == states


def test_every_setting_arrives() -> None:
    settings = SyncDaemon(
        interface="eth1", instance="VI_1", sync_id=7, max_length=1400, port=9000, ttl=3, group="FF02:0::81"
    )
    assert wanted(settings, active=True)[MASTER] == Daemon(
        state=MASTER, interface="eth1", sync_id=7, sync_maxlen=1400, port=9000, ttl=3, group="ff02::81"
    )


RUNNING_MASTER, RUNNING_BACKUP = daemon(MASTER).completed(), daemon(BACKUP).completed()


@pytest.mark.parametrize(
    ("want", "running", "ours", "expected"),
    [
        # started, adopted, replaced
        ([daemon(MASTER)], [], [], [Start(daemon(MASTER))]),
        ([daemon(MASTER)], [RUNNING_MASTER], [], []),
        (
            [daemon(MASTER, sync_id=9)],
            [RUNNING_MASTER],
            [],
            [Stop(RUNNING_MASTER), Start(daemon(MASTER, sync_id=9))],
        ),
        # a change of role, both ways: what ends goes first
        ([daemon(MASTER)], [RUNNING_BACKUP], [BACKUP], [Stop(RUNNING_BACKUP), Start(daemon(MASTER))]),
        ([daemon(BACKUP)], [RUNNING_MASTER], [MASTER], [Stop(RUNNING_MASTER), Start(daemon(BACKUP))]),
        # it left the configuration: ours goes, another's stays
        ([], [RUNNING_MASTER, RUNNING_BACKUP], [BACKUP], [Stop(RUNNING_BACKUP)]),
        ([], [RUNNING_MASTER], [], []),
        # where a daemon is configured, both places are ours
        ([daemon(BACKUP)], [RUNNING_MASTER, RUNNING_BACKUP], [], [Stop(RUNNING_MASTER)]),
    ],
)
def test_steps(
    want: list[Daemon], running: list[Daemon], ours: list[DaemonState], expected: list[Start | Stop]
) -> None:
    assert list(steps({each.state: each for each in want}, running, ours)) == expected


daemons = st.builds(
    daemon, st.just(MASTER), st.sampled_from(["eth0", "eth1"]), st.integers(0, 2), ttl=st.integers(0, 2)
)
sets = st.lists(st.tuples(st.sampled_from([MASTER, BACKUP]), daemons), max_size=2).map(
    lambda found: {state: Daemon(state=state, interface=d.interface, ttl=d.ttl) for state, d in found}
)


@given(sets, sets, st.sets(st.sampled_from([MASTER, BACKUP])))
def test_the_steps_lead_there_and_never_start_what_runs(
    want: dict[DaemonState, Daemon], runs: dict[DaemonState, Daemon], ours: set[DaemonState]
) -> None:
    running = {state: each.completed() for state, each in runs.items()}
    for step in steps(want, running.values(), ours):
        if isinstance(step, Stop):
            del running[step.daemon.state]
        else:
            assert step.daemon.state not in running
            running[step.daemon.state] = step.daemon.completed()
    assert steps(want, running.values(), ours) == ()
    for state, each in want.items():
        assert each.is_met_by(running[state])


def test_interfaces_by_name() -> None:
    assert interface_index("lo") > 0
    assert interface_index("none") == 0


def test_an_interface_that_was_made_again_gets_a_new_daemon(tmp_path: Path) -> None:
    kernel, index, heard = FakeKernel(), [7], list[Event]()
    kernel.interfaces.add("eth1")
    keeper = SyncKeeper(
        kernel,
        Ours(tmp_path / "around.json"),
        "router-a",
        lambda event, _: heard.append(event),
        find=lambda _: index[0],
    )
    want = {MASTER: daemon(MASTER)}
    keeper.bring_about(want, "test")
    keeper.bring_about(want, "test")
    assert len(heard) == 1
    index[0] = 9
    keeper.bring_about(want, "test")
    assert len(heard) == 2
    kernel.interfaces.clear()
    index[0] = 0
    keeper.bring_about(want, "test")
    assert not kernel.running
    assert "no interface eth1" in keeper.problem
    kernel.interfaces.add("eth1")
    index[0] = 10
    keeper.bring_about(want, "test")
    assert list(kernel.running) == [MASTER]
    assert not keeper.problem
    keeper.bring_about({}, "test")
    assert not kernel.running
