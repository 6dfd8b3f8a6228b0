"""What ``vipbus table`` tells: the documents of the bus beside what the kernel has counted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from ctl.table_flow import Flow, flows, whole
from ctl.table_proxies import PoolReport, ProxyReport
from vipbus.contracts import (
    Destination,
    DestinationReason,
    ForwardingMethod,
    OperatorState,
    RealServer,
    SchedulerFlag,
    Verdict,
    VerdictName,
    VirtualServer,
    VirtualServerTable,
    address_token,
)
from vipbus.contracts.table_commands import PoolTraffic


class RealServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A real server, in the table or out of it."""

    address: str
    port: int
    in_table: bool
    forwarding: ForwardingMethod | None = None
    weight: int | None = None
    """As the kernel has it; None: not in the table, or somebody else's."""
    configured: int | None = None
    """Where the weight comes from: this, or ``checked``, at ``ramp`` percent; 0 by an operator's drain."""
    origin: str = ""
    """Who knows of it beside the configuration: ``docker CONTAINER``; empty: the configuration says it."""
    checked: int | None = None
    ramp: int = 100
    operator: str = ""
    """``drain`` or ``disable``; empty: nothing was said."""
    operator_by: str = ""
    operator_why: str = ""
    reason: DestinationReason = ""
    until: datetime | None = None
    """When a drain ends at the latest."""
    is_checked: bool = True
    verdict: VerdictName | None = None
    """None: there is none."""
    cause: str = ""
    since: datetime | None = None
    warning: str = ""
    flow: Flow | None = None
    """None: not read, or not in the kernel."""


class VirtualServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual server of a router's table."""

    virtual_server: str
    """Token."""
    name: str
    scheduler: str
    scheduler_flags: tuple[SchedulerFlag, ...]
    persistence_timeout: int
    """Seconds; 0: none."""
    one_packet: bool
    programmed: bool
    """False: the kernel holds no such service."""
    quorum: int | None
    """The weight that the pool needs; None: it is in no configuration any more."""
    has_quorum: bool
    live_weight: int
    since: datetime
    cause: str
    error: str
    flow: Flow | None
    real_servers: tuple[RealServerReport, ...]


class RouterReport(msgspec.Struct, frozen=True, kw_only=True):
    """A router's table."""

    router: str
    problem: str = ""
    """Why nothing was read from its kernel: all that stands here is what was last heard."""
    virtual_servers: tuple[VirtualServerReport, ...] = ()
    proxy_problem: str = ""
    """Why nothing was read from its HAProxy; empty too where it has no proxies."""
    proxies: tuple[ProxyReport, ...] = ()
    pools: tuple[PoolReport, ...] = ()


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says of one router's pools."""

    virtual_servers: Mapping[str, VirtualServer]
    """As configured, by token."""
    real_servers: Mapping[str, Sequence[RealServer]]
    """As configured, by the virtual server's token."""
    verdicts: Mapping[str, Verdict]
    """By bucket key."""
    operators: Mapping[str, OperatorState]
    """By bucket key."""


Read = Mapping[str, PoolTraffic]
"""What was counted, by the virtual server's token."""


def virtual_server_report(
    table: VirtualServerTable, said: Said, now: Read, before: Read | None
) -> VirtualServerReport:
    """Put together what is known of one virtual server; ``before`` is an earlier read, for the rates.

    None: there is none, and the rates are the kernel's own.
    """
    token = table.virtual_server
    configured = said.virtual_servers.get(token)
    pool = now.get(token)
    earlier = before.get(token) if before is not None else None
    two = before is not None
    through = flows(pool, earlier, two=two) if pool is not None else {}
    return VirtualServerReport(
        virtual_server=token,
        name=table.words,
        scheduler=table.scheduler,
        scheduler_flags=table.scheduler_flags,
        persistence_timeout=table.persistence_timeout,
        one_packet=table.one_packet,
        programmed=table.programmed,
        quorum=configured.quorum if configured is not None else None,
        has_quorum=table.quorum,
        live_weight=table.live_weight,
        since=table.since,
        cause=table.cause,
        error=table.error,
        flow=whole(pool, earlier, through.values(), two=two) if pool is not None else None,
        real_servers=tuple(_real_servers(table, said, through)),
    )


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one real server."""

    found: Destination | None
    real: RealServer | None
    verdict: Verdict | None
    operator: OperatorState | None
    flow: Flow | None


def _real_servers(
    table: VirtualServerTable, said: Said, through: Mapping[tuple[str, int], Flow]
) -> Iterator[RealServerReport]:
    if not table.programmed:
        return
    configured = {(real.address, real.port): real for real in said.real_servers.get(table.virtual_server, ())}
    there = {(each.address, each.port): each for each in table.destinations}
    for place in sorted({*configured, *there, *through}):
        found, real = there.get(place), configured.get(place)
        if found is None and real is None:
            # the kernel has it and nobody here put it there: the next repair takes it out
            yield RealServerReport(
                address=place[0], port=place[1], in_table=True, is_checked=False, flow=through[place]
            )
            continue
        key = f"{table.virtual_server}.{address_token(*place)}"
        seen = _Seen(
            found=found,
            real=real,
            verdict=said.verdicts.get(key),
            operator=said.operators.get(key),
            flow=through.get(place),
        )
        yield _real_server(place, seen)


def _real_server(place: tuple[str, int], seen: _Seen) -> RealServerReport:
    found, real, verdict, operator = seen.found, seen.real, seen.verdict, seen.operator
    configured = found.configured if found is not None else None
    if configured is None and real is not None:
        configured = real.weight
    state = found.operator if found is not None else ""
    return RealServerReport(
        address=place[0],
        port=place[1],
        in_table=found is not None,
        forwarding=found.forwarding if found is not None else None,
        weight=found.weight if found is not None else None,
        configured=configured,
        origin=real.origin if real is not None else "",
        checked=found.checked if found is not None else None,
        ramp=found.ramp if found is not None else 100,
        operator=state or (operator.state if operator is not None else ""),
        operator_by=operator.by if operator is not None else "",
        operator_why=operator.why if operator is not None else "",
        reason=found.reason if found is not None else "",
        until=found.until if found is not None else None,
        is_checked=bool(real.checks) if real is not None else verdict is not None,
        verdict=verdict.verdict if verdict is not None else None,
        cause=verdict.cause if verdict is not None else "",
        since=verdict.since if verdict is not None else None,
        warning=verdict.warning if verdict is not None else "",
        flow=seen.flow,
    )
