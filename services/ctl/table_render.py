"""Write the routers' tables for people: as ipvsadm(8) does, with verdicts, causes and weights' origins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ctl.layout import paint, wrapped
from ctl.table_flow import Flow
from ctl.table_render_proxies import layer_7
from ctl.table_report import RealServerReport, RouterReport, VirtualServerReport
from ctl.words import OPERATED, count, endpoint, number, since
from vipbus.telemetry.logs import plain

_COLUMNS = ("weight", "active", "inactive", "conn/s", "pkt/s in", "out", "B/s in", "out")
_WIDTHS = (7, 8, 9, 8, 9, 8, 8, 8)
_NAME, _METHOD = 24, 6
_FLAGS: Final = {
    scheduler: {"flag-1": f"{scheduler}-fallback", "flag-2": f"{scheduler}-port"}
    for scheduler in ("sh", "mh")
}
"""As ipvsadm(8) has them (--sched-flags)."""


def render(reports: Sequence[RouterReport], now: datetime, *, colour: bool = False) -> str:
    """Write the tables of all routers."""
    lines: list[str] = []
    for report in reports:
        lines += ([""] if lines else []) + [*_router(report, now)]
    painted = [paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _router(report: RouterReport, now: datetime) -> Iterator[str]:
    parts = [count(len(report.virtual_servers), "virtual server")]
    if report.proxies or report.pools:
        parts = parts if report.virtual_servers else []
        if report.proxies:
            parts += [f"{len(report.proxies)} {'proxy' if len(report.proxies) == 1 else 'proxies'}"]
        parts += [count(len(report.pools), "pool")]
    heard = f"; LAST HEARD, {report.problem}" if report.problem else ""
    yield from wrapped(f"router {report.router}   {', '.join(parts)}{heard}", 0, 2)
    for server in report.virtual_servers:
        yield from _virtual_server(server, now)
    yield from layer_7(report, now)


def _virtual_server(server: VirtualServerReport, now: datetime) -> Iterator[str]:
    yield from wrapped(f"{server.name}   {', '.join(_settings(server))}; {_quorum(server)}", 0, 4)
    if server.error:
        yield from wrapped(f"ERROR: {server.error}", 4, 6)
    if not server.programmed:
        yield from wrapped(f"NOT IN THE TABLE since {since(server.since, now)}: {server.cause}", 4, 6)
        return
    if not server.real_servers:
        yield "    no real servers"
        return
    yield _line("real server", "method", _COLUMNS)
    for real in server.real_servers:
        yield from _real_server(real, now)
    if server.flow is not None and len(server.real_servers) > 1:
        yield _line("all", "", ("", *_numbers(server.flow)))


def _settings(server: VirtualServerReport) -> Iterator[str]:
    names = _FLAGS.get(server.scheduler, {})
    flags = ", ".join(names.get(flag, flag) for flag in server.scheduler_flags)
    yield f"{server.scheduler} ({flags})" if flags else server.scheduler
    if server.persistence_timeout:
        yield f"persistent {server.persistence_timeout} s"
    if server.one_packet:
        yield "one-packet"


def _quorum(server: VirtualServerReport) -> str:
    if server.quorum is None:
        return "LEAVING: it is in no configuration any more"
    words = f"live weight {server.live_weight}, quorum {server.quorum}"
    return words if server.has_quorum else f"QUORUM NOT REACHED: {words}"


def _real_server(real: RealServerReport, now: datetime) -> Iterator[str]:
    name = endpoint(real.address, real.port)
    if not real.in_table:
        yield from wrapped(f"{name}   out of the table", 2, 4)
    else:
        weight = "-" if real.weight is None else str(real.weight)
        numbers = _numbers(real.flow) if real.flow is not None else ("-",) * (len(_COLUMNS) - 1)
        if len(name) > _NAME:  # an IPv6 address has a line of its own
            yield from wrapped(name, 2, 4)
            name = ""
        yield _line(plain(name), real.forwarding or "-", (weight, *numbers))
    origin = ", ".join(_origin(real, now))
    yield from wrapped("; ".join(part for part in (origin, *_verdict(real, now)) if part), 6, 8)


def _origin(real: RealServerReport, now: datetime) -> Iterator[str]:
    """Say where a weight comes from, or why it is not there."""
    if real.configured is not None:
        yield f"configured {real.configured}" + (f" by {real.origin}" if real.origin else "")
    elif real.reason == "":
        yield "NOT OURS: somebody else put it here"
    if real.checked is not None:
        yield f"check {real.checked}"
    if real.ramp != 100:
        yield f"ramp {real.ramp} %"
    if said := _said(real):
        yield said
    if why := _reason(real, now):
        yield why


def _said(real: RealServerReport) -> str:
    if real.operator not in ("drain", "disable"):
        return ""
    by = f" by {real.operator_by}" if real.operator_by else ""
    why = f": {real.operator_why}" if real.operator_why else ""
    return f"{OPERATED[real.operator].upper()}{by}{why}"


def _reason(real: RealServerReport, now: datetime) -> str:
    match real.reason:
        case "draining":
            until = f" until {since(real.until, now).partition(' (')[0]}" if real.until is not None else ""
            return f"LEAVING, drains{until}"
        case "inhibited":
            return "inhibited while it is down"
        case "sorry":
            return "sorry server"
        case "held":
            return "HELD by hold_below"
        case "":
            return ""


def _verdict(real: RealServerReport, now: datetime) -> Iterator[str]:
    if real.verdict is None:
        if real.configured is not None and real.reason != "sorry":
            yield "no verdict yet" if real.is_checked else "not checked"
        return
    name = real.verdict if real.verdict == "up" else real.verdict.upper()
    when = f" since {since(real.since, now)}" if real.since is not None else ""
    yield f"{name}{when}: {real.cause}"
    if real.warning:
        yield f"warning: {real.warning}"


def _numbers(flow: Flow) -> tuple[str, ...]:
    rates = flow.rates
    if rates is None:
        return (str(flow.active), str(flow.inactive), *("-",) * 5)
    came = (rates.connections, rates.packets_in, rates.packets_out, rates.bytes_in, rates.bytes_out)
    return (str(flow.active), str(flow.inactive), *map(number, came))


def _line(name: str, method: str, values: Sequence[str]) -> str:
    cells = "".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True))
    return f"  {name:<{_NAME}} {method:<{_METHOD}}{cells}".rstrip()
