"""Commands: requests on ``vipbus.cmd.<service>.<verb>`` and their answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vipbus.contracts.checks import Check
from vipbus.contracts.config_commands import CONFIG_COMMANDS
from vipbus.contracts.limits import Counter, Time
from vipbus.contracts.proxy_commands import ProxiesTraffic, ReadProxies
from vipbus.contracts.revisions import Who
from vipbus.contracts.state import Condition, OperatorStateName, RoleName
from vipbus.contracts.table_commands import PlanTable, ReadTraffic, TablePlan, TableTraffic


class ReloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ask config-service to read a router's file again and apply it whole or refuse it whole."""

    router: str | None = None
    """None: every router it serves. Said to one router's subject, it is that router all the same."""
    by: Who = ""
    """Empty: config-service of that host."""


class ReloadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reload: the revision that runs now, and why the file was refused if it was."""

    accepted: bool
    revisions: tuple[tuple[str, int], ...]
    reason: str = ""
    warnings: tuple[str, ...] = ()
    """What the files that run say and do not mean here, one line each."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the active router of an instance to leave the role to another, without a gap."""

    instance: str
    to: str | None = None
    """The router that is to follow; None: whoever is next."""


class HandoverResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a handover."""

    accepted: bool
    router: str
    reason: str = ""
    """Why not, and what to do."""


class ShowVrrp(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what a router's instances do and have counted."""

    instance: str | None = None
    """None: all of them."""


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How late advertisements went out, in seconds; the quantiles are upper bounds of their buckets."""

    count: int
    p50: float
    p99: float
    max: float


class TrackState(msgspec.Struct, frozen=True, kw_only=True):
    """What one tracked source says, and what it does to the instance."""

    kind: str
    name: str
    up: bool | None
    """None: not known yet."""
    weight: int
    """What it adds to the priority now."""
    cause: str


class InstanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as it runs, with its counters since the agent started."""

    instance: str
    role: RoleName
    epoch: int
    priority: int
    effective_priority: int
    interface: str
    virtual_router_id: int
    version: int
    family: int
    source: str
    active_router: str | None
    addresses: tuple[str, ...]
    cause: str
    since: Time
    sync_group: str | None = None
    faults: tuple[str, ...] = ()
    tracks: tuple[TrackState, ...] = ()
    sent: int = 0
    received: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
    """By reason."""
    transitions: tuple[tuple[str, int], ...] = ()
    """By role."""
    lateness: Lateness | None = None
    """None: it has advertised nothing yet."""


class VrrpReport(msgspec.Struct, frozen=True, kw_only=True):
    """A router's instances."""

    router: str
    instances: tuple[InstanceReport, ...]
    unclaimed: tuple[tuple[str, int], ...] = ()
    """Packets that were for no instance here, by reason."""


