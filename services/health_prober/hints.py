"""Hints that a real server may be dead: its checks run at once, and they alone decide.

They come from routers whose kernel counts inactive connections to it alone (`DestinationSuspected`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from health_prober.metrics import HINTS
from vipbus.contracts import Check, DestinationSuspected

if TYPE_CHECKING:
    from vipbus.bus import Bus

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two hints about one real server that are taken, however many routers suspect it."""


class Hints:
    """Listens for as long as the bus lasts.

    ``checks`` gives those of a real server of a virtual server, by its key in the bucket ``health``; empty:
    others check it. ``hasten`` has checks run now.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        checks: Callable[[str], Collection[Check]],
        hasten: Callable[[Collection[Check]], None],
    ) -> None:
        self._checks = checks
        self._hasten = hasten
        self._taken: dict[str, float] = {}
        """When, by key; of the last while."""
        bus.listen(DestinationSuspected, self._heard)

    def _heard(self, event: DestinationSuspected) -> None:
        key = f"{event.virtual_server}.{event.real_server}"
        checks = self._checks(key)
        now = time.monotonic()
        if not checks or now - self._taken.get(key, float("-inf")) < PAUSE:
            return
        self._taken = {each: at for each, at in self._taken.items() if now - at < PAUSE} | {key: now}
        HINTS.add()
        log.info("%s: %s sees %d inactive connections and no active one", key, event.router, event.inactive)
        self._hasten(checks)
