"""What drains, as a file of the state directory has it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

import msgspec

from ipvs_programmer import constants as c
from ipvs_programmer.desired import Configured
from ipvs_programmer.drain import Drain
from ipvs_programmer.owned import SavedKey
from ipvs_programmer.table import PROTOCOL_NUMBERS, DestinationKey, Key, MarkKey, Service
from vipbus.contracts import VirtualServer

_PROTOCOLS: Final = {number: name for name, number in PROTOCOL_NUMBERS.items()}


class SavedService(msgspec.Struct, frozen=True, kw_only=True):
    """A service's settings beside its identity."""

    scheduler: str
    flags: int
    timeout: int
    netmask: int
    engine: str


class SavedPool(msgspec.Struct, frozen=True, kw_only=True):
    """The drains of one virtual server."""

    key: SavedKey
    drains: tuple[Drain, ...]
    virtual_server: VirtualServer | None = None
    """Given with its service, where it has left the configuration."""
    service: SavedService | None = None

    @classmethod
    def of(cls, key: Key, drains: Mapping[DestinationKey, Drain], leaving: Configured | None) -> SavedPool:
        """Write it."""
        saved = cls(key=SavedKey.of(key), drains=tuple(drains.values()))
        if leaving is None or leaving.leaving is None:
            return saved
        service = leaving.leaving
        return msgspec.structs.replace(
            saved,
            virtual_server=leaving.virtual_server,
            service=SavedService(
                scheduler=service.scheduler,
                flags=service.flags,
                timeout=service.timeout,
                netmask=service.netmask,
                engine=service.engine,
            ),
        )

    @property
    def by_key(self) -> dict[DestinationKey, Drain]:
        """Its drains."""
        return {drain.destination.key: drain for drain in self.drains}

    @property
    def configured(self) -> Configured | None:
        """The virtual server that has left; None: it is configured."""
        if self.virtual_server is None or self.service is None:
            return None
        return Configured(
            key=self.key.key,
            virtual_server=self.virtual_server,
            real_servers=(),
            leaving=Service(key=self.key.key, **msgspec.structs.asdict(self.service)),
        )


def virtual_server_of(key: Key, service: Service, router: str) -> VirtualServer:
    """Make up a virtual server of which nothing is known but what the kernel has."""
    scheduler, one_packet = service.scheduler, bool(service.flags & c.IP_VS_SVC_F_ONEPACKET)
    if isinstance(key, MarkKey):
        return VirtualServer(
            router=router,
            mark=key.mark,
            family=6 if key.family == socket.AF_INET6 else 4,
            scheduler=scheduler,  # type: ignore[arg-type]  # the kernel's name of one that was configured
            forwarding="NAT",
            one_packet=one_packet,
        )
    return VirtualServer(
        router=router,
        address=key.address,
        port=key.port,
        protocol=_PROTOCOLS.get(key.protocol, "TCP"),  # type: ignore[arg-type]  # a name of the three
        scheduler=scheduler,  # type: ignore[arg-type]  # as above
        forwarding="NAT",
        one_packet=one_packet,
    )