class Operate(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a real server to be drained, disabled or enabled, whatever its checks say."""

    real_server: str
    """Address and port, or its token."""
    virtual_server: str | None = None
    """Address, port and protocol, or its token; None: every one that has this real server."""
    state: OperatorStateName | None = None
    """None: enable, that is, follow the verdicts again."""
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    why: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class OperateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: the keys that were written."""

    accepted: bool
    keys: tuple[str, ...] = ()
    reason: str = ""
    """Why not, and what to do."""


PROBE_BEGINS_WITHIN: Final = 5.0
"""Seconds after which a probe on demand begins no more attempts and says what it left out."""
PROBE_LONGEST: Final = 30.0
"""Seconds that such a probe waits for one attempt, whatever the check's own timeout."""


class ProbeNow(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a replica to run the checks of real servers now and to tell each step."""

    virtual_server: str
    """Token."""
    real_server: str | None = None
    """Token; None: all of the pool."""
    kind: str | None = None
    """Only checks of this kind; None: all of them."""


class ProbeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A real server and what is to be tried there; an array of them is what a probe's process is told."""

    real_server: str
    """Token."""
    checks: tuple[Check, ...]


class ProbeStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an attempt: what was done or came, and when, in seconds since the attempt began."""

    at: float
    what: str


class ProbeAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One check, tried once."""

    real_server: str
    """Token."""
    kind: str
    """The check's."""
    where: str
    """Where it went, as people write it: ``10.9.0.21:80``, ``http://10.9.0.21:80/health``."""
    result: Literal["success", "failure", "local"]
    cause: str
    """In words, as a verdict has it; ``local``: why it could not be tried here."""
    seconds: float
    steps: tuple[ProbeStep, ...] = ()
    weight: int | None = None
    weight_added: int = 0
    warning: str = ""


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica found."""

    prober: str
    attempts: tuple[ProbeAttempt, ...] = ()
    left_out: Counter = 0
    """So many checks are not among them: their turn did not come in time, or the answer was full."""
    reason: str = ""
    """Why nothing was tried, and what to do."""


class CommandContract(msgspec.Struct, frozen=True, kw_only=True):
    """One command: who serves it, what it takes (None: an empty body) and what it answers."""

    service: str
    verb: str
    request: type[msgspec.Struct] | None
    answer: type[msgspec.Struct]
    summary: str
    per: Literal["router", "prober"] | None = None
    """Whose token follows the verb: whoever serves that router, or is that prober, answers."""


SERVICES: tuple[str, ...] = ("config-service", "vrrp-agent", "health-prober", "ipvs-programmer")
"""Every service, by the name under which it answers on the bus."""

COMMANDS: tuple[CommandContract, ...] = (
    *(
        CommandContract(
            service=service,
            verb="condition",
            request=None,
            answer=Condition,
            summary=f"How {service} is: ready or not, and every problem in a line of its own.",
        )
        for service in SERVICES
    ),
    CommandContract(
        service="config-service",
        verb="reload",
        request=ReloadConfig,
        answer=ReloadResult,
        summary="Read the file of every router again; each config-service of the bus answers for its own.",
    ),
    CommandContract(
        service="config-service",
        verb="reload",
        request=ReloadConfig,
        answer=ReloadResult,
        summary="Read one router's file again and apply it as a whole, or refuse it as a whole.",
        per="router",
    ),
    CommandContract(
        service="config-service",
        verb="operate",
        request=Operate,
        answer=OperateResult,
        summary="Drain, disable or enable a real server; one config-service of the bus does it for all.",
    ),
    *(
        CommandContract(
            service="config-service",
            verb=verb,
            request=request,
            answer=answer,
            summary=f"{summary} A large body is zlib of JSON.",
            per="router",
        )
        for verb, request, answer, summary in CONFIG_COMMANDS
    ),
    CommandContract(
        service="vrrp-agent",
        verb="handover",
        request=Handover,
        answer=HandoverResult,
        summary="Leave an instance's role to another router without a gap; said to the active router.",
        per="router",
    ),
    CommandContract(
        service="vrrp-agent",
        verb="take",
        request=Handover,
        answer=HandoverResult,
        summary="Be the one that follows at the next priority 0; said to a backup by the router that leaves.",
        per="router",
    ),
    CommandContract(
        service="vrrp-agent",
        verb="show",
        request=ShowVrrp,
        answer=VrrpReport,
        summary="What the instances of a router do and have counted.",
        per="router",
    ),
    CommandContract(
        service="health-prober",
        verb="probe",
        request=ProbeNow,
        answer=ProbeReport,
        summary="Run the checks of a pool or of one real server now, from one replica; no verdict follows.",
        per="prober",
    ),
    CommandContract(
        service="ipvs-programmer",
        verb="plan",
        request=PlanTable,
        answer=TablePlan,
        summary="What would change in a router's table; nothing is changed. A large body is zlib of JSON.",
        per="router",
    ),
    CommandContract(
        service="ipvs-programmer",
        verb="traffic",
        request=ReadTraffic,
        answer=TableTraffic,
        summary="What goes through a router's table: connections, counters and rates.",
        per="router",
    ),
    CommandContract(
        service="haproxy-programmer",
        verb="traffic",
        request=ReadProxies,
        answer=ProxiesTraffic,
        summary="What goes through a router's proxies and pools: sessions, queues, errors, counters.",
        per="router",
    ),
)
"""Every command there is."""
