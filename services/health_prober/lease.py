"""A replica's lease in the bucket ``member``: while it stands, the replica takes part in the sharing.

Created by compare-and-set with a time to live, renewed by compare-and-set on its own last revision every
third of it, given up by compare-and-set at a stop. The server expires a lease that is not renewed, and the
holder counts for itself: from before a renewal is sent, so it always ends earlier here than there. A lease
that the server did not expire is ended by whoever sees it (`health_prober.overdue`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from health_prober.metrics import LEASES_LOST
from health_prober.overdue import Overdue
from vipbus.bus import BusAwayError, RefusedError, StaleWriteError
from vipbus.contracts import MEMBER, Member
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry import trace

if TYPE_CHECKING:
    from vipbus.bus import Bus

log = logging.getLogger(__name__)

TTL = 2
"""Seconds, whole ones (NATS per-message TTL)."""
_RENEWALS = 3
"""A TTL."""
_MARKER_TTL = 60
"""Seconds that the mark of a lease that was given up stays: ids are random, and marks would pile up."""


def _clock() -> float:
    # unlike CLOCK_MONOTONIC it counts while the machine sleeps, as the server's clock does
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One replica's lease; ``targets`` says how many real servers it leads, ``on_renewed`` hears of renewals.

    ``on_problem`` is told why there is no lease that time will not mend by itself; empty once there is one.
    ``leases`` gives the revision of every lease that stands, nothing while that is not known.
    """

    def __init__(
        self,
        bus: Bus,
        prober: str,
        *,
        targets: Callable[[], int],
        on_renewed: Callable[[], None],
        on_problem: Callable[[str], None],
        leases: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._bus = bus
        self._prober = prober
        self._since = datetime.now(UTC)
        self._key = Member(prober=prober, since=self._since, targets=0).key
        self._targets = targets
        self._on_renewed = on_renewed
        self._on_problem = on_problem
        self._leases = leases
        self._overdue = Overdue(2 * _RENEWALS)
        self._revision: int | None = None
        self._taken = 0
        self._until = 0.0
        self._back = asyncio.Event()
        # one context for all of a lease's writes: a renewal is no state change, and no span
        self._trace = trace.record(
            "publish vipbus.state.member",
            kind="producer",
            attributes={"messaging.system": "nats", "messaging.destination.template": "vipbus.state.member"},
        )
        bus.when_ready(self._bus_is_back)

    @property
    def held(self) -> bool:
        """True while the lease certainly stands."""
        return _clock() < self._until

    async def keep(self) -> None:
        """Take the lease and renew it until cancelled; a lease that was lost is taken again."""
        while True:
            if self._bus.connected:
                await self._renew()
            self._back.clear()
            try:
                async with asyncio.timeout(TTL / _RENEWALS):
                    await self._back.wait()
            except TimeoutError:
                continue

    async def give_up(self) -> None:
        """End the lease now, so that others take over at once; without a bus it ends by itself."""
        self._until = 0.0
        if self._revision is None:
            return
        try:
            await self._bus.write(
                MEMBER, self._key, None, last=self._revision, trace=self._trace, ttl=_MARKER_TTL
            )
        except (BusAwayError, StaleWriteError, RefusedError) as error:
            log.debug("the lease was not given up and ends by itself: %s", error)

    async def _bus_is_back(self) -> None:
        self._back.set()

    async def _renew(self) -> None:
        try:
            for _ in range(2):
                if await self._write():
                    self._on_problem("")
                    self._on_renewed()
                    await self._end_overdue()
                    return
        except BusAwayError as error:
            # whether it was written is unknown: read before the next try
            self._revision = None
            log.debug("the lease was not renewed: %s", error)
        except RefusedError as error:
            self._on_problem(f"no lease, so verdicts stay unwritten: {error}")

    async def _end_overdue(self) -> None:
        others = {key: revision for key, revision in self._leases().items() if key != self._key}
        for key, revision in self._overdue.after_renewal(others).items():
            try:
                await self._bus.write(MEMBER, key, None, last=revision, trace=self._trace, ttl=_MARKER_TTL)
            except (StaleWriteError, RefusedError) as error:
                log.debug("the lease of %s was not ended: %s", key, error)
            else:
                log.warning("the lease of %s was not renewed and stood all the same: ended it", key)

    async def _write(self) -> bool:
        began = _clock()
        if self._revision is None:
            self._revision, present = await self._bus.revision(MEMBER, self._key)
            mine = self._mine(present)
            if present is not None and mine is None:
                self._revision = None
                self._on_problem(
                    f"another process holds the lease of {self._prober}; it ends {TTL} s after that process, "
                    "or start each replica with an --id of its own"
                )
                return False
            self._taken = (mine.taken or self._revision) if mine is not None else 0
        member = Member(prober=self._prober, since=self._since, targets=self._targets(), taken=self._taken)
        try:
            self._revision = await self._bus.write(
                MEMBER,
                self._key,
                msgspec.json.encode(member),
                last=self._revision,
                trace=self._trace,
                ttl=TTL,
            )
        except StaleWriteError:
            if self._until:
                log.warning("the lease of %s had ended; taking it again", self._prober)
                LEASES_LOST.add()
            self._until = 0.0
            self._revision = None
            return False
        self._until = began + TTL
        self._taken = self._taken or self._revision
        return True

    def _mine(self, body: bytes | None) -> Member | None:
        """Recognise a write of this process whose answer was lost."""
        if body is None:
            return None
        try:
            found = msgspec.json.decode(body, type=Member)
        except UNREADABLE:
            return None
        return found if found.prober == self._prober and found.since == self._since else None
