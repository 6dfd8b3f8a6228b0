"""Desired state: what config-service publishes, one entity a key, and the head that names a whole revision.

A revision belongs to one router: the entities below ``<router>.`` in the bucket ``config``. Durations are
seconds, addresses canonical text (RFC 5952 for IPv6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from vipbus.contracts.limits import (
    Counter,
    Name,
    PersistenceSeconds,
    Port,
    Retries,
    Seconds,
    Time,
    Weight,
    check_address,
)
from vipbus.contracts.tokens import address_token, name_token, virtual_server_token

Protocol = Literal["TCP", "UDP", "SCTP"]
Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"
]
ForwardingMethod = Literal["NAT", "DR", "TUN"]


class VirtualAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that moves with an instance: canonical text, prefix length, the device that holds it."""

    address: str
    prefix: int
    dev: str

    def __post_init__(self) -> None:
        check_address(self.address)


class VrrpInstance(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vrrp-instance"):
    """A VRRP virtual router on an interface (RFC 9568 section 6.1; keepalived.conf(5), vrrp_instance)."""

    router: Name
    name: Name
    interface: str
    virtual_router_id: int
    priority: int = 100
    version: Literal[2, 3] = 2
    advert_int: float = 1.0
    """Seconds between advertisements: whole ones in version 2, hundredths up to 40.95 in version 3."""
    state: Literal["MASTER", "BACKUP"] = "BACKUP"
    nopreempt: bool = False
    virtual_ipaddress: tuple[VirtualAddress, ...] = ()

    keys: ClassVar[str] = "<router>.vrrp-instance.<instance>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.vrrp-instance.{name_token(self.name)}"


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


class TcpCheck(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tcp"):
    """One connect decides (keepalived.conf(5), TCP_CHECK). Times in seconds."""

    address: str
    port: Port
    delay_loop: Seconds = 60.0
    """Between the starts of two rounds; one that takes longer is followed by the next at once."""
    connect_timeout: Seconds = 5.0
    retry: Retries = 1
    """Further attempts before a server that was up counts as down."""
    delay_before_retry: Seconds = 1.0

    def __post_init__(self) -> None:
        check_address(self.address)


Check = TcpCheck
"""Every kind of check; a tagged union once there are several."""


class RealServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="real-server"):
    """A pool's member and how it is checked; no check: it always counts as up."""

    router: Name
    virtual_server: str
    """The token of the virtual server, `VirtualServer.id`."""
    address: str
    port: Port
    weight: Weight = 1
    checks: tuple[Check, ...] = ()

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


Entity = VrrpInstance | VirtualServer | RealServer
ConfigDocument = VrrpInstance | VirtualServer | RealServer | Head


def revision_digest(bodies: Mapping[str, bytes]) -> str:
    """Digest a revision's encoded entities by key, whatever order they are held in: 32 hexadecimal digits.

    Over the bodies as they crossed the bus, so that a reader that does not know a newer field agrees.
    """
    digest = hashlib.blake2b(digest_size=16)
    for key in sorted(bodies):
        digest.update(key.encode() + b"\0" + bodies[key] + b"\0")
    return digest.hexdigest()
