"""What a table evidently needs of the kernel's settings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ipvs_programmer.fake_sysctls import FakeSysctls
from ipvs_programmer.sysctls import SysctlError
from tests.unit.health_prober.documents import revision
from tests.unit.ipvs_programmer.world import real_server, virtual_server
from vipbus.contracts import IpvsSettings, RealServer, Standby, SyncDaemon, VirtualServer
from vipbus.runtime.needs import lacking, needs


def found(
    server: VirtualServer,
    *reals: RealServer,
    addresses: tuple[str, ...] = (),
    sync: SyncDaemon | None = None,
    standby: Standby = "clear",
    **settings: str,
) -> list[tuple[str, str]]:
    """Give what is lacking, by kind and setting."""
    sysctls = FakeSysctls(**{name.replace("__", "."): value for name, value in settings.items()})

    def read(name: str) -> str | None:
        try:
            return sysctls.read(name)
        except SysctlError:
            return None

    known = msgspec.structs.replace(
        revision(*(reals or (real_server("10.9.0.21", of=server),))),
        virtual_servers=(server,),
        ipvs=IpvsSettings(router="router-a", sync_daemon=sync) if sync is not None else None,
    )
    return [
        (need.kind, need.name.removeprefix("net."))
        for need in lacking(needs(known, addresses, standby), read)
    ]


NO_FORWARDING = {"net__ipv4__ip_forward": "0"}
ROLE = SyncDaemon(interface="eth1", instance="VI_1")
BOTH = SyncDaemon(interface="eth1")
DR = virtual_server(forwarding="DR")


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({}, []),
        (NO_FORWARDING, [("problem", "ipv4.ip_forward")]),
        (NO_FORWARDING | {"server": DR}, []),
        # a real server that is this very host needs no forwarding
        (NO_FORWARDING | {"addresses": ("10.9.0.21",)}, []),
        ({"server": virtual_server(masquerade=True)}, [("problem", "ipv4.vs.conntrack")]),
        ({"server": virtual_server(masquerade=True), "net__ipv4__vs__conntrack": "1"}, []),
        (
            {"server": virtual_server(persistence_timeout=50)},
            [("advice", "ipv4.vs.expire_quiescent_template")],
        ),
        ({"server": virtual_server(persistence_timeout=50, drain_timeout=0.0)}, []),
        (
            {
                "server": virtual_server(persistence_timeout=50),
                "net__ipv4__vs__expire_quiescent_template": "1",
            },
            [],
        ),
        ({"net__ipv4__vs__conn_reuse_mode": "0"}, [("advice", "ipv4.vs.conn_reuse_mode")]),
        ({"sync": BOTH}, []),
        ({"sync": BOTH, "net__ipv4__vs__backup_only": "1"}, [("problem", "ipv4.vs.backup_only")]),
        ({"sync": ROLE, "net__ipv4__vs__backup_only": "1"}, []),
        # a router that is a real server too, with a warm table
        ({"server": DR, "sync": ROLE, "addresses": ("10.9.0.21",)}, []),
        (
            {"server": DR, "sync": ROLE, "addresses": ("10.9.0.21",), "standby": "warm"},
            [("advice", "ipv4.vs.backup_only")],
        ),
        (
            {
                "server": virtual_server(forwarding="DR", standby="warm"),
                "sync": ROLE,
                "addresses": ("10.9.0.21",),
            },
            [("advice", "ipv4.vs.backup_only")],
        ),
    ],
)
def test_needs(case: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    case = {"server": virtual_server()} | case
    assert found(case.pop("server"), **case) == expected


def test_ipv6_has_a_switch_of_its_own() -> None:
    server = virtual_server("fd00::1")
    assert found(server, real_server("fd00::21", of=server)) == [("problem", "ipv6.conf.all.forwarding")]


def test_a_setting_that_cannot_be_read_is_no_need() -> None:
    known = msgspec.structs.replace(
        revision(real_server("10.9.0.21")), virtual_servers=(virtual_server(masquerade=True),)
    )
    assert lacking(needs(known, (), "clear"), lambda _: None) == ()
