"""Drains: what leaves the configuration takes no new connections and goes when its last has ended. Pure.

- It stays with weight 0 until the kernel counts no connection of it, active or inactive, or its deadline.
- A real server that is down goes at once: its connections are dead with it.
- UDP goes at once too, and one-packet with it: an end of a datagram's exchange cannot be seen, and a peer
  that goes on sending would keep its entry, and the real server, to the deadline.
- What is in the configuration again is taken back.
- A deadline is a time of day, so that a restart waits no longer than was begun with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ipvs_programmer.table import Counts, Destination, DestinationKey, Pool
from vipbus.contracts import VirtualServer, address_token

Outcome = Literal["empty", "deadline", "cancelled"]


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """A destination that drains."""

    virtual_server: str
    """The virtual server's token."""
    destination: Destination
    """As it stood in the kernel, at weight 0."""
    until: datetime
    """When it goes at the latest."""

    @property
    def real_server(self) -> str:
        """The real server's token."""
        return token_of(self.destination.key)


def token_of(key: DestinationKey) -> str:
    """Give the token of the real server that a destination is."""
    return address_token(key.address, key.port)


class Followed(msgspec.Struct, frozen=True):
    """A pool's drains after a look at the configuration."""

    drains: Mapping[DestinationKey, Drain]
    begun: tuple[Drain, ...] = ()
    cancelled: tuple[Drain, ...] = ()


def is_drained(virtual: VirtualServer) -> bool:
    """Say whether what leaves this virtual server drains at all.

    A firewall mark may carry anything: it is drained as TCP is.
    """
    if virtual.one_packet or (virtual.protocol == "UDP" and not virtual.mark):
        return False
    return virtual.drain_timeout > 0


def follow(
    virtual: VirtualServer,
    found: Pool | None,
    configured: Collection[DestinationKey],
    dead: Collection[DestinationKey],
    *,
    before: Mapping[DestinationKey, Drain],
    now: datetime,
) -> Followed:
    """Begin and cancel the drains of a pool.

    Args:
        virtual: Its virtual server, as it was configured last.
        found: What the kernel has; None while the virtual server does not stand there. What it never had
            cannot drain.
        configured: Everything that belongs into it.
        dead: What is known to be down.
        before: Its drains.
        now: The time.
    """
    cancelled = tuple(drain for key, drain in before.items() if key in configured)
    if not is_drained(virtual):
        return Followed({}, cancelled=cancelled)
    drains = {key: drain for key, drain in before.items() if key not in configured}
    until = now + timedelta(seconds=virtual.drain_timeout)
    begun = {
        key: Drain(
            virtual_server=virtual.id, destination=msgspec.structs.replace(each, weight=0), until=until
        )
        for key, each in (found.destinations.items() if found is not None else ())
        if key not in configured and key not in dead and key not in before
    }
    return Followed(drains | begun, tuple(begun.values()), cancelled)


def outcome(drain: Drain, counts: Counts | None, now: datetime) -> Outcome | None:
    """Say how a drain is over, if it is; no counts: they are not known."""
    if counts is not None and counts.active + counts.inactive == 0:
        return "empty"
    return "deadline" if now >= drain.until else None
