"""What stands in an IPVS table, as values: identity apart from settings, all of it comparable.

The language is the kernel's: protocol numbers, flags, masks. Addresses are canonical text.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Mapping
from typing import Final

import msgspec

from ipvs_programmer import constants as c

PROTOCOL_NUMBERS: Final = {
    "TCP": socket.IPPROTO_TCP,
    "UDP": socket.IPPROTO_UDP,
    "SCTP": socket.IPPROTO_SCTP,
}
_PROTOCOL_NAMES: Final = {number: name for name, number in PROTOCOL_NUMBERS.items()}


class Forwarding(enum.IntEnum):
    """How packets reach a destination (linux/ip_vs.h, IP_VS_CONN_F_FWD_MASK)."""

    NAT = c.IP_VS_CONN_F_MASQ
    LOCAL = c.IP_VS_CONN_F_LOCALNODE
    TUN = c.IP_VS_CONN_F_TUNNEL
    DR = c.IP_VS_CONN_F_DROUTE
    BYPASS = c.IP_VS_CONN_F_BYPASS


def endpoint(address: str, port: int) -> str:
    """Write an address and port as people do: ``10.9.0.1:80``, ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class ServiceKey(msgspec.Struct, frozen=True, order=True):
    """A virtual service's identity: protocol number, address, port."""

    protocol: int
    address: str
    port: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6.value if ":" in self.address else socket.AF_INET.value

    def __str__(self) -> str:
        name = _PROTOCOL_NAMES.get(self.protocol, f"protocol {self.protocol}")
        return f"{name} {endpoint(self.address, self.port)}"


class MarkKey(msgspec.Struct, frozen=True, order=True):
    """A firewall-mark service's identity; a mark may have one service a family."""

    family: int
    mark: int

    def __str__(self) -> str:
        return f"FWM {self.mark}{' IPv6' if self.family == socket.AF_INET6 else ''}"


Key = ServiceKey | MarkKey


def full_mask(family: int) -> int:
    """Give the persistence mask under which each client stands alone."""
    return 128 if family == socket.AF_INET6 else 0xFFFFFFFF


class Service(msgspec.Struct, frozen=True, kw_only=True):
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

    @property
    def persistence(self) -> str:
        """Persistence in words, with a space before; empty when there is none."""
        return f" persistent {self.timeout}" if self.flags & c.IP_VS_SVC_F_PERSISTENT else ""


class DestinationKey(msgspec.Struct, frozen=True, order=True):
    """A destination's identity within its service."""

    address: str
    port: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6; only a tunnel may differ from its service."""
        return socket.AF_INET6.value if ":" in self.address else socket.AF_INET.value

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination's settings."""

    key: DestinationKey
    forwarding: Forwarding
    weight: int
    upper_threshold: int = 0
    """Connections above which no new ones come; 0 is no limit."""
    lower_threshold: int = 0


class Counts(msgspec.Struct, frozen=True):
    """A destination's connections now, as ipvsadm(8) has them."""

    active: int
    """Of TCP: established."""
    inactive: int
    """Of TCP in any other state: half open, closing, closed."""


class Pool(msgspec.Struct, frozen=True):
    """A service and its destinations."""

    service: Service
    destinations: Mapping[DestinationKey, Destination] = {}


Table = Mapping[Key, Pool]
"""A whole table, or the part of one that matters."""
