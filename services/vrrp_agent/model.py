"""What an instance is: its whole state, as `instance.decide` takes and returns it.

Times are seconds of one monotonic clock. What can happen to it is in `events`, what it asks for in `actions`.
"""

from __future__ import annotations

import enum

import msgspec

from vipbus.contracts import RoleName, VirtualAddress, VirtualRoute, VirtualRule, VrrpInstance

OWNER = 255
"""The priority of the router that has the addresses as its own (RFC 9568 section 5.2.4)."""

Movable = VirtualAddress | VirtualRoute | VirtualRule
"""What moves with the role."""


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


SPEAKING = (Phase.ARMING, Phase.ACTIVE)
"""The phases in which it is the active router on the wire."""
HOLDING = (Phase.ACTIVE, Phase.LEAVING)
"""The phases in which it has the addresses."""


class Rival(msgspec.Struct, frozen=True):
    """A router that advertised while this one was active: when it first did, and when last."""

    router: str
    first: float
    seen: float


class Burst(msgspec.Struct, frozen=True):
    """Gratuitous ARP to come: when, and how often each address is announced."""

    at: float
    repeat: int


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance's whole state; a deadline that is None does not run."""

    config: VrrpInstance
    epoch: int
    """Counts role changes, restarts of the process included."""
    group: str | None = None
    """Its sync group."""
    phase: Phase = Phase.STARTING
    cause: str = ""
    source: str = ""
    """This router's primary address on the interface."""
    weight: int = 0
    """What the tracked sources add to the priority."""
    faults: tuple[str, ...] = ()
    """Why it cannot take part, in words."""
    group_faults: tuple[str, ...] = ()
    """Why others of its group cannot."""

    active_interval: float = 0.0
    """Seconds between the active router's advertisements, learned in version 3."""
    active_router: str | None = None
    """The primary address of whoever is active, when another is."""
    active_priority: int = 0
    """What that router last advertised; 0: it said that it leaves, or there is none."""
    active_since: float = 0.0
    wants: bool = False
    """Backup in a sync group: it would take over, and waits for the others of the group to want it too."""
    apart: float = 0.0
    """Backup in a sync group that gave way: seconds that it waits longer, until somebody stays active."""
    yielded: bool = False
    """It handed its role over, and takes it back only from silence."""
    handing_over: bool = False
    """Leaving: it will be backup afterwards, not stopped."""
    taken: frozenset[str] = frozenset()
    """Leaving: the addresses that a successor has announced."""
    followed: bool = False
    """Leaving: a successor has all of them, or will have in a moment."""
    rivals: tuple[Rival, ...] = ()
    """Active: the second masters that have been reported and have not fallen silent since."""

    down_at: float | None = None
    """Backup: the active router counts as gone."""
    preempt_at: float | None = None
    """Backup: an active router of lower priority is left in peace until then."""
    follow_until: float | None = None
    """Backup: asked to follow at once when the active router leaves before then."""
    advert_at: float | None = None
    """Active: the next advertisement."""
    ready: bool = False
    """Active in a sync group without a word yet: its table is armed, and waits for those of the others."""
    arm_by: float | None = None
    """Active: the addresses wait no longer for the table."""
    garp_at: tuple[Burst, ...] = ()
    """Active: the bursts of gratuitous ARP to come."""
    refresh_at: float | None = None
    """Active: the next of the periodic ones (garp_master_refresh)."""
    calm_at: float | None = None
    """Active: some second master counts as gone."""
    leave_by: float | None = None
    """Leaving: no successor is waited for any longer."""

    @property
    def deadline(self) -> float | None:
        """When the clock is to be looked at next."""
        return min(
            (
                at
                for at in (
                    self.down_at,
                    self.advert_at,
                    self.arm_by,
                    self.refresh_at,
                    self.calm_at,
                    self.leave_by,
                    *(burst.at for burst in self.garp_at[:1]),
                )
                if at is not None
            ),
            default=None,
        )

    @property
    def priority(self) -> int:
        """The effective priority: what is advertised (keepalived.conf(5): 1 to 254, an owner's is fixed)."""
        base = self.config.priority
        return base if base == OWNER else min(max(base + self.weight, 1), OWNER - 1)

    @property
    def role(self) -> RoleName:
        """The phase in the words that others are told."""
        return _ROLES[self.phase]

    @property
    def addresses(self) -> tuple[VirtualAddress, ...]:
        """Every address that moves with the role, the excluded ones last."""
        return self.config.virtual_ipaddress + self.config.virtual_ipaddress_excluded

    @property
    def objects(self) -> tuple[Movable, ...]:
        """Everything that moves with the role, in the order in which it is added."""
        return objects_of(self.config)

    @property
    def trouble(self) -> tuple[str, ...]:
        """All that keeps it from taking part."""
        return self.faults + self.group_faults


def objects_of(config: VrrpInstance) -> tuple[Movable, ...]:
    """Give everything that moves with an instance's role, in the order in which it is added."""
    return (
        *config.virtual_ipaddress,
        *config.virtual_ipaddress_excluded,
        *config.virtual_routes,
        *config.virtual_rules,
    )


_ROLES: dict[Phase, RoleName] = {
    Phase.STARTING: "fault",
    Phase.FAULT: "fault",
    Phase.BACKUP: "backup",
    Phase.ARMING: "active",
    Phase.ACTIVE: "active",
    Phase.LEAVING: "active",
    Phase.STOPPED: "stopped",
}
