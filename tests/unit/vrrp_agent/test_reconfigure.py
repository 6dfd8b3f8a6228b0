"""A new configuration against what runs: the steps, in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.vrrp_agent.story import EXCLUDED, VIP, config
from vipbus.contracts import UnicastPeer, VirtualMac, VrrpInstance
from vipbus.contracts.vrrp_checks import unusable
from vrrp_agent.reconfigure import Begin, Change, End, Keep, plan, virtual_addresses, virtual_router

ONE, TWO = config(), config(name="VI_2", virtual_router_id=52)


def unicast(*addresses: str) -> dict[str, Any]:
    return {"unicast_peers": tuple(UnicastPeer(address=each) for each in addresses)}


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
            [config(name="VI_9")],
            [End("vi_1", REMOVED, False, False), Begin("vi_9", config(name="VI_9"))],
        ),
        # unless no packet can be meant for both
        (
            [config(**unicast("10.9.0.7"))],
            [],
            [config(name="VI_9", **unicast("10.9.0.8"))],
            [End("vi_1", REMOVED, True, False), Begin("vi_9", config(name="VI_9", **unicast("10.9.0.8")))],
        ),
        # one that leaves is hurried when another takes its place
        (
            [ONE],
            ["vi_1"],
            [config(name="VI_9")],
            [End("vi_1", REMOVED, False, False), Begin("vi_9", config(name="VI_9"))],
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
        ({"version": 3, "advert_int": float("nan")}, "not in 0.01-40.95 s"),
        ({"version": 3, "advert_int": 40.95}, ""),
        ({"family": 6}, "version 2 has no IPv6; set version 3"),
        ({"down_timer_adverts": 0}, "down_timer_adverts 0 is not in 1-100"),
        ({"down_timer_adverts": 101}, "down_timer_adverts 101 is not in 1-100"),
        ({"virtual_ipaddress": ()}, ""),
        ({"virtual_ipaddress_excluded": (EXCLUDED,)}, ""),
        ({"virtual_ipaddress_excluded": (msgspec.structs.replace(EXCLUDED, prefix=129),)}, "of 0-128"),
        ({"family": 6, "version": 3, "virtual_ipaddress": (EXCLUDED,)}, ""),
        ({"family": 6, "version": 3}, "is not of IPv6, as the instance is"),
        ({"source": "fe80::1"}, "fe80::1 is no IPv4 address"),
        ({"source": "10.9.0.1 "}, "is no IPv4 address"),
        ({"multicast_group": "ff02::12"}, "ff02::12 is no IPv4 address"),
        (unicast("fe80::7"), "fe80::7 is no IPv4 address"),
        ({"virtual_ipaddress": (VIP,) * 256}, "more than 255"),
        (
            {"virtual_ipaddress": (msgspec.structs.replace(VIP, address="fd00::1"),)},
            "is not of IPv4, as the instance is",
        ),
        ({"virtual_ipaddress": (msgspec.structs.replace(VIP, prefix=33),)}, "no prefix length of 0-32"),
    ],
)
def test_what_an_instance_must_be(changes: dict[str, Any], words: str) -> None:
    problem = unusable(config(**changes))
    assert words in problem
    assert bool(problem) == bool(words)


def test_two_of_a_kind_are_refused() -> None:
    assert "has the same name" in unusable(config(name="vi-1", virtual_router_id=9), [config(name="VI-1")])
    assert "is virtual router 51 on eth0 already" in unusable(config(name="VI_2"), [ONE])
    assert unusable(config(name="VI_2", interface="eth1"), [ONE]) == ""


SIX = config(family=6, version=3, virtual_ipaddress=(EXCLUDED,))


@pytest.mark.parametrize(
    ("one", "other", "clashes"),
    [
        (ONE, config(name="VI_2"), True),
        (ONE, config(name="VI_2", interface="eth1"), False),
        (ONE, msgspec.structs.replace(SIX, name="VI_2"), False),
        (ONE, config(name="VI_2", multicast_group="224.0.0.77"), False),
        (ONE, config(name="VI_2", multicast_group="224.0.0.18"), True),
        (SIX, msgspec.structs.replace(SIX, name="VI_2", multicast_group="ff02::12"), True),
        (ONE, config(name="VI_2", **unicast("10.9.0.7")), False),
        (config(**unicast("10.9.0.7")), config(name="VI_2", **unicast("10.9.0.8")), False),
        (config(**unicast("10.9.0.7", "10.9.0.8")), config(name="VI_2", **unicast("10.9.0.8")), True),
    ],
)
def test_who_may_share_a_virtual_router_id(one: VrrpInstance, other: VrrpInstance, clashes: bool) -> None:
    assert bool(unusable(other, [one])) == clashes
    assert bool(unusable(one, [other])) == clashes


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"priority": 7, "advert_int": 5.0, "nopreempt": True, **unicast("10.9.0.7")}, True),
        ({"interface": "eth1"}, False),
        ({"virtual_router_id": 7}, False),
        ({"version": 3}, False),
        ({"virtual_mac": VirtualMac(name="vrrp.51")}, False),
        ({"vrf": "blue"}, False),
    ],
)
def test_what_makes_another_virtual_router(changes: dict[str, Any], same: bool) -> None:
    assert (virtual_router(config(**changes)) == virtual_router(ONE)) == same


def test_an_owners_address_may_be_its_primary_one() -> None:
    assert virtual_addresses([ONE]) == {"10.9.0.100"}
    assert virtual_addresses([config(virtual_ipaddress_excluded=(EXCLUDED,))]) == {"10.9.0.100", "fd09::100"}
    assert virtual_addresses([config(priority=255)]) == set()
