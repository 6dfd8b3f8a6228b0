"""What the table should be, as a table of cases."""

from __future__ import annotations

import msgspec
import pytest

from ipvs_programmer.desired import Layout, Picture, active_instances, desired
from ipvs_programmer.hold import Hold, Weighed
from ipvs_programmer.table import Forwarding, Key, Pool
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from tests.unit.ipvs_programmer.world import EPOCH, USUAL, instance, real_server, virtual_server
from vipbus.contracts import (
    Entity,
    Head,
    IpvsSettings,
    OperatorState,
    RealServer,
    Role,
    Verdict,
    VirtualServer,
)
from vipbus.runtime.revision import Revision, vrrp_configuration


def layout(*entities: Entity) -> Layout:
    return Layout(
        Revision(
            head=Head(router="router-a", revision=1, entities=0, digest="", source="test", accepted_at=EPOCH),
            vrrp=vrrp_configuration("router-a", 1, entities),
            virtual_servers=tuple(each for each in entities if isinstance(each, VirtualServer)),
            real_servers=tuple(each for each in entities if isinstance(each, RealServer)),
            ipvs=next((each for each in entities if isinstance(each, IpvsSettings)), None),
        )
    )


def verdicts(**names: str) -> dict[str, Verdict]:
    """Make verdicts by the last number of the address: ``_21="down"``."""
    made = {}
    for number, name in names.items():
        verdict = Verdict(
            virtual_server=virtual_server().id,
            real_server=f"10-9-0-{number[1:]}_80",
            verdict=name,  # type: ignore[arg-type]  # the tests name only verdicts
            cause="test",
            since=EPOCH,
            prober="p1",
            lease=1,
        )
        made[verdict.key] = verdict
    return made


def weighed(**weights: tuple[int | None, int]) -> dict[str, Verdict]:
    """Make verdicts that are up, with the weight and the added weight of their checks."""
    up = verdicts(**dict.fromkeys(weights, "up"))
    return {
        key: msgspec.structs.replace(verdict, weight=weight, weight_added=added)
        for (key, verdict), (weight, added) in zip(up.items(), weights.values(), strict=True)
    }


@pytest.mark.parametrize(
    ("given", "present"),
    [
        (verdicts(), ["21", "22"]),
        (verdicts(_21="up", _22="up"), ["21", "22"]),
        (verdicts(_21="unknown"), ["21", "22"]),
        (verdicts(_21="down"), ["22"]),
        (verdicts(_21="down", _22="down"), []),
        (verdicts(_99="down"), ["21", "22"]),
    ],
    ids=["none", "up", "unknown", "one down", "all down", "someone else's"],
)
def test_verdicts(given: dict[str, Verdict], present: list[str]) -> None:
    wanted = table(pool(None, *(destination(f"10.9.0.{number}") for number in present)))
    assert desired(layout(*USUAL).servers.values(), Picture(verdicts=given), {"vi_1"}, "clear") == wanted


def said(**states: str) -> dict[str, OperatorState]:
    """Make an operator's words by the last number of the address: ``_21="drain"``."""
    made = {}
    for number, state in states.items():
        document = OperatorState(
            virtual_server=virtual_server().id,
            real_server=f"10-9-0-{number[1:]}_80",
            state=state,  # type: ignore[arg-type]  # the tests name only states
            by="ann",
            since=EPOCH,
        )
        made[document.key] = document
    return made


@pytest.mark.parametrize(
    ("words", "given", "weights"),
    [
        (said(_21="drain"), verdicts(), {"21": 0, "22": 1}),
        (said(_21="drain"), verdicts(_21="up"), {"21": 0, "22": 1}),
        (said(_21="drain"), verdicts(_21="down"), {"22": 1}),
        (said(_21="disable"), verdicts(_21="up"), {"22": 1}),
        (said(_21="disable", _22="drain"), verdicts(), {"22": 0}),
        (said(_21="disable", _22="disable"), verdicts(), {}),
        (said(_99="disable"), verdicts(), {"21": 1, "22": 1}),
        (said(_21="drain"), weighed(_21=(9, 0)), {"21": 0, "22": 1}),
        ({}, weighed(_21=(9, 0), _22=(None, 3)), {"21": 9, "22": 4}),
        ({}, weighed(_21=(None, -5)), {"21": 0, "22": 1}),
    ],
)
def test_operators_and_weights(
    words: dict[str, OperatorState], given: dict[str, Verdict], weights: dict[str, int]
) -> None:
    wanted = table(pool(None, *(destination(f"10.9.0.{each}", weight=w) for each, w in weights.items())))
    picture = Picture(verdicts=given, operators=words)
    assert desired(layout(*USUAL).servers.values(), picture, {"vi_1"}, "clear") == wanted


@pytest.mark.parametrize(("state", "weights"), [("drain", {"21": 0}), ("disable", {})])
def test_an_operator_is_heard_for_a_real_server_without_checks(state: str, weights: dict[str, int]) -> None:
    of = layout(instance(), virtual_server(), real_server("10.9.0.21", checked=False))
    wanted = table(pool(None, *(destination(f"10.9.0.{each}", weight=w) for each, w in weights.items())))
    assert desired(of.servers.values(), Picture(operators=said(_21=state)), {"vi_1"}, "clear") == wanted


@pytest.mark.parametrize(
    ("given", "present"),
    [
        (verdicts(), ["22"]),
        (verdicts(_21="unknown"), ["22"]),
        (verdicts(_21="down"), ["22"]),
        (verdicts(_21="up"), ["21", "22"]),
    ],
)
def test_alpha_waits_for_its_first_success(given: dict[str, Verdict], present: list[str]) -> None:
    alpha = msgspec.structs.replace(real_server("10.9.0.21"), alpha=True)
    of = layout(instance(), virtual_server(), alpha, real_server("10.9.0.22"))
    wanted = table(pool(None, *(destination(f"10.9.0.{number}") for number in present)))
    assert desired(of.servers.values(), Picture(verdicts=given), {"vi_1"}, "clear") == wanted


