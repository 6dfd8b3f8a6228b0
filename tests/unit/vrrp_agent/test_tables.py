"""Routes and rules in the picture: what the kernel says, and what it leaves unsaid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vipbus.contracts import VirtualRoute, VirtualRule
from vipbus.contracts.vrrp_objects import NextHop
from vrrp_agent import rules
from vrrp_agent.addresses import Address
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.routes import Hop, Route
from vrrp_agent.rtnetlink import Link, LinkGone

ETH0 = Link(index=2, name="eth0", enabled=True, up=True)
ETH1 = Link(index=3, name="eth1", enabled=True, up=True)
DOWN = msgspec.structs.replace(ETH0, enabled=False, up=False)


def there(**more: Any) -> Route:
    base = {
        "family": 4,
        "destination": "10.0.0.0/8",
        "table": 254,
        "metric": 0,
        "tos": 0,
        "kind": 1,
        "protocol": 18,
        "hops": (Hop(2, "10.9.0.7"),),
    }
    return Route(**{**base, **more})


def wanted(**more: Any) -> VirtualRoute:
    return VirtualRoute(
        **{"family": 4, "destination": "10.0.0.0/8", "via": "10.9.0.7", "dev": "eth0", **more}
    )


def picture(*changes: Any) -> Interfaces:
    interfaces = Interfaces()
    interfaces.apply([ETH0, ETH1, Address(2, "10.9.0.1", 24), *changes])
    return interfaces


@pytest.mark.parametrize(
    ("standing", "is_it"),
    [
        (there(), True),
        (there(protocol=4), False),
        (there(kind=6, hops=()), False),
        (there(hops=(Hop(2, "10.9.0.8"),)), False),
        (there(hops=(Hop(3, "10.9.0.7"),)), False),
        (there(metric=5), False),
        (there(table=7), False),
        (there(tos=16), False),
        (there(destination="10.0.0.0/9"), False),
    ],
)
def test_only_the_same_route_is_it(standing: Route, is_it: bool) -> None:
    assert picture(standing).holds(wanted()) == is_it


def test_a_metric_that_is_not_given_is_the_kernels() -> None:
    six = there(family=6, destination="2001:db8::/32", metric=1024, hops=(Hop(2),))
    assert picture(six).holds(wanted(family=6, destination="2001:db8::/32", via=None))


def test_all_hops_of_a_route_must_be_there() -> None:
    both = wanted(via=None, dev=None, nexthops=(NextHop(via="10.9.0.7", dev="eth0"), NextHop(dev="eth1")))
    assert picture(there(hops=(Hop(2, "10.9.0.7"), Hop(3)))).holds(both)
    assert not picture(there()).holds(both)


@pytest.mark.parametrize(
    "loss",
    [
        [there(present=False)],
        # an equal route of somebody else may have replaced it
        [there(protocol=3, replacing=True)],
        # the kernel says nothing of the rest
        [DOWN],
        [LinkGone(2)],
        [Address(2, "10.9.0.1", 24, present=False)],
    ],
)
def test_a_route_is_lost(loss: list[Any]) -> None:
    assert not picture(there(), *loss).holds(wanted())


@pytest.mark.parametrize(
    "other",
    [
        [there(present=False, hops=(Hop(2, "10.9.0.8"),))],
        [there(protocol=3, metric=5, replacing=True)],
        [msgspec.structs.replace(ETH1, enabled=False, up=False)],
        [msgspec.structs.replace(ETH0, up=False)],  # without a carrier it stays
        [Address(2, "10.9.0.2", 24), Address(2, "10.9.0.1", 24, present=False)],
    ],
)
def test_a_route_stays(other: list[Any]) -> None:
    assert picture(there(), *other).holds(wanted())


def test_a_route_goes_with_its_source_address() -> None:
    virtual = wanted(source="10.9.0.100")
    interfaces = picture(Address(2, "10.9.0.100", 24), there(source="10.9.0.100"))
    assert interfaces.holds(virtual)
    interfaces.apply([Address(2, "10.9.0.100", 24, present=False)])
    assert not interfaces.holds(virtual)


def test_a_route_of_several_ways_stays_while_one_is_left() -> None:
    several = there(hops=(Hop(2, "10.9.0.7"), Hop(3, "10.8.0.7")))
    interfaces = picture(several, DOWN)
    assert interfaces.holds(wanted())
    interfaces.apply([LinkGone(3)])
    assert not interfaces.holds(wanted())


def test_ipv6_ways_go_one_by_one() -> None:
    several = there(
        family=6, destination="2001:db8::/32", metric=1024, hops=(Hop(2, "fe80::7"), Hop(3, "fe80::8"))
    )
    virtual = wanted(family=6, destination="2001:db8::/32", via="fe80::7")
    interfaces = picture(several)
    assert interfaces.holds(virtual)
    interfaces.apply([msgspec.structs.replace(several, hops=(Hop(3, "fe80::8"),), present=False)])
    assert interfaces.holds(virtual)
    interfaces.apply([msgspec.structs.replace(several, hops=(Hop(2, "fe80::7"),), present=False)])
    assert not interfaces.holds(virtual)


def test_others_routes_are_not_kept() -> None:
    interfaces = picture(there(protocol=12))
    assert not interfaces.holds(wanted(protocol=12))
    interfaces.protocols |= {12}
    interfaces.apply([there(protocol=12)])
    assert interfaces.holds(wanted(protocol=12))


def test_a_rule_is_the_same_whatever_its_priority_when_none_is_asked() -> None:
    virtual = VirtualRule(family=4, table=7, source="10.9.0.100/32")
    standing = msgspec.structs.replace(rules.wanted(virtual), priority=32765)
    interfaces = picture(standing)
    assert interfaces.holds(virtual)
    assert interfaces.holds(msgspec.structs.replace(virtual, priority=32765))
    assert not interfaces.holds(msgspec.structs.replace(virtual, priority=100))
    assert not interfaces.holds(msgspec.structs.replace(virtual, table=8))
    interfaces.apply([msgspec.structs.replace(standing, present=False)])
    assert not interfaces.holds(virtual)


def test_bits_behind_a_prefix_are_cleared_in_a_route_and_kept_in_a_rule() -> None:
    assert picture(there()).holds(wanted(destination="10.0.0.1/8"))
    rule = VirtualRule(family=4, table=7, source="10.9.0.100/24")
    assert rules.wanted(rule).source == "10.9.0.100/24"


def test_what_is_no_prefix_is_not_there() -> None:
    assert not picture().holds(wanted(destination="10.0.0.0/8", source_prefix="nonsense"))
    assert not picture().holds(VirtualRule(family=4, table=7, source="nonsense"))
