"""Make the report: what is there, and whether that is all that should be."""

from __future__ import annotations

from collections.abc import Iterator

from ctl import assess_pools, judge
from ctl.assess_servers import real_server_report
from ctl.report import (
    BusReport,
    InstanceReport,
    Report,
    RouterReport,
    RunReport,
    ServiceReport,
    TableReport,
    VirtualServerReport,
)
from ctl.snapshot import Snapshot
from ctl.words import OPERATED, count, endpoint, from_token
from vipbus.contracts import (
    Condition,
    RealServer,
    Role,
    VirtualServer,
    VirtualServerTable,
    VrrpInstance,
)
from vipbus.runtime.revision import Revision


def assess(snapshot: Snapshot) -> Report:
    """Make the report of one moment."""
    answering = _answering(snapshot.conditions)
    routers = _routers(snapshot, answering)
    virtual_servers = _virtual_servers(snapshot, routers, answering)
    proxied = frozenset(router for service, router in answering if service == "haproxy-programmer")
    services = tuple(
        ServiceReport(
            name=condition.service,
            router=condition.router,
            pid=condition.pid,
            since=condition.started,
            ready=condition.ready,
            revisions=condition.revisions,
            problems=condition.problems,
        )
        for condition in sorted(snapshot.conditions, key=lambda c: (c.router or "", c.service, c.instance_id))
    )
    report = Report(
        ready=False,
        time=snapshot.now,
        bus=BusReport(url=snapshot.bus, connected=not snapshot.bus_problem, problem=snapshot.bus_problem),
        run=_run(snapshot),
        routers=routers,
        virtual_servers=virtual_servers,
        proxies=assess_pools.proxies(snapshot, proxied),
        pools=assess_pools.pools(snapshot, proxied),
        services=services,
        notes=(
            *(f"{text}; it is left out" for text in snapshot.unreadable),
            *_left(snapshot),
            *_leaving(snapshot),
            *_advice(snapshot),
        ),
    )
    return judge.judged(report)


def _left(snapshot: Snapshot) -> Iterator[str]:
    """Say which operator's words are about nothing that is configured any more."""
    if not snapshot.operators:
        return
    configured = {(real.virtual_server, real.id) for rev in snapshot.revisions for real in rev.real_servers}
    for said in snapshot.operators:
        if snapshot.revisions and (said.virtual_server, said.real_server) not in configured:
            server, service = from_token(said.real_server), from_token(said.virtual_server)
            done = OPERATED[said.state]
            yield (
                f"{server} of {service} is {done} by {said.by} and not configured any more; "
                "`vipbus enable` takes that back"
            )


def _leaving(snapshot: Snapshot) -> Iterator[str]:
    """Say which virtual servers are not configured any more and drain."""
    configured = {(rev.router, server.id) for rev in snapshot.revisions for server in rev.virtual_servers}
    routers = {rev.router for rev in snapshot.revisions}
    for table in snapshot.tables:
        draining = sum(each.reason == "draining" for each in table.destinations)
        if draining and table.router in routers and (table.router, table.virtual_server) not in configured:
            yield (
                f"{table.words} is not configured any more on {table.router} and drains: "
                f"{count(draining, 'real server')} with connections left"
            )


def _advice(snapshot: Snapshot) -> Iterator[str]:
    """Say what services advise, each with its name."""
    for condition in snapshot.conditions:
        where = f"{condition.service} of {condition.router}" if condition.router else condition.service
        yield from (f"{where}: {text}" for text in condition.advice)


def _run(snapshot: Snapshot) -> RunReport | None:
    state = snapshot.supervisor
    if state is None:
        return None
    return RunReport(
        pid=state.pid,
        router=state.router,
        file=state.file,
        since=state.started,
        runs=snapshot.supervisor_runs,
        processes=state.children,
    )


def _answering(conditions: tuple[Condition, ...]) -> frozenset[tuple[str, str | None]]:
    """Say which services answered, by service and router."""
    return frozenset((condition.service, condition.router) for condition in conditions)