def test_alpha_stays_where_it_stood_while_no_verdict_was_ever_read() -> None:
    alpha = [
        msgspec.structs.replace(real_server(address), alpha=True) for address in ("10.9.0.21", "10.9.0.22")
    ]
    held: dict[Key, Pool] = table(pool(None, destination(weight=4)))
    of = layout(instance(), virtual_server(), *alpha)
    assert desired(of.servers.values(), Picture(kept=held), {"vi_1"}, "clear") == held


def test_what_is_held_stands_with_its_weight_and_an_operator_passes_through() -> None:
    dead = verdicts(_21="down", _22="down")
    hold = Hold(
        {"10-9-0-21_80": Weighed(1, 5), "10-9-0-22_80": Weighed(1, 6)},
        frozenset({"10-9-0-21_80", "10-9-0-22_80"}),
        2,
    )
    picture = Picture(verdicts=dead, holds={virtual_server().id: hold})
    servers = layout(*USUAL).servers.values()
    assert desired(servers, picture, {"vi_1"}, "clear") == table(
        pool(None, destination(weight=5), destination("10.9.0.22", weight=6))
    )
    through = msgspec.structs.replace(picture, operators=said(_21="disable", _22="drain"))
    assert desired(servers, through, {"vi_1"}, "clear") == table(
        pool(None, destination("10.9.0.22", weight=0))
    )


def test_a_real_server_without_a_check_is_always_in() -> None:
    of = layout(instance(), virtual_server(), real_server("10.9.0.21", checked=False))
    assert desired(of.servers.values(), Picture(verdicts=verdicts(_21="down")), {"vi_1"}, "clear") == table(
        pool(None, destination())
    )


@pytest.mark.parametrize(
    ("owner", "active", "standby", "there"),
    [
        ("VI_1", {"vi_1"}, "clear", True),
        ("VI_1", set(), "clear", False),
        ("VI_1", set(), "warm", True),
        ("VI_1", {"vi_2"}, "clear", False),
        (None, set(), "clear", True),
    ],
)
def test_roles(owner: str | None, active: set[str], standby: str, there: bool) -> None:
    of = layout(instance(), virtual_server(instance=owner))
    assert bool(desired(of.servers.values(), Picture(), active, standby)) is there  # type: ignore[arg-type]  # "clear" or "warm"


@pytest.mark.parametrize("forwarding", ["NAT", "DR", "TUN"])
def test_settings_and_families(forwarding: str) -> None:
    virtual = virtual_server("fd00:0::1", 53, protocol="UDP", scheduler="wlc", forwarding=forwarding)
    virtual = virtual.__class__(
        **{name: getattr(virtual, name) for name in virtual.__struct_fields__} | {"persistence_timeout": 50}
    )
    of = layout(instance("fd00::1"), virtual, real_server("fd00::21", of=virtual, weight=7))
    at = key("fd00::1", 53, 17)
    assert desired(of.servers.values(), Picture(), {"vi_1"}, "clear") == table(
        pool(
            service(at, "wlc", 50),
            destination("fd00::21", weight=7, forwarding=Forwarding[forwarding]),
        )
    )


def test_while_no_verdict_was_ever_read_the_kernel_keeps_its_weights() -> None:
    held: dict[Key, Pool] = table(pool(None, destination(weight=0), destination("10.9.0.99", weight=5)))
    of = layout(instance(), virtual_server(), real_server("10.9.0.21"), real_server("10.9.0.22", weight=3))
    assert desired(of.servers.values(), Picture(kept=held), {"vi_1"}, "clear") == table(
        pool(None, destination(weight=0), destination("10.9.0.22", weight=3))
    )
    unchecked = layout(instance(), virtual_server(), real_server("10.9.0.21", checked=False))
    assert desired(unchecked.servers.values(), Picture(kept=held), {"vi_1"}, "clear") == table(
        pool(None, destination())
    )


def role(name: str) -> dict[str, Role]:
    return {
        "vi_1": Role(
            router="router-a",
            instance="VI_1",
            role=name,  # type: ignore[arg-type]  # the tests name only roles
            epoch=1,
            priority=100,
            virtual_router_id=51,
            interface="eth0",
            addresses=(),
            revision=1,
            since=EPOCH,
            cause="test",
        )
    }


@pytest.mark.parametrize(
    ("addresses", "roles", "active"),
    [
        (set(), {}, False),
        (set(), None, False),
        (set(), role("active"), True),
        (set(), role("backup"), False),
        (set(), role("fault"), False),
        ({"10.9.0.1"}, {}, True),
        ({"10.9.0.1"}, None, True),
        ({"10.9.0.1"}, role("backup"), True),
        ({"10.9.0.2"}, role("backup"), False),
    ],
)
def test_which_instances_are_active(
    addresses: set[str],
    roles: dict[str, Role] | None,
    active: bool,
) -> None:
    assert active_instances([instance()], addresses, roles) == ({"vi_1"} if active else set())


def test_a_layout_knows_every_instance_and_every_server() -> None:
    orphan = real_server("10.9.0.23", of=virtual_server(port=9999))
    of = layout(*USUAL, orphan, virtual_server(port=443, instance=None))
    assert set(of.by_instance) == {"vi_1"}
    assert [server.key for server in of.by_instance["vi_1"]] == [key()]
    assert set(of.by_key) == {key(), key(port=443)}
    assert [real.address for real in of.servers[virtual_server().id].real_servers] == [
        "10.9.0.21",
        "10.9.0.22",
    ]
