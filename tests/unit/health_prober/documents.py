"""Documents that the tests of this folder are about."""

from __future__ import annotations

from datetime import UTC, datetime

from health_prober.targets import Target
from vipbus.contracts import Head, RealServer, TcpCheck, Verdict, VerdictName, VrrpConfiguration, VrrpSettings
from vipbus.runtime.revision import Revision

VS = "10-9-0-1_80_tcp"
OTHER_VS = "10-9-0-2_80_tcp"


def check(port: int = 80, address: str = "10.9.0.21") -> TcpCheck:
    return TcpCheck(address=address, port=port, interval=1.0, timeout=1.0)


def real_server(
    *checks: TcpCheck, router: str = "r1", virtual_server: str = VS, address: str = "10.9.0.21"
) -> RealServer:
    return RealServer(router=router, virtual_server=virtual_server, address=address, port=80, checks=checks)


def revision(*servers: RealServer, router: str = "r1", number: int = 1) -> Revision:
    head = Head(
        router=router,
        revision=number,
        entities=len(servers),
        digest="",
        source="test",
        accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    nothing = VrrpConfiguration(router=router, settings=VrrpSettings(router=router))
    return Revision(head=head, vrrp=nothing, virtual_servers=(), real_servers=servers)


def target(*checks: TcpCheck, virtual_server: str = VS) -> Target:
    return Target(
        virtual_server=virtual_server, real_server="10-9-0-21_80", where="10.9.0.21:80", checks=checks
    )


def verdict(
    name: VerdictName, cause: str = "connection refused", *, virtual_server: str = VS, lease: int = 1
) -> Verdict:
    return Verdict(
        virtual_server=virtual_server,
        real_server="10-9-0-21_80",
        verdict=name,
        cause=cause,
        since=datetime(2026, 1, 1, tzinfo=UTC),
        prober="other",
        lease=lease,
    )
