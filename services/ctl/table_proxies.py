"""What ``vipbus table`` tells of proxies and pools: documents of the bus beside what HAProxy counts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from vipbus.contracts import (
    OperatorState,
    Proxy,
    ProxyMember,
    ProxyPool,
    ProxyPoolTable,
    RealServer,
    Verdict,
    VerdictName,
    address_token,
)
from vipbus.contracts.proxy_commands import ProxiesTraffic, ProxyCounts

_COUNTED: Final = ("sessions_total", "requests_total", "bytes_in", "bytes_out", "errors")


class ProxyRates(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in a second, between two reads."""

    sessions: float
    requests: float
    bytes_in: float
    bytes_out: float
    errors: float


class ProxyFlow(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through a proxy, a pool or to a member."""

    counts: ProxyCounts
    rates: ProxyRates | None = None
    """None: there is one read alone, or HAProxy was reloaded between two."""


class MemberReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's member, in HAProxy or out of it."""

    address: str
    port: int
    state: str = ""
    """In HAProxy: ``up``, ``down``, ``drain``, ``disabled``; ``draining`` has left the configuration.
    Empty: it is not there."""
    weight: int | None = None
    """As HAProxy has it; None: it is not there."""
    configured: int | None = None
    """None: it is in no configuration any more."""
    origin: str = ""
    """Who knows of it beside the configuration: ``docker CONTAINER``."""
    checked: int | None = None
    """What a check says instead of the configured weight."""
    operator: str = ""
    operator_by: str = ""
    operator_why: str = ""
    is_checked: bool = True
    verdict: VerdictName | None = None
    """None: there is none."""
    cause: str = ""
    since: datetime | None = None
    warning: str = ""
    flow: ProxyFlow | None = None
    """None: not read, or not in HAProxy."""


class PoolReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pool in a router's HAProxy."""

    pool: str
    """Token."""
    name: str
    mode: str
    algorithm: str
    fallback: str = ""
    written: bool = False
    """False: HAProxy's programmer has never said what it holds."""
    slots: int = 0
    """Members that there is room for without a reload."""
    cause: str = ""
    error: str = ""
    flow: ProxyFlow | None = None
    members: tuple[MemberReport, ...] = ()


class ProxyReport(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy in a router's HAProxy."""

    proxy: str
    """Token."""
    name: str
    mode: str
    bind: tuple[str, ...]
    pools: tuple[str, ...]
    status: str = ""
    """In HAProxy's word: OPEN, FULL, STOP; empty: not read."""
    flow: ProxyFlow | None = None


class SaidOfPools(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says of one router's pools."""

    tables: Mapping[str, ProxyPoolTable]
    """By the pool's token."""
    real_servers: Mapping[str, Sequence[RealServer]]
    """As configured, by the pool's token."""
    verdicts: Mapping[str, Verdict]
    """By bucket key."""
    operators: Mapping[str, OperatorState]
    """By bucket key."""


def proxy_report(proxy: Proxy, now: ProxiesTraffic | None, before: ProxiesTraffic | None) -> ProxyReport:
    """Put together what is known of one proxy."""
    found = next((each for each in now.proxies if each.proxy == proxy.id), None) if now is not None else None
    flow = None
    if now is not None and found is not None:
        earlier = {each.proxy: each.counts for each in before.proxies} if before is not None else {}
        flow = _flow(found.counts, earlier.get(proxy.id), _seconds(now, before))
    return ProxyReport(
        proxy=proxy.id,
        name=proxy.name,
        mode=proxy.mode,
        bind=tuple(
            f"[{each.address}]:{each.port}" if ":" in each.address else f"{each.address}:{each.port}"
            for each in proxy.bind
        ),
        pools=proxy.pools,
        status=found.status if found is not None else "",
        flow=flow,
    )


def pool_report(
    pool: ProxyPool, said: SaidOfPools, now: ProxiesTraffic | None, before: ProxiesTraffic | None
) -> PoolReport:
    """Put together what is known of one pool; ``before`` is an earlier read, for the rates."""
    table = said.tables.get(pool.id)
    seconds = _seconds(now, before)
    found = next((each for each in now.pools if each.pool == pool.id), None) if now is not None else None
    earlier = next((each for each in before.pools if each.pool == pool.id), None) if before else None
    through: dict[tuple[str, int], ProxyFlow] = {}
    if found is not None:
        were = {(each.address, each.port): each.counts for each in earlier.members} if earlier else {}
        for each in found.members:
            place = each.address, each.port
            through[place] = _flow(each.counts, were.get(place), seconds)
    return PoolReport(
        pool=pool.id,
        name=pool.name,
        mode=pool.mode,
        algorithm=pool.balance.algorithm,
        fallback=pool.fallback or "",
        written=table is not None,
        slots=table.slots if table is not None else 0,
        cause=table.cause if table is not None else "",
        error=table.error if table is not None else "",
        flow=_flow(found.counts, earlier.counts if earlier else None, seconds) if found is not None else None,
        members=tuple(_members(pool.id, table, said, through)),
    )


def _members(
    token: str, table: ProxyPoolTable | None, said: SaidOfPools, through: Mapping[tuple[str, int], ProxyFlow]
) -> Iterator[MemberReport]:
    configured = {(real.address, real.port): real for real in said.real_servers.get(token, ())}
    there = {(each.address, each.port): each for each in (table.members if table is not None else ())}
    for place in sorted({*configured, *there}):
        key = f"{token}.{address_token(*place)}"
        yield _member(
            place,
            there.get(place),
            configured.get(place),
            said.verdicts.get(key),
            said.operators.get(key),
            through.get(place),
        )


def _member(  # noqa: PLR0917  # all that is known of one
    place: tuple[str, int],
    found: ProxyMember | None,
    real: RealServer | None,
    verdict: Verdict | None,
    operator: OperatorState | None,
    flow: ProxyFlow | None,
) -> MemberReport:
    return MemberReport(
        address=place[0],
        port=place[1],
        state=found.state if found is not None else "",
        weight=found.weight if found is not None else None,
        configured=real.weight if real is not None else None,
        origin=real.origin if real is not None else "",
        checked=verdict.weight if verdict is not None else None,
        operator=operator.state if operator is not None else "",
        operator_by=operator.by if operator is not None else "",
        operator_why=operator.why if operator is not None else "",
        is_checked=bool(real.checks) if real is not None else verdict is not None,
        verdict=verdict.verdict if verdict is not None else None,
        cause=verdict.cause if verdict is not None else "",
        since=verdict.since if verdict is not None else None,
        warning=verdict.warning if verdict is not None else "",
        flow=flow,
    )


def _seconds(now: ProxiesTraffic | None, before: ProxiesTraffic | None) -> float:
    return now.at - before.at if now is not None and before is not None else 0.0


def _flow(now: ProxyCounts, before: ProxyCounts | None, seconds: float) -> ProxyFlow:
    return ProxyFlow(counts=now, rates=rates_between(before, now, seconds) if before is not None else None)


def rates_between(before: ProxyCounts, now: ProxyCounts, seconds: float) -> ProxyRates | None:
    """Make rates of two reads; None where a counter went back, or no time went by."""
    came = {name: getattr(now, name) - getattr(before, name) for name in _COUNTED}
    if seconds <= 0 or min(came.values()) < 0:
        return None
    return ProxyRates(**{name.removesuffix("_total"): number / seconds for name, number in came.items()})
