"""Documents of one router with a proxy and two pools beside its virtual server, all well."""

from __future__ import annotations

from typing import Any

import msgspec

from ctl.snapshot import Snapshot
from tests.unit.ctl.documents import BEFORE, condition, healthy
from vipbus.contracts import (
    Balance,
    HttpCheck,
    OperatorState,
    OperatorStateName,
    Proxy,
    ProxyBind,
    ProxyMember,
    ProxyPool,
    ProxyPoolTable,
    ProxyRoute,
    RealServer,
    Verdict,
    VerdictName,
    pool_token,
)

replace = msgspec.structs.replace
APP = ("10.1.0.21", "10.1.0.22", "10.1.0.23")
API = ("10.1.0.41",)


def proxy(router: str = "router-a") -> Proxy:
    return Proxy(
        router=router,
        name="web",
        bind=(ProxyBind(address="192.0.2.10", port=80), ProxyBind(address="fd00::10", port=80)),
        pool="App",
        route=(ProxyRoute(path_prefix=("/api",), pool="api"),),
    )


def pool(name: str, router: str = "router-a", **more: Any) -> ProxyPool:
    return ProxyPool(router=router, name=name, **more)


def member(address: str, name: str = "App", router: str = "router-a", **more: Any) -> RealServer:
    return RealServer(
        router=router,
        virtual_server=pool_token(name),
        address=address,
        port=8080,
        **({"checks": (HttpCheck(address=address, port=8080),)} | more),
    )


def held(address: str, slot: int = 1, **more: Any) -> ProxyMember:
    return ProxyMember(
        **{"address": address, "port": 8080, "slot": f"s{slot}", "state": "up", "weight": 1, **more}
    )


def pool_table(name: str, *members: ProxyMember, router: str = "router-a", error: str = "") -> ProxyPoolTable:
    return ProxyPoolTable(
        router=router,
        pool=name,
        members=members,
        slots=8,
        revision=3,
        cause="revision 3: the file changed",
        error=error,
    )


def verdict(
    address: str, name: VerdictName = "up", cause: str = "answered 200 in 2 ms", pool: str = "App"
) -> Verdict:
    return Verdict(
        virtual_server=pool_token(pool),
        real_server=f"{address.replace('.', '-')}_8080",
        verdict=name,
        cause=cause,
        since=BEFORE,
        prober="p1",
        lease=1,
    )


def said(address: str, state: OperatorStateName = "drain") -> OperatorState:
    return OperatorState(
        virtual_server="pool-app",
        real_server=f"{address.replace('.', '-')}_8080",
        state=state,
        by="ann@lb1",
        since=BEFORE,
        why="new disk",
    )


def proxied() -> Snapshot:
    """Give the healthy router proxies, pools, and a programmer that answers."""
    snapshot = healthy(("router-a",))
    (whole,) = snapshot.revisions
    return replace(
        snapshot,
        revisions=(
            replace(
                whole,
                proxies=(proxy(),),
                proxy_pools=(pool("api"), pool("App", balance=Balance(algorithm="leastconn"))),
                real_servers=(
                    *whole.real_servers,
                    *(member(each) for each in APP),
                    *(member(each, "api", checks=()) for each in API),
                ),
            ),
        ),
        pools=(
            pool_table("api", *(held(each) for each in API)),
            pool_table("App", *(held(each, at) for at, each in enumerate(APP, 1))),
        ),
        verdicts=(*snapshot.verdicts, *(verdict(each) for each in APP)),
        conditions=(*snapshot.conditions, condition("haproxy-programmer", "router-a", pid=105)),
    )
