"""Say what is not ready in a report, one line each: what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ctl import judge_pools
from ctl.judge_servers import NAMED, not_up
from ctl.report import InstanceReport, Report, RouterReport, ServiceReport, VirtualServerReport
from ctl.words import count, endpoint, listed, span


def judged(report: Report) -> Report:
    """Return the report with its judgement."""
    lines = tuple(_lines(report))
    return msgspec.structs.replace(
        report, not_ready=lines, ready=not lines, warnings=tuple(_warnings(report))
    )


def _warnings(report: Report) -> Iterator[str]:
    """Say each warning once, whatever number of pools the real server is in."""
    where: dict[tuple[str, str], list[str]] = {}
    pools = [(each.words, each.real_servers) for each in report.virtual_servers]
    pools += [(each.words, each.real_servers) for each in report.pools]
    for name, real_servers in pools:
        for found in real_servers:
            if found.warning:
                which = (endpoint(found.address, found.port), found.warning)
                where.setdefault(which, []).append(name)
    for (server, warning), names in where.items():
        yield f"{server} of {listed(names)}: {warning}"


def _lines(report: Report) -> Iterator[str]:
    if not report.bus.connected:
        yield from _without_bus(report)
        return
    if not report.routers:
        yield "no router is configured on this bus: start `vipbus run -f FILE`"
    yield from _processes(report)
    yield from _services(report)
    for router in report.routers:
        yield from _router(router, report)
    yield from _owners(report)
    yield from _tables(report)
    for virtual_server in report.virtual_servers:
        yield from _quorum(virtual_server)
        yield from not_up(virtual_server.words, virtual_server.real_servers)
    yield from judge_pools.lines(report)


def _without_bus(report: Report) -> Iterator[str]:
    run = report.run
    if not report.bus.url:
        yield report.bus.problem
    elif run is None:
        yield f"the bus at {report.bus.url} does not answer ({report.bus.problem}): start it, or name another"
    elif not run.runs:
        yield f"`vipbus run` (pid {run.pid}) does not run any more: start it again"
    else:
        embedded = any(process.name == "nats-server" for process in run.processes)
        where = "nats-server's log in the state directory" if embedded else "that server"
        yield (
            f"the bus at {report.bus.url} does not answer ({report.bus.problem}); VRRP and the table go on "
            f"without it: look at {where}"
        )
    yield from _processes(report)


def _processes(report: Report) -> Iterator[str]:
    if report.run is None or not report.run.runs:
        return
    for process in report.run.processes:
        if process.pid is None:
            yield f"{report.run.router}: {process.name} does not run: {process.problem or process.reason}"


def _services(report: Report) -> Iterator[str]:
    for name, work in (("config-service", "no file is read"), ("health-prober", "no real server is checked")):
        if report.routers and not any(service.name == name for service in report.services):
            yield f"no {name} answers, so {work}: start one, or look at the log of `vipbus run`"
    for service in report.services:
        if service.ready:
            continue
        where = f"{service.router}: " if service.router else ""
        if not service.problems:
            yield f"{where}{service.name} (pid {service.pid}) is not ready and does not say why; see its log"
        for problem in service.problems:
            yield f"{where}{service.name}: {problem}"


def _router(router: RouterReport, report: Report) -> Iterator[str]:
    if not router.whole:
        yield (
            f"{router.name}: revision {router.revision} is not whole on the bus yet; "
            "if that stays, restart its config-service"
        )
    for name in ("vrrp-agent", "ipvs-programmer", *judge_pools.programmers(router.name, report)):
        own = [
            service for service in report.services if (service.name, service.router) == (name, router.name)
        ]
        if not own:
            yield f"{router.name}: {name} does not answer; is `vipbus run` running on {router.name}?"
        for service in own:
            yield from _behind(router, service)
    for instance in router.instances:
        yield from _instance(router, instance, report)


def _behind(router: RouterReport, service: ServiceReport) -> Iterator[str]:
    revision = dict(service.revisions).get(router.name)
    if service.ready and revision != router.revision:
        has = "no revision" if revision is None else f"revision {revision}"
        current = f"{router.revision} is current"
        yield f"{router.name}: {service.name} works from {has}, {current}; wait, or restart it"


def _instance(router: RouterReport, instance: InstanceReport, report: Report) -> Iterator[str]:
    if instance.role is None:
        if instance.current:
            yield f"{router.name}: {instance.name} has no role yet; wait, or see the log of vrrp-agent"
    elif not instance.current:
        assert instance.since is not None  # noqa: S101  # whoever has a role has it since some time
        ago = span((report.time - instance.since).total_seconds())
        yield f"{router.name}: {instance.name} was {instance.role} when last heard of; the role is {ago} old"
    elif instance.role not in ("active", "backup"):
        why = "; ".join(instance.faults) or instance.cause
        yield f"{router.name}: {instance.name} is in {instance.role}: {why}"


def _owners(report: Report) -> Iterator[str]:
    """Each address has one owner among the routers of this bus, where several could be it."""
    groups: dict[tuple[int, tuple[str, ...]], list[tuple[str, InstanceReport]]] = {}
    for router in report.routers:
        for instance in router.instances:
            # an election without addresses is known by its name alone
            owned = tuple(sorted(instance.addresses)) or (instance.name,)
            key = (instance.virtual_router_id, owned)
            groups.setdefault(key, []).append((router.name, instance))
    for (virtual_router_id, owned), members in groups.items():
        active = [name for name, instance in members if instance.role == "active" and instance.current]
        what = f"{listed(owned)} (VRID {virtual_router_id})"
        if len(active) > 1:
            yield (
                f"{' and '.join(active)} are both active for {what}: they do not hear each other; "
                "look at the network between them"
            )
        elif not active and len(members) > 1:
            others = sorted({found.active_router for _, found in members if found.active_router})
            heard = f"; {', '.join(others)} was heard on the wire" if others else ""
            yield f"no router of this bus is active for {what}{heard}: look at the instances above"


def _tables(report: Report) -> Iterator[str]:
    """Say what is missing from each router's kernel, all with one reason in one line."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for virtual_server in report.virtual_servers:
        for table in virtual_server.tables:
            if not table.current:
                continue  # the programmer that does not answer has a line already
            if table.error or (table.wanted and not table.programmed):
                reason = (
                    table.error or table.cause or "not written yet; wait, or see the log of ipvs-programmer"
                )
                reasons.setdefault((table.router, reason), []).append(virtual_server.words)
    for (router, reason), names in reasons.items():
        if len(names) > NAMED:
            what = f"{count(len(names), 'virtual server')} ({', '.join(names[:2])}, ...)"
        else:
            what = ", ".join(names)
        yield f"{router}: {what} not in the kernel's table as it should be: {reason}"


def _quorum(virtual_server: VirtualServerReport) -> Iterator[str]:
    """Say that a pool is below its quorum, where that is more than that all of it is down."""
    if virtual_server.quorum == 1 and not virtual_server.sorry_server:
        return
    lost = [table for table in virtual_server.tables if not table.quorum and table.current]
    if lost:
        serves = any(each.reason == "sorry" for table in lost for each in table.destinations)
        instead = f"; the sorry server {virtual_server.sorry_server} serves" if serves else ""
        weight = min(table.live_weight for table in lost)
        yield (
            f"{virtual_server.words}: below its quorum, weight {weight} of {virtual_server.quorum} is up"
            f"{instead}"
        )
