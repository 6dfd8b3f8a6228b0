"""Drains: a story each, and what must hold whatever happens."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvs_programmer.drain import is_drained
from ipvs_programmer.table import DestinationKey, MarkKey, ServiceKey
from tests.unit.ipvs_programmer.site import Site
from tests.unit.ipvs_programmer.tables import key
from tests.unit.ipvs_programmer.test_desired import verdicts
from tests.unit.ipvs_programmer.world import instance, real_server, virtual_server
from vipbus.contracts import Entity, SorryServer, VirtualServer

SERVICE = "TCP 10.9.0.1:80"
A, B = DestinationKey("10.9.0.21", 80), DestinationKey("10.9.0.22", 80)
BOTH = {SERVICE: {"10.9.0.21:80": 1, "10.9.0.22:80": 1}}
DRAINING = {SERVICE: {"10.9.0.21:80": 0, "10.9.0.22:80": 1}}
ONE = {SERVICE: {"10.9.0.22:80": 1}}
BEGUN = "begun 10-9-0-21_80 with 2 until 2026-01-01T00:05:00Z"


def pool(*numbers: int, virtual: VirtualServer | None = None) -> tuple[Entity, ...]:
    virtual = virtual or virtual_server()
    return (instance(), virtual, *(real_server(f"10.9.0.{number}", of=virtual) for number in numbers))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.configure(*pool(21, 22))
    assert made.held() == BOTH
    made.connect(key(), A, 1, 1)
    made.connect(key(), B, 5)
    return made


def test_it_goes_when_its_last_connection_has_ended(site: Site) -> None:
    site.configure(*pool(22))
    assert site.held() == DRAINING
    for active, inactive in ((1, 1), (0, 1), (1, 0)):
        site.connect(key(), A, active, inactive)
        site.wait(1)
        site.count()
        assert site.held() == DRAINING
    site.connect(key(), A, 0)
    site.count()
    assert site.held() == ONE
    assert site.told() == [BEGUN, "ended 10-9-0-21_80 with 0: empty"]
    assert site.drains.due == float("inf")


def test_it_goes_at_its_deadline(site: Site) -> None:
    site.configure(*pool(22))
    site.count()
    site.wait(299.9)
    site.count()
    assert site.held() == DRAINING
    # another revision does not begin it again
    site.configure(*pool(22))
    site.wait(0.1)
    site.count()
    assert site.held() == ONE
    assert site.told() == [BEGUN, "ended 10-9-0-21_80 with 2: deadline"]


def test_one_that_comes_back_is_taken_in_again(site: Site) -> None:
    site.configure(*pool(22))
    site.count()
    site.configure(*pool(21, 22))
    assert site.held() == BOTH
    assert site.told() == [BEGUN, "ended 10-9-0-21_80 with 2: cancelled"]
    assert site.drains.due == float("inf")
    # and goes again with a new deadline
    site.wait(100)
    site.configure(*pool(22))
    site.count()
    assert site.told() == ["begun 10-9-0-21_80 with 2 until 2026-01-01T00:06:40Z"]


def test_one_that_is_down_goes_at_once(site: Site) -> None:
    inhibited = (
        instance(),
        virtual_server(),
        msgspec.structs.replace(real_server("10.9.0.21"), inhibit_on_failure=True),
        real_server("10.9.0.22"),
    )
    site.configure(*inhibited)
    site.say(verdicts(_21="down").values())
    assert site.held() == DRAINING
    site.configure(*pool(22))
    assert site.held() == ONE
    assert site.told() == []


def test_one_whose_pool_is_below_its_quorum_drains(site: Site) -> None:
    sorry = SorryServer(address="10.9.0.9", port=80, forwarding="NAT", inhibit=True)
    virtual = virtual_server(quorum=9, sorry_server=sorry)
    site.configure(*pool(21, 22, virtual=virtual))
    assert site.held() == {SERVICE: {"10.9.0.21:80": 0, "10.9.0.22:80": 0, "10.9.0.9:80": 1}}
    site.configure(*pool(22, virtual=virtual))
    site.count()
    assert site.held()[SERVICE]["10.9.0.21:80"] == 0


@pytest.mark.parametrize(
    ("server", "of"),
    [
        ({"protocol": "UDP"}, ServiceKey(17, "10.9.0.1", 80)),
        ({"protocol": "UDP", "one_packet": True}, ServiceKey(17, "10.9.0.1", 80)),
        ({"drain_timeout": 0.0}, key()),
    ],
)
def test_what_cannot_drain_goes_at_once(tmp_path: Path, server: dict[str, Any], of: ServiceKey) -> None:
    site = Site(tmp_path)
    virtual = virtual_server(**server)
    site.configure(*pool(21, 22, virtual=virtual))
    site.connect(of, A, 5)
    site.configure(*pool(22, virtual=virtual))
    assert site.held() == {str(of): {"10.9.0.22:80": 1}}
    site.configure(instance())
    assert site.held() == {}
    assert site.told() == []


@pytest.mark.parametrize(
    ("settings", "drains"),
    [
        ({}, True),
        ({"protocol": "SCTP"}, True),
        ({"protocol": "UDP"}, False),
        ({"address": "", "port": 0, "mark": 7, "protocol": "UDP"}, True),
        ({"address": "", "port": 0, "mark": 7, "one_packet": True}, False),
        ({"drain_timeout": 0.0}, False),
    ],
)
def test_who_drains(settings: dict[str, Any], drains: bool) -> None:  # a column
    assert is_drained(virtual_server(**settings)) is drains


# ---- a virtual server that leaves

GONE = {SERVICE: {"10.9.0.21:80": 0, "10.9.0.22:80": 0}}


def test_a_virtual_server_that_leaves_drains_too(site: Site) -> None:
    site.configure(instance())
    assert site.held() == GONE
    site.connect(key(), B, 0)
    site.count()
    assert site.held() == {SERVICE: {"10.9.0.21:80": 0}}
    site.configure(instance("10.9.0.1", "10.9.0.2"))  # another revision is nothing to it
    site.wait(300)
    site.count()
    assert site.held() == {}
    assert site.told() == [
        BEGUN,
        "begun 10-9-0-22_80 with 0 until 2026-01-01T00:05:00Z",
        "ended 10-9-0-22_80 with 0: empty",
        "ended 10-9-0-21_80 with 2: deadline",
    ]
    assert not site.pools.leaving


def test_its_service_stays_as_it_was(tmp_path: Path) -> None:
    site = Site(tmp_path)
    virtual = virtual_server("", 0, mark=7, persistence_timeout=50, scheduler_flags=("flag-1",))
    site.configure(*pool(21, virtual=virtual))
    of = MarkKey(2, 7)
    before = site.kernel.services[of]
    site.connect(of, A, 1)
    site.configure(instance())
    for _ in range(2):
        assert site.kernel.services == {of: before}
        site.restart()
    site.connect(of, A, 0)
    site.count()
    assert site.held() == {}


def test_it_can_come_back_with_one_real_server_less(site: Site) -> None:
    site.configure(instance())
    site.count()
    site.configure(*pool(22))
    assert site.held() == DRAINING
    assert site.told()[2:] == ["ended 10-9-0-22_80 with 5: cancelled"]
    site.connect(key(), A, 0)
    site.count()
    assert site.held() == ONE


def test_it_stands_while_this_router_has_the_address(site: Site) -> None:
    site.active = frozenset()
    site.configure()  # the instance has left with it, and its address is still here
    assert site.held() == GONE
    site.inputs.addresses = set()
    assert site.pools.active(site.layout, frozenset()) == frozenset()
    leaving = site.pools.leaving[key()]
    assert not site.pools.wanted(leaving, frozenset())


def test_what_nobody_configures_at_the_start_has_left_meanwhile(site: Site) -> None:
    site.configure(*pool(21, 22))
    again = Site(site.state_dir, site.kernel)
    again.configure(instance())
    assert again.held() == GONE
    again.count()
    assert len(again.told()) == 2
    again.connect(key(), A, 0)
    again.connect(key(), B, 0)
    again.count()
    assert again.held() == {}


# ---- restarts


def test_a_restart_goes_on_with_it(site: Site) -> None:
    site.configure(*pool(22))
    site.count()
    site.wait(200)
    site.restart()
    assert site.held() == DRAINING
    site.wait(99)
    site.count()
    assert site.held() == DRAINING
    site.wait(1)
    site.count()
    assert site.held() == ONE
    assert site.told() == [BEGUN, "ended 10-9-0-21_80 with 2: deadline"]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"null", b"[{}]", b'[{"key":{},"drains":[]}]', b"[" * 100_000, b"\xff"]
)
def test_a_damaged_file_is_a_fresh_start(site: Site, damage: bytes) -> None:
    site.configure(*pool(22))
    (site.state_dir / "drains.json").write_bytes(damage)
    site.wait(100)
    site.restart()
    site.wait(250)
    site.count()
    assert site.held() == DRAINING  # what stands in the kernel and nobody configures drains from now on
    site.wait(50)
    site.count()
    assert site.held() == ONE


numbers = st.sampled_from([21, 22, 23])
step = st.one_of(
    st.tuples(st.just("configure"), st.frozensets(numbers)),
    st.tuples(st.just("remove"), st.none()),
    st.tuples(st.just("connect"), st.tuples(numbers, st.integers(0, 2), st.integers(0, 2))),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 100.0, 301.0])),
)


def do(site: Site, what: str, value: Any) -> None:
    if what == "configure":
        site.configure(*pool(*sorted(value)))
    elif what == "remove":
        site.configure(instance())
    elif what == "connect":
        number, active, inactive = value
        site.connect(key(), DestinationKey(f"10.9.0.{number}", 80), active, inactive)
    else:
        site.wait(value)
    site.count()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(step, max_size=15), restarts=st.sets(st.integers(0, 14)))
def test_a_restart_changes_nothing(steps: list[tuple[str, Any]], restarts: set[int]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        steady, restarted = Site(Path(one)), Site(Path(other))
        for site in (steady, restarted):
            site.configure(*pool(21, 22))
        for number, (what, value) in enumerate(steps):
            if number in restarts:
                restarted.restart()
            do(steady, what, value)
            do(restarted, what, value)
            assert restarted.held() == steady.held()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(step, max_size=15))
def test_nothing_goes_before_it_is_empty_or_its_time_is_over(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory))
        site.configure(*pool(21, 22))
        configured: frozenset[int] = frozenset([21, 22])
        left: dict[int, float] = {}
        clock = 0.0
        for what, value in steps:
            if what in {"configure", "remove"}:
                now = value or frozenset()
                for number in configured - now:
                    left[number] = clock
                for number in now:
                    left.pop(number, None)
                configured = now
            clock += value if what == "wait" else 0
            do(site, what, value)
            there = site.kernel.destinations.get(key(), {})
            for number in configured:
                assert there[DestinationKey(f"10.9.0.{number}", 80)].weight == 1
            for number, since in list(left.items()):
                of = DestinationKey(f"10.9.0.{number}", 80)
                counts = site.kernel.connections.get((key(), of))
                empty = counts is None or counts.active + counts.inactive == 0
                if empty or clock - since >= 300:
                    assert of not in there
                    del left[number]
                else:
                    assert there[of].weight == 0
            assert len(there) == len(configured) + len(left)
