"""Write a report for people: who holds what, what the tables hold, and last what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ctl import render_pools
from ctl.layout import INDENT, paint, row, wrapped
from ctl.render_servers import server_lines
from ctl.report import InstanceReport, Report, TableReport, VirtualServerReport
from ctl.words import count, endpoint, from_token, listed, since, span


def render(report: Report, *, colour: bool = False) -> str:
    """Write the report in lines of at most `layout.WIDTH` columns; colour says nothing that words do not."""
    lines = [line for part in _parts(report) for line in part]
    painted = [paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _parts(report: Report) -> Iterator[list[str]]:
    warned = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    yield [("vipbus: ready" if report.ready else "vipbus: NOT READY") + warned]
    yield list(_bus(report))
    yield list(_routers(report))
    for virtual_server in report.virtual_servers:
        yield list(_virtual_server(virtual_server, report))
    yield list(render_pools.proxies(report))
    for pool in report.pools:
        yield list(render_pools.pool(pool, report))
    yield list(_services(report))
    for title, texts in (
        ("note", report.notes),
        ("warning", report.warnings),
        ("not ready", report.not_ready),
    ):
        if texts:
            yield ["", f"{title}:"]
            yield [line for text in texts for line in wrapped(f"- {text}", 2, 4)]


def _bus(report: Report) -> Iterator[str]:
    bus, run = report.bus, report.run
    answer = "connected" if bus.connected else f"AWAY: {bus.problem}"
    yield from row("bus", f"{bus.url}, {answer}" if bus.url else answer)
    if run is None:
        return
    how = f"since {since(run.since, report.time)}" if run.runs else "does not run any more"
    yield from row("vipbus run", f"pid {run.pid} for {run.router} with {run.file}, {how}")
    if not run.runs:
        return
    for process in run.processes:
        if process.pid is None:
            yield from row(f"  {process.name}", f"NOT RUNNING: {process.problem or process.reason}")
        elif process.restarts or not bus.connected:
            again = f", started again {count(process.restarts, 'time')}, last {process.reason}"
            when = f"pid {process.pid}, since {since(process.since, report.time)}"
            yield from row(f"  {process.name}", when + (again if process.restarts else ""))


def _routers(report: Report) -> Iterator[str]:
    for router in report.routers:
        yield ""
        whole = "" if router.whole else " (NOT WHOLE YET)"
        accepted = since(router.accepted_at, report.time)
        yield from row(
            f"router {router.name}",
            f"revision {router.revision}{whole} of {router.source}, accepted {accepted}",
        )
        for instance in router.instances:
            yield from _instance(instance, report)


def _instance(instance: InstanceReport, report: Report) -> Iterator[str]:
    role = instance.role.upper() if instance.role not in (None, "backup") else instance.role or "NO ROLE YET"
    moved = instance.effective_priority not in (0, instance.priority)
    effective = f" (effective {instance.effective_priority})" if moved else ""
    stale = "" if instance.current else " (LAST HEARD; its vrrp-agent does not answer)"
    when = f", since {since(instance.since, report.time)}" if instance.since else ""
    yield from row(
        f"  {instance.name}",
        f"{role}{stale}, priority {instance.priority}{effective}, epoch {instance.epoch}, VRID "
        f"{instance.virtual_router_id} on {instance.interface}{when}",
    )
    if instance.addresses:
        yield from wrapped(listed(instance.addresses), INDENT, INDENT)
    if instance.sync_group:
        yield from wrapped(f"in sync group {instance.sync_group}", INDENT, INDENT)
    if instance.cause and instance.cause != "; ".join(instance.faults):
        heard = f" (active: {instance.active_router})" if instance.active_router else ""
        yield from wrapped(instance.cause + heard, INDENT, INDENT)
    for fault in instance.faults:
        yield from wrapped(f"fault: {fault}", INDENT, INDENT + 2)


def _virtual_server(virtual_server: VirtualServerReport, report: Report) -> Iterator[str]:
    yield ""
    persistence = virtual_server.persistence_timeout
    kept = f", persistence {persistence} s" if persistence is not None else ""
    name = virtual_server.words
    yield from wrapped(
        f"virtual server {name}, {virtual_server.scheduler}, {virtual_server.forwarding}{kept}", 0, INDENT
    )
    for table in virtual_server.tables:
        yield from row(f"  on {table.router}", _table(table, report))
        if table.held:
            names = listed([from_token(token) for token in table.held])
            yield from wrapped(
                f"HELD as it was, by hold_below: {names} down at once and kept", INDENT, INDENT
            )
        for line in _beside(table, virtual_server, report):
            yield from wrapped(line, INDENT, INDENT + 2)
    for real_server in virtual_server.real_servers:
        has = [
            (table.router, each)
            for table in virtual_server.tables
            for each in table.destinations
            if (each.address, each.port) == (real_server.address, real_server.port)
        ]
        weights = [f"{each.weight} on {router}" for router, each in has]
        slow = [f"at {each.ramp} % of its weight on {router}" for router, each in has if each.ramp < 100]
        yield from server_lines(real_server, report, weights, slow)


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


def _beside(table: TableReport, virtual_server: VirtualServerReport, report: Report) -> Iterator[str]:
    """Say what a table holds beside the pool: a sorry server, and what has left the configuration."""
    if not table.quorum:
        lost = f"BELOW ITS QUORUM: weight {table.live_weight} of {virtual_server.quorum}"
        serves = any(each.reason == "sorry" for each in table.destinations)
        yield f"{lost}; the sorry server {virtual_server.sorry_server} serves" if serves else lost
    for each in table.destinations:
        if each.reason == "draining":
            left = (each.until - report.time).total_seconds() if each.until is not None else 0.0
            server = endpoint(each.address, each.port)
            yield f"{server} is not configured any more and drains, for {span(left)} at most"


def _services(report: Report) -> Iterator[str]:
    if not report.services:
        return
    yield ""
    yield "services"
    for service in report.services:
        ready = "ready" if service.ready else "NOT READY"
        revisions = ", ".join(f"revision {number} of {router}" for router, number in service.revisions)
        up = span((report.time - service.since).total_seconds())
        yield from row(
            f"  {service.name}",
            ", ".join(filter(None, (ready, service.router, f"pid {service.pid}", f"up {up}", revisions))),
        )
        for problem in service.problems:
            yield from wrapped(problem, INDENT, INDENT)
