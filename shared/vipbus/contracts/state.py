"""What the services publish about the world: roles, verdicts, tables, leases, and their own condition."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from vipbus.contracts.checks import Mark
from vipbus.contracts.config import Protocol, Threshold
from vipbus.contracts.limits import Counter, Name, Port, Time, Weight
from vipbus.contracts.pools import ForwardingMethod, SchedulerFlag, Tunnel
from vipbus.contracts.tokens import name_token, virtual_server_words
from vipbus.contracts.vrrp_objects import Family

RoleName = Literal["active", "backup", "fault", "stopped"]
VerdictName = Literal["up", "down", "unknown"]
OperatorStateName = Literal["drain", "disable"]
"""drain: established connections go on, new ones go elsewhere (weight 0). disable: out of the table."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """An instance's role on one router, by the router's vrrp-agent (RFC 9568 section 6.4).

    ``fault`` is keepalived's word for an instance that cannot take part; ``stopped`` one that has left.
    """

    router: Name
    instance: Name
    role: RoleName
    epoch: Counter
    """Counts this router's role changes of this instance; it survives a restart."""
    priority: int
    """As configured."""
    effective_priority: int = 0
    """With what the tracked sources add; what is advertised. 0: not known."""
    virtual_router_id: int
    interface: str
    addresses: tuple[str, ...]
    revision: Counter
    """Of the configuration that the instance runs."""
    since: Time
    cause: str
    active_router: str | None = None
    """The primary address of whoever is active on the wire, when another is."""
    faults: tuple[str, ...] = ()
    """Why it cannot take part, a line each."""
    sync_group: str | None = None

    keys: ClassVar[str] = "<router>.<instance>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``role``."""
        return f"{name_token(self.router)}.{name_token(self.instance)}"


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What one of several probers says of a real server, where the majority says otherwise."""

    prober: Name
    verdict: VerdictName
    cause: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a real server may receive traffic of a virtual server, by the prober that leads it."""

    virtual_server: str
    real_server: str
    verdict: VerdictName
    cause: str
    """In words: ``connection refused``, ``timed out after 1 s``, ``answered in 0.4 ms``."""
    since: Time
    prober: Name
    lease: Counter
    """How far into the bucket ``member`` the prober had read when it wrote: a later owner's is greater."""
    weight: Weight | None = None
    """What a dynamic check says instead of the configured weight; None: nothing."""
    weight_added: int = 0
    """What checks add to the weight, or take from it."""
    warning: str = ""
    """What will be wrong soon: ``the certificate expires in 3 days``."""
    voters: Counter = 1
    """How many replicas of the prober were asked."""
    minority: tuple[Vote, ...] = ()
    """Those who say otherwise."""
    penalty: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.0
    """For flapping, at ``penalty_at`` (`vipbus.contracts.checks.Damping`)."""
    penalty_at: Time | None = None
    damped: bool = False
    """True: it stays down until the penalty has decayed, also when its checks succeed."""
    checked: VerdictName | None = None
    """What its checks say while it is damped."""
    before: VerdictName = "unknown"
    """What it was until ``since``: who was down and is up comes back, and may start slowly."""

    keys: ClassVar[str] = "<virtual-server>.<real-server>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``health``."""
        return f"{self.virtual_server}.{self.real_server}"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What one replica says of a real server that several check; the one that leads it counts them."""

    virtual_server: str
    real_server: str
    prober: Name
    verdict: VerdictName
    cause: str
    since: Time
    lease: Counter
    """How far into the bucket ``member`` the prober had read when it wrote."""
    weight: Weight | None = None
    weight_added: int = 0
    warning: str = ""

    keys: ClassVar[str] = "<virtual-server>.<real-server>.<prober>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``opinion``."""
        return f"{self.virtual_server}.{self.real_server}.{name_token(self.prober)}"


