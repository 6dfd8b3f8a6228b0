"""What stands in an IPVS table, as values: identity apart from settings, all of it comparable.

The language is the kernel's: protocol numbers, flags, masks. Addresses are canonical text.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Mapping
from typing import Final, Self, cast

import msgspec

from ipvs_programmer import constants as c

# an enumeration's value is looked up slowly, and a family is asked for with every destination
_AF_INET: Final[int] = socket.AF_INET.value
_AF_INET6: Final[int] = socket.AF_INET6.value
PROTOCOL_NUMBERS: Final = {
    "TCP": socket.IPPROTO_TCP,
    "UDP": socket.IPPROTO_UDP,
    "SCTP": socket.IPPROTO_SCTP,
}
_PROTOCOL_NAMES: Final = {number: name for name, number in PROTOCOL_NUMBERS.items()}


class _Open(enum.IntEnum):
    """A set of numbers that another program or a newer kernel may go beyond: such a one is kept as it is.

    One foreign destination of an unknown kind must not make the whole table unreadable.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        unknown = int.__new__(cls, value)  # type: ignore[call-overload]  # only numbers come here
        unknown._name_, unknown._value_ = f"{cls.__name__}-{value}", value
        return cast("Self", unknown)


class Forwarding(_Open):
    """How packets reach a destination (linux/ip_vs.h, IP_VS_CONN_F_FWD_MASK)."""

    NAT = c.IP_VS_CONN_F_MASQ
    LOCAL = c.IP_VS_CONN_F_LOCALNODE
    TUN = c.IP_VS_CONN_F_TUNNEL
    DR = c.IP_VS_CONN_F_DROUTE
    BYPASS = c.IP_VS_CONN_F_BYPASS


class TunnelKind(_Open):
    """What a tunnel wraps packets in (linux/ip_vs.h)."""

    IPIP = c.IP_VS_CONN_F_TUNNEL_TYPE_IPIP
    GUE = c.IP_VS_CONN_F_TUNNEL_TYPE_GUE
    GRE = c.IP_VS_CONN_F_TUNNEL_TYPE_GRE


class Checksum(_Open):
    """What guards a tunnel's packets: nothing, a checksum, or GUE's remote checksum offload."""

    NOCSUM = c.IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM
    CSUM = c.IP_VS_TUNNEL_ENCAP_FLAG_CSUM
    REMCSUM = c.IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM


def endpoint(address: str, port: int) -> str:
    """Write an address and port as people do: ``10.9.0.1:80``, ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class ServiceKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """A virtual service's identity: protocol number, address, port."""

    protocol: int
    address: str
    port: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return _AF_INET6 if ":" in self.address else _AF_INET

    def __str__(self) -> str:
        name = _PROTOCOL_NAMES.get(self.protocol, f"protocol {self.protocol}")
        return f"{name} {endpoint(self.address, self.port)}"


class MarkKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """A firewall-mark service's identity; a mark may have one service a family."""

    family: int
    mark: int

    def __str__(self) -> str:
        return f"FWM {self.mark}{' IPv6' if self.family == socket.AF_INET6 else ''}"


Key = ServiceKey | MarkKey

_PLAIN_FLAGS: Final = (
    (c.IP_VS_SVC_F_SCHED1, "flag-1"),
    (c.IP_VS_SVC_F_SCHED2, "flag-2"),
    (c.IP_VS_SVC_F_SCHED3, "flag-3"),
)
_SCHEDULER_FLAGS: Final = {
    scheduler: (
        (c.IP_VS_SVC_F_SCHED_SH_FALLBACK, f"{scheduler}-fallback"),
        (c.IP_VS_SVC_F_SCHED_SH_PORT, f"{scheduler}-port"),
        (c.IP_VS_SVC_F_SCHED3, "flag-3"),
    )
    for scheduler in ("sh", "mh")
}
"""ip_vs_mh.c takes the bits of ip_vs_sh.c; the header names the latter's alone."""


def full_mask(family: int) -> int:
    """Give the persistence mask under which each client stands alone."""
    return 128 if family == socket.AF_INET6 else 0xFFFFFFFF


