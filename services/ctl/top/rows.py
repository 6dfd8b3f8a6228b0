"""What the bus says, as rows of a screen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from ctl.table_flow import Flow
from ctl.table_proxies import MemberReport, PoolReport, ProxyFlow
from ctl.table_report import RealServerReport, RouterReport, VirtualServerReport
from ctl.words import endpoint, number, span
from vipbus.contracts import Role, name_token
from vipbus.telemetry.logs import plain

_ROUTER = 12
_POOL = (22, _ROUTER, 8, 8, 8, 9, 9)
_SERVER = (24, 7, 8, 8, 9, 9)
TITLES = {
    "routers": f"{'router':<{_ROUTER}} {'instance':<12} {'role':<8} {'priority':>8}  {'since':<8} cause",
    "pools": "",
    "servers": "",
    "events": "what happened",
}


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Write cells in columns: the first to the left, numbers to the right."""
    first, *others = zip(texts, widths, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f" {text:>{width}}" for text, width in others)


TITLES["pools"] = _cells(("virtual server, pool", "router", "up", "active", "conn/s", "B/s in", "out"), _POOL)
TITLES["servers"] = (
    _cells(("real server", "weight", "active", "conn/s", "B/s in", "out"), _SERVER) + "  verdict"
)


class Row(msgspec.Struct, frozen=True):
    """One line of a pane."""

    key: str
    """What it stands for; the choice stays with it when rows come and go."""
    text: str


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says now."""

    routers: tuple[Row, ...] = ()
    pools: tuple[Row, ...] = ()
    servers: Mapping[str, tuple[RealServerReport | MemberReport, ...]] = {}
    """By the pool's key; only those of one pool are ever shown, and there are tens of thousands."""
    now: datetime = datetime.min.replace(tzinfo=UTC)


def news(
    roles: Iterable[Role], answering: Collection[str], reports: Iterable[RouterReport], now: datetime
) -> News:
    """Write all of it."""
    reports = tuple(reports)
    found = [(report, server) for report in reports for server in report.virtual_servers]
    pools = [(report, pool) for report in reports for pool in report.pools]
    return News(
        routers=tuple(_routers(roles, answering, reports, now)),
        pools=(
            *(Row(_key(report, server.virtual_server), _pool(report, server)) for report, server in found),
            *(Row(_key(report, pool.pool), _pool_of_proxies(report, pool)) for report, pool in pools),
        ),
        servers={
            **{_key(report, server.virtual_server): server.real_servers for report, server in found},
            **{_key(report, pool.pool): pool.members for report, pool in pools},
        },
        now=now,
    )


def server_rows(news: News, pool: str) -> tuple[Row, ...]:
    """Write the real servers of one pool, by its key."""
    found = news.servers.get(pool, ())
    return tuple(Row(f"{real.address} {real.port}", _server(real, news.now)) for real in found)


def _key(report: RouterReport, token: str) -> str:
    return f"{report.router} {token}"


def _routers(
    roles: Iterable[Role], answering: Collection[str], reports: Iterable[RouterReport], now: datetime
) -> Iterator[Row]:
    there = {name_token(router) for router in answering}
    seen = set()
    for role in sorted(roles, key=lambda role: (role.instance, role.router)):
        seen.add(name_token(role.router))
        name = role.role if role.role == "backup" else role.role.upper()
        stale = "" if name_token(role.router) in there else "LAST HEARD, its vrrp-agent does not answer; "
        why = "; ".join(role.faults) or role.cause
        ago = span((now - role.since).total_seconds())
        yield Row(
            role.key,
            plain(
                f"{role.router:<{_ROUTER}} {role.instance:<12} {name:<8} "
                f"{role.effective_priority or role.priority:>8}  {ago:<8} {stale}{why}"
            ),
        )
    for report in reports:
        if report.problem:
            yield Row(
                f"{report.router} table",
                plain(f"{report.router:<{_ROUTER}} {'table':<12} LAST HEARD: {report.problem}"),
            )
        elif name_token(report.router) not in seen:
            yield Row(f"{report.router} table", plain(f"{report.router:<{_ROUTER}} {'':<12} no instance"))
        if report.proxy_problem:
            yield Row(
                f"{report.router} haproxy",
                plain(f"{report.router:<{_ROUTER}} {'haproxy':<12} LAST HEARD: {report.proxy_problem}"),
            )


def _pool(report: RouterReport, server: VirtualServerReport) -> str:
    pool = [real for real in server.real_servers if real.configured is not None and real.reason != "sorry"]
    up = sum(real.verdict == "up" or not real.is_checked for real in pool)
    state = f"{up}/{len(pool)}" if server.programmed else "-"
    cells = _cells((server.name, report.router, state, *_numbers(server.flow)), _POOL)
    if server.error:
        return plain(f"{cells}  ERROR: {server.error}")
    if not server.programmed:
        return plain(f"{cells}  not in the table: {server.cause}")
    return plain(cells if server.has_quorum else f"{cells}  BELOW ITS QUORUM")


def _pool_of_proxies(report: RouterReport, pool: PoolReport) -> str:
    there = [each for each in pool.members if each.configured is not None]
    up = sum(each.state == "up" and bool(each.weight) for each in there)
    state = f"{up}/{len(there)}" if pool.written else "-"
    cells = _cells((f"pool {pool.name}", report.router, state, *_proxied(pool.flow)), _POOL)
    if pool.error:
        return plain(f"{cells}  ERROR: {pool.error}")
    if not up:
        return plain(f"{cells}  NOBODY IS UP" + (f", {pool.fallback} serves" if pool.fallback else ""))
    return plain(cells)


def _server(real: RealServerReport | MemberReport, now: datetime) -> str:
    weight = "-" if real.weight is None else str(real.weight)
    numbers = _proxied(real.flow) if isinstance(real, MemberReport) else _numbers(real.flow)
    cells = _cells((endpoint(real.address, real.port), weight, *numbers), _SERVER)
    return plain(f"{cells}  {_verdict(real, now)}")


def _verdict(real: RealServerReport | MemberReport, now: datetime) -> str:
    said = f"{real.operator.upper()} by {real.operator_by}; " if real.operator else ""
    if real.verdict is None:
        return said + ("no verdict yet" if real.is_checked else "not checked")
    name = real.verdict if real.verdict == "up" else real.verdict.upper()
    when = f" {span((now - real.since).total_seconds())}" if real.since is not None else ""
    return f"{said}{name}{when}: {real.cause}"


def _numbers(flow: Flow | None) -> tuple[str, str, str, str]:
    if flow is None:
        return ("-", "-", "-", "-")
    rates = flow.rates
    if rates is None:
        return (str(flow.active), "-", "-", "-")
    return (str(flow.active), number(rates.connections), number(rates.bytes_in), number(rates.bytes_out))


def _proxied(flow: ProxyFlow | None) -> tuple[str, str, str, str]:
    if flow is None:
        return ("-", "-", "-", "-")
    rates = flow.rates
    if rates is None:
        return (str(flow.counts.sessions), number(flow.counts.sessions_rate), "-", "-")
    return (
        str(flow.counts.sessions),
        number(rates.sessions),
        number(rates.bytes_in),
        number(rates.bytes_out),
    )
