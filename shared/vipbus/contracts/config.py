"""Desired state: the entities of a router's configuration. How they stand on the bus is `documents`.

Durations are seconds, addresses canonical text (RFC 5952 for IPv6).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.checks import Check, Count, Damping, Mark
from vipbus.contracts.limits import (
    Counter,
    Name,
    PersistenceSeconds,
    Port,
    Seconds,
    Weight,
    check_address,
)
from vipbus.contracts.pools import (
    ForwardingMethod,
    IpvsSettings,
    SchedulerFlag,
    SlowStart,
    SorryServer,
    Standby,
    Tunnel,
)
from vipbus.contracts.proxy import Proxy
from vipbus.contracts.proxy_peers import ProxyPeers
from vipbus.contracts.proxy_pool import ProxyPool
from vipbus.contracts.proxy_settings import ProxySettings
from vipbus.contracts.tokens import (
    address_token,
    mark_token,
    name_token,
    virtual_server_token,
    virtual_server_words,
)
from vipbus.contracts.vrrp import (
    Program,
    SyncGroup,
    TrackFile,
    TrackProcess,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)
from vipbus.contracts.vrrp_objects import Family

Protocol = Literal["TCP", "UDP", "SCTP"]
Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"
]
Threshold = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class VirtualServer(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="virtual-server"
):
    """A service of the kernel's table with a scheduler and a pool (keepalived.conf(5), virtual_server).

    It is an address, port and protocol, or a firewall mark and a family. A group's addresses are a virtual
    server each.
    """

    router: Name
    address: str = ""
    """Empty: a firewall mark."""
    port: Port = 0
    protocol: Protocol = "TCP"
    """Means nothing with a mark."""
    mark: Mark = 0
    """Firewall mark of the packets; 0: they are known by their address."""
    family: Family = 4
    """Of the packets with that mark; an address says its own."""
    name: str = ""
    """What ``vipbus.toml`` calls it; empty: nothing."""
    group: str = ""
    """The ``virtual_server_group`` that it comes from."""
    scheduler: Scheduler
    scheduler_flags: tuple[SchedulerFlag, ...] = ()
    one_packet: bool = False
    """True: each datagram is scheduled alone (ipvsadm(8), --ops)."""
    forwarding: ForwardingMethod
    tunnel: Tunnel | None = None
    """None: ipip."""
    masquerade: bool = False
    """True: what is forwarded by NAT leaves with this router's own source address, for real servers that do
    not route back through it."""
    persistence_timeout: PersistenceSeconds | None = None
    """Seconds a client stays with its real server; None is no persistence."""
    persistence_prefix: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    """Clients of one network of this prefix length are one client; None: each is its own."""
    persistence_engine: Literal["", "sip"] = ""
    instance: str | None = None
    """The instance that owns the address on this router; None: programmed whatever the roles."""
    standby: Standby | None = None
    """None: as the programmer was started (``--standby``)."""
    quorum: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    """The weight that a pool needs in all; below it the sorry server takes over."""
    hysteresis: Weight = 0
    """Added to the quorum on the way up, taken from it on the way down."""
    sorry_server: SorryServer | None = None
    quorum_up: Program | None = None
    quorum_down: Program | None = None
    omega: bool = False
    """True: at the end of the programmer the programs of what goes down are run too."""
    ha_suspend: bool = False
    """True: its real servers are not checked while this router does not hold the address."""
    drain_timeout: Seconds = 300.0
    """A real server or virtual server that leaves the configuration goes when its last connection has ended,
    at the latest after this time; 0: at once."""
    hold_below: Percent = 0
    """Verdicts that would leave less than this share of the pool up are not followed: it is more likely that
    the probers are blind. In percent of the checked real servers; 0: every verdict is followed."""
    hold_window: Seconds = 60.0
    """Only real servers that went down within this time count as one failure."""
    template: RealServer | None = None
    """What a real server from elsewhere (Docker's labels) is like, where the configuration has none
    that it could be like; its address and port, and those of its checks, stand for the real ones."""

    def __post_init__(self) -> None:
        if not self.mark:
            check_address(self.address)
        elif self.address or self.port:
            raise ValueError(f"mark {self.mark} and {self.address}:{self.port} are two ways to know a packet")

    @property
    def id(self) -> str:
        """The virtual server's token, the same on every router: ``10-9-0-1_80_tcp``, ``fwm-7_ipv6``."""
        if self.mark:
            return mark_token(self.mark, self.family)
        return virtual_server_token(self.address, self.port, self.protocol)

    @property
    def words(self) -> str:
        """How people name it: ``10.9.0.1:80 TCP``, ``FWM 7``."""
        return virtual_server_words(self.address, self.port, self.protocol, self.mark, self.family)

    @property
    def key(self) -> str:
        """Which entity of all it is."""
        return f"{name_token(self.router)}.virtual-server.{self.id}"


class RealServer(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,
    tag_field="kind",
    tag="real-server",
):
    """A pool's member and how it is checked; no check: it always counts as up."""

    router: Name = ""
    virtual_server: str = ""
    """The token of the virtual server, `VirtualServer.id`. In a pool's document it is the pool's, as is
    the router, and not said again."""
    address: str
    port: Port
    weight: Weight = 1
    forwarding: ForwardingMethod | None = None
    """None: as its virtual server says."""
    tunnel: Tunnel | None = None
    """None: as its virtual server says, where that forwards by TUN too."""
    upper_threshold: Threshold = 0
    """Connections above which no new ones come; 0 is no limit (ipvsadm(8), --u-threshold)."""
    lower_threshold: Threshold = 0
    """Connections below which they come again; 0: three quarters of the upper one."""
    inhibit_on_failure: bool = False
    """True: while it is down it stays in the table with weight 0."""
    slow_start: SlowStart | None = None
    notify_up: Program | None = None
    notify_down: Program | None = None
    checks: tuple[Check, ...] = ()
    alpha: bool = False
    """True: it gets no traffic before a check has succeeded (keepalived.conf(5), alpha)."""
    vantages: Count = 1
    """So many replicas of the prober check it, and the majority decides."""
    damping: Damping | None = None
    suspect_after: Counter = 0
    """So many inactive connections and no active one in a router's table are a hint that it is dead: it is
    checked at once. 0: no hints are taken."""
    origin: str = ""
    """Who knows of it beside the configuration: ``docker`` and the name of a container, whose labels say it.
    Empty: the configuration says it itself."""

    def __post_init__(self) -> None:
        check_address(self.address)

    @property
    def id(self) -> str:
        """The real server's token: ``10-9-0-21_80``."""
        return address_token(self.address, self.port)

    @property
    def key(self) -> str:
        """Which entity of all it is."""
        return f"{name_token(self.router)}.real-server.{self.virtual_server}.{self.id}"


PlainEntity = (
    VrrpInstance
    | SyncGroup
    | VrrpScript
    | TrackFile
    | TrackProcess
    | VrrpSettings
    | IpvsSettings
    | Proxy
    | ProxyPool
    | ProxySettings
    | ProxyPeers
)
"""What is a document of its own in the bucket."""
Entity = PlainEntity | VirtualServer | RealServer
"""What a configuration consists of."""
