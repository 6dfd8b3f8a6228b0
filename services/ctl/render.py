"""Write a report for people: who holds what, what the tables hold, and last what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ctl.report import InstanceReport, RealServerReport, Report, TableReport, VirtualServerReport
from ctl.words import count, endpoint, since, span
from vipbus.telemetry.logs import plain

WIDTH = 100
_INDENT = 18


def render(report: Report, *, colour: bool = False) -> str:
    """Write the report, in lines of at most `WIDTH` columns; colour adds nothing that words do not say."""
    lines = [line for part in _parts(report) for line in part]
    painted = [_paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _parts(report: Report) -> Iterator[list[str]]:
    yield ["vipbus: ready" if report.ready else "vipbus: NOT READY"]
    yield list(_bus(report))
    yield list(_routers(report))
    for virtual_server in report.virtual_servers:
        yield list(_virtual_server(virtual_server, report))
    yield list(_services(report))
    for title, texts in (("note", report.notes), ("not ready", report.not_ready)):
        if texts:
            yield ["", f"{title}:"]
            yield [line for text in texts for line in _wrapped(f"- {text}", 2, 4)]


def _bus(report: Report) -> Iterator[str]:
    bus, run = report.bus, report.run
    answer = "connected" if bus.connected else f"AWAY: {bus.problem}"
    yield from _row("bus", f"{bus.url}, {answer}" if bus.url else answer)
    if run is None:
        return
    how = f"since {since(run.since, report.time)}" if run.runs else "does not run any more"
    yield from _row("vipbus run", f"pid {run.pid} for {run.router} with {run.file}, {how}")
    if not run.runs:
        return
    for process in run.processes:
        if process.pid is None:
            yield from _row(f"  {process.name}", f"NOT RUNNING: {process.problem or process.reason}")
        elif process.restarts or not bus.connected:
            again = f", started again {count(process.restarts, 'time')}, last {process.reason}"
            when = f"pid {process.pid}, since {since(process.since, report.time)}"
            yield from _row(f"  {process.name}", when + (again if process.restarts else ""))


def _routers(report: Report) -> Iterator[str]:
    for router in report.routers:
        yield ""
        whole = "" if router.whole else " (NOT WHOLE YET)"
        accepted = since(router.accepted_at, report.time)
        yield from _row(
            f"router {router.name}",
            f"revision {router.revision}{whole} of {router.source}, accepted {accepted}",
        )
        for instance in router.instances:
            yield from _instance(instance, report)


def _instance(instance: InstanceReport, report: Report) -> Iterator[str]:
    role = instance.role.upper() if instance.role not in (None, "backup") else instance.role or "NO ROLE YET"
    stale = "" if instance.current else " (LAST HEARD; its vrrp-agent does not answer)"
    when = f", since {since(instance.since, report.time)}" if instance.since else ""
    yield from _row(
        f"  {instance.name}",
        f"{role}{stale}, priority {instance.priority}, epoch {instance.epoch}, VRID "
        f"{instance.virtual_router_id} on {instance.interface}{when}",
    )
    if instance.addresses:
        yield from _wrapped(", ".join(instance.addresses), _INDENT, _INDENT)
    if instance.cause:
        heard = f" (active: {instance.active_router})" if instance.active_router else ""
        yield from _wrapped(instance.cause + heard, _INDENT, _INDENT)


def _virtual_server(virtual_server: VirtualServerReport, report: Report) -> Iterator[str]:
    yield ""
    persistence = virtual_server.persistence_timeout
    kept = f", persistence {persistence} s" if persistence is not None else ""
    name = f"{endpoint(virtual_server.address, virtual_server.port)} {virtual_server.protocol}"
    yield from _wrapped(
        f"virtual server {name}, {virtual_server.scheduler}, {virtual_server.forwarding}{kept}", 0, _INDENT
    )
    for table in virtual_server.tables:
        yield from _row(f"  on {table.router}", _table(table, report))
    for real_server in virtual_server.real_servers:
        yield from _row(
            f"  {endpoint(real_server.address, real_server.port)}",
            _real_server(real_server, virtual_server.tables, report),
        )


def _table(table: TableReport, report: Report) -> str:
    if table.programmed:
        state = f"in the table with {count(len(table.destinations), 'destination')}"
    elif table.wanted:
        state = "NOT IN THE TABLE"
    else:
        state = "not in the table (standby)"
    if not table.current:
        state += " (LAST HEARD; its ipvs-programmer does not answer)"
    when = f", since {since(table.since, report.time)}" if table.since else ""
    why = f"ERROR: {table.error}" if table.error else table.cause
    return f"{state}{when}" + (f": {why}" if why else "")


def _real_server(real_server: RealServerReport, tables: tuple[TableReport, ...], report: Report) -> str:
    verdict = real_server.verdict if real_server.verdict == "up" else real_server.verdict.upper()
    when = f", since {since(real_server.since, report.time)}" if real_server.since else ""
    weights = [
        f"{destination.weight} on {table.router}"
        for table in tables
        for destination in table.destinations
        if (destination.address, destination.port) == (real_server.address, real_server.port)
    ]
    weight = f", weight {', '.join(weights)}" if weights else ", in no table"
    return f"{verdict}{weight}{when}: {real_server.cause}"


def _services(report: Report) -> Iterator[str]:
    if not report.services:
        return
    yield ""
    yield "services"
    for service in report.services:
        ready = "ready" if service.ready else "NOT READY"
        revisions = ", ".join(f"revision {number} of {router}" for router, number in service.revisions)
        up = span((report.time - service.since).total_seconds())
        yield from _row(
            f"  {service.name}",
            ", ".join(filter(None, (ready, service.router, f"pid {service.pid}", f"up {up}", revisions))),
        )
        for problem in service.problems:
            yield from _wrapped(problem, _INDENT, _INDENT)


def _row(name: str, text: str) -> list[str]:
    """Write a name and, from a fixed column on, what there is to say of it."""
    return _wrapped(f"{plain(name):<{_INDENT - 1}} {text}", 0, _INDENT)


def _wrapped(text: str, first: int, rest: int) -> list[str]:
    indent = " " * first
    lead = len(text) - len(text.lstrip())
    body = plain(text[lead:])
    if first + lead + len(body) <= WIDTH:
        return [indent + " " * lead + body]  # textwrap takes seconds for tens of thousands of lines
    return textwrap.wrap(
        body,
        WIDTH,
        initial_indent=indent + " " * lead,
        subsequent_indent=" " * rest,
        break_on_hyphens=False,
    )


_RED, _GREEN, _END = "\033[31m", "\033[32m", "\033[0m"
_BAD = ("NOT ", "DOWN", "UNKNOWN", "ERROR", "AWAY", "FAULT", "STOPPED", "LAST HEARD")


def _paint(line: str) -> str:
    for word in _BAD:
        line = line.replace(word, f"{_RED}{word}{_END}", 1)
    return line.replace("ACTIVE", f"{_GREEN}ACTIVE{_END}", 1)
