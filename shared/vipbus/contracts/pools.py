"""What a pool has beside its real servers, and what a router's programmer does around the table.

Durations are seconds. Programs are run by the router's ipvs-programmer, on its host.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from vipbus.contracts.limits import Counter, Name, Port, Seconds, check_address
from vipbus.contracts.tokens import name_token
from vipbus.contracts.vrrp import Fifo

ForwardingMethod = Literal["NAT", "DR", "TUN"]
SchedulerFlag = Literal["flag-1", "flag-2", "flag-3"]
"""The kernel's (linux/ip_vs.h, IP_VS_SVC_F_SCHED1 to 3). Of ``sh`` and ``mh``, flag-1 is fallback and flag-2
port (ipvsadm(8), --sched-flags)."""
Standby = Literal["clear", "warm"]
"""What a router that does not own the address holds of the table behind it."""


class Tunnel(msgspec.Struct, frozen=True, kw_only=True):
    """How TUN wraps packets (ipvsadm(8), --tun-type)."""

    type: Literal["ipip", "gue", "gre"] = "ipip"
    port: Port = 0
    """Destination port of gue; means nothing with others."""
    checksum: Literal["none", "csum", "remcsum"] = "none"
    """Of gue, and of gre without remcsum."""


class SorryServer(msgspec.Struct, frozen=True, kw_only=True):
    """What serves while a pool is below its quorum (keepalived.conf(5), sorry_server)."""

    address: str
    port: Port
    forwarding: ForwardingMethod
    tunnel: Tunnel | None = None
    inhibit: bool = False
    """True: the pool's real servers stay in the table with weight 0 meanwhile; False: they leave it."""

    def __post_init__(self) -> None:
        check_address(self.address)


class SlowStart(msgspec.Struct, frozen=True, kw_only=True):
    """A real server that comes back gets its weight little by little."""

    duration: Seconds
    """From the verdict up to the whole weight."""
    steps: Counter = 0
    """So many equal steps; 0: a line, a step a second."""


class SyncDaemon(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's connection synchronisation (ipvsadm(8), --start-daemon)."""

    interface: Annotated[str, msgspec.Meta(min_length=1, max_length=15)]
    instance: str | None = None
    """The instance whose role it follows: sending while active, receiving otherwise. None: both at once."""
    sync_id: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    both: bool = False
    """True: it sends and receives whatever the role."""
    max_length: Annotated[int, msgspec.Meta(ge=0, le=65507)] = 0
    """Octets of a datagram's payload at most; 0: as the kernel has it."""
    port: Port = 0
    """0: the kernel's, 8848."""
    ttl: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    """0: the kernel's, 1."""
    group: str = ""
    """Multicast group; empty: the kernel's, 224.0.0.81."""

    def __post_init__(self) -> None:
        if self.group:
            check_address(self.group)


class IpvsTimeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds after which idle connections are forgotten (ipvsadm(8), --set); 0 leaves one as it is."""

    tcp: Annotated[int, msgspec.Meta(ge=0, le=31 * 24 * 3600)] = 0
    tcp_fin: Annotated[int, msgspec.Meta(ge=0, le=31 * 24 * 3600)] = 0
    udp: Annotated[int, msgspec.Meta(ge=0, le=31 * 24 * 3600)] = 0


class Sysctl(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel setting that the table needs (sysctl(8))."""

    name: Annotated[str, msgspec.Meta(pattern=r"^net(?:[./][A-Za-z0-9_:@-]+)+$", max_length=200)]
    value: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z ._-]+$", max_length=64)]
    set: bool = False
    """True: it is set, and said. False: it is looked at, and another value is a problem in readiness."""


class IpvsSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ipvs-settings"):
    """What holds for a router's whole table (keepalived.conf(5), global_defs)."""

    router: Name
    sync_daemon: SyncDaemon | None = None
    timeouts: IpvsTimeouts | None = None
    sysctls: tuple[Sysctl, ...] = ()
    flush: bool = False
    """True: whatever stands in the table at the start is removed, also what nobody here configured."""
    flush_on_stop: Literal["all", "ours"] | None = None
    """None: as the programmer was started (``--on-stop``)."""
    notify_fifo: Fifo | None = None
    """A pipe that hears of every real server and quorum, a line each (lvs_notify_fifo)."""
    initial_notifies: bool = False
    """True: real servers that are up at the start are told too (rs_init_notifies)."""
    script_user: str | None = None
    """Who programs run as that name nobody; None: ``keepalived_script`` where there is one, else root."""
    script_group: str | None = None
    script_security: bool = False
    """True: a program that others than root could change is not run by root (enable_script_security)."""

    keys: ClassVar[str] = "<router>.ipvs-settings"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.ipvs-settings"
