"""Say what is not ready of proxies and pools, one line each: what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from ctl.judge_servers import NAMED, not_up
from ctl.report import PoolReport, Report
from ctl.words import count

SERVICE = "haproxy-programmer"


def programmers(router: str, report: Report) -> tuple[str, ...]:
    """Name the service that a router with proxies or pools needs; without them it needs none."""
    has = any(proxy.router == router for proxy in report.proxies) or any(
        table.router == router for pool in report.pools for table in pool.tables
    )
    return (SERVICE,) if has else ()


def lines(report: Report) -> Iterator[str]:
    """Say it all."""
    yield from _tables(report)
    for pool in report.pools:
        instead = _instead(pool)
        if not pool.real_servers:
            yield f"{pool.words}: there is no real server in it, so nobody answers{instead}; add one"
        yield from not_up(pool.words, pool.real_servers, instead)


def _instead(pool: PoolReport) -> str:
    heard = [table for table in pool.tables if table.current and table.written]
    serves = any(table.up for table in heard)
    lost = pool.fallback and heard and not serves
    return f"; its fallback, pool {pool.fallback}, has the requests" if lost else ""


def _tables(report: Report) -> Iterator[str]:
    """Say what is missing from each router's HAProxy, all with one reason in one line."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for pool in report.pools:
        for table in pool.tables:
            if not table.current:
                continue  # the programmer that does not answer has a line already
            if table.error or not table.written:
                reason = table.error or f"not written yet; wait, or see the log of {SERVICE}"
                reasons.setdefault((table.router, reason), []).append(pool.words)
    told = {(each.router, text) for each in report.services for text in each.problems}
    for (router, reason), names in reasons.items():
        if (router, reason) in told:
            continue
        if len(names) > NAMED:
            what = f"{count(len(names), 'pool')} ({', '.join(names[:2])}, ...)"
        else:
            what = ", ".join(names)
        yield f"{router}: {what} not in HAProxy as it should be: {reason}"
