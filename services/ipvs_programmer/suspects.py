"""Reads the kernel's counts about once a second and tells of real servers that may be dead.

Only services with a real server that asks for it (`RealServer.suspect_after`) are read: a dump of their
destinations by netlink, where /proc/net/ip_vs is the whole table as text.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final

from ipvs_programmer.drift import Rounds
from ipvs_programmer.kernel import Kernel, KernelError
from ipvs_programmer.metrics import SUSPECTED
from ipvs_programmer.suspicion import Watched, look
from ipvs_programmer.table import DestinationKey, Key
from ipvs_programmer.translate import destination_key, key_of
from vipbus.contracts import DestinationSuspected, Event, RealServer
from vipbus.telemetry.trace import TraceContext, record

if TYPE_CHECKING:
    from vipbus.runtime.revision import Revision

log = logging.getLogger(__name__)

_INTERVAL: Final = 1.0
"""Seconds between two readings; more where they take longer than their share of the time (`Rounds`)."""

Suspectable = Mapping[Key, Mapping[DestinationKey, RealServer]]


def suspectable(revision: Revision) -> Suspectable:
    """Find the real servers of which hints are wanted, by what they are in the kernel."""
    keys = {server.id: key_of(server) for server in revision.virtual_servers}
    found: dict[Key, dict[DestinationKey, RealServer]] = {}
    for real in revision.real_servers:
        if real.suspect_after and real.checks and (key := keys.get(real.virtual_server)) is not None:
            found.setdefault(key, {})[destination_key(real)] = real
    return found


class Suspects:
    """The readings of one router; every method is one short step without a wait."""

    def __init__(
        self, kernel: Kernel, router: str, publish: Callable[[Event, TraceContext], None], now: float
    ) -> None:
        self._kernel = kernel
        self._router = router
        self._publish = publish
        self._revision: Revision | None = None
        self._suspectable: Suspectable = {}
        self._watched: dict[tuple[Key, DestinationKey], Watched] = {}
        self._rounds = Rounds(_INTERVAL, now)

    @property
    def due(self) -> float:
        """When `step` is to be called next, on the caller's clock; infinity: there is nothing to read."""
        return self._rounds.due if self._suspectable else math.inf

    def configure(self, revision: Revision | None) -> None:
        """Take in the revision in use; costs nothing where it is the one before."""
        if revision is None or revision is self._revision:
            return
        self._revision = revision
        self._suspectable = suspectable(revision)
        self._watched = {
            (key, of): watched
            for (key, of), watched in self._watched.items()
            if of in self._suspectable.get(key, ())
        }

    def step(self, own: Collection[Key], clock: Callable[[], float]) -> None:
        """Read the next few services, of those that are ours to look after, and tell what is suspicious."""
        began = clock()
        keys = self._rounds.take(key for key in self._suspectable if key in own)
        try:
            counts = self._kernel.counts(keys) if keys else {}
        except KernelError as error:
            # whoever writes the table says so; here it is only a reading less
            log.debug("connections were not counted: %s", error)
            counts = {}
        for key in keys:
            found = counts.get(key, {})
            for of, real in self._suspectable.get(key, {}).items():
                if of not in found:
                    self._watched.pop((key, of), None)
                    continue
                watched, suspicious = look(self._watched.get((key, of)), found[of], real.suspect_after, began)
                self._watched[key, of] = watched
                if suspicious:
                    self._tell(real, watched.inactive)
        self._rounds.took(clock() - began, clock())

    def _tell(self, real: RealServer, inactive: int) -> None:
        log.info("%s of %s may be dead: %d inactive connections", real.id, real.virtual_server, inactive)
        SUSPECTED.add()
        event = DestinationSuspected(
            router=self._router, virtual_server=real.virtual_server, real_server=real.id, inactive=inactive
        )
        self._publish(event, record("suspect destination"))
