"""Desired state: what config-service publishes, one entity a key, and the head that names a whole revision.

A revision belongs to one router: the entities below ``<router>.`` in the bucket ``config``. Durations are
seconds, addresses canonical text (RFC 5952 for IPv6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from vipbus.contracts.checks import Check, Count, Damping
from vipbus.contracts.limits import (
    Counter,
    Name,
    PersistenceSeconds,
    Port,
    Seconds,
    Time,
    Weight,
    check_address,
)
from vipbus.contracts.tokens import address_token, name_token, virtual_server_token
from vipbus.contracts.vrrp import (
    SyncGroup,
    TrackFile,
    TrackProcess,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)

Protocol = Literal["TCP", "UDP", "SCTP"]
Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"
]
ForwardingMethod = Literal["NAT", "DR", "TUN"]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class VirtualServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="virtual-server"):
    """An address, port and protocol with a scheduler and a pool (keepalived.conf(5), virtual_server)."""

    router: Name
    address: str
    port: Port
    protocol: Protocol
    scheduler: Scheduler
    forwarding: ForwardingMethod
    persistence_timeout: PersistenceSeconds | None = None
    """Seconds a client stays with its real server; None is no persistence."""
    instance: str | None = None
    """The instance that owns the address on this router; None: programmed whatever the roles."""
    hold_below: Percent = 0
    """Verdicts that would leave less than this share of the pool up are not followed: it is more likely that
    the probers are blind. In percent of the checked real servers; 0: every verdict is followed."""
    hold_window: Seconds = 60.0
    """Only real servers that went down within this time count as one failure."""

    def __post_init__(self) -> None:
        check_address(self.address)

    @property
    def id(self) -> str:
        """The virtual server's token, the same on every router: ``10-9-0-1_80_tcp``."""
        return virtual_server_token(self.address, self.port, self.protocol)

    keys: ClassVar[str] = "<router>.virtual-server.<virtual-server>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.virtual-server.{self.id}"


class RealServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="real-server"):
    """A pool's member and how it is checked; no check: it always counts as up."""

    router: Name
    virtual_server: str
    """The token of the virtual server, `VirtualServer.id`."""
    address: str
    port: Port
    weight: Weight = 1
    checks: tuple[Check, ...] = ()
    alpha: bool = False
    """True: it gets no traffic before a check has succeeded (keepalived.conf(5), alpha)."""
    vantages: Count = 1
    """So many replicas of the prober check it, and the majority decides."""
    damping: Damping | None = None
    suspect_after: Counter = 0
    """So many inactive connections and no active one in a router's table are a hint that it is dead: it is
    checked at once. 0: no hints are taken."""

    def __post_init__(self) -> None:
        check_address(self.address)

    @property
    def id(self) -> str:
        """The real server's token: ``10-9-0-21_80``."""
        return address_token(self.address, self.port)

    keys: ClassVar[str] = "<router>.real-server.<virtual-server>.<real-server>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.real-server.{self.virtual_server}.{self.id}"


class Head(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="head"):
    """Names a router's revision that is whole: holders of entities with this digest hold all of it."""

    router: Name
    revision: Counter
    """One accepted configuration; counts up from 1."""
    entities: Counter
    digest: str
    source: str
    """The file that was read, as it was named."""
    accepted_at: Time
    cause: str = ""

    keys: ClassVar[str] = "<router>.head"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where the head stands in the bucket ``config``."""
        return f"{name_token(self.router)}.head"


Entity = (
    VrrpInstance
    | SyncGroup
    | VrrpScript
    | TrackFile
    | TrackProcess
    | VrrpSettings
    | VirtualServer
    | RealServer
)
ConfigDocument = (
    VrrpInstance
    | SyncGroup
    | VrrpScript
    | TrackFile
    | TrackProcess
    | VrrpSettings
    | VirtualServer
    | RealServer
    | Head
)


def revision_digest(bodies: Mapping[str, bytes]) -> str:
    """Digest a revision's encoded entities by key, whatever order they are held in: 32 hexadecimal digits.

    Over the bodies as they crossed the bus, so that a reader that does not know a newer field agrees.
    """
    digest = hashlib.blake2b(digest_size=16)
    for key in sorted(bodies):
        digest.update(key.encode() + b"\0" + bodies[key] + b"\0")
    return digest.hexdigest()