class Service(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A virtual service's settings."""

    key: Key
    scheduler: str
    flags: int = 0
    """IP_VS_SVC_F_*, without HASHED, which is the kernel's own."""
    timeout: int = 0
    """Persistence in seconds; means something with IP_VS_SVC_F_PERSISTENT only."""
    netmask: int
    """Of persistence. IPv4: the mask as a number; IPv6: a prefix length (ip_vs_ctl.c, ip_vs_add_service)."""
    engine: str = ""
    """Persistence engine, for example ``sip``."""

    def __str__(self) -> str:
        words = [f"scheduler {self.scheduler}"]
        if self.flags & c.IP_VS_SVC_F_PERSISTENT:
            words.append(f"persistent {self.timeout}")
        if self.netmask != full_mask(self.key.family):
            words.append(f"mask {self._mask}")
        if self.engine:
            words.append(f"engine {self.engine}")
        if self.flags & c.IP_VS_SVC_F_ONEPACKET:
            words.append("one-packet")
        if flags := self.scheduler_flags:
            words.append(f"flags {','.join(flags)}")
        return " ".join(words)

    @property
    def scheduler_flags(self) -> tuple[str, ...]:
        """The scheduler's flags as ipvsadm(8) names them: ``sh-port``, ``mh-fallback``, ``flag-3``."""
        names = _SCHEDULER_FLAGS.get(self.scheduler, _PLAIN_FLAGS)
        return tuple(name for bit, name in names if self.flags & bit)

    @property
    def _mask(self) -> str:
        if self.key.family == socket.AF_INET6:
            return str(self.netmask)
        return socket.inet_ntoa(self.netmask.to_bytes(4, "big"))


class DestinationKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """A destination's identity within its service."""

    address: str
    port: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6; only a tunnel may differ from its service."""
        return _AF_INET6 if ":" in self.address else _AF_INET

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


class Tunnel(msgspec.Struct, frozen=True, gc=False):
    """How a destination's tunnel differs from plain IP in IP, which is no `Tunnel` but None.

    Raises:
        ValueError: it does not differ, and would never equal what the kernel reads back.
    """

    kind: TunnelKind = TunnelKind.IPIP
    port: int = 0
    """UDP; GUE needs one, nothing else has any."""
    checksum: Checksum = Checksum.NOCSUM

    def __post_init__(self) -> None:
        if not (self.kind or self.port or self.checksum):
            raise ValueError("a plain IP-in-IP tunnel is written as None")

    def __str__(self) -> str:
        words = self.kind.name.lower()
        if self.port:
            words += f" port {self.port}"
        if self.checksum:
            words += f" {self.checksum.name.lower()}"
        return words


class Destination(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A destination's settings."""

    key: DestinationKey
    forwarding: Forwarding
    weight: int
    upper_threshold: int = 0
    """Connections at which no new ones come; 0 is no limit."""
    lower_threshold: int = 0
    """Connections below which new ones come again after that; 0 is three quarters of the upper one."""
    tunnel: Tunnel | None = None
    """None: plain IP in IP, where there is a tunnel at all."""

    @property
    def extras(self) -> str:
        """What is not as usual, in words with a space before: thresholds and the kind of tunnel."""
        words = ""
        if self.upper_threshold:
            words += f" upper {self.upper_threshold}"
        if self.lower_threshold:
            words += f" lower {self.lower_threshold}"
        if self.tunnel is not None:
            words += f" tunnel {self.tunnel}"
        return words


class Counts(msgspec.Struct, frozen=True):
    """A destination's connections now, as ipvsadm(8) has them."""

    active: int
    """Of TCP: established."""
    inactive: int
    """Of TCP in any other state: half open, closing, closed."""
    persistent: int = 0
    """Templates: clients that are held to this destination."""


class Pool(msgspec.Struct, frozen=True):
    """A service and its destinations."""

    service: Service
    destinations: Mapping[DestinationKey, Destination] = {}


Table = Mapping[Key, Pool]
"""A whole table, or the part of one that matters."""