def _routers(snapshot: Snapshot, answering: frozenset[tuple[str, str | None]]) -> tuple[RouterReport, ...]:
    whole = {revision.router: revision for revision in snapshot.revisions}
    roles = {(role.router, role.instance): role for role in snapshot.roles}
    return tuple(
        RouterReport(
            name=head.router,
            revision=head.revision,
            whole=head.router in whole and whole[head.router].head.revision == head.revision,
            source=head.source,
            accepted_at=head.accepted_at,
            instances=tuple(
                _instance(
                    instance,
                    roles.get((head.router, instance.name)),
                    current=("vrrp-agent", head.router) in answering,
                )
                for instance in (whole[head.router].instances if head.router in whole else ())
            ),
        )
        for head in sorted(snapshot.heads, key=lambda head: head.router)
    )


def _instance(instance: VrrpInstance, role: Role | None, *, current: bool) -> InstanceReport:
    addresses = tuple(address.address for address in instance.virtual_ipaddress)
    if role is None:
        return InstanceReport(
            name=instance.name,
            role=None,
            current=current,
            virtual_router_id=instance.virtual_router_id,
            interface=instance.interface,
            addresses=addresses,
            priority=instance.priority,
        )
    return InstanceReport(
        name=instance.name,
        role=role.role,
        current=current,
        virtual_router_id=role.virtual_router_id,
        interface=role.interface,
        addresses=addresses,
        priority=role.priority,
        effective_priority=role.effective_priority,
        epoch=role.epoch,
        since=role.since,
        cause=role.cause,
        active_router=role.active_router,
        faults=role.faults,
        sync_group=role.sync_group,
    )


def _virtual_servers(
    snapshot: Snapshot, routers: tuple[RouterReport, ...], answering: frozenset[tuple[str, str | None]]
) -> tuple[VirtualServerReport, ...]:
    """Gather each virtual server from every router that has it; what they share comes from the first."""
    active = {
        (router.name, instance.name)
        for router in routers
        for instance in router.instances
        if instance.role == "active" and instance.current
    }
    tables = {(table.router, table.virtual_server): table for table in snapshot.tables}
    verdicts = {(verdict.virtual_server, verdict.real_server): verdict for verdict in snapshot.verdicts}
    operators = {(said.virtual_server, said.real_server): said for said in snapshot.operators}
    found: dict[str, list[tuple[Revision, VirtualServer]]] = {}
    pools: dict[str, dict[str, RealServer]] = {}
    for revision in sorted(snapshot.revisions, key=lambda revision: revision.router):
        for virtual_server in revision.virtual_servers:
            found.setdefault(virtual_server.id, []).append((revision, virtual_server))
        for real_server in revision.real_servers:
            pool = pools.setdefault(real_server.virtual_server, {})
            if real_server.id not in pool or real_server.checks:
                pool[real_server.id] = real_server
    return tuple(
        VirtualServerReport(
            id=identity,
            words=virtual_server.words,
            mark=virtual_server.mark,
            address=virtual_server.address,
            port=virtual_server.port,
            protocol=virtual_server.protocol,
            scheduler=virtual_server.scheduler,
            forwarding=virtual_server.forwarding,
            persistence_timeout=virtual_server.persistence_timeout,
            quorum=virtual_server.quorum,
            sorry_server=endpoint(sorry.address, sorry.port) if sorry is not None else "",
            tables=tuple(
                _table(
                    revision.router,
                    tables.get((revision.router, identity)),
                    wanted=own.instance is None or (revision.router, own.instance) in active,
                    current=("ipvs-programmer", revision.router) in answering,
                )
                for revision, own in where
            ),
            real_servers=tuple(
                real_server_report(
                    real_server,
                    verdicts.get((identity, real_server.id)),
                    operators.get((identity, real_server.id)),
                )
                for real_server in pools.get(identity, {}).values()
            ),
        )
        for identity, where in sorted(found.items())
        for virtual_server in (where[0][1],)
        for sorry in (virtual_server.sorry_server,)
    )


def _table(router: str, table: VirtualServerTable | None, *, wanted: bool, current: bool) -> TableReport:
    if table is None:
        return TableReport(router=router, wanted=wanted, programmed=False, current=current)
    return TableReport(
        router=router,
        wanted=wanted,
        programmed=table.programmed,
        current=current,
        destinations=table.destinations,
        since=table.since,
        cause=table.cause,
        error=table.error,
        held=table.held,
        quorum=table.quorum,
        live_weight=table.live_weight,
    )
