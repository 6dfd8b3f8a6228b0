"""Write proxies and pools of a report for people."""

from __future__ import annotations

from collections.abc import Iterator

from ctl.layout import INDENT, row, wrapped
from ctl.render_servers import server_lines
from ctl.report import PoolReport, PoolTableReport, ProxyReport, Report
from ctl.words import endpoint, listed
from vipbus.contracts import pool_token

_LAST_HEARD = " (LAST HEARD; its haproxy-programmer does not answer)"


def proxies(report: Report) -> Iterator[str]:
    """Write where each proxy listens and whom it hands to."""
    pools = {pool.id: pool for pool in report.pools}
    for number, proxy in enumerate(report.proxies):
        if not number:
            yield ""
        yield from row(f"proxy {proxy.name}", ", ".join(_proxy(proxy, pools)))


def _proxy(proxy: ProxyReport, pools: dict[str, PoolReport]) -> Iterator[str]:
    yield f"{proxy.mode} on {listed(proxy.bind)}, {proxy.router}"
    for name in proxy.pools:
        pool = pools.get(pool_token(name))
        table = next((each for each in pool.tables if each.router == proxy.router), None) if pool else None
        if table is None or not table.written:
            yield f"pool {name}"
        else:
            yield f"pool {name} {'' if table.up else 'NOT '}up ({_share(table)})"


def _share(table: PoolTableReport) -> str:
    there = sum(each.state != "draining" for each in table.members)
    return f"{table.up} of {there}"


def pool(found: PoolReport, report: Report) -> Iterator[str]:
    """Write a pool: what each router's HAProxy has of it, and its members."""
    yield ""
    fallback = f", fallback {found.fallback}" if found.fallback else ""
    of = f", of proxy {listed(found.proxies)}" if found.proxies else ""
    yield from wrapped(f"{found.words}, {found.mode}, {found.algorithm}{fallback}{of}", 0, INDENT)
    for table in found.tables:
        yield from row(f"  on {table.router}", _table(table))
        for each in table.members:
            if each.state == "draining":
                server = endpoint(each.address, each.port)
                yield from wrapped(f"{server} is not configured any more and drains", INDENT, INDENT + 2)
    if not found.real_servers:
        yield from wrapped("no real servers", 2, 4)
    has: dict[tuple[str, int], list[str]] = {}
    for table in found.tables:
        for each in table.members:
            has.setdefault((each.address, each.port), []).append(f"{each.weight} on {table.router}")
    for real in found.real_servers:
        yield from server_lines(real, report, has.get((real.address, real.port), ()))


def _table(table: PoolTableReport) -> str:
    if not table.written:
        state = "NOT IN HAPROXY YET"
    else:
        state = f"in HAProxy, {_share(table)} up" if table.members else "in HAProxy without members"
    heard = "" if table.current else _LAST_HEARD
    why = f"ERROR: {table.error}" if table.error else table.cause
    return f"{state}{heard}" + (f": {why}" if why else "")
