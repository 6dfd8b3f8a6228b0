"""What IPVS keeps in a network namespace beside its table: sync daemons, timeouts, facts of the kernel."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from ipvs_programmer import constants as c

_LONGEST: Final = 65535
_BACKUP_AT_LEAST: Final = 1024
_UDP_HEADERS: Final = {False: 20 + 8, True: 40 + 8}


class DaemonState(enum.IntEnum):
    """What a sync daemon does: send what it knows of connections, or take it in. Both may run at once."""

    MASTER = c.IP_VS_STATE_MASTER
    BACKUP = c.IP_VS_STATE_BACKUP


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """A connection-sync daemon. To start one, 0 and empty text leave a choice to the kernel."""

    state: DaemonState
    interface: str
    """Through which it sends or listens, 15 characters at most."""
    sync_id: int = 0
    """0 to 255; a backup takes what its own id marks, with 0 what any id does."""
    sync_maxlen: int = 0
    """Bytes of a message's payload at most."""
    group: str = ""
    """The multicast address, IPv4 or IPv6; the kernel's choice is 224.0.0.81."""
    port: int = 0
    """UDP; the kernel's choice is 8848."""
    ttl: int = 0
    """Or hop limit; the kernel's choice is 1."""

    def __str__(self) -> str:
        return f"sync daemon {self.state.name.lower()} on {self.interface} id {self.sync_id}"

    def completed(self, mtu: int = 1500) -> Daemon:
        """Give what the kernel makes of it on an interface of this MTU (ip_vs_sync.c, start_sync_thread()).

        A length is moved into bounds and not refused.
        """
        backup = self.state == DaemonState.BACKUP
        headers = _UDP_HEADERS[":" in self.group]
        most = min(max(mtu, 1500), _LONGEST) if backup else 1500
        least = _BACKUP_AT_LEAST if backup else 1
        return msgspec.structs.replace(
            self,
            sync_maxlen=min(max(self.sync_maxlen, least), _LONGEST - headers)
            if self.sync_maxlen
            else most - headers,
            group=self.group or "224.0.0.81",
            port=self.port or 8848,
            ttl=self.ttl or 1,
        )

    def is_met_by(self, running: Daemon) -> bool:
        """Say whether a running daemon is what this one asks for; what is not asked for may be any."""
        made = self.completed()
        return all(
            getattr(made, name) == getattr(running, name)
            for name in self.__struct_fields__
            if name == "sync_id" or getattr(self, name)
        )


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds after which an idle connection is forgotten. To set them, 0 leaves one as it is."""

    tcp: int = 0
    """Established."""
    tcp_fin: int = 0
    """After a FIN."""
    udp: int = 0

    def __str__(self) -> str:
        return f"timeouts tcp {self.tcp} tcpfin {self.tcp_fin} udp {self.udp}"


class KernelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel's IPVS says of itself."""

    version: str
    """For example ``1.2.1``."""
    connection_table_size: int
    """Buckets of the hash table; there may be any number of connections."""
