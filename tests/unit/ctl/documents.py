"""Documents of two routers with one instance, one virtual server and two real servers, all well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ctl.snapshot import Snapshot
from vipbus.contracts import (
    Condition,
    Destination,
    Head,
    OperatorState,
    OperatorStateName,
    RealServer,
    Role,
    TcpCheck,
    Verdict,
    VirtualAddress,
    VirtualServer,
    VirtualServerTable,
    VrrpConfiguration,
    VrrpInstance,
    VrrpSettings,
)
from vipbus.runtime.revision import Revision

NOW = datetime(2026, 3, 1, 16, 4, 5, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=3)
ROUTERS = ("router-a", "router-b")
SERVERS = ("10.9.0.21", "10.9.0.22")


def instance(router: str) -> VrrpInstance:
    return VrrpInstance(
        router=router,
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        priority=150 if router == "router-a" else 100,
        virtual_ipaddress=(VirtualAddress(address="10.9.0.1", prefix=24, dev="eth0"),),
    )


def virtual_server(router: str, owner: str | None = "VI_1") -> VirtualServer:
    return VirtualServer(
        router=router,
        address="10.9.0.1",
        port=80,
        protocol="TCP",
        scheduler="wrr",
        forwarding="DR",
        instance=owner,
    )


def real_server(router: str, address: str, *, checked: bool = True) -> RealServer:
    return RealServer(
        router=router,
        virtual_server="10-9-0-1_80_tcp",
        address=address,
        port=80,
        checks=(TcpCheck(address=address, port=80),) if checked else (),
    )


def head(router: str, revision: int = 3) -> Head:
    return Head(
        router=router,
        revision=revision,
        entities=4,
        digest="0" * 32,
        source="/etc/keepalived/keepalived.conf",
        accepted_at=BEFORE,
    )


def revision(router: str, number: int = 3) -> Revision:
    return Revision(
        head=head(router, number),
        vrrp=VrrpConfiguration(
            router=router, settings=VrrpSettings(router=router), instances=(instance(router),)
        ),
        virtual_servers=(virtual_server(router),),
        real_servers=tuple(real_server(router, address) for address in SERVERS),
    )


def role(router: str, name: str = "active", *, cause: str = "no advertisement for 3.6 s") -> Role:
    return Role(
        router=router,
        instance="VI_1",
        role=name,  # type: ignore[arg-type]  # the tests name only roles
        epoch=3,
        priority=150 if router == "router-a" else 100,
        virtual_router_id=51,
        interface="eth0",
        addresses=("10.9.0.1",),
        revision=3,
        since=BEFORE,
        cause=cause,
        active_router="192.0.2.1" if name == "backup" else None,
    )


def table(router: str, *, programmed: bool = True, error: str = "", cause: str = "") -> VirtualServerTable:
    return VirtualServerTable(
        router=router,
        virtual_server="10-9-0-1_80_tcp",
        address="10.9.0.1",
        port=80,
        protocol="TCP",
        scheduler="wrr",
        programmed=programmed,
        destinations=tuple(
            Destination(address=address, port=80, weight=1, forwarding="DR") for address in SERVERS
        )
        if programmed
        else (),
        revision=3,
        epoch=3,
        since=BEFORE,
        cause=cause or ("VI_1 is active" if programmed else "VI_1 is backup"),
        error=error,
    )


def verdict(address: str, name: str = "up", *, cause: str = "answered in 0.4 ms") -> Verdict:
    return Verdict(
        virtual_server="10-9-0-1_80_tcp",
        real_server=f"{address.replace('.', '-')}_80",
        verdict=name,  # type: ignore[arg-type]  # the tests name only verdicts
        cause=cause,
        since=BEFORE,
        prober="p1",
        lease=1,
    )


def said(address: str, state: OperatorStateName = "drain", *, why: str = "new disk") -> OperatorState:
    return OperatorState(
        virtual_server="10-9-0-1_80_tcp",
        real_server=f"{address.replace('.', '-')}_80",
        state=state,
        by="ann@lb1",
        since=BEFORE,
        why=why,
    )


def condition(
    service: str, router: str | None, *, problems: tuple[str, ...] = (), revision: int = 3, pid: int = 100
) -> Condition:
    return Condition(
        service=service,
        router=router,
        instance_id=f"{service}-{router}",
        version="0.1.0",
        pid=pid,
        started=BEFORE,
        ready=not problems,
        revisions=((router, revision),) if router else (),
        problems=problems,
    )


def healthy(routers: tuple[str, ...] = ROUTERS) -> Snapshot:
    """Everything as it should be; the first router is active."""
    return Snapshot(
        now=NOW,
        bus="nats://127.0.0.1:4222",
        heads=tuple(head(router) for router in routers),
        revisions=tuple(revision(router) for router in routers),
        roles=tuple(
            role(router) if router == routers[0] else role(router, "backup", cause="192.0.2.1 advertises")
            for router in routers
        ),
        tables=tuple(table(router, programmed=router == routers[0]) for router in routers),
        verdicts=tuple(verdict(address) for address in SERVERS),
        conditions=(
            condition("config-service", "router-a", pid=101),
            condition("health-prober", "router-a", pid=102),
            *(
                condition(service, router, pid=pid)
                for router, first in zip(routers, (103, 203), strict=False)
                for service, pid in (("vrrp-agent", first), ("ipvs-programmer", first + 1))
            ),
        ),
    )
