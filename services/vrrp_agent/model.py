"""What an instance is, what can happen to it and what it may ask for: the vocabulary of `instance.decide`.

Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import enum

import msgspec

from vipbus.contracts import RoleName, VirtualAddress, VrrpInstance
from vrrp_agent.packet import Advertisement


class Phase(enum.Enum):
    """Where an instance stands (RFC 9568 section 6.4), with the steps that a takeover and a leave have."""

    STARTING = "starting"
    FAULT = "fault"
    BACKUP = "backup"
    ARMING = "arming"
    """Active on the wire; the addresses wait for the table behind them."""
    ACTIVE = "active"
    LEAVING = "leaving"
    """Priority 0 was sent; the addresses stay until a successor has them."""
    STOPPED = "stopped"


class Rival(msgspec.Struct, frozen=True):
    """A router that advertised while this one was active, and when it last did."""

    router: str
    seen: float


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance's whole state; a deadline that is None does not run."""

    config: VrrpInstance
    epoch: int
    """Counts role changes, restarts of the process included."""
    phase: Phase = Phase.STARTING
    cause: str = ""
    source: str = ""
    """This router's primary address on the interface."""
    active_interval: float = 0.0
    """Seconds between the active router's advertisements, learned in version 3."""
    active_router: str | None = None
    """The primary address of whoever is active, when another is."""
    active_priority: int = 0
    """What that router last advertised; 0: it said that it leaves, or there is none."""
    active_since: float = 0.0
    down_at: float | None = None
    """Backup: the active router counts as gone."""
    advert_at: float | None = None
    """Active: the next advertisement."""
    arm_by: float | None = None
    """Active: the addresses wait no longer for the table."""
    garp_at: tuple[float, ...] = ()
    """Active: the bursts of gratuitous ARP to come."""
    leave_by: float | None = None
    """Leaving: no successor is waited for any longer."""
    rivals: tuple[Rival, ...] = ()
    """Active: the second masters that have been reported and have not fallen silent since."""
    taken: frozenset[str] = frozenset()
    """Leaving: the addresses that a successor has announced."""

    @property
    def deadline(self) -> float | None:
        """When the clock is to be looked at next."""
        return min(
            (
                at
                for at in (self.down_at, self.advert_at, self.arm_by, *self.garp_at[:1], self.leave_by)
                if at is not None
            ),
            default=None,
        )

    @property
    def role(self) -> RoleName:
        """The phase in the words that others are told."""
        return _ROLES[self.phase]

    @property
    def addresses(self) -> tuple[VirtualAddress, ...]:
        """The virtual addresses."""
        return self.config.virtual_ipaddress


_ROLES: dict[Phase, RoleName] = {
    Phase.STARTING: "fault",
    Phase.FAULT: "fault",
    Phase.BACKUP: "backup",
    Phase.ARMING: "active",
    Phase.ACTIVE: "active",
    Phase.LEAVING: "active",
    Phase.STOPPED: "stopped",
}


# ---- events


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The instance begins; ``adopted``: the process before was active until a moment ago."""

    source: str
    problem: str = ""
    """Why it cannot take part, in words; empty when it can."""
    adopted: bool = False


class AdvertisementReceived(msgspec.Struct, frozen=True):
    """A valid advertisement of another router for this instance."""

    advertisement: Advertisement


class TimerExpired(msgspec.Struct, frozen=True):
    """The deadline is reached, and whatever was received before it has been dealt with."""


class LinkUp(msgspec.Struct, frozen=True):
    """The interface can carry advertisements from this primary address; also when only that changed."""

    source: str


class LinkDown(msgspec.Struct, frozen=True):
    """The interface cannot carry advertisements; ``cause`` says why."""

    cause: str


class ArmingOver(msgspec.Struct, frozen=True):
    """The table of an epoch is armed, or is not worth waiting for."""

    epoch: int


class AddressLost(msgspec.Struct, frozen=True):
    """Somebody else took a virtual address off its interface."""

    address: str


class AddressTaken(msgspec.Struct, frozen=True):
    """Another host announced one of our virtual addresses by gratuitous ARP."""

    address: str


class Reconfigured(msgspec.Struct, frozen=True):
    """New settings for the same virtual router: interface, identifier and version are unchanged."""

    config: VrrpInstance


class Stop(msgspec.Struct, frozen=True):
    """Leave: ``graceful`` keeps the addresses until a successor has them."""

    cause: str
    graceful: bool = True


Happening = (
    Started
    | AdvertisementReceived
    | TimerExpired
    | LinkUp
    | LinkDown
    | ArmingOver
    | AddressLost
    | AddressTaken
    | Reconfigured
    | Stop
)


# ---- actions, carried out in the order they are given


class SendAdvertisement(msgspec.Struct, frozen=True):
    """Advertise now; priority 0 says that this router leaves."""

    priority: int


class AddAddresses(msgspec.Struct, frozen=True):
    """Add virtual addresses; one that is there already is no error."""

    addresses: tuple[VirtualAddress, ...]


class RemoveAddresses(msgspec.Struct, frozen=True):
    """Remove virtual addresses; one that is not there is no error."""

    addresses: tuple[VirtualAddress, ...]


class SendGratuitousArp(msgspec.Struct, frozen=True):
    """Tell every neighbour where these addresses are, in one burst."""

    addresses: tuple[VirtualAddress, ...]


class WatchForSuccessor(msgspec.Struct, frozen=True):
    """Report who announces our virtual addresses (`AddressTaken`), until the release."""


class Announce(msgspec.Struct, frozen=True):
    """Publish the role as the state now has it; a new epoch is a role change, the same one a refresh."""

    role: RoleName
    epoch: int
    cause: str


class ReportRestored(msgspec.Struct, frozen=True):
    """Publish that a virtual address was put back."""

    address: str


class ReportDualMaster(msgspec.Struct, frozen=True):
    """Publish that another router advertises while this one is active; ours is the one that goes on."""

    other: str
    other_priority: int


class Release(msgspec.Struct, frozen=True):
    """The instance is over: give back what it holds."""


Action = (
    SendAdvertisement
    | AddAddresses
    | RemoveAddresses
    | SendGratuitousArp
    | WatchForSuccessor
    | Announce
    | ReportRestored
    | ReportDualMaster
    | Release
)
