"""A new configuration against what runs: the steps, in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vipbus.contracts import VirtualAddress, VrrpInstance
from vrrp_agent.reconfigure import Begin, Change, End, Keep, plan, virtual_addresses
from vrrp_agent.validate import unusable

VIP = VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0")


def config(name: str = "VI_1", **changes: Any) -> VrrpInstance:
    base = VrrpInstance(
        router="a", name=name, interface="eth0", virtual_router_id=51, virtual_ipaddress=(VIP,)
    )
    return msgspec.structs.replace(base, **changes)


ONE, TWO = config(), config("VI_2", virtual_router_id=52)
MOVED = "replaced by another virtual router"
REMOVED = "removed from the configuration"


@pytest.mark.parametrize(
    ("running", "leaving", "wanted", "steps"),
    [
        ([], [], [ONE, TWO], [Begin("vi_1", ONE), Begin("vi_2", TWO)]),
        ([ONE], [], [ONE], [Keep("vi_1")]),
        ([ONE], [], [config(priority=120)], [Change("vi_1", config(priority=120))]),
        ([ONE, TWO], [], [TWO], [End("vi_1", REMOVED, True, False), Keep("vi_2")]),
        *(
            ([ONE], [], [new], [End("vi_1", MOVED, False, True), Begin("vi_1", new)])
            for new in (config(virtual_router_id=52), config(interface="eth1"), config(version=3))
        ),
        # another name on the same virtual router cannot wait
        (
            [ONE],
            [],
            [config("VI_9")],
            [End("vi_1", REMOVED, False, False), Begin("vi_9", config("VI_9"))],
        ),
        # one that leaves goes on leaving, unless it is wanted again
        ([ONE], ["vi_1"], [], []),
        ([ONE], ["vi_1"], [ONE], [End("vi_1", MOVED, False, True), Begin("vi_1", ONE)]),
    ],
)
def test_the_steps(
    running: list[VrrpInstance], leaving: list[str], wanted: list[VrrpInstance], steps: list[object]
) -> None:
    by_token = {each.name.lower(): each for each in running}
    assert list(plan(by_token, set(leaving), wanted).steps) == steps


def test_what_cannot_run_is_left_out_and_said() -> None:
    made = plan({}, set(), [config(priority=0), TWO])
    assert made.steps == (Begin("vi_2", TWO),)
    assert made.problems == ("VI_1: priority 0 is not in 1-255",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"virtual_router_id": 0}, "virtual_router_id 0 is not in 1-255"),
        ({"virtual_router_id": 256}, "virtual_router_id 256 is not in 1-255"),
        ({"priority": 256}, "priority 256 is not in 1-255"),
        ({"advert_int": 0.5}, "not 1-255 whole seconds"),
        ({"advert_int": 256.0}, "not 1-255 whole seconds"),
        ({"version": 3, "advert_int": 0.001}, "not in 0.01-40.95 s"),
        ({"version": 3, "advert_int": 41.0}, "not in 0.01-40.95 s"),
        ({"virtual_ipaddress": ()}, "no virtual_ipaddress"),
        ({"virtual_ipaddress": (VIP,) * 256}, "more than 255"),
        ({"virtual_ipaddress": (msgspec.structs.replace(VIP, address="fd00::1"),)}, "not an IPv4 address"),
        ({"virtual_ipaddress": (msgspec.structs.replace(VIP, prefix=33),)}, "no prefix length of 0-32"),
    ],
)
def test_what_an_instance_must_be(changes: dict[str, Any], words: str) -> None:
    problem = unusable(config(**changes))
    assert words in problem
    assert bool(problem) == bool(words)


def test_two_of_a_kind_are_refused() -> None:
    assert "has the same name" in unusable(config("vi-1", virtual_router_id=9), [config("VI-1")])
    assert "is virtual router 51 on eth0 already" in unusable(config("VI_2"), [ONE])
    assert unusable(config("VI_2", interface="eth1"), [ONE]) == ""


def test_an_owners_address_may_be_its_primary_one() -> None:
    assert virtual_addresses([ONE]) == {"10.9.0.100"}
    assert virtual_addresses([config(priority=255)]) == set()
