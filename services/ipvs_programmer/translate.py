"""The configuration's entities as the kernel's values: identities, flags, masks, tunnels. Pure."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Final

from ipvs_programmer import constants as c
from ipvs_programmer.table import (
    PROTOCOL_NUMBERS,
    Checksum,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    MarkKey,
    Service,
    ServiceKey,
    Tunnel,
    TunnelKind,
    full_mask,
)
from vipbus.contracts import ForwardingMethod, RealServer, SchedulerFlag, SorryServer, VirtualServer
from vipbus.contracts import Tunnel as ConfiguredTunnel

FORWARDING: Final[dict[ForwardingMethod, Forwarding]] = {
    "NAT": Forwarding.NAT,
    "DR": Forwarding.DR,
    "TUN": Forwarding.TUN,
}
SCHEDULER_FLAGS: Final[dict[SchedulerFlag, int]] = {
    "flag-1": c.IP_VS_SVC_F_SCHED1,
    "flag-2": c.IP_VS_SVC_F_SCHED2,
    "flag-3": c.IP_VS_SVC_F_SCHED3,
}
_KINDS: Final = {"ipip": TunnelKind.IPIP, "gue": TunnelKind.GUE, "gre": TunnelKind.GRE}
_CHECKSUMS: Final = {"none": Checksum.NOCSUM, "csum": Checksum.CSUM, "remcsum": Checksum.REMCSUM}


def canonical(address: str) -> str:
    """Write an address as the kernel's comes back, so that equal addresses are equal text."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.inet_ntop(family, socket.inet_pton(family, address))
    # mostly it is that already: tens of thousands of equal texts are megabytes
    return address if found == address else found


def key_of(virtual: VirtualServer) -> Key:
    """Give a virtual server's identity in the kernel."""
    if virtual.mark:
        family = socket.AF_INET6 if virtual.family == 6 else socket.AF_INET
        return MarkKey(family.value, virtual.mark)
    return ServiceKey(PROTOCOL_NUMBERS[virtual.protocol], canonical(virtual.address), virtual.port)


def destination_key(of: RealServer | SorryServer) -> DestinationKey:
    """Give a real server's identity in the kernel."""
    return DestinationKey(canonical(of.address), of.port)


def service_of(key: Key, virtual: VirtualServer) -> Service:
    """Give a virtual server's settings in the kernel."""
    flags = 0
    for flag in virtual.scheduler_flags:
        flags |= SCHEDULER_FLAGS[flag]
    if virtual.one_packet:
        flags |= c.IP_VS_SVC_F_ONEPACKET
    if virtual.persistence_timeout is None:
        return Service(key=key, scheduler=virtual.scheduler, flags=flags, netmask=full_mask(key.family))
    return Service(
        key=key,
        scheduler=virtual.scheduler,
        flags=flags | c.IP_VS_SVC_F_PERSISTENT,
        timeout=virtual.persistence_timeout,
        netmask=_mask(key.family, virtual.persistence_prefix),
        engine=virtual.persistence_engine,
    )


def _mask(family: int, prefix: int | None) -> int:
    if prefix is None:
        return full_mask(family)
    if family == socket.AF_INET6:
        return prefix
    prefix = min(prefix, 32)
    return 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF


def forwarding_of(virtual: VirtualServer, real: RealServer) -> tuple[Forwarding, Tunnel | None]:
    """Say how packets reach a real server: as it says itself, else as its virtual server does."""
    method = real.forwarding or virtual.forwarding
    tunnel = real.tunnel
    if tunnel is None and virtual.forwarding == "TUN":
        tunnel = virtual.tunnel
    return FORWARDING[method], tunnel_of(tunnel) if method == "TUN" and tunnel is not None else None


@lru_cache(maxsize=64)
def tunnel_of(tunnel: ConfiguredTunnel) -> Tunnel | None:
    """Give a tunnel as the kernel has it; None: plain IP in IP. What its type has no use for is left out."""
    kind, checksum = _KINDS[tunnel.type], _CHECKSUMS[tunnel.checksum]
    if kind is TunnelKind.GUE:
        return Tunnel(kind, tunnel.port, checksum)
    if kind is TunnelKind.GRE:
        return Tunnel(kind, 0, checksum if checksum is Checksum.CSUM else Checksum.NOCSUM)
    return None


def sorry_destination(sorry: SorryServer) -> Destination:
    """Give the destination that stands in for a pool; it is alone, so that any weight will do."""
    tunnel = tunnel_of(sorry.tunnel) if sorry.forwarding == "TUN" and sorry.tunnel is not None else None
    return Destination(
        key=destination_key(sorry), forwarding=FORWARDING[sorry.forwarding], weight=1, tunnel=tunnel
    )


def configured_tunnel(tunnel: Tunnel | None) -> ConfiguredTunnel | None:
    """Write the kernel's tunnel in the configuration's words; None: there is none, or no word for it."""
    if tunnel is None or tunnel.kind.name.lower() not in _KINDS:
        return None
    checksum = {of: word for word, of in _CHECKSUMS.items()}.get(tunnel.checksum, "none")
    return ConfiguredTunnel(
        type=tunnel.kind.name.lower(),  # type: ignore[arg-type]  # looked at in the line above
        port=tunnel.port,
        checksum=checksum,  # type: ignore[arg-type]  # a key of the words
    )
