"""What the services publish about the world: roles, verdicts, tables, leases, and their own condition."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from vipbus.contracts.config import ForwardingMethod, Protocol
from vipbus.contracts.limits import Counter, Name, Port, Time, Weight
from vipbus.contracts.tokens import name_token

RoleName = Literal["active", "backup", "fault", "stopped"]
VerdictName = Literal["up", "down", "unknown"]
Standby = Literal["clear", "warm"]


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
    virtual_router_id: int
    interface: str
    addresses: tuple[str, ...]
    revision: Counter
    """Of the configuration that the instance runs."""
    since: Time
    cause: str
    active_router: str | None = None
    """The primary address of whoever is active on the wire, when another is."""

    keys: ClassVar[str] = "<router>.<instance>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``role``."""
        return f"{name_token(self.router)}.{name_token(self.instance)}"


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

    keys: ClassVar[str] = "<virtual-server>.<real-server>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``health``."""
        return f"{self.virtual_server}.{self.real_server}"


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A real server as the kernel has it (ipvsadm(8)); a weight of 0 receives no new connections."""

    address: str
    port: Port
    weight: Weight
    forwarding: ForwardingMethod


class VirtualServerTable(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="virtual-server"):
    """What one router's kernel holds for one virtual server, read back after the write."""

    router: Name
    virtual_server: str
    address: str
    port: Port
    protocol: Protocol
    scheduler: str
    programmed: bool
    """False: the kernel holds no such service (a standby with a clear table, or a failure)."""
    destinations: tuple[Destination, ...]
    revision: Counter
    epoch: Counter
    """Of the owning instance; 0 when the address belongs to none."""
    since: Time
    cause: str
    error: str = ""

    keys: ClassVar[str] = "<router>.virtual-server.<virtual-server>"
    """How `key` is built."""

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