class OperatorState(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator said of a real server; it outranks every verdict. No document: nothing was said."""

    virtual_server: str
    real_server: str
    state: OperatorStateName
    by: Name
    """Who, as the command was told."""
    since: Time
    why: str = ""

    keys: ClassVar[str] = "<virtual-server>.<real-server>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``operator``."""
        return f"{self.virtual_server}.{self.real_server}"


DestinationReason = Literal["", "draining", "inhibited", "sorry", "held"]
"""Why a destination stands there, where it is no plain member: what drains has left the configuration, what
is inhibited is down or its pool below its quorum, the sorry server stands in for the pool, and ``hold_below``
keeps what is held."""


class Destination(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A real server as the kernel has it (ipvsadm(8)); a weight of 0 receives no new connections.

    Where ``weight`` comes from: ``configured``, or ``checked`` if a check says another; at ``ramp`` percent
    of it in a slow start; 0 by an operator's drain, a failure that is inhibited, or a drain's end.
    """

    address: str
    port: Port
    weight: Weight
    forwarding: ForwardingMethod
    tunnel: Tunnel | None = None
    upper_threshold: Threshold = 0
    lower_threshold: Threshold = 0
    configured: Weight | None = None
    """None: it is in no configuration any more."""
    checked: Weight | None = None
    """What dynamic checks make of the configured weight; None: nothing."""
    ramp: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    operator: Literal["", "drain", "disable"] = ""
    reason: DestinationReason = ""
    until: Time | None = None
    """When a drain ends at the latest."""


class VirtualServerTable(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="virtual-server"):
    """What one router's kernel holds for one virtual server, read back after the write."""

    router: Name
    virtual_server: str
    address: str = ""
    """Empty: a firewall mark."""
    port: Port = 0
    protocol: Protocol = "TCP"
    mark: Mark = 0
    family: Family = 4
    """Of a firewall mark."""
    scheduler: str
    scheduler_flags: tuple[SchedulerFlag, ...] = ()
    persistence_timeout: Counter = 0
    """Seconds; 0: none."""
    one_packet: bool = False
    programmed: bool
    """False: the kernel holds no such service (a standby with a clear table, or a failure)."""
    destinations: tuple[Destination, ...]
    revision: Counter
    epoch: Counter
    """Of the owning instance; 0 when the address belongs to none."""
    since: Time
    cause: str
    error: str = ""
    held: tuple[str, ...] = ()
    """Tokens of real servers that are down and stand in the table all the same, by ``hold_below``."""
    quorum: bool = True
    """False: the pool has lost its quorum."""
    live_weight: Counter = 0
    """What the quorum is compared with: the weights of all that is up."""

    keys: ClassVar[str] = "<router>.virtual-server.<virtual-server>"
    """How `key` is built."""

    @property
    def words(self) -> str:
        """How people name the virtual server: ``10.9.0.1:80 TCP``, ``FWM 7``."""
        return virtual_server_words(self.address, self.port, self.protocol, self.mark, self.family)

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``table``."""
        return f"{name_token(self.router)}.virtual-server.{self.virtual_server}"


class InstanceTable(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="instance"):
    """Whether the table behind an instance's addresses is armed; what vrrp-agent waits for."""

    router: Name
    instance: Name
    epoch: Counter
    """The role epoch this table answers."""
    armed: bool
    """True: every virtual server of the instance is in the kernel."""
    virtual_servers: Counter
    destinations: Counter
    revision: Counter
    error: str = ""
    """Why it is not armed, when that is a failure."""

    keys: ClassVar[str] = "<router>.instance.<instance>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``table``."""
        return f"{name_token(self.router)}.instance.{name_token(self.instance)}"


TableDocument = VirtualServerTable | InstanceTable


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A prober replica's lease: while it stands, the replica takes part in the sharing of real servers."""

    prober: Name
    since: Time
    targets: Counter
    """How many real servers it leads."""
    taken: Counter = 0
    """The revision at which it was taken; 0 in the write that takes it. What its holder said before counts
    no more."""

    keys: ClassVar[str] = "<prober>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``member``."""
        return name_token(self.prober)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A service's own report, given in answer to ``$SRV.STATS``; what ``vipbus status`` asks for."""

    service: str
    router: str | None
    instance_id: str
    """Tells two processes of one service apart."""
    version: str
    pid: int
    started: Time
    ready: bool
    revisions: tuple[tuple[str, int], ...] = ()
    """The revision it works from, per router."""
    problems: tuple[str, ...] = ()
    """What is wrong now, one line each: what, and what to do."""
    advice: tuple[str, ...] = ()
    """What may surprise somebody and stops nothing, one line each: what, and what to do."""
