"""The commands that look at a router's table: what would change in it, and what goes through it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.config import RealServer, VirtualServer
from vipbus.contracts.limits import Counter, Port
from vipbus.contracts.pools import IpvsSettings
from vipbus.contracts.vrrp import VrrpInstance

Count64 = Annotated[int, msgspec.Meta(ge=0)]
"""A counter of the kernel's, of 64 bits: beyond 2^53 a reader of JSON may lose its last digits."""
OperationKind = Literal[
    "add-service",
    "edit-service",
    "delete-service",
    "add-destination",
    "edit-destination",
    "delete-destination",
]


class PlannedConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What of a router's configuration decides its table.

    Of a real server's checks it counts only whether there are any: one may stand for all of them.
    """

    source: str
    """The file, as it was named."""
    instances: tuple[VrrpInstance, ...] = ()
    virtual_servers: tuple[VirtualServer, ...] = ()
    real_servers: tuple[RealServer, ...] = ()
    ipvs: IpvsSettings | None = None


class PlanTable(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what would change in a router's table, without changing it."""

    configuration: PlannedConfiguration | None = None
    """None: what is desired now."""


class PlannedOperation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation on the table that would be made."""

    kind: OperationKind
    text: str
    """As the log and the events would have it."""
    before: str = ""
    """What an edit changes, as the kernel has it now."""


class PlannedPool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would be done to one virtual server, in this order."""

    virtual_server: str
    """Token."""
    operations: tuple[PlannedOperation, ...]
    refused: str = ""
    """Why the kernel did not do it when it was tried last."""
    foreign: bool = False
    """True: somebody else's service stands there; it would be taken over."""


class TablePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would change in a router's table: the difference from a read of the kernel at this moment."""

    router: str
    revision: Counter = 0
    """Of the configuration that runs."""
    source: str = ""
    """Of the configuration that was asked about; empty: what is desired now."""
    compared: Counter = 0
    """So many virtual servers were compared with the kernel."""
    waiting: Counter = 0
    """So many of them stay out of the table while the instance that owns their address is not active here."""
    counts: tuple[tuple[OperationKind, Counter], ...] = ()
    """All operations, by kind."""
    pools: tuple[PlannedPool, ...] = ()
    left_out: Counter = 0
    """So many virtual servers would change and are not among ``pools``: the answer was full."""
    reason: str = ""
    """Why nothing was compared, and what to do."""


class ReadTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what goes through virtual servers."""

    virtual_servers: tuple[str, ...] = ()
    """Tokens; empty: all."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came since the counters began, and what comes in a second (ipvsadm(8), --stats and --rate)."""

    connections: Count64 = 0
    packets_in: Count64 = 0
    packets_out: Count64 = 0
    """Only NAT sends replies through the router; of DR and TUN this stays 0."""
    bytes_in: Count64 = 0
    bytes_out: Count64 = 0
    connections_rate: Count64 = 0
    """The rates are the kernel's own estimate over the last seconds (ip_vs_est.c)."""
    packets_in_rate: Count64 = 0
    packets_out_rate: Count64 = 0
    bytes_in_rate: Count64 = 0
    bytes_out_rate: Count64 = 0


class DestinationTraffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A destination's connections now, and what came to it."""

    address: str
    port: Port
    active: Counter = 0
    """Of TCP: established."""
    inactive: Counter = 0
    persistent: Counter = 0
    """Templates: clients that are held to this destination."""
    traffic: Traffic = Traffic()


class PoolTraffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What goes through one virtual server."""

    virtual_server: str
    """Token."""
    at: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    """When it was read, by the router's monotonic clock in seconds: two reads make a rate."""
    traffic: Traffic = Traffic()
    destinations: tuple[DestinationTraffic, ...] = ()


class TableTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through a router's table; a virtual server that is not in the kernel is left out."""

    router: str
    pools: tuple[PoolTraffic, ...] = ()
    reason: str = ""
    """Why nothing was read, and what to do."""
