"""The report of a router's instances: what the loop gave out, with its own counters and nobody else's."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import msgspec
import pytest

from vipbus.contracts import TrackState, VirtualAddress, VrrpInstance, VrrpReport
from vipbus.telemetry.metrics import Histogram
from vrrp_agent import metrics
from vrrp_agent.exchange import InstanceState
from vrrp_agent.report import vrrp_report

_numbers = itertools.count()


def state(name: str, **changes: object) -> InstanceState:
    config = VrrpInstance(
        router="a",
        name=name,
        interface="eth0",
        virtual_router_id=51,
        version=3,
        priority=150,
        virtual_ipaddress=(VirtualAddress(address="10.9.0.1", prefix=24, dev="eth0"),),
    )
    base = InstanceState(
        config=config,
        role="active",
        epoch=3,
        effective_priority=130,
        source="192.0.2.1",
        active_router=None,
        cause="nobody is active",
        since=1_700_000_000.25,
    )
    return msgspec.structs.replace(base, **changes)


@pytest.fixture
def name() -> str:
    """Name an instance that nothing was counted for: the registry is the process's."""
    return f"Report_{next(_numbers)}"


def test_a_report_has_the_state_and_the_counters_of_its_instance(name: str) -> None:
    token = name.lower()
    metrics.ADVERTISEMENTS_SENT.add(7, instance=token)
    metrics.ADVERTISEMENTS_RECEIVED.add(5, instance=token)
    metrics.ADVERTISEMENTS_RECEIVED.add(99, instance="another")
    metrics.TRANSITIONS.add(2, instance=token, to="active")
    metrics.TRANSITIONS.add(instance=token, to="backup")
    metrics.PACKETS_DROPPED.add(3, instance=token, reason="ttl")
    metrics.PACKETS_DROPPED.add(instance=token, reason="checksum")
    before = dict(vrrp_report("a", ()).unclaimed)
    metrics.PACKETS_DROPPED.add(4, interface="eth0", reason="length")
    metrics.PACKETS_DROPPED.add(5, interface="eth1", reason="length")
    for late in (0.0002, 0.0002, 0.0004, 0.004):
        metrics.LATENESS.observe(late, instance=token)
        metrics.LATENESS_MAX.raise_to(late, instance=token)
    track = TrackState(kind="script", name="chk", up=False, weight=-20, cause="exit status 1")
    told = vrrp_report("a", [state(name, tracks=(track,), faults=("x",), sync_group="VG_1")])
    (instance,) = told.instances
    assert (instance.instance, instance.role, instance.epoch) == (name, "active", 3)
    assert (instance.priority, instance.effective_priority) == (150, 130)
    assert (instance.version, instance.family, instance.source) == (3, 4, "192.0.2.1")
    assert instance.addresses == ("10.9.0.1",)
    assert instance.since == datetime.fromtimestamp(1_700_000_000.25, UTC)
    assert (instance.tracks, instance.faults, instance.sync_group) == ((track,), ("x",), "VG_1")
    assert (instance.sent, instance.received) == (7, 5)
    assert instance.dropped == (("checksum", 1), ("ttl", 3))
    assert instance.transitions == (("active", 2), ("backup", 1))
    assert instance.lateness is not None
    assert (instance.lateness.count, instance.lateness.p50) == (4, 0.00025)
    # the bucket's bound is 5 ms, but nothing was later than 4
    assert (instance.lateness.p99, instance.lateness.max) == (0.004, 0.004)
    assert dict(told.unclaimed)["length"] - before.get("length", 0) == 9
    assert msgspec.json.decode(msgspec.json.encode(told), type=VrrpReport) == told


def test_one_instance_or_all_by_name(name: str) -> None:
    states = [state(f"{name}_{letter}") for letter in "ba"]
    assert [each.instance for each in vrrp_report("a", states).instances] == [f"{name}_a", f"{name}_b"]
    one = vrrp_report("a", states, f"{name}_b".lower())
    assert [each.instance for each in one.instances] == [f"{name}_b"]
    assert vrrp_report("a", states, "nobody").instances == ()


def test_who_never_advertised_has_no_lateness(name: str) -> None:
    (instance,) = vrrp_report("a", [state(name)]).instances
    assert (instance.lateness, instance.sent, instance.dropped, instance.transitions) == (None, 0, (), ())


@pytest.mark.parametrize(("longest", "expected"), [(7.5, 7.5), (0.0, 5.0)])
def test_what_is_later_than_every_bucket_is_a_number_in_json(
    name: str, longest: float, expected: float
) -> None:
    metrics.LATENESS.observe(7.5, instance=name.lower())
    if longest:
        metrics.LATENESS_MAX.raise_to(longest, instance=name.lower())
    (instance,) = vrrp_report("a", [state(name)]).instances
    assert instance.lateness is not None
    assert (instance.lateness.p50, instance.lateness.max) == (expected, expected)
    assert b"null" not in msgspec.json.encode(instance.lateness)


@pytest.mark.parametrize(
    ("seen", "share", "bound"),
    [
        ([], 0.5, None),
        ([0.05], 0.5, 0.1),
        ([0.05, 0.5], 0.5, 0.1),
        ([0.05, 0.5], 0.51, 1.0),
        ([0.05] * 99 + [3.0], 0.99, 0.1),
        ([0.05] * 99 + [3.0], 1.0, math.inf),
        ([0.1], 0.0, 0.1),
        ([0.5], 0.0, 1.0),
    ],
)
def test_quantiles_are_upper_bounds(seen: list[float], share: float, bound: float | None) -> None:
    histogram = Histogram("h", "h", (0.1, 1.0))
    for each in seen:
        histogram.observe(each, instance="x")
        histogram.observe(0.9, instance="y")
    assert histogram.quantile(share, instance="x") == bound
    assert histogram.count(instance="x") == len(seen)
