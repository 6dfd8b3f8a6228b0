"""Proxies and pools of a report: what is configured, what each HAProxy has, what is said of the members."""

from __future__ import annotations

from collections.abc import Collection

from ctl.assess_servers import real_server_report
from ctl.report import PoolReport, PoolTableReport, ProxyReport
from ctl.snapshot import Snapshot
from ctl.words import endpoint
from vipbus.contracts import ProxyPool, ProxyPoolTable, RealServer, name_token, pool_token, token_in_words


def proxies(snapshot: Snapshot, answering: Collection[str | None]) -> tuple[ProxyReport, ...]:
    """Gather the proxies of all routers; ``answering`` are those whose haproxy-programmer does."""
    return tuple(
        ProxyReport(
            router=revision.router,
            name=proxy.name,
            mode=proxy.mode,
            bind=tuple(endpoint(each.address, each.port) for each in proxy.bind),
            pools=proxy.pools,
            current=revision.router in answering,
        )
        for revision in sorted(snapshot.revisions, key=lambda revision: revision.router)
        for proxy in revision.proxies
    )


def pools(snapshot: Snapshot, answering: Collection[str | None]) -> tuple[PoolReport, ...]:
    """Gather each pool from every router that has it; what they share comes from the first."""
    tables = {(name_token(table.router), pool_token(table.pool)): table for table in snapshot.pools}
    verdicts = {each.key: each for each in snapshot.verdicts}
    operators = {each.key: each for each in snapshot.operators}
    found: dict[str, list[tuple[str, ProxyPool]]] = {}
    hands: dict[str, dict[str, None]] = {}
    members: dict[str, dict[str, RealServer]] = {}
    for revision in sorted(snapshot.revisions, key=lambda revision: revision.router):
        for pool in revision.proxy_pools:
            found.setdefault(pool.id, []).append((revision.router, pool))
        for proxy in revision.proxies:
            for name in proxy.pools:
                hands.setdefault(pool_token(name), {})[proxy.name] = None
        for real in revision.real_servers:
            own = members.setdefault(real.virtual_server, {})
            if real.id not in own or real.checks:
                own[real.id] = real
    return tuple(
        PoolReport(
            id=token,
            words=token_in_words(token),
            mode=pool.mode,
            algorithm=pool.balance.algorithm,
            fallback=pool.fallback or "",
            proxies=tuple(hands.get(token, ())),
            tables=tuple(
                _table(router, tables.get((name_token(router), token)), current=router in answering)
                for router, _ in where
            ),
            real_servers=tuple(
                real_server_report(
                    real, verdicts.get(f"{token}.{real.id}"), operators.get(f"{token}.{real.id}")
                )
                for real in members.get(token, {}).values()
            ),
        )
        for token, where in sorted(found.items())
        for pool in (where[0][1],)
    )


def _table(router: str, table: ProxyPoolTable | None, *, current: bool) -> PoolTableReport:
    if table is None:
        return PoolTableReport(router=router, written=False, current=current)
    return PoolTableReport(
        router=router,
        written=True,
        current=current,
        members=table.members,
        up=sum(each.state == "up" and each.weight > 0 for each in table.members),
        cause=table.cause,
        error=table.error,
    )
