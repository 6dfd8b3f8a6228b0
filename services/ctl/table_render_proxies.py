"""Write a router's proxies and pools for people, as its virtual servers are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ctl.layout import wrapped
from ctl.table_proxies import MemberReport, PoolReport, ProxyFlow, ProxyReport
from ctl.table_report import RouterReport
from ctl.words import OPERATED, endpoint, listed, number, since
from vipbus.telemetry.logs import plain

_COLUMNS = ("weight", "sessions", "queue", "sess/s", "5xx", "errors", "err/s", "B/s in", "out")
_WIDTHS = (7, 9, 6, 7, 7, 7, 6, 8, 8)
_NAME, _STATE = 24, 8
_STATES: Final = {
    "up": "up",
    "down": "DOWN",
    "drain": "drained",
    "disabled": "disabled",
    "draining": "leaving",
    "": "-",
}


def layer_7(report: RouterReport, now: datetime) -> Iterator[str]:
    """Write all proxies, then all pools."""
    if report.proxy_problem:
        yield from wrapped(f"HAProxy of {report.router}   LAST HEARD, {report.proxy_problem}", 0, 4)
    for proxy in report.proxies:
        yield from _proxy(proxy)
    for pool in report.pools:
        yield from _pool(pool, now)


def _proxy(proxy: ProxyReport) -> Iterator[str]:
    pools = f"pool {proxy.pools[0]}" + "".join(f", {name}" for name in proxy.pools[1:])
    status = f"; {proxy.status}" if proxy.status not in ("", "OPEN") else ""
    yield from wrapped(f"proxy {proxy.name}   {proxy.mode} on {listed(proxy.bind)}, {pools}{status}", 0, 4)
    if proxy.flow is not None:
        yield _line("", "", _COLUMNS)
        name = f"of {number(proxy.flow.counts.limit)} sessions" if proxy.flow.counts.limit else ""
        yield _line(name, "", ("", *_numbers(proxy.flow)))
        if proxy.flow.counts.denied:
            yield from wrapped(f"{number(proxy.flow.counts.denied)} denied since the worker began", 6, 8)


def _pool(pool: PoolReport, now: datetime) -> Iterator[str]:
    there = [each for each in pool.members if each.configured is not None]
    up = sum(each.state == "up" and bool(each.weight) for each in there)
    fallback = f", fallback {pool.fallback}" if pool.fallback else ""
    state = f"{up} of {len(there)} up" if pool.written else "NOT IN HAPROXY YET"
    yield from wrapped(f"pool {pool.name}   {pool.mode}, {pool.algorithm}{fallback}; {state}", 0, 4)
    if pool.error:
        yield from wrapped(f"ERROR: {pool.error}", 4, 6)
    if not pool.members:
        yield "    no real servers"
        return
    yield _line("real server", "state", _COLUMNS)
    for member in pool.members:
        yield from _member(member, now)
    if pool.flow is not None and len(pool.members) > 1:
        yield _line("all", "", ("", *_numbers(pool.flow)))


def _member(member: MemberReport, now: datetime) -> Iterator[str]:
    name = endpoint(member.address, member.port)
    weight = "-" if member.weight is None else str(member.weight)
    if len(name) > _NAME:  # an IPv6 address has a line of its own
        yield from wrapped(name, 2, 4)
        name = ""
    yield _line(plain(name), _STATES.get(member.state, "?"), (weight, *_numbers(member.flow)))
    origin = ", ".join(_origin(member))
    yield from wrapped("; ".join(part for part in (origin, *_verdict(member, now)) if part), 6, 8)


def _origin(member: MemberReport) -> Iterator[str]:
    if member.configured is not None:
        yield f"configured {member.configured}" + (f" by {member.origin}" if member.origin else "")
    else:
        yield "LEAVING, drains"
    if member.checked is not None:
        yield f"check {member.checked}"
    if member.operator in ("drain", "disable"):
        by = f" by {member.operator_by}" if member.operator_by else ""
        why = f": {member.operator_why}" if member.operator_why else ""
        yield f"{OPERATED[member.operator].upper()}{by}{why}"


def _verdict(member: MemberReport, now: datetime) -> Iterator[str]:
    if member.verdict is None:
        if member.configured is not None:
            yield "no verdict yet" if member.is_checked else "not checked"
        return
    name = member.verdict if member.verdict == "up" else member.verdict.upper()
    when = f" since {since(member.since, now)}" if member.since is not None else ""
    yield f"{name}{when}: {member.cause}"
    if member.warning:
        yield f"warning: {member.warning}"


def _numbers(flow: ProxyFlow | None) -> tuple[str, ...]:
    if flow is None:
        return ("-",) * (len(_COLUMNS) - 1)
    counts, rates = flow.counts, flow.rates
    now = (str(counts.sessions), str(counts.queue))
    since_began = (number(counts.responses[4]), number(counts.errors))
    if rates is None:
        return (*now, number(counts.sessions_rate), *since_began, "-", "-", "-")
    return (
        *now,
        number(rates.sessions),
        *since_began,
        number(rates.errors),
        number(rates.bytes_in),
        number(rates.bytes_out),
    )


def _line(name: str, state: str, values: Sequence[str]) -> str:
    cells = "".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True))
    return f"  {name:<{_NAME}} {state:<{_STATE}}{cells}".rstrip()
