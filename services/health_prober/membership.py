"""Who shares the work: the leases in the bucket ``member``, as the bus says and as they last were."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from health_prober import sharing
from health_prober.targets import address_of
from vipbus.contracts import MEMBER

if TYPE_CHECKING:
    from vipbus.bus import Bus

log = logging.getLogger(__name__)


class Membership:
    """As one replica, ``me``, sees it; ``wake`` is called when it has changed."""

    def __init__(self, bus: Bus, me: str, wake: Callable[[], None]) -> None:
        self.follow = bus.follow(MEMBER, on_change=wake)
        self.shared: frozenset[str] | None = None
        """Those whom the work was last shared among; None: it never was."""
        self.patient = True
        """Whether others may still be heard of before this replica probes everything alone."""
        self._me = me

    @property
    def revision(self) -> int:
        """How far the bucket has been read: the fencing token of what is written now."""
        return self.follow.revision

    @property
    def sure(self) -> bool:
        """True while what is here is what the bus has, and this replica is part of it."""
        return self.follow.live and self._me in self.follow.entries

    def now(self) -> frozenset[str] | None:
        """Tell who shares the work: as the bus says while this replica is part of it, else as it last was.

        None: not known yet, and it may still come.
        """
        if self.sure:
            return frozenset(self.follow.entries)
        if self.shared is None and not self.patient and not self.follow.live:
            log.warning("no other prober is known of while the bus is away: probing everything alone")
            return frozenset({self._me})
        return self.shared

    def taken(self) -> dict[str, int]:
        """Give the revision at which each lease was taken: opinions of its prober count from there."""
        return {key: entry.value.taken or entry.revision for key, entry in self.follow.entries.items()}

    def leases(self) -> dict[str, int]:
        """Give the revision of every lease that stands; nothing while that is not known."""
        if not self.follow.live:
            return {}
        return {key: entry.revision for key, entry in self.follow.entries.items()}

    def leads(self, key: str) -> bool:
        """Say whether this replica leads a target's address, by the leases that are here."""
        return sharing.leader(self.follow.entries, address_of(key)) == self._me
