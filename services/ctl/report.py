"""What ``vipbus status`` says; ``--json`` prints exactly this."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ctl.supervisor_file import ChildState
from vipbus.contracts import (
    Destination,
    ForwardingMethod,
    OperatorStateName,
    Protocol,
    ProxyMember,
    RoleName,
    VerdictName,
    Vote,
)


class BusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The bus."""

    url: str
    connected: bool
    problem: str = ""


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The ``vipbus run`` of this state directory."""

    pid: int
    router: str
    file: str
    since: datetime
    runs: bool
    processes: tuple[ChildState, ...]


class InstanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """An instance on one router."""

    name: str
    role: RoleName | None
    """None: nothing was ever said of it."""
    current: bool
    """False: its vrrp-agent does not answer and this is the last that it said."""
    virtual_router_id: int
    interface: str
    addresses: tuple[str, ...]
    priority: int
    """As configured."""
    effective_priority: int = 0
    """What is advertised; 0: not known."""
    epoch: int = 0
    since: datetime | None = None
    cause: str = ""
    active_router: str | None = None
    faults: tuple[str, ...] = ()
    """Why it cannot take part, a line each."""
    sync_group: str | None = None


class RouterReport(msgspec.Struct, frozen=True, kw_only=True):
    """A router with a configuration."""

    name: str
    revision: int
    whole: bool
    source: str
    accepted_at: datetime
    instances: tuple[InstanceReport, ...] = ()


class TableReport(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual server in one router's kernel."""

    router: str
    wanted: bool
    """True where the router must have it now: it is active, or the address belongs to no instance."""
    programmed: bool
    current: bool
    """False: the router's ipvs-programmer does not answer and this is the last that it said."""
    destinations: tuple[Destination, ...] = ()
    since: datetime | None = None
    cause: str = ""
    error: str = ""
    held: tuple[str, ...] = ()
    """Tokens of real servers that are down and stand in the table all the same."""
    quorum: bool = True
    """False: the pool has lost its quorum."""
    live_weight: int = 0
    """What the quorum is compared with: the weights of all that is up."""


class OperatorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator said of a real server."""

    state: OperatorStateName
    by: str
    since: datetime
    why: str = ""


class RealServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's member."""

    address: str
    port: int
    weight: int
    """As configured."""
    checked: bool
    verdict: VerdictName
    cause: str = ""
    since: datetime | None = None
    checks_weight: int | None = None
    """What a dynamic check says instead of the configured weight; None: nothing."""
    weight_added: int = 0
    """What checks add to the weight, or take from it."""
    warning: str = ""
    voters: int = 1
    """How many probers were asked."""
    minority: tuple[Vote, ...] = ()
    """Those who say otherwise."""
    damped: bool = False
    """True: down for flapping alone."""
    operator: OperatorReport | None = None
    """None: it follows its verdicts."""


class VirtualServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual server: its pool, and its table on each router that has it."""

    id: str
    words: str
    """How people name it: ``10.9.0.1:80 TCP``, ``FWM 7``."""
    address: str
    """Empty: it is a firewall mark."""
    port: int
    protocol: Protocol
    mark: int = 0
    scheduler: str
    forwarding: ForwardingMethod
    persistence_timeout: int | None
    quorum: int = 1
    """The weight that the pool needs in all."""
    sorry_server: str = ""
    """What serves below that; empty: what is left of the pool."""
    tables: tuple[TableReport, ...]
    real_servers: tuple[RealServerReport, ...]


class PoolTableReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pool in one router's HAProxy."""

    router: str
    written: bool
    """False: nothing was ever said of it."""
    current: bool
    """False: the router's haproxy-programmer does not answer and this is the last that it said."""
    members: tuple[ProxyMember, ...] = ()
    up: int = 0
    """Members that take new clients."""
    cause: str = ""
    error: str = ""


class PoolReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pool of proxies: its members, and what each router's HAProxy has of it."""

    id: str
    """Token, ``pool-app``: the virtual server of its real servers."""
    words: str
    mode: str
    algorithm: str
    fallback: str = ""
    """The pool that serves while nobody here can; empty: none."""
    proxies: tuple[str, ...] = ()
    """Who hands to it, by name."""
    tables: tuple[PoolTableReport, ...] = ()
    real_servers: tuple[RealServerReport, ...] = ()


class ProxyReport(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy on one router."""

    router: str
    name: str
    mode: str
    bind: tuple[str, ...]
    """Where it listens, whether the address is on this router or not."""
    pools: tuple[str, ...]
    """By name; the default is the first."""
    current: bool
    """False: the router's haproxy-programmer does not answer."""


class ServiceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process that answered."""

    name: str
    router: str | None
    pid: int
    since: datetime
    ready: bool
    revisions: tuple[tuple[str, int], ...] = ()
    problems: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    ready: bool
    time: datetime
    bus: BusReport
    run: RunReport | None = None
    routers: tuple[RouterReport, ...] = ()
    virtual_servers: tuple[VirtualServerReport, ...] = ()
    proxies: tuple[ProxyReport, ...] = ()
    pools: tuple[PoolReport, ...] = ()
    services: tuple[ServiceReport, ...] = ()
    warnings: tuple[str, ...] = ()
    """What will be wrong soon, one line each."""
    not_ready: tuple[str, ...] = ()
    """Everything that is wrong, one line each: what, and what to do."""
    notes: tuple[str, ...] = ()
    """What is odd and stops nothing."""
