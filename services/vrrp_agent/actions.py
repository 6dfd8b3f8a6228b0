"""What an instance may ask for: carried out in the order in which `instance.decide` gives it."""

from __future__ import annotations

import msgspec

from vipbus.contracts import RoleName, VirtualAddress
from vrrp_agent.model import Movable


class SendAdvertisement(msgspec.Struct, frozen=True):
    """Advertise now; priority 0 says that this router leaves."""

    priority: int


class AddObjects(msgspec.Struct, frozen=True):
    """Add addresses, then routes, then rules; what is there already is no error."""

    objects: tuple[Movable, ...]


class RemoveObjects(msgspec.Struct, frozen=True):
    """Remove rules, then routes, then addresses; what is not there is no error."""

    objects: tuple[Movable, ...]


class SendGratuitousArp(msgspec.Struct, frozen=True):
    """Tell every neighbour where these addresses are; IPv6 ones by neighbour advertisement."""

    addresses: tuple[VirtualAddress, ...]
    repeat: int
    """How often each is announced."""
    refresh: bool = False
    """True: on the extra interfaces too."""


class WatchForSuccessor(msgspec.Struct, frozen=True):
    """Report who announces our virtual addresses (`AddressTaken`), until the phase is another."""


class Announce(msgspec.Struct, frozen=True):
    """Publish the role as the state now has it; a new epoch is a role change, the same one a refresh."""

    role: RoleName
    epoch: int
    cause: str


class ReportRestored(msgspec.Struct, frozen=True):
    """Publish that something was put back."""

    thing: Movable


class ReportYielded(msgspec.Struct, frozen=True):
    """Publish that an address was lost and the role is left to another router."""

    address: str


class ReportDualMaster(msgspec.Struct, frozen=True):
    """Publish that another router advertises while this one is active; ours is the one that goes on."""

    other: str
    other_priority: int


class ReportDualMasterOver(msgspec.Struct, frozen=True):
    """Publish that the second master is silent; its last advertisement came ``lasted`` s after its first."""

    other: str
    lasted: float


class ReportSteppedDown(msgspec.Struct, frozen=True):
    """Publish that the role was given up because this router was silent for ``late`` seconds."""

    late: float


class ReportHandedOver(msgspec.Struct, frozen=True):
    """Publish that a handover began."""

    to: str | None


class Release(msgspec.Struct, frozen=True):
    """The instance is over: give back what it holds."""


Action = (
    SendAdvertisement
    | AddObjects
    | RemoveObjects
    | SendGratuitousArp
    | WatchForSuccessor
    | Announce
    | ReportRestored
    | ReportYielded
    | ReportDualMaster
    | ReportDualMasterOver
    | ReportSteppedDown
    | ReportHandedOver
    | Release
)
