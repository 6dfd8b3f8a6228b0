"""What the table should be, as a table of cases."""

from __future__ import annotations

import pytest

from ipvs_programmer.desired import Layout, active_instances, desired
from ipvs_programmer.table import Forwarding, Key, Pool
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from tests.unit.ipvs_programmer.world import EPOCH, USUAL, instance, real_server, virtual_server
from vipbus.contracts import Entity, Head, RealServer, Role, Verdict, VirtualServer, VrrpInstance
from vipbus.runtime.revision import Revision


def layout(*entities: Entity) -> Layout:
    return Layout(
        Revision(
            head=Head(router="router-a", revision=1, entities=0, digest="", source="test", accepted_at=EPOCH),
            instances=tuple(each for each in entities if isinstance(each, VrrpInstance)),
            virtual_servers=tuple(each for each in entities if isinstance(each, VirtualServer)),
            real_servers=tuple(each for each in entities if isinstance(each, RealServer)),
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
    assert desired(layout(*USUAL).servers.values(), given, {"vi_1"}, "clear") == wanted


def test_a_real_server_without_a_check_is_always_in() -> None:
    of = layout(instance(), virtual_server(), real_server("10.9.0.21", checked=False))
    assert desired(of.servers.values(), verdicts(_21="down"), {"vi_1"}, "clear") == table(
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
    assert bool(desired(of.servers.values(), {}, active, standby)) is there  # type: ignore[arg-type]  # "clear" or "warm"


@pytest.mark.parametrize("forwarding", ["NAT", "DR", "TUN"])
def test_settings_and_families(forwarding: str) -> None:
    virtual = virtual_server("fd00:0::1", 53, protocol="UDP", scheduler="wlc", forwarding=forwarding)
    virtual = virtual.__class__(
        **{name: getattr(virtual, name) for name in virtual.__struct_fields__} | {"persistence_timeout": 50}
    )
    of = layout(instance("fd00::1"), virtual, real_server("fd00::21", of=virtual, weight=7))
    at = key("fd00::1", 53, 17)
    assert desired(of.servers.values(), {}, {"vi_1"}, "clear") == table(
        pool(
            service(at, "wlc", 50),
            destination("fd00::21", weight=7, forwarding=Forwarding[forwarding]),
        )
    )


def test_while_no_verdict_was_ever_read_the_kernel_keeps_its_weights() -> None:
    held: dict[Key, Pool] = table(pool(None, destination(weight=0), destination("10.9.0.99", weight=5)))
    of = layout(instance(), virtual_server(), real_server("10.9.0.21"), real_server("10.9.0.22", weight=3))
    assert desired(of.servers.values(), {}, {"vi_1"}, "clear", held) == table(
        pool(None, destination(weight=0), destination("10.9.0.22", weight=3))
    )
    unchecked = layout(instance(), virtual_server(), real_server("10.9.0.21", checked=False))
    assert desired(unchecked.servers.values(), {}, {"vi_1"}, "clear", held) == table(
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
