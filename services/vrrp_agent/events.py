"""What can happen to an instance: the events of `instance.decide`."""

from __future__ import annotations

import msgspec

from vipbus.contracts import VrrpInstance
from vrrp_agent.model import Movable
from vrrp_agent.packet import Advertisement


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The instance begins; ``adopted``: the process before was active until a moment ago."""

    source: str
    faults: tuple[str, ...] = ()
    """Why it cannot take part, in words."""
    weight: int = 0
    adopted: bool = False


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the instance depends on, as it is now; said whenever any of it changed."""

    source: str
    """The primary address."""
    faults: tuple[str, ...] = ()
    weight: int = 0
    """What the tracked sources add to the priority."""


class AdvertisementReceived(msgspec.Struct, frozen=True):
    """A valid advertisement of another router for this instance."""

    advertisement: Advertisement


class TimerExpired(msgspec.Struct, frozen=True):
    """The deadline is reached, and whatever was received before it has been dealt with."""


class ArmingOver(msgspec.Struct, frozen=True):
    """The table of an epoch is armed, or is not worth waiting for."""

    epoch: int


class ObjectsLost(msgspec.Struct, frozen=True):
    """Somebody else took away what this instance holds."""

    objects: tuple[Movable, ...]


class AddressTaken(msgspec.Struct, frozen=True):
    """Another host announced one of our virtual addresses by gratuitous ARP."""

    address: str


class GroupActive(msgspec.Struct, frozen=True):
    """Every member of the sync group wants to be active."""


class GroupArmed(msgspec.Struct, frozen=True):
    """The tables of every member of the sync group are armed, or one could wait no longer and spoke."""


class GroupBackup(msgspec.Struct, frozen=True):
    """Another member of the sync group became backup."""

    cause: str


class GroupFaults(msgspec.Struct, frozen=True):
    """Why other members of the sync group cannot take part, as it is now."""

    faults: tuple[str, ...]


class Reconfigured(msgspec.Struct, frozen=True):
    """New settings for the same virtual router: see `reconfigure.virtual_router`."""

    config: VrrpInstance
    group: str | None = None


class HandOver(msgspec.Struct, frozen=True):
    """Leave the role to another router and stay as its backup."""

    to: str | None = None
    """The router that was asked to follow."""


class Follow(msgspec.Struct, frozen=True):
    """Take over at once when the active router leaves, without the skew: an operator chose this one."""


class Stop(msgspec.Struct, frozen=True):
    """Leave: ``graceful`` keeps the addresses until a successor has them."""

    cause: str
    graceful: bool = True


Happening = (
    Started
    | Surroundings
    | AdvertisementReceived
    | TimerExpired
    | ArmingOver
    | ObjectsLost
    | AddressTaken
    | GroupActive
    | GroupArmed
    | GroupBackup
    | GroupFaults
    | Reconfigured
    | HandOver
    | Follow
    | Stop
)
